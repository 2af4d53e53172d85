//! A UDP load balancer on loopback, for tests of several edges: it sees no device's session, and moves
//! datagrams as it pleases.

use core::net::SocketAddr;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// How it picks an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// By the device's address: one device, one edge, until it hashes anew.
    Flows,
    /// Each datagram goes to the next edge.
    Datagrams,
}

struct State {
    balance: Spread,
    edges: Vec<SocketAddr>,
    salt: u64,
}

/// A running balancer; it ends when dropped.
pub struct Balancer {
    /// Where devices come to.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _task: JoinSet<()>,
}

impl Balancer {
    /// Starts one on a free port of loopback.
    ///
    /// # Panics
    /// If there is no socket to be had.
    pub async fn start(balance: Spread, edges: Vec<SocketAddr>) -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a free port"));
        let address = front.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State { balance, edges, salt: 0 }));
        let mut task = JoinSet::new();
        task.spawn(run(front, state.clone()));
        Self { address, state, _task: task }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// From now on datagrams go to these edges.
    pub fn set_edges(&self, edges: Vec<SocketAddr>) {
        self.change(|state| state.edges = edges);
    }

    /// From now on it picks in this way.
    pub fn set_balance(&self, balance: Spread) {
        self.change(|state| state.balance = balance);
    }

    /// Every flow is hashed anew.
    pub fn rehash(&self) {
        self.change(|state| state.salt += 1);
    }
}

/// Each device has a socket of its own towards the edges, so that all of them see it at one address,
/// and each can send to it.
async fn run(front: Arc<UdpSocket>, state: Arc<Mutex<State>>) {
    let mut devices: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut backs = JoinSet::new();
    let datagrams = AtomicU64::new(0);
    let mut buffer = [0; 65_536];
    loop {
        // An error is an ICMP message about an earlier datagram.
        let Ok((length, device)) = front.recv_from(&mut buffer).await else { continue };
        let back = match devices.get(&device) {
            Some(back) => back.clone(),
            None => {
                let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a free port"));
                devices.insert(device, back.clone());
                backs.spawn(answers(front.clone(), back.clone(), device));
                back
            }
        };
        let number = datagrams.fetch_add(1, Ordering::Relaxed);
        if let Some(edge) = pick(&state, device, number) {
            // An edge that is down is met by sending again.
            drop(back.send_to(&buffer[..length], edge).await);
        }
    }
}

fn pick(state: &Mutex<State>, device: SocketAddr, number: u64) -> Option<SocketAddr> {
    let state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let place = match state.balance {
        Spread::Datagrams => number,
        Spread::Flows => {
            let mut hasher = DefaultHasher::new();
            (device, state.salt).hash(&mut hasher);
            hasher.finish()
        }
    };
    let edges = &state.edges;
    edges.get(usize::try_from(place % edges.len().max(1) as u64).ok()?).copied()
}

async fn answers(front: Arc<UdpSocket>, back: Arc<UdpSocket>, device: SocketAddr) {
    let mut buffer = [0; 65_536];
    loop {
        if let Ok((length, _)) = back.recv_from(&mut buffer).await {
            drop(front.send_to(&buffer[..length], device).await);
        }
    }
}
