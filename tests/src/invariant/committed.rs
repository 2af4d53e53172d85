//! Commit before you speak: an edge gets the keys of a session when the ledger holds it, and at one
//! edge only.

use claviger_ledger::SessionId;
use std::collections::BTreeSet;

/// Sessions whose keys have left.
#[derive(Debug, Default)]
pub(crate) struct Committed(BTreeSet<SessionId>);

impl Committed {
    /// The keys of a session leave for an edge; `kept` if the rows of that node hold it, or did.
    pub(crate) fn opened(&mut self, session: SessionId, kept: bool) -> Option<String> {
        self.0.insert(session);
        (!kept).then(|| format!("the keys of session {session} leave, and the ledger lacks it"))
    }

    /// All sessions that ever were.
    pub(crate) fn all(&self) -> impl Iterator<Item = SessionId> {
        self.0.iter().copied()
    }
}
