//! How an LwM2M server learns of credentials.

use minicbor::{Decode, Encode};

/// A webhook at an LwM2M server.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Connector {
    /// Where the webhook is sent: an `http` or `https` URL.
    #[n(0)]
    pub url: String,
    /// The signing secret, sealed with the tenant's key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed_secret: Vec<u8>,
    /// Raised by each change, from 1.
    #[n(2)]
    pub version: u64,
}
