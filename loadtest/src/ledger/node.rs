//! One node of our ledger as a process: `loadtest ledger-node`, started by the load test itself.
//!
//! It says its address on standard output and does what standard input tells it, a line each;
//! it answers each with a line, and ends with its input.

use super::hop;
use crate::Failure;
use claviger_link::{Authority, Credential, FreshKey, Link, LinkConfig, Purpose, Role};
use claviger_raft::{Even, Home, Member, Node, NodeConfig, Storage};
use core::time::Duration;
use std::io::{BufRead, Write};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The cluster of the load test.
pub(super) const CLUSTER: [u8; 16] = [0xc1; 16];

/// What a node runs with.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Its id.
    pub id: u64,
    /// Its folder.
    pub folder: PathBuf,
    /// Where the authority's key and certificate are.
    pub authority: PathBuf,
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Makes the authority that all nodes' certificates come from.
pub(super) fn make_authority(folder: &Path) -> Result<(), Failure> {
    let failed = "the authority of the nodes cannot be made";
    let (key, certificate) = Authority::make(CLUSTER, now()).map_err(Failure::because(failed))?;
    let written = std::fs::write(folder.join("key"), &*key);
    let written = written.and_then(|()| std::fs::write(folder.join("certificate"), certificate));
    written.map_err(Failure::because(failed))
}

/// What a node shows of itself.
pub(super) fn credential(folder: &Path, role: Role, id: u64) -> Result<Credential, Failure> {
    let failed = || Failure::because("the node has no certificate");
    let read = |name: &str| std::fs::read(folder.join(name));
    let (key, certificate) =
        (read("key").map_err(failed())?, read("certificate").map_err(failed())?);
    let authority =
        Authority::open(CLUSTER, &key, certificate).map_err(Failure::because("the authority"))?;
    let key = FreshKey::generate().map_err(Failure::because("a key"))?;
    let issued = authority.issue(role, id, key.public(), u128::from(id).to_be_bytes(), now());
    let issued = issued.map_err(Failure::because("a certificate"))?;
    let authority = authority.certificate().to_vec();
    Credential::new(&key, issued, authority, now()).map_err(Failure::because("a certificate"))
}

/// Opens a node, and gives it with its address.
async fn open(options: NodeOptions) -> Result<(Node, String), Failure> {
    let NodeOptions { id, folder, authority } = options;
    let credential = credential(&authority, Role::Ledger, id)?;
    let listen = UdpSocket::bind("127.0.0.1:0").map_err(Failure::because("no port"))?;
    let config = LinkConfig { listen: Some(listen), credential, admits: Arc::new(|_| true) };
    let home = Home::open().map_err(Failure::because("no thread for the node"))?;
    let (link, incomings) = {
        let _within = home.enter();
        Link::new(config).map_err(Failure::because("no link"))?
    };
    let address = link.local_address().map_err(Failure::because("no address"))?.to_string();
    let storage = Storage::Folder(folder);
    let config = NodeConfig::new(storage, id, claviger_ledger::apply, Arc::new(link));
    let config = NodeConfig { home: Some(home.clone()), ..config };
    let node = Node::open(config).await.map_err(Failure::because("the node does not open"))?;
    let ours = node.clone();
    let _within = home.enter();
    tokio::spawn(incomings.serve(node.clone(), move |other| {
        if other.purpose == Purpose::Edge {
            tokio::spawn(hop::answer(ours.clone(), other.channel));
        }
    }));
    Ok((node, address))
}

async fn obey(node: &Node, address: &str, line: &str) -> Result<(), Failure> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |word: &str| word.parse().map_err(Failure::because(format!("{word} is no id")));
    let done = match words[..] {
        ["found"] => node.found(address).await,
        ["join", id, address] => {
            node.join(Member { id: number(id)?, address: address.to_owned() }).await
        }
        ["promote", first, second] => {
            node.promote(&[number(first)?, number(second)?], Even::Refused).await
        }
        ["hand-over"] => node.hand_over(None).await.map(drop),
        ["leads"] if node.leadership().borrow().leading.is_some() => Ok(()),
        _ => return Err(Failure::new("no")),
    };
    done.map_err(Failure::because("the group was not changed"))
}

/// Runs a node until its standard input ends.
///
/// # Errors
/// If it does not open.
pub fn run_node(options: NodeOptions) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::because("no runtime"))?;
    let (node, address) = runtime.block_on(open(options))?;
    let say = |words: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{words}").and_then(|()| out.flush())
    };
    let closed = || Failure::because("standard output does not take more");
    say(&address).map_err(closed())?;
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let answer = match runtime.block_on(obey(&node, &address, &line)) {
            Ok(()) => "ok".to_owned(),
            Err(failure) => failure.to_string(),
        };
        say(&answer).map_err(closed())?;
    }
    runtime.block_on(node.shutdown());
    Ok(())
}
