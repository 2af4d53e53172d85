//! The cluster's own record.

use minicbor::{Decode, Encode};

/// The newest level that this version's `apply` knows.
pub const LEVEL: u32 = 1;

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
