//! The ledger's numbers.

use super::Source;
use super::family::{counter, counters, gauge, summary};
use super::names;
use claviger_raft::Node;
use core::time::Duration;
use prometheus::proto::MetricFamily;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// This process's node of the ledger.
pub(super) struct Ledger(pub(super) Arc<Node>);

impl Source for Ledger {
    fn families(&self) -> Vec<MetricFamily> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let flag = |flag: bool| if flag { 1.0 } else { 0.0 };
        let (standing, it) = (self.0.standing(), self.0.counters());
        let leads = standing.running && standing.leader == Some(standing.id);
        let status = self.0.status();
        let voters = status.members.iter().filter(|member| member.votes).count();
        // Only the leader knows how far the others are.
        let behind = status.members.iter().filter_map(|member| status.behind(member)).max();
        let silent = status.members.iter().filter_map(|member| member.silent_for).max();
        vec![
            gauge(names::CONTACT, silent.unwrap_or(0) as f64 / 1000.0),
            gauge(names::VOTERS, voters as f64),
            gauge(names::LEARNERS, (status.members.len() - voters) as f64),
            gauge(names::BEHIND, behind.unwrap_or(0) as f64),
            counter(names::FORWARDED, load(&it.calls_forwarded)),
            gauge(names::HAS_LEADER, flag(standing.leader.is_some())),
            gauge(names::IS_LEADER, flag(leads)),
            gauge(names::TERM, standing.term as f64),
            gauge(names::LAST_INDEX, standing.last_index as f64),
            gauge(names::APPLIED_INDEX, standing.applied_index as f64),
            counter(names::PROPOSALS_COMMITTED, load(&it.proposals_committed)),
            counter(names::PROPOSALS_FAILED, load(&it.proposals_failed)),
            gauge(names::PROPOSALS_PENDING, load(&it.proposals_pending) as f64),
            summary(
                names::FSYNC,
                load(&it.fsyncs),
                Duration::from_nanos(load(&it.fsync_nanoseconds)),
            ),
            gauge(names::FREE_SPACE, standing.free.unwrap_or(0) as f64),
            gauge(names::SHORT_OF_SPACE, flag(standing.short_of_space)),
            counter(names::WITHOUT_SPACE, load(&it.proposals_without_space)),
            counter(names::TORN_TAILS, load(&it.torn_tails)),
            counters(
                names::SNAPSHOTS,
                [
                    (&[("kind", "built")][..], load(&it.snapshots_built)),
                    (&[("kind", "installed")][..], load(&it.snapshots_installed)),
                ],
            ),
        ]
    }
}
