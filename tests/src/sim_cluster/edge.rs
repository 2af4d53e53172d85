//! One edge with its way to whoever leads.

use super::clock::NodeClock;
use crate::VirtualClock;
use crate::keys::SeededCurves;
use claviger_actors::Clock;
use claviger_dtls::{ClusterKeys, Endpoint, EndpointConfig};
use claviger_edge::Edge;
use claviger_machine::{Crypto, Draw};
use core::time::Duration;
use std::sync::Arc;

/// How long an edge that hears nothing takes its link for good.
const SILENCE: Duration = Duration::from_secs(2);
/// Between two attempts to be let in.
const KNOCK: Duration = Duration::from_millis(50);

/// The way of an edge to a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uplink {
    /// It asks one node after the other.
    Knocking { next: usize, at: Duration },
    /// A node has let it in, in this term.
    In { node: usize, term: u64, heard: Duration },
}

/// One edge.
pub(crate) struct EdgeHost {
    pub(crate) edge: Edge,
    /// Another one after each restart.
    pub(crate) id: u64,
    pub(crate) uplink: Uplink,
    pub(crate) clock: NodeClock,
    pub(crate) up: bool,
}

const LISTENER: &str = "coaps";

/// An edge that has seen nothing.
fn edge(crypto: &Arc<dyn Crypto>, realm: &str) -> Edge {
    let config = EndpointConfig { resumption: true, ..EndpointConfig::default() };
    let draw = Box::new(Draw(crypto.clone()));
    let endpoint = Endpoint::new(config, ClusterKeys::default(), draw);
    Edge::new(LISTENER, realm, endpoint.with_curves(Box::new(SeededCurves(crypto.clone()))))
        .shared()
}

impl EdgeHost {
    pub(crate) fn new(world: VirtualClock, crypto: &Arc<dyn Crypto>, realm: &str) -> Self {
        Self {
            edge: edge(crypto, realm),
            id: u64::from_be_bytes(crypto.random()),
            uplink: Uplink::Knocking { next: 0, at: Duration::ZERO },
            clock: NodeClock::new(world),
            up: true,
        }
    }

    /// The process has died and begins anew.
    pub(crate) fn restart(&mut self, crypto: &Arc<dyn Crypto>, realm: &str) {
        self.clock.restart();
        self.edge = edge(crypto, realm);
        self.id = u64::from_be_bytes(crypto.random());
        self.uplink = Uplink::Knocking { next: 0, at: Duration::ZERO };
        self.up = true;
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Whether it answers devices: it heard of a leader lately.
    pub(crate) fn speaks(&self) -> bool {
        self.up && !self.edge.is_silent(self.now())
    }

    /// The node to ask to be let in, if it is time for that.
    pub(crate) fn knock(&mut self, world: Duration, nodes: usize) -> Option<usize> {
        if let Uplink::In { heard, node, .. } = self.uplink
            && world >= heard + SILENCE
        {
            self.uplink = Uplink::Knocking { next: node + 1, at: world };
        }
        let Uplink::Knocking { next, at } = &mut self.uplink else { return None };
        if !self.up || world < *at {
            return None;
        }
        let node = *next % nodes;
        (*next, *at) = (node + 1, world + KNOCK);
        Some(node)
    }

    /// When it has to look at its way again.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        self.up.then_some(match self.uplink {
            Uplink::Knocking { at, .. } => at,
            Uplink::In { heard, .. } => heard + SILENCE,
        })
    }
}
