//! Once a revocation is acknowledged, nothing on the open sessions of that credential is answered.

use claviger_ledger::{Ended, SessionId};
use std::collections::BTreeSet;

/// Sessions whose end was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Revoked(BTreeSet<[u8; 16]>);

impl Revoked {
    /// Somebody was told that these have ended.
    pub(crate) fn ended(&mut self, ended: &Ended) {
        ended.closed.iter().for_each(|(_, session)| self.end(*session));
    }

    /// This one has ended.
    pub(crate) fn end(&mut self, session: SessionId) {
        self.0.insert(session.0);
    }

    /// An actor has something to send in a session.
    pub(crate) fn said(&self, session: [u8; 16]) -> Option<String> {
        let ended = self.0.contains(&session);
        ended.then(|| "something is said in a session that was ended before".to_owned())
    }
}
