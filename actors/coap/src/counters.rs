//! What happened, in numbers.

use crate::Refusal;

/// Plain counters of one association; the shell reads and names them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Confirmable messages of ours that were sent again.
    pub retransmissions: u64,
    /// Messages of the peer that had come before.
    pub duplicates: u64,
    /// Messages of the peer that came to nothing, in the order of [`Refusal::LABELS`].
    pub refused: [u64; Refusal::LABELS.len()],
    /// Pings, each answered with a Reset (RFC 7252 §4.3).
    pub pings: u64,
    /// Resets that came for a message of ours.
    pub resets: u64,
    /// Requests of ours given up by time-out.
    pub timeouts: u64,
    /// Separate responses of ours that the peer never acknowledged.
    pub responses_lost: u64,
    /// Exchanges that nobody answered within their lifetime.
    pub never_answered: u64,
    /// Bodies that went over in blocks, either way: the last block was taken or handed out.
    pub blockwise_completed: u64,
    /// Transfers in blocks that were given up: out of place, too large, changed, or stale.
    pub blockwise_failed: u64,
}

impl Counters {
    /// How many messages came to nothing for this reason.
    pub const fn refused(&self, why: Refusal) -> u64 {
        self.refused[why.index()]
    }
}
