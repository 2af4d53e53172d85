//! Versions that know more and less, in one group.

use super::cluster::world;
use super::{config, founded_by, tenant};
use crate::node::Pace;
use crate::wal::Hand;
use crate::{Even, Member, MemoryTransport, Node, NodeConfig, OpenError, SimulatedDisk, Storage};
use claviger_ledger::{
    Command, Damage, Envelope, LEVEL, Ledger, RaiseLevel, RequestId, Rows, Unavailable, View,
};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const OLD: u32 = 1;

/// What the version before did: it does not know the command that raises the level.
fn old_apply(rows: &mut dyn Rows, index: u64, command: &[u8]) -> Result<Vec<u8>, Damage> {
    let envelope: Envelope = minicbor::decode(&command[1..]).unwrap();
    match envelope.command.level() {
        OLD => claviger_ledger::apply(rows, index, command),
        _ => Err(Damage { what: "a command", index }),
    }
}

async fn open(
    id: u64,
    knows: u32,
    disk: &SimulatedDisk,
    transport: &MemoryTransport,
) -> Result<Node, OpenError> {
    let apply = if knows == OLD { old_apply } else { claviger_ledger::apply };
    let storage = Storage::Simulated(disk.clone());
    let config = NodeConfig { storage, knows, apply, ..config(None, id, transport) };
    let node = Node::open_at(config, Pace::default(), Hand::Task).await?;
    transport.join(&node);
    Ok(node)
}

fn level(node: &Node) -> Option<u32> {
    node.status().level
}

async fn rises(nodes: &[&Node]) {
    let risen = timeout(Duration::from_secs(20), async {
        while nodes.iter().any(|node| level(node) != Some(LEVEL)) {
            sleep(Duration::from_millis(20)).await;
        }
    });
    risen.await.expect("the level rises");
}

/// Any command that the version before did not know.
fn newer() -> Envelope {
    Envelope::new(0, RequestId([9; 16]), Command::from(RaiseLevel { level: LEVEL }))
}

#[test]
fn the_level_rises_when_the_last_member_knows_it_and_an_older_version_starts_no_more() {
    world(1, async || {
        // Given three nodes, of which a learner runs the version before
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let disks: Vec<_> = (1..=3).map(|id| SimulatedDisk::new(id, 1 << 30)).collect();
        let first = open(1, LEVEL, &disks[0], &transport).await.unwrap();
        let second = open(2, LEVEL, &disks[1], &transport).await.unwrap();
        let old = open(3, OLD, &disks[2], &transport).await.unwrap();
        first.found("first").await.unwrap();
        first.leadership().wait_for(|shown| shown.leading.is_some()).await.unwrap();
        for id in [2, 3] {
            first.join(Member { id, address: String::new() }).await.unwrap();
        }
        founded_by(&first).await;
        assert_eq!(level(&first), Some(1), "a cluster begins at the first");

        // When time passes, and a command is proposed that it does not know
        sleep(Duration::from_secs(20)).await;
        let refused = Ledger::propose(&first, newer()).await;

        // Then the level stays, the command is refused in words, and all goes on
        assert_eq!(refused, Err(Unavailable::OldMember));
        assert!(Unavailable::OldMember.to_string().contains("upgrade all"));
        assert_eq!(level(&first), Some(1));
        tenant(&first, "one").await;
        assert!(old.standing().running);

        // When it is not reached, the level stays as well: nobody knows what it knows
        old.shutdown().await;
        transport.leave(3);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(level(&first), Some(1));

        // When it comes back as the new version
        let new = open(3, LEVEL, &disks[2], &transport).await.unwrap();
        rises(&[&first, &second, &new]).await;

        // Then its older version starts no more, and says why
        new.shutdown().await;
        let words = open(3, OLD, &disks[2], &transport).await.unwrap_err().to_string();
        assert!(words.contains("the cluster is at level 2"), "{words}");
        assert!(words.contains("start that version"), "{words}");
    });
}

#[test]
fn a_command_of_the_new_level_raises_it_where_all_know_it() {
    world(2, async || {
        let transport = MemoryTransport::default();
        let disk = SimulatedDisk::new(1, 1 << 30);
        let node = open(1, LEVEL, &disk, &transport).await.unwrap();
        node.found("").await.unwrap();
        node.leadership().wait_for(|shown| shown.leading.is_some()).await.unwrap();
        founded_by(&node).await;
        assert_eq!(level(&node), Some(1));

        Ledger::propose(&node, newer()).await.unwrap();

        assert_eq!(level(&node), Some(LEVEL));
    });
}

/// What must not happen, and is stopped at when it does.
#[test]
fn a_node_stops_at_a_command_that_it_does_not_know() {
    world(3, async || {
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let disks: Vec<_> = (1..=3).map(|id| SimulatedDisk::new(id, 1 << 30)).collect();
        let first = open(1, LEVEL, &disks[0], &transport).await.unwrap();
        let _second = open(2, LEVEL, &disks[1], &transport).await.unwrap();
        let old = open(3, OLD, &disks[2], &transport).await.unwrap();
        first.found("first").await.unwrap();
        first.leadership().wait_for(|shown| shown.leading.is_some()).await.unwrap();
        for id in [2, 3] {
            first.join(Member { id, address: String::new() }).await.unwrap();
        }
        founded_by(&first).await;
        sleep(Duration::from_secs(1)).await;
        first.promote(&[2, 3], Even::Refused).await.unwrap();

        Node::propose(&first, newer().encode()).await.unwrap();

        sleep(Duration::from_secs(1)).await;
        assert!(!old.standing().running);
        assert!(first.standing().running);
        let mut meta = None;
        old.read(&mut |rows| meta = View::new(rows).meta());
        assert_eq!(meta.unwrap().level, 1, "nothing of it is applied");
    });
}

#[test]
fn a_folder_of_another_cluster_is_refused() {
    world(4, async || {
        let transport = MemoryTransport::default();
        let disk = SimulatedDisk::new(1, 1 << 30);
        let node = open(1, LEVEL, &disk, &transport).await.unwrap();
        node.found("").await.unwrap();
        node.leadership().wait_for(|shown| shown.leading.is_some()).await.unwrap();
        founded_by(&node).await;
        assert_eq!(node.cluster(), Some([1; 16]));
        node.shutdown().await;

        let storage = Storage::Simulated(disk);
        let other = NodeConfig { storage, cluster: Some([2; 16]), ..config(None, 1, &transport) };
        let refused = Node::open(other).await.unwrap_err().to_string();

        assert!(refused.contains("is of another cluster"), "{refused}");
    });
}
