//! What a commit of three nodes costs, linked over loopback: proposals of 200 bytes at the leader,
//! logs on one disk with fsync on. What fails, where the leader is lost, is not counted.
//!
//! Run it alone: `cargo bench -p claviger-link --bench commits`.

#![expect(clippy::print_stdout, reason = "its result is its output")]

use claviger_ledger::{Damage, Rows};
use claviger_link::{Authority, Credential, FreshKey, Link, LinkConfig, Role};
use claviger_raft::{Channel, Kind, Node, NodeConfig, Storage, Transport};
use futures::future::BoxFuture;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::io;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

const LENGTH: usize = 200;
const RUN: Duration = Duration::from_secs(3);

fn put(rows: &mut dyn Rows, index: u64, command: &[u8]) -> Result<Vec<u8>, Damage> {
    rows.put(command[..8].to_vec(), command.to_vec());
    Ok(index.to_be_bytes().to_vec())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970")
}

type Addresses = Arc<Mutex<BTreeMap<u64, String>>>;

struct Placed(Link, Addresses);

impl Transport for Placed {
    fn open(&self, to: u64, _: &str, kind: Kind) -> BoxFuture<'static, io::Result<Channel>> {
        let address = self.1.lock().expect("nobody panics").get(&to).cloned().unwrap_or_default();
        Transport::open(&self.0, to, &address, kind)
    }
}

async fn start(authority: &Authority, id: u64, addresses: &Addresses, folder: &Path) -> Node {
    let key = FreshKey::generate().expect("there is randomness");
    let issued = authority.issue(Role::Ledger, id, key.public(), [1; 16], now());
    let certificate = issued.expect("it is issued");
    let authority = authority.certificate().to_vec();
    let credential = Credential::new(&key, certificate, authority, now()).expect("it holds");
    let listen = UdpSocket::bind("127.0.0.1:0").expect("there is a port");
    let config = LinkConfig { listen: Some(listen), credential, admits: Arc::new(|_| true) };
    let (link, incomings) = Link::new(config).expect("there is a port");
    let address = link.local_address().expect("it is bound").to_string();
    addresses.lock().expect("nobody panics").insert(id, address);
    let transport = Arc::new(Placed(link, addresses.clone()));
    let storage = Storage::Folder(folder.join(id.to_string()));
    let config = NodeConfig::new(storage, id, put, transport);
    let node = Node::open(config).await.expect("it opens");
    tokio::spawn(incomings.serve(node.clone(), drop));
    node
}

async fn client(node: Node, client: usize, until: Instant) -> Vec<Duration> {
    let mut took = Vec::new();
    while Instant::now() < until {
        let mut command = vec![0x55; LENGTH];
        command[..8].copy_from_slice(&((client << 32 | took.len()) as u64).to_be_bytes());
        let begun = Instant::now();
        match node.propose(command).await {
            Ok(_) => took.push(begun.elapsed()),
            // A machine that others use may lose its leader.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    took
}

async fn reader(node: Node, until: Instant) -> usize {
    let mut reads = 0;
    while Instant::now() < until {
        match node.read_index().await {
            Ok(()) => reads += 1,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    reads
}

/// CPU time that this process has spent, which suffers least from others.
fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec.unsigned_abs() as u32)
}

fn each(spent: Duration, count: usize) -> f64 {
    spent.as_secs_f64() * 1e6 / count.max(1) as f64
}

async fn measure(node: &Node, clients: usize) {
    let (spent, begun) = (cpu(), Instant::now());
    let mut running = JoinSet::new();
    (0..clients).for_each(|number| drop(running.spawn(client(node.clone(), number, begun + RUN))));
    let mut took: Vec<Duration> = running.join_all().await.into_iter().flatten().collect();
    let (spent, wall) = (cpu() - spent, begun.elapsed());
    took.sort();
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
    println!(
        "{clients:>5} clients: {:>7.0} commits/s, p50 {:>8.1?}, p99 {:>8.1?}, {:>6.1} us CPU each",
        took.len() as f64 / wall.as_secs_f64(),
        at(50),
        at(99),
        each(spent, took.len()),
    );
    let (spent, begun) = (cpu(), Instant::now());
    let mut running = JoinSet::new();
    (0..clients).for_each(|_| drop(running.spawn(reader(node.clone(), begun + RUN))));
    let reads: usize = running.join_all().await.into_iter().sum();
    let (spent, wall) = (cpu() - spent, begun.elapsed());
    println!(
        "{clients:>5} clients: {:>7.0} reads/s, {:>6.1} us CPU each",
        reads as f64 / wall.as_secs_f64(),
        each(spent, reads),
    );
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, certificate) = Authority::make([1; 16], now()).expect("an authority");
    let authority = Authority::open([1; 16], &key, certificate).expect("it opens");
    let addresses = Addresses::default();
    let mut nodes = Vec::new();
    for id in 1..=3 {
        nodes.push(start(&authority, id, &addresses, folder.path()).await);
    }
    nodes[0].initialize(&[1, 2, 3]).await.expect("it is founded");
    let leader = loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let leads = |node: &&Node| node.standing().leader == Some(node.id());
        if let Some(leader) = nodes.iter().find(leads) {
            break leader;
        }
    };
    for clients in [64, 1, 16, 64, 256, 1000] {
        measure(leader, clients).await;
    }
    for node in &nodes {
        node.shutdown().await;
    }
}
