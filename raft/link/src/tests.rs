//! Nodes on loopback: who is let in, who is not, and what passes between those who are.

mod joining;
mod ledger;
mod links;

use crate::{Authority, Credential, FreshKey, Incomings, Link, LinkConfig, Role};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CLUSTER: [u8; 16] = [0xc1; 16];

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn authority(cluster: [u8; 16]) -> Authority {
    authority_of(cluster, now())
}

fn authority_of(cluster: [u8; 16], made: Duration) -> Authority {
    let (key, certificate) = Authority::make(cluster, made).unwrap();
    Authority::open(cluster, &key, certificate).unwrap()
}

fn credential(authority: &Authority, role: Role, node: u64) -> Credential {
    let key = FreshKey::generate().unwrap();
    let certificate = authority.issue(role, node, key.public(), [7; 16], now()).unwrap();
    Credential::new(&key, certificate, authority.certificate().to_vec(), now()).unwrap()
}

/// A node that listens, and where.
fn listening(credential: Credential) -> (Link, Incomings, String) {
    let listen = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = LinkConfig { listen: Some(listen), credential, admits: Arc::new(|_| true) };
    let (link, incomings) = Link::new(config).unwrap();
    let address = link.local_address().unwrap().to_string();
    (link, incomings, address)
}

fn reaching(credential: Credential) -> Link {
    let config = LinkConfig { listen: None, credential, admits: Arc::new(|_| true) };
    Link::new(config).unwrap().0
}
