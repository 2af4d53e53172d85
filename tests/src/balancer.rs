//! A UDP load balancer on loopback, for tests of several edges: it sees no device's session, and moves
//! datagrams as it pleases. It keeps in mind every record that it carries ([`Capture`]).

use crate::capture::{Capture, Sender};
use core::net::SocketAddr;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// How often the devices' ports were forgotten.
    mapping: u64,
    /// How many more datagrams of devices pass.
    passes: u64,
}

/// What a socket's buffer has room for: what comes while the machine is busy with something else.
const BUFFER: usize = 8 << 20;

/// A running balancer; it ends when dropped.
pub struct Balancer {
    /// Where devices come to.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    capture: Arc<Mutex<Capture>>,
    _task: JoinSet<()>,
}

impl Balancer {
    /// Starts one on a free port of loopback.
    ///
    /// # Panics
    /// If there is no socket to be had.
    pub async fn start(balance: Spread, edges: Vec<SocketAddr>) -> Self {
        let front = bind("127.0.0.1:0").await;
        let address = front.local_addr().expect("it is bound");
        let state =
            Arc::new(Mutex::new(State { balance, edges, salt: 0, mapping: 0, passes: u64::MAX }));
        let capture = Arc::<Mutex<Capture>>::default();
        let mut task = JoinSet::new();
        task.spawn(run(front, state.clone(), capture.clone()));
        Self { address, state, capture, _task: task }
    }

    /// The records that it carries.
    pub fn capture(&self) -> Arc<Mutex<Capture>> {
        self.capture.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
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

    /// From now on every device is seen at another port, and its old one is closed.
    pub fn forget(&self) {
        self.change(|state| state.mapping += 1);
    }

    /// Only so many more datagrams of devices pass.
    pub fn let_through(&self, passes: u64) {
        self.change(|state| state.passes = passes);
    }

    /// Whether the last of them has passed.
    pub fn is_shut(&self) -> bool {
        lock(&self.state).passes == 0
    }
}

async fn bind(address: &str) -> Arc<UdpSocket> {
    let socket = UdpSocket::bind(address).await.expect("a free port");
    // Without root the system gives less.
    if set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
        set_socket_recv_buffer_size(&socket, BUFFER).expect("a buffer can be asked for");
    }
    Arc::new(socket)
}

/// Each device has a socket of its own towards the edges, so that all of them see it at one address,
/// and each can send to it.
async fn run(front: Arc<UdpSocket>, state: Arc<Mutex<State>>, capture: Arc<Mutex<Capture>>) {
    let mut devices: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut mapping = 0;
    let mut backs = JoinSet::new();
    let datagrams = AtomicU64::new(0);
    let mut buffer = [0; 65_536];
    loop {
        // An error is an ICMP message about an earlier datagram.
        let Ok((length, device)) = front.recv_from(&mut buffer).await else { continue };
        lock(&capture).saw(device, Sender::Device, &buffer[..length]);
        let wanted = lock(&state).mapping;
        if wanted != mapping {
            mapping = wanted;
            devices.clear();
            // Their sockets go with them.
            backs.abort_all();
        }
        let back = match devices.get(&device) {
            Some(back) => back.clone(),
            None => {
                // Any address: edges may be in another network.
                let back = bind("0.0.0.0:0").await;
                devices.insert(device, back.clone());
                backs.spawn(answers(front.clone(), back.clone(), device, capture.clone()));
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

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pick(state: &Mutex<State>, device: SocketAddr, number: u64) -> Option<SocketAddr> {
    let mut state = lock(state);
    state.passes = state.passes.checked_sub(1)?;
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

async fn answers(
    front: Arc<UdpSocket>,
    back: Arc<UdpSocket>,
    device: SocketAddr,
    capture: Arc<Mutex<Capture>>,
) {
    let mut buffer = vec![0; 65_536];
    loop {
        if let Ok((length, _)) = back.recv_from(&mut buffer).await {
            lock(&capture).saw(device, Sender::Edge, &buffer[..length]);
            drop(front.send_to(&buffer[..length], device).await);
        }
    }
}
