//! The port between those who use the ledger and the consensus that keeps it.

use crate::{Envelope, Outcome, Rows};
use futures::future::BoxFuture;

/// A ledger that can be written and read; `claviger-raft` behind the shell's adapter is one.
pub trait Ledger: Send + Sync {
    /// Commits `envelope` and gives what it came to.
    ///
    /// # Errors
    /// [`Unavailable`] if its fate is unknown or it was not taken: say nothing that promises it.
    /// The same envelope may be proposed again; its request id keeps it from acting twice.
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unavailable>>;

    /// Waits until a [`Ledger::read`] that begins afterwards sees everything committed before.
    ///
    /// # Errors
    /// [`Unavailable`] if no quorum confirms that this node may answer.
    fn confirm(&self) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// Whether this node would take a proposal now, as far as it knows without asking others.
    ///
    /// # Errors
    /// [`Unavailable`] with the reason.
    fn ready(&self) -> Result<(), Unavailable>;

    /// The highest index that this node's rows show.
    fn applied(&self) -> u64;

    /// Waits until this node's rows show an index above `index`, or the node has stopped.
    fn beyond(&self, index: u64) -> BoxFuture<'_, ()>;

    /// Shows this node's rows, which may be old without a [`Ledger::confirm`] before.
    fn read(&self, look: &mut dyn FnMut(&dyn Rows));
}

/// Why the ledger cannot answer now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No leader, no quorum, or the fate of a proposal is unknown.
    #[error("the ledger has no leader that answers; try again")]
    NoLeader,
    /// There is too little free space to take more.
    #[error("the ledger's disk is below its reserve of free space; make room on it")]
    OutOfSpace,
    /// A node of the cluster runs a version that does not know the command, holds the level below it,
    /// or cannot be asked.
    #[error(
        "not every node of the cluster runs a version that knows this, or one of them holds the level \
         (cluster.hold_level); upgrade all, and remove those that are gone"
    )]
    OldMember,
    /// This node has stopped, after a storage error or because it was told to.
    #[error("this node's ledger has stopped; look at its log for the cause")]
    Stopped,
}
