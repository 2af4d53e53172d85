//! A tenant.

use minicbor::{Decode, Encode};

/// A tenant: a name, its realm, and the key that its secrets are sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Tenant {
    /// The realm that its devices prove themselves in; PSK identities are unique within it.
    #[n(0)]
    pub realm: String,
    /// The tenant key, wrapped by the KEK.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub wrapped_key: Vec<u8>,
    /// Ms since the Unix epoch.
    #[n(2)]
    pub created_at: u64,
    /// The newest key that lists from a factory are encrypted to, if one was made.
    #[n(3)]
    pub import_key: Option<ImportKey>,
    /// Raised by each change, from 1; 0 for a tenant of before there were versions.
    #[cbor(n(4), skip_if = "is_unversioned")]
    pub version: u64,
}

/// A tenant's key pair of X25519 (RFC 7748).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ImportKey {
    /// The public key.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub public: [u8; 32],
    /// The private key, sealed with the tenant's key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed_private: Vec<u8>,
    /// Ms since the Unix epoch.
    #[n(2)]
    pub created_at: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that minicbor calls")]
fn is_unversioned(version: &u64) -> bool {
    *version == 0
}
