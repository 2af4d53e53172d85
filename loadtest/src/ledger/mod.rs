//! Replicated ledgers under load: three nodes, each a process of its own with its log on disk and
//! synced, and clients that commit or read in a closed loop over one hop.
//!
//! [`Cluster`] runs the shipped `claviger-raft` and `claviger-link`; [`Etcd`] runs etcd, whose load
//! comes from its own client (`loadtest/peers/etcd`). Each load is one process that speaks to the
//! leader; each operation crosses the hop by itself, with its record.

mod etcd;
mod hop;
mod node;
mod own;

pub use etcd::Etcd;
pub use node::{NodeOptions, run_node};
pub use own::Cluster;

use crate::Failure;
use crate::process::Process;
use core::time::Duration;
use serde::Serialize;
use std::time::Instant;

/// How many bytes a record has.
pub const RECORD: usize = 200;

/// Whose records they are.
const TENANT: &str = "load";

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Operations under way at a time.
    pub clients: u32,
    /// Linearizable reads instead of commits.
    pub read: bool,
    /// How long it runs before it is measured.
    pub warm_up: Duration,
    /// How long it is measured.
    pub measured: Duration,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// Operations a second.
    pub rate: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of it.
    pub p99_ms: f64,
    /// CPU time of all three nodes for an operation, in microseconds; of the whole run, warm-up too.
    pub cpu_us: f64,
}

/// A ledger that can be put under load.
pub trait Opponent {
    /// Its name in a report.
    fn name(&self) -> &str;

    /// Does one run.
    ///
    /// # Errors
    /// If an operation fails.
    fn run(&mut self, work: Work) -> Result<Figures, Failure>;
}

/// The CPU time of these processes.
fn cpu(processes: &[Process]) -> Result<Duration, Failure> {
    let each = processes.iter().map(|process| process.cpu().map(|cpu| cpu.total()));
    each.sum::<Result<_, _>>().map_err(Failure::because("a node's CPU time cannot be read"))
}

/// The figures of sorted latencies.
fn figures(took: &[Duration], wall: Duration) -> (f64, f64, f64) {
    let at = |share: f64| {
        let index = (share * took.len() as f64) as usize;
        took.get(index.min(took.len().saturating_sub(1)))
            .map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    (took.len() as f64 / wall.as_secs_f64(), at(0.5), at(0.99))
}

/// Tries until it works, and gives how long that took.
fn until(mut works: impl FnMut() -> bool, limit: Duration) -> Option<Duration> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if works() {
            return Some(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}
