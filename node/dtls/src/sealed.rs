//! Which number the next record of a session may have, where it is sealed: one above the last.
//!
//! The number is the nonce, and one that is used twice breaks the cipher. Whoever owns a session
//! numbers its records; this is the rule of each edge that seals them, whatever it is told.

/// The highest number that was sealed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sealed(u64);

impl Sealed {
    /// What an edge has sealed that goes on with a session which another one opened: the last
    /// number that edges give out themselves, for the Finished. Those above come from the
    /// session's owner (the generations from 1 on), and no other edge's were ever among them.
    pub const ELSEWHERE: Self = Self((1 << 24) - 1);

    /// Everything up to `sequence` is sealed.
    pub const fn up_to(sequence: u64) -> Self {
        Self(sequence)
    }

    /// Whether a record may be sealed under `sequence`.
    pub const fn allows(self, sequence: u64) -> bool {
        sequence > self.0
    }
}
