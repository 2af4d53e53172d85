//! The cluster's own record.

use crate::{frame, key};
use minicbor::{Decode, Encode};

/// The newest level that this version's `apply` knows. Level 2 has the commands from 60 on,
/// levels 3 and 5 those of [`crate::Command::level`], from level 4 on the feed tells of more
/// ([`crate::EventCode`]), and from level 5 on a device's row has the credential that its
/// certificates prove.
pub const LEVEL: u32 = 5;
/// The level that every cluster begins at.
pub(crate) const FIRST_LEVEL: u32 = 1;

/// How the newest incarnation began; none in the first.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Incarnation {
    /// Ms since the Unix epoch. A handshake that began before may have opened a session that is
    /// lost: it opens none now.
    #[n(0)]
    pub begun_at: u64,
    /// Its commands come after this log index.
    #[n(1)]
    pub index: u64,
}

/// What holds for the whole ledger.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Meta {
    /// The cluster's random id, given at its founding.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub cluster: [u8; 16],
    /// Raised by a restore or a recovery from a lost quorum; 1 at the founding.
    #[n(1)]
    pub incarnation: u64,
    /// The level that `apply` behaves by; raised only when every voter knows it.
    #[n(2)]
    pub level: u32,
    /// The latest time seen in an entry, in ms since the Unix epoch; it never goes back.
    #[n(3)]
    pub time: u64,
}

impl Meta {
    /// The key of its row, for those who have rows and no view of them.
    pub fn key() -> Vec<u8> {
        key::meta()
    }

    /// Reads the row; nothing if this version cannot.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        frame::decode(bytes)
    }
}
