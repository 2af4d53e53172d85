//! What the listeners of a tenant prove themselves by.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// A tenant's key pair for its listeners, and the chain that certifies it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct ServerIdentity {
    /// X.509 certificates in DER, that of the key first; none if the key is presented alone.
    #[n(0)]
    pub chain: Vec<ByteVec>,
    /// The public key, as SubjectPublicKeyInfo in DER.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub public_key: Vec<u8>,
    /// IANA number of the key's group (RFC 8422 §5.1.1).
    #[n(2)]
    pub group: u16,
    /// IANA number of what it signs with (RFC 5246 §7.4.1.4.1).
    #[n(3)]
    pub scheme: u16,
    /// The private key (PKCS#8 in DER), sealed with the tenant's key.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub sealed_key: Vec<u8>,
    /// Raised by each change, from the index of the entry that made it.
    #[n(5)]
    pub version: u64,
}

impl ServerIdentity {
    /// How many bytes chain and public key have at most: what one handshake message can bear.
    pub const BYTES: usize = 8192;
}
