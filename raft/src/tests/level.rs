//! Versions that know more and less, in one group.

use super::cluster::{same_index, world};
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

/// A founded group of three nodes, of which the first votes, and what they run on.
struct Group {
    transport: MemoryTransport,
    disks: Vec<SimulatedDisk>,
    nodes: Vec<Node>,
}

impl Group {
    /// Each node knows so much.
    async fn that_knows(knows: [u32; 3]) -> Self {
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let disks: Vec<_> = (1..=3).map(|id| SimulatedDisk::new(id, 1 << 30)).collect();
        let mut nodes = Vec::new();
        for (id, (knows, disk)) in (1..).zip(knows.into_iter().zip(&disks)) {
            nodes.push(open(id, knows, disk, &transport).await.unwrap());
        }
        nodes[0].found("first").await.unwrap();
        nodes[0].leadership().wait_for(|shown| shown.leading.is_some()).await.unwrap();
        for id in [2, 3] {
            nodes[0].join(Member { id, address: String::new() }).await.unwrap();
        }
        founded_by(&nodes[0]).await;
        Self { transport, disks, nodes }
    }

    /// All vote.
    async fn promote(&self) {
        sleep(Duration::from_secs(1)).await;
        self.nodes[0].promote(&[2, 3], Even::Refused).await.unwrap();
    }

    /// A node stops in good order, and its version with this knowledge starts.
    async fn exchange(&mut self, place: usize, knows: u32) -> Result<(), OpenError> {
        let id = self.nodes[place].id();
        // It may not lead; then nobody waits for it either.
        let _ = self.nodes[place].hand_over(None).await;
        self.nodes[place].shutdown().await;
        self.transport.leave(id);
        self.nodes[place] = open(id, knows, &self.disks[place], &self.transport).await?;
        Ok(())
    }

    /// Makes a tenant at whoever leads.
    async fn writes(&self, name: &str) {
        let nodes: Vec<&Node> = self.nodes.iter().collect();
        let written = timeout(Duration::from_secs(20), async {
            loop {
                for node in &nodes {
                    if node.leadership().borrow().leading.is_some() {
                        tenant(node, name).await;
                        return;
                    }
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        written.await.expect("somebody leads");
    }

    /// The tenants that every node shows in the end.
    async fn tenants(&self) -> Vec<String> {
        same_index(&self.nodes).await;
        let of = |node: &Node| {
            let mut found = Vec::new();
            node.read(&mut |rows| {
                found = View::new(rows).tenants().into_iter().map(|(name, _)| name).collect();
            });
            found.sort();
            found
        };
        let all: Vec<Vec<String>> = self.nodes.iter().map(of).collect();
        assert!(all.iter().all(|found| *found == all[0]), "{all:?}");
        all[0].clone()
    }
}

#[test]
fn voters_are_upgraded_and_taken_back_one_by_one_and_nothing_is_lost() {
    for seed in 0..4 {
        world(seed, async || {
            // Given three voters of the version before
            let mut group = Group::that_knows([OLD; 3]).await;
            group.promote().await;
            let mut written = vec!["begun".to_owned()];
            group.writes("begun").await;

            // When two of them are upgraded, and are taken back
            for (step, (place, knows)) in
                [(0, LEVEL), (2, LEVEL), (2, OLD), (0, OLD)].into_iter().enumerate()
            {
                group.exchange(place, knows).await.unwrap();
                written.push(format!("taken-back-{step}"));
                group.writes(&written[written.len() - 1]).await;
                sleep(Duration::from_secs(7)).await;
                let levels: Vec<_> = group.nodes.iter().map(level).collect();
                assert_eq!(levels, [Some(1); 3], "one of them does not know the next");
            }
            assert_eq!(group.tenants().await, written);

            // And when all are upgraded
            for place in [1, 2, 0] {
                group.exchange(place, LEVEL).await.unwrap();
                written.push(format!("upgraded-{place}"));
                group.writes(&written[written.len() - 1]).await;
            }

            // Then the level rises, all is there, and there is no way back
            rises(&group.nodes.iter().collect::<Vec<_>>()).await;
            group.writes("upgraded").await;
            written.push("upgraded".to_owned());
            written.sort();
            assert_eq!(group.tenants().await, written);
            let words = group.exchange(1, OLD).await.unwrap_err().to_string();
            assert!(words.contains(&format!("the cluster is at level {LEVEL}")), "{words}");
        });
    }
}

#[test]
fn the_level_rises_when_the_last_member_knows_it_and_an_older_version_starts_no_more() {
    world(1, async || {
        // Given three nodes, of which a learner runs the version before
        let Group { transport, disks, nodes } = Group::that_knows([LEVEL, LEVEL, OLD]).await;
        let [first, second, old] = <[Node; 3]>::try_from(nodes).unwrap();
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

        // Then it starts no more where it is to know less, and says why
        new.shutdown().await;
        let words = open(3, OLD, &disks[2], &transport).await.unwrap_err().to_string();
        assert!(words.contains(&format!("the cluster is at level {LEVEL}")), "{words}");
        assert!(words.contains("hold_level"), "{words}");
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
        let group = Group::that_knows([LEVEL, LEVEL, OLD]).await;
        group.promote().await;
        let (first, old) = (&group.nodes[0], &group.nodes[2]);

        Node::propose(first, newer().encode()).await.unwrap();

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
