//! Three nodes of the ledger in one process: a bootstrap, a leader that is cut off, another
//! bootstrap; the same seed gives the same run.

use claviger_device::DeviceConfig;
use claviger_ledger::Ledger;
use claviger_raft::{MemoryTransport, Node, NodeConfig, Storage, seed_this_thread};
use claviger_tests::{Faults, SeededCrypto, VirtualClock, World, WorldConfig, found, psk, system};
use core::time::Duration;
use std::sync::Arc;

const KEY: [u8; 16] = [0x42; 16];
const MINUTE: Duration = Duration::from_secs(60);

async fn nodes(transport: &MemoryTransport) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in 1..=3 {
        let apply = claviger_ledger::apply;
        let config = NodeConfig::new(Storage::Memory, id, apply, transport.at(id));
        let node = Node::open(config).await.expect("a node in memory opens");
        transport.join(&node);
        nodes.push(node);
    }
    nodes[0].initialize(&[1, 2, 3]).await.expect("it is founded once");
    nodes
}

/// Waits until one of `nodes` leads all of them.
async fn leader(nodes: &[&Node]) -> Node {
    for _ in 0..1000 {
        let leaders: Vec<_> = nodes.iter().map(|node| node.standing().leader).collect();
        let id = leaders[0].filter(|id| leaders.iter().all(|leader| *leader == Some(*id)));
        if let Some(node) = nodes.iter().find(|node| Some(node.id()) == id) {
            return (*node).clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody leads");
}

fn rows(node: &Node) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    node.read(&mut |rows| all = rows.range(&[], &[0xff; 9], usize::MAX));
    all
}

async fn bootstrap(world: &mut World, name: &str, port: u16) {
    world.enrol(name, &KEY).await;
    let address = world.switch_on(port, DeviceConfig::new(name, psk(KEY)));
    let done = |world: &World| world.fleet[&address].account.is_some();
    assert!(world.run_until(2 * MINUTE, done).await, "{}", world.log.join("\n"));
}

/// One run; gives its event log.
fn run(seed: u64) -> String {
    let _seeded = seed_this_thread(seed);
    system(async {
        // Given three nodes, and a world that speaks with their leader
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(2));
        let clock = VirtualClock::start();
        let crypto = Arc::new(SeededCrypto::new(seed));
        let nodes = nodes(&transport).await;
        let all: Vec<&Node> = nodes.iter().collect();
        let first = leader(&all).await;
        found(&first, &clock, &*crypto).await;
        let ledger: Arc<dyn Ledger> = Arc::new(first.clone());
        let faults = Faults { lose: 5, double: 5 };
        let mut world = World::new(WorldConfig { seed, faults, ledger }, clock, crypto);

        // When a device bootstraps, the leader is cut off, and another device bootstraps
        bootstrap(&mut world, "urn:dev:1", 1000).await;
        world.note(&format!("leader {:?}", first.standing()));
        for other in 1..=3 {
            transport.cut(first.id(), other);
            transport.cut(other, first.id());
        }
        let rest: Vec<&Node> = nodes.iter().filter(|node| node.id() != first.id()).collect();
        world.run_for(Duration::from_secs(2)).await;
        let second = leader(&rest).await;
        assert_ne!(first.id(), second.id());
        world.take_over(Arc::new(second.clone()));
        world.note(&format!("leader {:?}", second.standing()));
        bootstrap(&mut world, "urn:dev:2", 1001).await;

        // Then, when the links are mended, all nodes hold the same
        transport.mend();
        world.run_for(Duration::from_secs(5)).await;
        let held = rows(&second);
        assert!(held.len() > 10, "{}", held.len());
        for node in &nodes {
            assert_eq!(rows(node), held, "node {}", node.id());
            world.note(&format!("{:?}", node.standing()));
        }
        for node in &nodes {
            node.shutdown().await;
        }
        world.log.join("\n")
    })
}

#[test]
fn two_runs_from_one_seed_are_the_same() {
    for seed in [1, 2, 3] {
        let (one, other) = (run(seed), run(seed));
        let differ = one.lines().zip(other.lines()).find(|(a, b)| a != b);
        assert_eq!(one, other, "seed {seed} first differs at {differ:?}");
    }
}

#[test]
fn two_seeds_are_two_runs() {
    assert_ne!(run(1), run(2));
}
