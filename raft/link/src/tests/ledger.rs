//! Three nodes of the ledger, linked over loopback.

use super::*;
use claviger_ledger::{Damage, Rows};
use claviger_raft::{Channel, Kind, Node, NodeConfig, Storage, Transport};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);

fn put(rows: &mut dyn Rows, index: u64, command: &[u8]) -> Result<Vec<u8>, Damage> {
    rows.put(command[..4].to_vec(), command.to_vec());
    Ok(index.to_be_bytes().to_vec())
}

type Addresses = Arc<Mutex<BTreeMap<u64, String>>>;

/// A link that knows where nodes are by itself.
struct Placed {
    link: Link,
    addresses: Addresses,
}

impl Transport for Placed {
    fn open(&self, to: u64, _: &str, kind: Kind) -> BoxFuture<'static, io::Result<Channel>> {
        let address = self.addresses.lock().unwrap().get(&to).cloned().unwrap_or_default();
        Transport::open(&self.link, to, &address, kind)
    }
}

struct Linked {
    node: Node,
    link: Link,
}

async fn start(authority: &Authority, id: u64, addresses: &Addresses) -> Linked {
    let (link, incomings, address) = listening(credential(authority, Role::Ledger, id));
    addresses.lock().unwrap().insert(id, address);
    let transport = Arc::new(Placed { link: link.clone(), addresses: addresses.clone() });
    let config = NodeConfig::new(Storage::Memory, id, put, transport);
    let node = Node::open(config).await.unwrap();
    tokio::spawn(incomings.serve(node.clone(), drop));
    Linked { node, link }
}

async fn three(authority: &Authority, addresses: &Addresses) -> Vec<Linked> {
    let mut nodes = Vec::new();
    for id in 1..=3 {
        nodes.push(start(authority, id, addresses).await);
    }
    nodes[0].node.initialize(&[1, 2, 3]).await.unwrap();
    nodes
}

fn command(number: u32, length: usize) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(length, 0xa5);
    bytes
}

/// Commits at whoever leads among `nodes`.
async fn commit(nodes: &[Linked], command: &[u8]) -> u64 {
    let committed = timeout(PATIENCE, async {
        loop {
            for linked in nodes {
                if linked.node.propose(command.to_vec()).await.is_ok() {
                    return linked.node.id();
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    committed.await.expect("somebody leads")
}

fn rows(node: &Node) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    node.read(&mut |rows| found = rows.range(&[], &[0xff; 8], usize::MAX / 2));
    found
}

/// Waits until every node has `count` rows, and all the same.
async fn alike(nodes: &[Linked], count: usize) {
    let settled = timeout(PATIENCE, async {
        while !nodes.iter().all(|linked| rows(&linked.node).len() == count) {
            sleep(Duration::from_millis(20)).await;
        }
    });
    if settled.await.is_err() {
        panic!("{:?}", nodes.iter().map(|it| it.node.standing()).collect::<Vec<_>>());
    }
    for linked in nodes {
        assert_eq!(rows(&linked.node), rows(&nodes[0].node));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_commit_and_go_on_without_their_leader() {
    let (authority, addresses) = (authority(CLUSTER), Addresses::default());
    let mut nodes = three(&authority, &addresses).await;
    let first = commit(&nodes, &command(0, 64)).await;
    for number in 1..100 {
        commit(&nodes, &command(number, 64)).await;
    }
    alike(&nodes, 100).await;

    let at = nodes.iter().position(|linked| linked.node.id() == first).unwrap();
    let gone = nodes.remove(at);
    gone.node.shutdown().await;
    gone.link.close().await;

    for number in 100..200 {
        assert_ne!(commit(&nodes, &command(number, 64)).await, first);
    }
    alike(&nodes, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_as_long_as_a_frame_and_many_at_once_pass() {
    let (authority, addresses) = (authority(CLUSTER), Addresses::default());
    let nodes = three(&authority, &addresses).await;
    let leader = commit(&nodes, &command(0, 64)).await;
    let leader = nodes.iter().find(|linked| linked.node.id() == leader).unwrap();

    let lengths = [3 << 20, 64, 2 << 20, 2 << 20, 64, 4 << 20];
    let proposals = (1..).zip(lengths).map(|(n, length)| leader.node.propose(command(n, length)));
    for committed in futures::future::join_all(proposals).await {
        committed.unwrap();
    }

    alike(&nodes, 7).await;
}

/// What it lacks is in the log of the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_catches_up() {
    let (authority, addresses) = (authority(CLUSTER), Addresses::default());
    let nodes = three(&authority, &addresses).await;
    let leader = commit(&nodes, &command(0, 64)).await;
    alike(&nodes, 1).await;
    let behind = (1..=3).find(|id| *id != leader).unwrap();
    let address = addresses.lock().unwrap().insert(behind, "127.0.0.1:9".to_owned()).unwrap();
    let cut = &nodes[behind as usize - 1];
    cut.link.forget_peers();
    for linked in &nodes {
        linked.link.forget_peers();
    }
    for number in 1..300 {
        commit(&nodes, &command(number, 64)).await;
    }

    addresses.lock().unwrap().insert(behind, address);

    alike(&nodes, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_takes_what_its_leader_commits() {
    let (authority, addresses) = (authority(CLUSTER), Addresses::default());
    let nodes = three(&authority, &addresses).await;
    let leader = commit(&nodes, &command(0, 64)).await;
    let follower = nodes.iter().find(|linked| linked.node.id() != leader).unwrap();
    for linked in &nodes {
        let id = linked.node.id();
        linked.node.answer_with(move |question| {
            Box::pin(async move { [question, id.to_be_bytes().to_vec()].concat() })
        });
    }

    follower.node.anywhere().confirm().await.unwrap();
    assert_eq!(rows(&follower.node).len(), 1);
    let answer = follower.node.ask_leader(b"who leads? ".to_vec()).await.unwrap();
    assert_eq!(answer, [b"who leads? ".to_vec(), leader.to_be_bytes().to_vec()].concat());
}

fn envelope(number: u128, command: impl Into<claviger_ledger::Command>) -> Vec<u8> {
    let request = claviger_ledger::RequestId(number.to_be_bytes());
    claviger_ledger::Envelope::new(1_000, request, command.into()).encode()
}

/// A node on a disk that applies the ledger's commands; others reach it at its address alone.
async fn on_disk(authority: &Authority, id: u64, folder: &std::path::Path) -> (Linked, String) {
    let (link, incomings, address) = listening(credential(authority, Role::Ledger, id));
    let storage = Storage::Folder(folder.to_owned());
    let transport = Arc::new(link.clone());
    let config = NodeConfig::new(storage, id, claviger_ledger::apply, transport);
    let node = Node::open(config).await.unwrap();
    tokio::spawn(incomings.serve(node.clone(), drop));
    (Linked { node, link }, address)
}

/// What a backup became has no log that reaches back: a node that joins it gets its rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_what_a_backup_became_gets_a_snapshot() {
    use claviger_ledger::{CreateTenant, Found};
    let (authority, folder) = (authority(CLUSTER), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    let (old, address) = on_disk(&authority, 1, &at("old")).await;
    old.node.found(&address).await.unwrap();
    let old = [old];
    commit(&old, &envelope(1, Found { cluster: CLUSTER })).await;
    for number in 2..200_u128 {
        let (tenant, wrapped_key) = (format!("tenant-{number}"), vec![7; 4000]);
        commit(&old, &envelope(number, CreateTenant { tenant, wrapped_key, root: 0 })).await;
    }
    old[0].node.backup(&at("backup")).await.unwrap();
    old[0].node.shutdown().await;

    let (listen, reserved) = {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        (socket.local_addr().unwrap().to_string(), socket)
    };
    let to = claviger_raft::Successor { folder: at("new"), id: 2, address: listen, now: 2_000 };
    claviger_raft::restore(&at("backup"), &to).unwrap();
    drop(reserved);
    let (new, _) = on_disk(&authority, 2, &at("new")).await;
    let (joiner, address) = on_disk(&authority, 3, &at("joiner")).await;
    let joined = timeout(PATIENCE, async {
        let member = claviger_raft::Member { id: 3, address };
        while new.node.join(member.clone()).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    joined.await.unwrap();

    let count = rows(&new.node).len();
    assert!(count > 200, "{count}");
    let nodes = [new, joiner];
    alike(&nodes, count).await;
    let installed = &nodes[1].node.counters().snapshots_installed;
    // It is counted a moment after its rows show.
    let counted = timeout(PATIENCE, async {
        while installed.load(std::sync::atomic::Ordering::Relaxed) == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    });
    counted.await.expect("it got a snapshot");
    drop(nodes[0].link.clone());
}
