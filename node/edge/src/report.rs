//! What an edge shows of itself.

use claviger_dtls::{Counters, FailureReason, HandshakeEvent};
use core::time::Duration;

/// An edge's numbers.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The DTLS engine's counters.
    pub dtls: Counters,
    /// Sessions whose keys it holds.
    pub sessions: usize,
    /// Handshakes under way.
    pub half_open: usize,
    /// Handshakes that ended with a session.
    pub established: u64,
    /// How long these took in all.
    pub handshaking: Duration,
    /// Handshakes that ended without one, by reason in the order of [`FAILURES`].
    pub failed: [u64; FAILURES.len()],
    /// Sessions opened, by credential in the order of [`CREDENTIALS`] and by mode in the order of
    /// [`MODES`].
    pub opened: [[u64; MODES.len()]; CREDENTIALS.len()],
    /// Signatures asked for, by what came of it in the order of [`SIGNATURES`].
    pub signatures: [u64; SIGNATURES.len()],
    /// Datagrams of sessions that it did not hold, by what came of it in the order of [`STRAYS`].
    pub strays: [u64; STRAYS.len()],
    /// Datagrams that were not looked at, since no node that runs actors was heard.
    pub cut_off: u64,
    /// Frames of the actors that were not carried out.
    pub frames_undone: u64,
}

/// What a device proves itself by, as the metrics label it.
pub const CREDENTIALS: [&str; 3] = ["psk", "public_key", "certificate"];
/// How a session is opened, as the metrics label it.
pub const MODES: [&str; 2] = ["full", "resumed"];
/// What comes of a question for a signature, as the metrics label it.
pub const SIGNATURES: [&str; 2] = ["made", "failed"];
/// What comes of a datagram whose session is not held, as the metrics label it: the session goes on
/// here; nobody has it; the record is not the session's, or was read before; it was not asked about.
pub const STRAYS: [&str; 4] = ["continued", "nobody", "refused", "not_asked"];

/// Why a handshake fails, as the metrics label it.
pub const FAILURES: [&str; 8] = [
    "no_common_suite",
    "unknown_identity",
    "denied",
    "untrusted",
    "bad_key",
    "unavailable",
    "timeout",
    "evicted",
];

impl Report {
    pub(crate) fn note(&mut self, event: &HandshakeEvent) {
        match event {
            HandshakeEvent::CookieVerified { .. } => {}
            HandshakeEvent::Established { took, .. } => {
                self.established += 1;
                self.handshaking += *took;
            }
            HandshakeEvent::Failed { reason, .. } => self.failed[index(*reason)] += 1,
        }
    }
}

const fn index(reason: FailureReason) -> usize {
    match reason {
        FailureReason::NoCommonSuite => 0,
        FailureReason::UnknownIdentity => 1,
        FailureReason::Denied => 2,
        FailureReason::Untrusted => 3,
        FailureReason::BadFinished => 4,
        FailureReason::Unavailable => 5,
        FailureReason::TimedOut => 6,
        FailureReason::Evicted => 7,
    }
}
