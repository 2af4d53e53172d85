//! One node of the ledger, and the actors of it while it leads.

use super::clock::NodeClock;
use crate::gate::Gate;
use crate::invariant::replicas::Rows;
use crate::keys::SeededPki;
use claviger_actors::{Counters, Devices, EdgeId, Edges, Outbox, Ports, Unproven};
use claviger_ledger::{CredentialId, DeviceRef, Ledger};
use claviger_machine::Crypto;
use claviger_raft::{Node, SimulatedDisk};
use claviger_seal::Keyring;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use zeroize::Zeroizing;

/// What comes out of the processes of a cluster.
#[derive(Debug)]
pub(crate) enum Happened {
    /// The actors of a node, in this term, have a frame for an edge.
    Frame { node: usize, term: u64, edge: EdgeId, frame: Zeroizing<Vec<u8>> },
    /// There is something to tell the LwM2M server.
    Wake { node: usize, term: u64, device: DeviceRef, credential: CredentialId },
    /// Somebody leads, or leads no more.
    Leadership,
    /// An operation of the operator has come to its end.
    Answered(super::operator::Answer),
}

impl Happened {
    /// The node whose process has said it.
    pub(crate) const fn node(&self) -> Option<usize> {
        match self {
            Self::Frame { node, .. } | Self::Wake { node, .. } => Some(*node),
            Self::Leadership | Self::Answered(_) => None,
        }
    }

    /// The operation that it is the end of.
    pub(crate) const fn operation(&self) -> Option<usize> {
        match self {
            Self::Answered(answer) => Some(answer.operation),
            _ => None,
        }
    }
}

/// Edges that were let in, by their ids.
pub(crate) type Guests = Arc<Mutex<BTreeMap<u64, usize>>>;

/// Frames of the actors of one leadership, on their way out of the process.
struct Hub {
    node: usize,
    term: u64,
    out: UnboundedSender<Happened>,
    edges: Guests,
}

impl Edges for Hub {
    fn send(&self, edge: EdgeId, frame: Zeroizing<Vec<u8>>) -> bool {
        let (node, term) = (self.node, self.term);
        if !lock(&self.edges).contains_key(&edge.0) {
            return false;
        }
        self.out.send(Happened::Frame { node, term, edge, frame }).is_ok()
    }
}

impl Outbox for Hub {
    fn wake(&self, device: &DeviceRef, credential: CredentialId) {
        let (node, term, device) = (self.node, self.term, device.clone());
        let _ = self.out.send(Happened::Wake { node, term, device, credential });
    }
}

/// What a node runs while it leads.
pub(crate) struct Leading {
    pub(crate) term: u64,
    pub(crate) devices: Devices,
    /// What the actors and the worker of the outbox reach the ledger by.
    pub(crate) gate: Arc<Gate>,
    pub(crate) edges: Guests,
}

impl Leading {
    /// The edge at this place has gone, unless it is this one.
    pub(crate) fn lose(&self, place: usize, but: Option<u64>) {
        let mut edges = lock(&self.edges);
        let gone = |id: &u64, at: &usize| *at == place && Some(*id) != but;
        let lost: Vec<u64> = edges.iter().filter(|(id, at)| gone(id, at)).map(|it| *it.0).collect();
        edges.retain(|id, at| !gone(id, at));
        drop(edges);
        lost.into_iter().for_each(|id| self.devices.edge_gone(EdgeId(id)));
    }
}

/// One node of the ledger.
pub(crate) struct Member {
    pub(crate) place: usize,
    pub(crate) node: Node,
    pub(crate) disk: SimulatedDisk,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) leading: Option<Leading>,
    /// False while its process is stopped.
    pub(crate) runs: bool,
    /// True while its disk is full.
    pub(crate) full: bool,
    /// True while there is no process.
    pub(crate) dead: bool,
}

/// What all nodes have in common.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) keys: Arc<Keyring>,
    pub(crate) crypto: Arc<dyn Crypto>,
    pub(crate) out: UnboundedSender<Happened>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) unproven: Arc<Unproven>,
    /// Stands between the ledger and who uses it; a defect that a test plants.
    pub(crate) between: fn(Arc<dyn Ledger>) -> Arc<dyn Ledger>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Member {
    pub(crate) fn new(
        place: usize,
        node: Node,
        disk: SimulatedDisk,
        clock: impl Into<Arc<NodeClock>>,
        common: &Common,
    ) -> Self {
        let (mut leadership, out) = (node.leadership(), common.out.clone());
        let follow = async move {
            while leadership.changed().await.is_ok() && out.send(Happened::Leadership).is_ok() {}
        };
        tokio::spawn(follow);
        let clock = clock.into();
        let (leading, runs, full, dead) = (None, true, false, false);
        Self { place, node, disk, clock, leading, runs, full, dead }
    }

    /// The term in which it leads, as far as it knows.
    pub(crate) fn term(&self) -> Option<u64> {
        self.node.leadership().borrow().leading
    }

    /// Starts and ends what runs on the leader alone; true if it was started.
    pub(crate) fn follow_leadership(&mut self, common: &Common) -> bool {
        let term = self.term();
        if self.leading.as_ref().map(|leading| leading.term) == term {
            return false;
        }
        self.step_down();
        let Some(term) = term else { return false };
        let node: Arc<dyn Ledger> = Arc::new(self.node.clone());
        let gate = Arc::new(Gate::new((common.between)(node)));
        gate.fill(self.full);
        let edges = Guests::default();
        let hub = || {
            let (out, edges) = (common.out.clone(), edges.clone());
            Arc::new(Hub { node: self.place, term, out, edges })
        };
        let ports = Ports {
            ledger: gate.clone(),
            keys: common.keys.clone(),
            clock: self.clock.clone(),
            crypto: common.crypto.clone(),
            pki: Arc::new(SeededPki),
            outbox: hub(),
            edges: hub(),
            unproven: common.unproven.clone(),
            counters: common.counters.clone(),
            sleep_after: Duration::from_secs(120),
        };
        let devices = Devices::start(ports);
        self.leading = Some(Leading { term, devices, gate, edges });
        true
    }

    /// What runs on the leader ends, as it does in the binary.
    pub(crate) fn step_down(&mut self) {
        if let Some(leading) = self.leading.take() {
            leading.devices.stop();
        }
    }

    /// Its process ends: in good order, or with the power of its disk, and then what was not synced
    /// may be lost.
    pub(crate) fn end(&mut self, power: bool) {
        if let Some(leading) = self.leading.take() {
            leading.gate.close();
            leading.devices.stop();
        }
        (self.dead, self.runs) = (true, false);
        if power {
            self.disk.cut_power();
        }
        let node = self.node.clone();
        tokio::spawn(async move { node.shutdown().await });
    }

    /// Its disk is full, or has room again.
    pub(crate) fn fill(&mut self, full: bool) {
        self.full = full;
        if let Some(leading) = &self.leading {
            leading.gate.fill(full);
        }
    }

    /// What it would say of the rows that it has.
    pub(crate) fn rows(&self) -> (u64, Rows) {
        let mut all = Vec::new();
        let applied = self.node.standing().applied_index;
        Node::read(&self.node, &mut |rows| all = rows.range(&[], &[0xff; 9], usize::MAX));
        (applied, all)
    }
}
