//! The edges of a world behind one address, and how datagrams come to them.

use crate::world::TENANT;
use claviger_actors::EdgeId;
use claviger_curves::AwsLc;
use claviger_dtls::{
    ClusterKeys, Curves, Endpoint, EndpointConfig, Ephemeral, Group, Presented, SignatureScheme,
};
use claviger_edge::Edge;
use claviger_machine::{Crypto, Draw};
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// An edge that has seen nothing.
pub(crate) fn edge(crypto: &Arc<dyn Crypto>, realm: &str, lenient: bool) -> Edge {
    let config = EndpointConfig { resumption: true, ..EndpointConfig::default() };
    let draw = Box::new(Draw(crypto.clone()));
    let endpoint = Endpoint::new(config, ClusterKeys::default(), draw);
    let curves: Box<dyn Curves> = if lenient { Box::new(Lenient) } else { Box::new(AwsLc) };
    let listener = if realm == TENANT { "coaps" } else { realm };
    Edge::new(listener, realm, endpoint.with_curves(curves))
}

/// Curves to which every signature is good.
struct Lenient;

impl Curves for Lenient {
    fn ephemeral(&self, group: Group) -> Option<Box<dyn Ephemeral>> {
        AwsLc.ephemeral(group)
    }

    fn verify(&self, _: &Presented, _: SignatureScheme, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

/// How datagrams come to edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// Those of one port come to one edge.
    ByPort,
    /// Each comes to another one than that before.
    InTurn,
}

/// Edges that are gone: nothing reaches them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gone(Arc<Mutex<BTreeSet<EdgeId>>>);

impl Gone {
    pub(crate) fn has(&self, edge: EdgeId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&edge)
    }

    fn insert(&self, edge: EdgeId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(edge);
    }
}

/// Every edge, and the balancer before them.
pub(crate) struct Hosts {
    list: Vec<(EdgeId, Edge)>,
    pub(crate) balance: Balance,
    pub(crate) gone: Gone,
    turn: u16,
    next: u64,
}

impl Hosts {
    pub(crate) fn new() -> Self {
        let (list, gone) = (Vec::new(), Gone::default());
        Self { list, balance: Balance::ByPort, gone, turn: 0, next: 0 }
    }

    /// An edge has come, under an id of its own.
    pub(crate) fn add(&mut self, edge: Edge) {
        self.list.push((EdgeId(self.next), edge));
        self.next += 1;
    }

    /// The edge at this place is gone, if there is one.
    pub(crate) fn kill(&mut self, place: usize) -> bool {
        if place >= self.list.len() {
            return false;
        }
        let (id, _) = self.list.remove(place);
        self.gone.insert(id);
        true
    }

    /// All are gone.
    pub(crate) fn clear(&mut self) {
        while self.kill(0) {}
    }

    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut (EdgeId, Edge)> {
        self.list.iter_mut()
    }

    /// The edge that a datagram from this address comes to.
    pub(crate) fn pick(&mut self, from: SocketAddr) -> Option<&mut Edge> {
        self.turn = self.turn.wrapping_add(1);
        let draw = match self.balance {
            Balance::ByPort => from.port(),
            Balance::InTurn => self.turn,
        };
        let place = usize::from(draw).checked_rem(self.list.len())?;
        self.list.get_mut(place).map(|(_, edge)| edge)
    }

    pub(crate) fn find(&mut self, id: EdgeId) -> Option<&mut Edge> {
        self.list.iter_mut().find(|(theirs, _)| *theirs == id).map(|(_, edge)| edge)
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.list.iter().filter_map(|(_, edge)| edge.next_timeout()).min()
    }
}
