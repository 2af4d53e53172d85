//! What a commit costs: one voter on a disk, proposals of 200 bytes, fsync on.
//!
//! Run it alone: `cargo bench -p claviger-raft --bench propose`.

#![expect(clippy::print_stdout, reason = "its result is its output")]

use claviger_ledger::{Damage, Rows};
use claviger_raft::{Alone, Node, NodeConfig, Storage};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const LENGTH: usize = 200;
const ROUNDS: usize = 20_000;

fn put(rows: &mut dyn Rows, index: u64, command: &[u8]) -> Result<Vec<u8>, Damage> {
    rows.put(command[..8].to_vec(), command.to_vec());
    Ok(index.to_be_bytes().to_vec())
}

fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec.unsigned_abs() as u32)
}

async fn client(node: Node, client: usize, rounds: usize) -> Vec<Duration> {
    let mut took = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let mut command = vec![0x55; LENGTH];
        command[..8].copy_from_slice(&((client << 32 | round) as u64).to_be_bytes());
        let begun = Instant::now();
        node.propose(command).await.expect("a single voter commits");
        took.push(begun.elapsed());
    }
    took
}

async fn measure(node: &Node, clients: usize) {
    let synced = || node.counters().fsyncs.load(Ordering::Relaxed);
    let before = synced();
    let rounds = if clients == 1 { ROUNDS / 10 } else { ROUNDS * 4 / clients };
    let (cpu_before, begun) = (cpu(), Instant::now());
    let mut running = JoinSet::new();
    (0..clients).for_each(|number| drop(running.spawn(client(node.clone(), number, rounds))));
    let mut took: Vec<Duration> = running.join_all().await.into_iter().flatten().collect();
    let (cpu, wall) = (cpu() - cpu_before, begun.elapsed());
    took.sort();
    let count = took.len() as f64;
    println!(
        "{clients:>5} clients: {:>7.0} commits/s, p50 {:>8.1?}, p99 {:>8.1?}, {:>6.1} us CPU each, {:>5.1} a sync",
        count / wall.as_secs_f64(),
        took[took.len() / 2],
        took[took.len() * 99 / 100],
        cpu.as_secs_f64() * 1e6 / count,
        count / (synced() - before) as f64,
    );
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Storage::Folder(folder.path().join("ledger"));
    let config = NodeConfig::new(storage, 1, put, Arc::new(Alone));
    let node = Node::open_single(config).await.expect("it opens");
    for clients in [64, 1, 16, 64, 1000] {
        measure(&node, clients).await;
    }
    node.shutdown().await;
}
