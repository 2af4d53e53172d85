//! What the runtime counts. Plain atomics: the node's shell reads them and gives them names.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts since the process started. Share one between the log store and the node.
#[derive(Debug, Default)]
pub struct Counters {
    /// Proposals whose entry was committed and applied here.
    pub proposals_committed: AtomicU64,
    /// Proposals refused, lost, or of unknown fate.
    pub proposals_failed: AtomicU64,
    /// Proposals not taken because the disk was below its reserve.
    pub proposals_without_space: AtomicU64,
    /// Proposals waiting for their commit right now.
    pub proposals_pending: AtomicU64,
    /// Proposals and reads that were asked of the leader at another node.
    pub calls_forwarded: AtomicU64,
    /// Times the log was forced to disk.
    pub fsyncs: AtomicU64,
    /// Time spent in these, in nanoseconds.
    pub fsync_nanoseconds: AtomicU64,
    /// Torn, never acknowledged log tails that were cut off at start.
    pub torn_tails: AtomicU64,
    /// Snapshots built.
    pub snapshots_built: AtomicU64,
    /// Snapshots received from a leader and installed.
    pub snapshots_installed: AtomicU64,
}

impl Counters {
    pub(crate) fn one(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fsync_took(&self, time: Duration) {
        Self::one(&self.fsyncs);
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.fsync_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

/// Counts one proposal as pending until it is settled; dropped unsettled, it counts as failed.
pub(crate) struct Pending<'a> {
    counters: &'a Counters,
    committed: bool,
}

impl<'a> Pending<'a> {
    pub(crate) fn new(counters: &'a Counters) -> Self {
        Counters::one(&counters.proposals_pending);
        Self { counters, committed: false }
    }

    pub(crate) fn committed(mut self) {
        self.committed = true;
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.counters.proposals_pending.fetch_sub(1, Ordering::Relaxed);
        Counters::one(match self.committed {
            true => &self.counters.proposals_committed,
            false => &self.counters.proposals_failed,
        });
    }
}
