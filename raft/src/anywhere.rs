//! The ledger as any node offers it: what only the leader does is asked of the leader.
//!
//! For the API, never for actors: who speaks to devices must lead. A proposal that is forwarded is
//! the same envelope until it is answered, so that its request id keeps it from acting twice. What
//! has been committed or confirmed shows in this node's own rows when the answer is there.

use crate::ledger::PATIENCE;
use crate::node::{Node, ProposeError};
use crate::serve;
use crate::wire::{Answer, Call, Refused};
use claviger_ledger::{Envelope, Ledger, Outcome, Rows, Unavailable};
use futures::future::BoxFuture;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

/// After how long one who found no leader looks again.
const AGAIN: Duration = Duration::from_millis(20);

/// What the shell answers to the shells of other nodes.
pub(crate) type Shell = OnceLock<Box<dyn Fn(Vec<u8>) -> BoxFuture<'static, Vec<u8>> + Send + Sync>>;

/// The ledger at any node.
pub(crate) struct Anywhere(Node);

impl Node {
    /// The ledger as this node offers it whether it leads or not: what only the leader does is
    /// asked of the leader. For the API; who speaks to devices must lead.
    pub fn anywhere(&self) -> Arc<dyn Ledger> {
        Arc::new(Anywhere(self.clone()))
    }

    /// Answers by `shell` what other nodes ask by [`Node::ask_leader`], and this one where it leads.
    /// Only the first that is set counts.
    pub fn answer_with(
        &self,
        shell: impl Fn(Vec<u8>) -> BoxFuture<'static, Vec<u8>> + Send + Sync + 'static,
    ) {
        drop(self.shell.set(Box::new(shell)));
    }

    /// Asks the shell of the leader.
    ///
    /// # Errors
    /// [`Unavailable`] if no leader answers in time; it may have acted all the same.
    pub async fn ask_leader(&self, question: Vec<u8>) -> Result<Vec<u8>, Unavailable> {
        match self.settle(Call::Shell(question.into())).await? {
            Answer::Shell(answer) => Ok(answer.into()),
            _ => Err(Unavailable::NoLeader),
        }
    }

    /// Asks this node's own shell, which must lead.
    pub(crate) async fn ask_shell(&self, question: Vec<u8>) -> Result<Vec<u8>, ProposeError> {
        if !self.leads() {
            return Err(ProposeError::NotLeader { leader: self.standing().leader });
        }
        let shell = self.shell.get().ok_or(ProposeError::Unavailable)?;
        Ok(shell(question).await)
    }

    /// Asks until there is an answer that stays: of this node if it leads, else of the leader.
    async fn settle(&self, call: Call) -> Result<Answer, Unavailable> {
        let settled = timeout(PATIENCE, async {
            loop {
                let answer = match self.leads() {
                    true => serve::answer(self, self.id(), call.clone()).await.ok(),
                    false => self.line.ask(self, call.clone()).await,
                };
                match answer {
                    Some(Answer::Refused(Refused::OutOfSpace)) => {
                        return Err(Unavailable::OutOfSpace);
                    }
                    Some(Answer::Refused(_)) | None if !self.standing().running => {
                        return Err(Unavailable::Stopped);
                    }
                    Some(Answer::Refused(_)) | None => sleep(AGAIN).await,
                    Some(answer) => return Ok(answer),
                }
            }
        });
        settled.await.unwrap_or(Err(Unavailable::NoLeader))
    }

    /// Waits until what is committed up to `index` shows here.
    async fn shows(&self, index: u64) -> Result<(), Unavailable> {
        let Some(before) = index.checked_sub(1) else { return Ok(()) };
        let applied = timeout(PATIENCE, self.wait_beyond(before)).await;
        applied.map_err(|_| Unavailable::NoLeader)?;
        if self.standing().running { Ok(()) } else { Err(Unavailable::Stopped) }
    }
}

impl Anywhere {
    async fn commit(&self, command: Vec<u8>) -> Result<Outcome, Unavailable> {
        let answer = self.0.settle(Call::Propose(command.into())).await?;
        let Answer::Outcome(index, outcome) = answer else { return Err(Unavailable::NoLeader) };
        self.0.shows(index).await?;
        Outcome::decode(&outcome).ok_or(Unavailable::Stopped)
    }

    async fn confirmed(&self) -> Result<(), Unavailable> {
        match self.0.settle(Call::ReadIndex).await? {
            Answer::ReadIndex(index) => self.0.shows(index).await,
            _ => Err(Unavailable::NoLeader),
        }
    }
}

impl Ledger for Anywhere {
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unavailable>> {
        let span = crate::ledger::span(&envelope);
        let proposal = async move {
            self.0.known_here(&envelope.command).await?;
            self.commit(envelope.encode()).await
        };
        Box::pin(proposal.instrument(span))
    }

    fn confirm(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.confirmed())
    }

    fn ready(&self) -> Result<(), Unavailable> {
        match self.0.ready() {
            // It is the leader's space that counts.
            Err(Unavailable::OutOfSpace) if !self.0.leads() => Ok(()),
            ready => ready,
        }
    }

    fn applied(&self) -> u64 {
        self.0.applied()
    }

    fn beyond(&self, index: u64) -> BoxFuture<'_, ()> {
        self.0.beyond(index)
    }

    fn read(&self, look: &mut dyn FnMut(&dyn Rows)) {
        self.0.read(look);
    }
}
