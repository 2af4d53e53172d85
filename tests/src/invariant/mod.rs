//! What must hold in a cluster whatever happens, a file each. Those that can be seen to break in one
//! step are fed with each step; the others are looked at when all is at rest. A breach is words.

pub(crate) mod audit;
pub(crate) mod committed;
pub(crate) mod durable;
pub(crate) mod linear;
pub(crate) mod numbers;
pub(crate) mod once;
pub(crate) mod replicas;
pub(crate) mod revoked;
pub(crate) mod secret;
pub(crate) mod wire;

use claviger_front::ToEdge;

/// What is watched from step to step.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) numbers: numbers::Numbers,
    pub(crate) wire: wire::Wire,
    pub(crate) revoked: revoked::Revoked,
    pub(crate) committed: committed::Committed,
    pub(crate) durable: durable::Durable,
    pub(crate) secrets: secret::Secrets,
    pub(crate) once: once::Once,
}

impl Watch {
    /// The cluster goes on from a copy that has this: no session of before goes on.
    pub(crate) fn begin_incarnation(&mut self, durable: durable::Durable) {
        self.durable = durable;
        self.committed.all().for_each(|session| self.revoked.end(session));
    }

    /// A frame leaves the actors of a node.
    pub(crate) fn left(&mut self, said: &ToEdge, bytes: &[u8]) -> Vec<String> {
        let mut breaches = Vec::new();
        if let ToEdge::Transmit(transmit) = said {
            breaches.extend(self.numbers.given(transmit.session, transmit.sequence));
            breaches.extend(self.revoked.said(transmit.session));
        }
        breaches.extend(self.secrets.in_frame(said, bytes));
        breaches
    }
}
