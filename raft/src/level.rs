//! The cluster's level rises when every member knows it.
//!
//! A node stops at a command that it does not know, so nobody may propose one before all know it.
//! All means learners, too: they apply what the others do.

use crate::Node;
use claviger_ledger::{Command, Envelope, Outcome, RaiseLevel, RequestId, Unavailable, View};

impl Node {
    /// Raises the level, where that can be, to what every member knows. Gives the level then; none
    /// before the founding.
    ///
    /// # Errors
    /// [`Unavailable`] if this node does not lead, or a quorum does not answer.
    pub async fn raise_level(&self) -> Result<Option<u32>, Unavailable> {
        let Some(level) = self.level() else { return Ok(None) };
        if level >= self.knows {
            return Ok(Some(level));
        }
        // What one holds, or does not know, no other raises.
        let mut common = self.knows;
        for (member, status) in self.survey().await {
            match status {
                Ok(status) => common = common.min(status.knows),
                Err(error) => {
                    tracing::debug!(member = member.id, %error, "the level stays as it is");
                    return Ok(Some(level));
                }
            }
        }
        if common <= level {
            return Ok(Some(level));
        }
        let command = Command::from(RaiseLevel { level: common });
        // Its repetition changes nothing, and it is about no time.
        let envelope = Envelope::new(0, RequestId([0; 16]), command);
        let proposed = self.propose(envelope.encode()).await;
        let bytes = proposed.map_err(|error| Unavailable::from(&error))?;
        Outcome::decode(&bytes).ok_or(Unavailable::Stopped)?;
        tracing::info!(level = common, "every member knows this level: the cluster has it now");
        Ok(Some(common))
    }

    /// The cluster's level; none before the founding.
    fn level(&self) -> Option<u32> {
        let mut level = None;
        self.read(&mut |rows| level = View::new(rows).meta().map(|meta| meta.level));
        level
    }

    /// Sees the same at any node: one that does not lead believes the level that its rows have.
    pub(crate) async fn known_here(&self, command: &Command) -> Result<(), Unavailable> {
        if self.leads() {
            return self.known_by_all(command).await;
        }
        match self.level() {
            Some(level) if level < command.level() => Err(Unavailable::OldMember),
            _ => Ok(()),
        }
    }

    /// Sees that every member knows `command`.
    pub(crate) async fn known_by_all(&self, command: &Command) -> Result<(), Unavailable> {
        let wanted = command.level();
        // Before the founding nothing but a founding is taken; the ledger says so itself.
        match self.level() {
            Some(level) if level < wanted => {}
            _ => return Ok(()),
        }
        match self.raise_level().await? {
            Some(level) if level < wanted => Err(Unavailable::OldMember),
            _ => Ok(()),
        }
    }
}
