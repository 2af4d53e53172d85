//! A raft node as the ledger that actors and API use.

use crate::{Node, ProposeError};
use claviger_ledger::{Envelope, Ledger, Outcome, Rows, Unavailable};
use core::time::Duration;
use futures::future::BoxFuture;
use tokio::time::timeout;
use tracing::{Instrument, Span, info_span};

/// How long a proposal may take before its fate is called unknown.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

impl From<&ProposeError> for Unavailable {
    fn from(error: &ProposeError) -> Self {
        match error {
            ProposeError::OutOfSpace => Self::OutOfSpace,
            ProposeError::Stopped => Self::Stopped,
            _ => Self::NoLeader,
        }
    }
}

/// The span of a proposal, where what it is for is traced.
pub(crate) fn span(envelope: &Envelope) -> Span {
    let cause = Span::current();
    if cause.is_none() {
        return cause;
    }
    info_span!("ledger.propose", claviger.command = envelope.command.name())
}

impl Ledger for Node {
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unavailable>> {
        let span = span(&envelope);
        let proposal = async move {
            self.known_by_all(&envelope.command).await?;
            let proposal = timeout(PATIENCE, Node::propose(self, envelope.encode()));
            let outcome = proposal.await.map_err(|_| Unavailable::NoLeader)?;
            let bytes = outcome.map_err(|error| Unavailable::from(&error))?;
            Outcome::decode(&bytes).ok_or(Unavailable::Stopped)
        };
        Box::pin(proposal.instrument(span))
    }

    fn confirm(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let read = timeout(PATIENCE, self.read_index());
            let confirmed = read.await.map_err(|_| Unavailable::NoLeader)?;
            confirmed.map_err(|error| Unavailable::from(&error))
        })
    }

    fn ready(&self) -> Result<(), Unavailable> {
        let standing = self.standing();
        match standing {
            _ if !standing.running => Err(Unavailable::Stopped),
            _ if standing.short_of_space => Err(Unavailable::OutOfSpace),
            _ if standing.leader.is_none() => Err(Unavailable::NoLeader),
            _ => Ok(()),
        }
    }

    fn applied(&self) -> u64 {
        self.standing().applied_index
    }

    fn beyond(&self, index: u64) -> BoxFuture<'_, ()> {
        Box::pin(self.wait_beyond(index))
    }

    fn read(&self, look: &mut dyn FnMut(&dyn Rows)) {
        Node::read(self, look);
    }
}
