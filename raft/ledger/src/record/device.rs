//! A device.

use crate::CredentialId;
use minicbor::{Decode, Encode};

/// One device, whichever protocol brought it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Device {
    /// The LwM2M endpoint client name, unique within the realm.
    #[n(0)]
    pub endpoint: String,
    /// The realm that it proves itself in.
    #[n(1)]
    pub realm: String,
    /// The name of its bootstrap profile.
    #[n(2)]
    pub profile: String,
    /// Raised by every command that changes the device, from 1.
    #[n(3)]
    pub version: u64,
    /// Ms since the Unix epoch.
    #[n(4)]
    pub created_at: u64,
    /// The number that the next timeline entry gets.
    #[n(5)]
    pub next_entry: u64,
    /// The credential that is made and not yet delivered; a retry gets it again.
    #[n(6)]
    pub staged: Option<CredentialId>,
}
