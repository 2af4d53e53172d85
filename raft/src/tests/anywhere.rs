//! The ledger as a node offers it that does not lead.

use super::cluster::{IDS, leader, part, world};
use super::rows;
use crate::node::Pace;
use crate::wal::Hand;
use crate::{MemoryTransport, Node, NodeConfig, Storage};
use claviger_ledger::{
    CreateTenant, Envelope, Found, Ledger, Outcome, Refusal, RequestId, Unavailable, View,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Three nodes that apply the ledger's own commands.
async fn three(transport: &MemoryTransport) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in IDS {
        let (apply, transport_at) = (claviger_ledger::apply, transport.at(id));
        let config = NodeConfig::new(Storage::Memory, id, apply, transport_at);
        let node = Node::open_at(config, Pace::default(), Hand::Thread).await.unwrap();
        transport.join(&node);
        nodes.push(node);
    }
    nodes[0].initialize(&IDS).await.unwrap();
    nodes
}

fn envelope(number: u8, command: impl Into<claviger_ledger::Command>) -> Envelope {
    Envelope::new(1_000_000, RequestId([number; 16]), command.into())
}

fn tenant(name: &str) -> CreateTenant {
    CreateTenant { tenant: name.to_owned(), wrapped_key: vec![7; 40], root: 0 }
}

fn tenants(ledger: &dyn Ledger) -> Vec<String> {
    let mut found = Vec::new();
    ledger.read(&mut |rows| found = View::new(rows).tenants());
    found.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn what_a_follower_had_committed_shows_in_its_own_rows_at_once() {
    world(1, async || {
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(2));
        let nodes = three(&transport).await;
        let first = leader(&nodes, &IDS).await.id();
        let follower = nodes.iter().find(|node| node.id() != first).unwrap();
        let ledger = follower.anywhere();

        let outcome = ledger.propose(envelope(1, Found { cluster: [1; 16] })).await;
        assert_eq!(outcome, Ok(Outcome::Done));
        for number in 2..20 {
            let name = format!("tenant-{number}");
            ledger.propose(envelope(number, tenant(&name))).await.unwrap();
            assert!(tenants(&*ledger).contains(&name), "{name}");
        }
        let refused = ledger.propose(envelope(30, tenant("tenant-2"))).await.unwrap();
        assert!(matches!(refused, Outcome::Refused(Refusal::Taken { .. })), "{refused:?}");
    });
}

#[test]
fn a_read_that_a_follower_confirms_shows_what_the_leader_committed_before() {
    world(2, async || {
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(5));
        let nodes = three(&transport).await;
        let first = leader(&nodes, &IDS).await;
        let follower = nodes.iter().find(|node| node.id() != first.id()).unwrap();
        let ledger = follower.anywhere();
        first.propose(envelope(1, Found { cluster: [1; 16] }).encode()).await.unwrap();
        for number in 2..20 {
            let name = format!("tenant-{number}");
            first.propose(envelope(number, tenant(&name)).encode()).await.unwrap();

            ledger.confirm().await.unwrap();

            assert!(tenants(&*ledger).contains(&name), "{name}");
        }
    });
}

#[test]
fn a_proposal_survives_its_leader_and_acts_once() {
    for seed in 0..8 {
        world(seed, async || {
            let transport = MemoryTransport::default();
            transport.delay(Duration::from_millis(2));
            let nodes = three(&transport).await;
            let first = leader(&nodes, &IDS).await.id();
            let follower = nodes.iter().find(|node| node.id() != first).unwrap();
            let ledger: Arc<dyn Ledger> = follower.anywhere();
            ledger.propose(envelope(1, Found { cluster: [1; 16] })).await.unwrap();

            // The leader is parted while the proposal is on its way, at this seed's moment.
            let proposing = tokio::spawn({
                let ledger = ledger.clone();
                async move { ledger.propose(envelope(2, tenant("one"))).await }
            });
            sleep(Duration::from_micros(seed * 1500)).await;
            part(&transport, first);

            // Had it been applied twice, the second would have been refused.
            assert_eq!(proposing.await.unwrap(), Ok(Outcome::Done));
            assert_eq!(tenants(&*ledger), ["one"]);
            transport.mend();
            sleep(Duration::from_secs(2)).await;
            for node in &nodes {
                assert_eq!(rows(node), rows(&nodes[0]), "node {}", node.id());
            }
        });
    }
}

#[test]
fn without_a_leader_it_says_so_in_time() {
    world(3, async || {
        let transport = MemoryTransport::default();
        let nodes = three(&transport).await;
        leader(&nodes, &IDS).await;
        for id in IDS {
            part(&transport, id);
        }
        let begun = Instant::now();

        let ledger = nodes[0].anywhere();
        assert_eq!(ledger.propose(envelope(1, tenant("one"))).await, Err(Unavailable::NoLeader));
        assert_eq!(ledger.confirm().await, Err(Unavailable::NoLeader));

        assert!(begun.elapsed() <= Duration::from_secs(10), "{:?}", begun.elapsed());
        nodes[0].shutdown().await;
        assert_eq!(ledger.confirm().await, Err(Unavailable::Stopped));
    });
}

#[test]
fn a_shell_is_asked_at_the_leader_from_anywhere() {
    world(4, async || {
        let transport = MemoryTransport::default();
        let nodes = three(&transport).await;
        let first = leader(&nodes, &IDS).await.id();
        for node in &nodes {
            let id = node.id();
            node.answer_with(move |question| {
                Box::pin(async move { format!("{id}: {}", question.len()).into_bytes() })
            });
        }
        for node in &nodes {
            let answer = node.ask_leader(vec![0; 5]).await.unwrap();
            assert_eq!(String::from_utf8(answer).unwrap(), format!("{first}: 5"));
        }
    });
}
