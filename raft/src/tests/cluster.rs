//! Three nodes in virtual time.

use super::{command, config, rows};
use crate::node::Pace;
use crate::wal::Hand;
use crate::{Leadership, MemoryTransport, Node, ProposeError, seed_this_thread};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

pub(super) const IDS: [u64; 3] = [1, 2, 3];

pub(super) fn world<T>(seed: u64, run: impl AsyncFnOnce() -> T) -> T {
    let _seeded = seed_this_thread(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(run())
}

pub(super) async fn three(transport: &MemoryTransport, pace: Pace) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in IDS {
        let node = Node::open_at(config(None, id, transport), pace, Hand::Thread).await.unwrap();
        transport.join(&node);
        nodes.push(node);
    }
    nodes[0].initialize(&IDS).await.unwrap();
    nodes
}

/// The node that leads by its own word among `ids`, within ten virtual seconds.
pub(super) async fn leader<'a>(nodes: &'a [Node], ids: &[u64]) -> &'a Node {
    let found = timeout(Duration::from_secs(10), async {
        loop {
            for node in nodes.iter().filter(|node| ids.contains(&node.id())) {
                if node.standing().leader == Some(node.id()) && node.read_index().await.is_ok() {
                    return node;
                }
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    found.await.expect("a leader")
}

pub(super) fn part(transport: &MemoryTransport, lone: u64) {
    for other in IDS.into_iter().filter(|id| *id != lone) {
        transport.cut(lone, other);
        transport.cut(other, lone);
    }
}

pub(super) async fn same_index(nodes: &[Node]) {
    let settled = timeout(Duration::from_secs(10), async {
        loop {
            let applied: Vec<_> = nodes.iter().map(|n| n.standing().applied_index).collect();
            let last: Vec<_> = nodes.iter().map(|n| n.standing().last_index).collect();
            if applied.iter().chain(&last).all(|index| *index == applied[0]) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    if settled.await.is_err() {
        panic!("not settled: {:?}", nodes.iter().map(Node::standing).collect::<Vec<_>>());
    }
}

/// Elects, commits, parts the leader, commits, mends; gives what happened when.
async fn story() -> Vec<String> {
    let begun = Instant::now();
    let transport = MemoryTransport::default();
    transport.delay(Duration::from_millis(2));
    let nodes = three(&transport, Pace::default()).await;
    let mut told = Vec::new();
    let mut tell = |what: String| told.push(format!("{:?} {what}", begun.elapsed()));
    let first = leader(&nodes, &IDS).await;
    tell(format!("{} leads", first.id()));
    for number in 0..10 {
        let index = first.propose(command(number, 64)).await.unwrap();
        tell(format!("committed {index:?}"));
    }
    part(&transport, first.id());
    let stale = timeout(Duration::from_secs(3), first.propose(command(99, 64))).await;
    tell(format!("the parted leader says {stale:?}"));
    assert!(!matches!(stale, Ok(Ok(_))), "committed without a quorum");
    let rest: Vec<_> = IDS.into_iter().filter(|id| *id != first.id()).collect();
    let second = leader(&nodes, &rest).await;
    tell(format!("{} leads in term {}", second.id(), second.standing().term));
    for number in 10..20 {
        let index = second.propose(command(number, 64)).await.unwrap();
        tell(format!("committed {index:?}"));
    }
    let read = timeout(Duration::from_secs(3), first.read_index()).await;
    assert!(!matches!(read, Ok(Ok(()))), "a parted leader confirmed a read");
    transport.mend();
    same_index(&nodes).await;
    tell(format!("settled: {:?}", nodes.iter().map(Node::standing).collect::<Vec<_>>()));
    for node in &nodes {
        assert_eq!(rows(node).iter().filter(|(key, _)| key[3] < 20).count(), 20);
        assert_eq!(rows(node), rows(&nodes[0]));
    }
    for node in &nodes {
        node.shutdown().await;
    }
    told
}

#[test]
fn survivors_of_a_partition_go_on_and_all_end_byte_identical() {
    for seed in 0..8 {
        world(seed, story);
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in [1, 42, 77] {
        assert_eq!(world(seed, story), world(seed, story));
    }
}

#[test]
fn another_seed_tells_another_story() {
    let told: std::collections::BTreeSet<_> = (0..6).map(|seed| world(seed, story)).collect();
    assert!(told.len() > 1);
}

#[test]
fn a_follower_sends_proposals_to_the_leader() {
    world(5, async || {
        let transport = MemoryTransport::default();
        let nodes = three(&transport, Pace::default()).await;
        let first = leader(&nodes, &IDS).await.id();
        sleep(Duration::from_secs(1)).await;
        let follower = nodes.iter().find(|node| node.id() != first).unwrap();
        let refused = follower.propose(command(1, 8)).await;
        assert_eq!(refused, Err(ProposeError::NotLeader { leader: Some(first) }));
    });
}

#[test]
fn a_command_that_apply_cannot_read_stops_the_node() {
    world(6, async || {
        let node = Node::open_single(config(None, 1, &MemoryTransport::default())).await.unwrap();
        let stopped = timeout(Duration::from_secs(5), node.propose(vec![1])).await;
        assert_eq!(stopped, Ok(Err(ProposeError::Stopped)));
        sleep(Duration::from_millis(100)).await;
        assert!(!node.standing().running);
    });
}

#[test]
fn a_follower_that_is_far_behind_gets_a_snapshot() {
    for seed in 0..4 {
        world(seed, async || {
            let transport = MemoryTransport::default();
            transport.delay(Duration::from_millis(2));
            let nodes = three(&transport, Pace { snapshot: 50, kept: 10 }).await;
            let first = leader(&nodes, &IDS).await;
            first.propose(command(0, 64)).await.unwrap();
            let behind = nodes.iter().find(|node| node.id() != first.id()).unwrap();
            part(&transport, behind.id());
            for number in 1..200 {
                first.propose(command(number, 64)).await.unwrap();
            }
            assert!(rows(behind).len() < 10);
            transport.mend();
            same_index(&nodes).await;
            assert!(behind.counters().snapshots_installed.load(Ordering::Relaxed) > 0);
            for node in &nodes {
                assert_eq!(rows(node).len(), 200);
                assert_eq!(rows(node), rows(first));
            }
        });
    }
}

#[test]
fn a_leader_is_shown_when_it_has_applied_all_and_no_longer_when_no_quorum_answers() {
    for seed in 0..8 {
        world(seed, async || {
            // Given three nodes, of which one leads, and what each of them shows
            let transport = MemoryTransport::default();
            transport.delay(Duration::from_millis(2));
            let nodes = three(&transport, Pace::default()).await;
            let first = leader(&nodes, &IDS).await;
            first.propose(command(1, 8)).await.unwrap();
            let mut shown = first.leadership();
            let term = shown.borrow_and_update().leading;
            assert_eq!(term, Some(first.standing().term));

            // When it is cut off
            part(&transport, first.id());
            let cut = Instant::now();
            shown.changed().await.unwrap();

            // Then it says soon that it leads no more, and another does, which has applied all
            assert_eq!(*shown.borrow_and_update(), Leadership::default());
            assert!(cut.elapsed() < Duration::from_millis(1200), "{:?}", cut.elapsed());
            let rest: Vec<_> = nodes.iter().filter(|node| node.id() != first.id()).collect();
            let second = loop {
                let leads = |node: &&&Node| node.leadership().borrow().leading.is_some();
                match rest.iter().find(leads) {
                    Some(node) => break *node,
                    None => sleep(Duration::from_millis(1)).await,
                }
            };
            assert_eq!(rows(second), rows(first));
            let leading = second.leadership().borrow().clone();
            assert!(leading.leading > term, "{leading:?}");
            assert_eq!(leading.leader.map(|member| member.id), Some(second.id()));

            // And when it is back it names the other, and a node that stops names nobody
            transport.mend();
            same_index(&nodes).await;
            let named = first.leadership().borrow().leader.as_ref().map(|member| member.id);
            assert_eq!(named, Some(second.id()));
            second.shutdown().await;
            let mut last = second.leadership();
            let ended = last.wait_for(|shown| *shown == Leadership::default());
            assert!(timeout(Duration::from_secs(1), ended).await.is_ok());
        });
    }
}
