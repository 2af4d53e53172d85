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
}
