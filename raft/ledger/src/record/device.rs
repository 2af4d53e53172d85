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
    /// Raised by every command that changes the device, from the index of the one that enrolled it.
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
    /// The credentials that were made for it, oldest first; at most [`Device::MADE`].
    #[cbor(n(7), skip_if = "Vec::is_empty")]
    pub made: Vec<CredentialId>,
    /// The credential that it was enrolled with, where that is for certificates: these name the
    /// device and no credential. None of a device that was enrolled below [`Device::CERTIFIED_SINCE`].
    #[n(8)]
    pub certified: Option<CredentialId>,
}

impl Device {
    /// How many credentials made for it are kept; a further one takes the place of an old one.
    pub const MADE: usize = 16;
    /// The ledger's level from which on [`Device::certified`] is written: older versions drop it.
    pub(crate) const CERTIFIED_SINCE: u32 = 5;
}
