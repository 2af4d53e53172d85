//! What a bootstrap writes.

use minicbor::{Decode, Encode};

/// A bootstrap profile: the LwM2M server account that its devices get.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Profile {
    /// LwM2M Server URI, `/0/x/0`.
    #[n(0)]
    pub server_uri: String,
    /// Short Server ID, `/0/x/10` and `/1/x/0`: 1 to 65534.
    #[n(1)]
    pub short_server_id: u16,
    /// Registration lifetime in seconds, `/1/x/1`.
    #[n(2)]
    pub registration_lifetime: u32,
    /// How long a credential is valid, in seconds.
    #[n(3)]
    pub credential_lifetime: u64,
    /// Binding, `/1/x/7`.
    #[n(4)]
    pub binding: String,
    /// Security Mode, `/0/x/2`: 0 is PSK.
    #[n(5)]
    pub security_mode: u8,
    /// The connector by which the LwM2M server learns of the credential.
    #[n(6)]
    pub connector: String,
    /// Raised by each change, from the index of the entry that made it.
    #[n(7)]
    pub version: u64,
}
