//! Three nodes whose disks lose their power, in virtual time: what was acknowledged is there.

use super::cluster::{leader, same_index, world};
use super::{command, config, rows};
use crate::node::Pace;
use crate::runtime::split_mix;
use crate::wal::Hand;
use crate::{Fault, MemoryTransport, Node, NodeConfig, SimulatedDisk, Storage};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const PACE: Pace = Pace { snapshot: 40, kept: 10 };

async fn open(id: u64, disk: &SimulatedDisk, transport: &MemoryTransport) -> Node {
    let storage = Storage::Simulated(disk.clone());
    let config = NodeConfig { storage, ..config(None, id, transport) };
    let node = Node::open_at(config, PACE, Hand::Task).await.expect("what a crash leaves opens");
    transport.join(&node);
    node
}

/// One run: rounds of proposals, in each of which the power of some disks is lost in some
/// operation. Gives the acknowledged.
async fn run(seed: u64) -> Vec<u32> {
    let mut drawn = seed;
    let mut draw = move |limit: u64| {
        let (next, word) = split_mix(drawn);
        drawn = next;
        word % limit
    };
    let transport = MemoryTransport::default();
    transport.delay(Duration::from_millis(1));
    let disks: Vec<_> = (1..=3).map(|id| SimulatedDisk::new(seed * 10 + id, 1 << 30)).collect();
    let mut nodes = Vec::new();
    for id in 1..=3 {
        nodes.push(open(id, &disks[id as usize - 1], &transport).await);
    }
    nodes[0].initialize(&[1, 2, 3]).await.unwrap();
    let mut acknowledged = Vec::new();
    let mut number = 0;
    for _ in 0..8 {
        let hit = draw(7) + 1;
        for (at, disk) in disks.iter().enumerate() {
            if hit & (1 << at) != 0 {
                disk.fail_after(draw(120), Fault::PowerLoss);
            }
        }
        for _ in 0..30 {
            number += 1;
            let lead = nodes.iter().find(|node| node.leadership().borrow().leading.is_some());
            match lead {
                Some(lead) => {
                    let bytes = command(number, 40 + draw(2000) as usize);
                    let told = timeout(Duration::from_secs(1), lead.propose(bytes)).await;
                    if matches!(told, Ok(Ok(_))) {
                        acknowledged.push(number);
                    }
                }
                None => sleep(Duration::from_millis(50)).await,
            }
        }
        for (at, disk) in disks.iter().enumerate() {
            disk.cut_power();
            if nodes[at].standing().running && hit & (1 << at) == 0 {
                // Its power was cut as well, between two operations.
                transport.leave(at as u64 + 1);
            }
            nodes[at].shutdown().await;
            nodes[at] = open(at as u64 + 1, disk, &transport).await;
        }
    }
    leader(&nodes, &[1, 2, 3]).await;
    same_index(&nodes).await;
    let held = rows(&nodes[0]);
    for node in &nodes {
        assert_eq!(rows(node), held, "seed {seed}");
    }
    let held: std::collections::BTreeSet<_> =
        held.iter().map(|(key, _)| u32::from_be_bytes(key[..4].try_into().unwrap())).collect();
    for number in &acknowledged {
        assert!(held.contains(number), "seed {seed} lost {number}, which was acknowledged");
    }
    acknowledged
}

fn seeds() -> u64 {
    if std::env::var_os("CLAVIGER_LONG").is_some() { 2000 } else { 12 }
}

#[test]
fn no_power_cut_of_any_disks_loses_what_was_acknowledged() {
    let mut all = 0;
    for seed in 0..seeds() {
        all += world(seed, async || run(seed).await).len() as u64;
    }
    assert!(all > 60 * seeds(), "only {all} were acknowledged");
}

#[test]
fn a_run_with_power_cuts_repeats_exactly() {
    assert_eq!(world(3, async || run(3).await), world(3, async || run(3).await));
}
