//! A raft node as the ledger that actors and API use.

use crate::{Node, ProposeError};
use claviger_ledger::{Envelope, Ledger, Outcome, Rows, Unavailable};
use core::time::Duration;
use futures::future::BoxFuture;
use tokio::time::timeout;

/// How long a proposal may take before its fate is called unknown.
const PATIENCE: Duration = Duration::from_secs(5);

impl From<&ProposeError> for Unavailable {
    fn from(error: &ProposeError) -> Self {
        match error {
            ProposeError::OutOfSpace => Self::OutOfSpace,
            ProposeError::Stopped => Self::Stopped,
            _ => Self::NoLeader,
        }
    }
}

impl Ledger for Node {
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unavailable>> {
        Box::pin(async move {
            let proposal = timeout(PATIENCE, Node::propose(self, envelope.encode()));
            let outcome = proposal.await.map_err(|_| Unavailable::NoLeader)?;
            let bytes = outcome.map_err(|error| Unavailable::from(&error))?;
            Outcome::decode(&bytes).ok_or(Unavailable::Stopped)
        })
    }

    fn confirm(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let read = timeout(PATIENCE, self.read_index());
            let confirmed = read.await.map_err(|_| Unavailable::NoLeader)?;
            confirmed.map_err(|error| Unavailable::from(&error))
        })
    }

    fn read(&self, look: &mut dyn FnMut(&dyn Rows)) {
        Node::read(self, look);
    }
}
