//! What the tests of several modules put into a ledger.

use claviger_ledger::{CredentialId, Session};

/// A session that `credential` has opened, without a connection id.
pub fn session(credential: CredentialId) -> Session {
    Session {
        credential,
        suite: 0xC0A8,
        sealed: vec![0],
        cid: Vec::new(),
        peer_cid: Vec::new(),
        listener: "coaps".into(),
        peer: "127.0.0.1:1".into(),
        generation: 0,
        highest_read: 0,
        edge: None,
        opened_at: 0,
        restorable: false,
        anchor: None,
    }
}
