//! What the actors count; `node` names it as metrics.

use claviger_coap::Refusal;
use claviger_lwm2m::Reason;
use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// How a bootstrap can end, as the metrics label it.
pub const BOOTSTRAP_RESULTS: [&str; 5] =
    ["delivered", "refused", "unanswered", "superseded", "failed"];

/// Why a session is not opened, as the metrics label it; in the order of `claviger_front::Refusal`,
/// and behind these what edges are told as unavailable.
pub const OPEN_REFUSALS: [&str; 7] = [
    "unknown_identity",
    "bad_key",
    "unavailable",
    "denied",
    "unknown_key",
    "untrusted",
    "too_often",
];
/// The place of a device in it that has opened too many.
pub(crate) const TOO_OFTEN: usize = 6;

/// What comes of a look for a session that an edge does not hold, as the metrics label it.
pub const FIND_RESULTS: [&str; 3] = ["unknown", "continued", "too_many"];

/// How a stage of a bootstrap can end, as the metrics label it.
pub const STAGE_OUTCOMES: [&str; 2] = ["ok", "failed"];

/// Plain counters, written by actors and read by whoever scrapes.
#[derive(Debug, Default)]
pub struct Counters {
    /// Actors that are awake.
    pub actors: AtomicI64,
    /// Actors spawned because a device opened a session.
    pub activations_opened: AtomicU64,
    /// Actors spawned because a device of an open session spoke.
    pub activations_woken: AtomicU64,
    /// Frames dropped because a mailbox was full.
    pub mailbox_full: AtomicU64,
    /// Frames that could not be read, or named nothing that exists.
    pub frames_rejected: AtomicU64,
    /// Records refused because they were read before.
    pub replays: AtomicU64,
    /// Sessions opened.
    pub sessions_opened: AtomicU64,
    /// Calls that opened no session, by [`OPEN_REFUSALS`].
    pub opens_refused: [AtomicU64; OPEN_REFUSALS.len()],
    /// Looks for sessions that an edge does not hold, by [`FIND_RESULTS`].
    pub finds: [AtomicU64; FIND_RESULTS.len()],
    /// Signatures made for listeners.
    pub signatures: AtomicU64,
    /// Resumptions accepted: the first of two steps.
    pub resumptions: AtomicU64,
    /// Bootstraps begun.
    pub bootstraps_started: AtomicU64,
    /// Bootstraps of before this node led that were gone on with.
    pub bootstraps_revived: AtomicU64,
    /// Sessions given to another edge because theirs was gone.
    pub sessions_moved: AtomicU64,
    /// Bootstraps ended, by [`BOOTSTRAP_RESULTS`].
    pub bootstraps_finished: [AtomicU64; BOOTSTRAP_RESULTS.len()],
    /// Bootstraps and requests for one that came to nothing, each once, in the order of
    /// `claviger_lwm2m::Reason::ALL`.
    pub failures: [AtomicU64; Reason::ALL.len()],
    /// Stages ended, by stage in the order of `claviger_lwm2m::Stage::ALL` and [`STAGE_OUTCOMES`].
    pub stages: [[AtomicU64; STAGE_OUTCOMES.len()]; 7],
    /// CoAP requests of devices.
    pub coap_requests: AtomicU64,
    /// CoAP messages sent again.
    pub coap_retransmissions: AtomicU64,
    /// CoAP messages received again.
    pub coap_duplicates: AtomicU64,
    /// CoAP messages that came to nothing before anybody acted on them, each once, in the order
    /// of `claviger_coap::Refusal::LABELS`.
    pub coap_refused: [AtomicU64; Refusal::LABELS.len()],
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    /// Adds what an association has counted, if it counted anything.
    pub(crate) fn add_coap(&self, counted: Option<claviger_coap::Counters>) {
        let Some(counted) = counted else { return };
        let pairs = [
            (&self.coap_retransmissions, counted.retransmissions),
            (&self.coap_duplicates, counted.duplicates),
        ];
        for (counter, more) in
            pairs.into_iter().chain(self.coap_refused.iter().zip(counted.refused))
        {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }
}
