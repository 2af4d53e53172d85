//! A node that joins by a token.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::{Admitted, JoinToken, NodeRecord, NodeRole};
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal, RequestId};
use core::fmt;
use minicbor::{Decode, Encode};
use subtle::ConstantTimeEq;

/// Uses a join token once, for a node that is then given a certificate. That its secret is wrong,
/// its time over or its uses spent is one refusal: who guesses learns nothing.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct AdmitNode {
    /// The token's id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub token: [u8; 16],
    /// SHA-256 of the secret that the node showed.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub secret_hash: [u8; 32],
    /// The node's id.
    #[n(2)]
    pub node: u64,
    /// What it is to be.
    #[n(3)]
    pub role: NodeRole,
    /// SHA-256 of its public key.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub key_hash: [u8; 32],
    /// Until when its certificate holds, in ms since the Unix epoch.
    #[n(5)]
    pub certified_until: u64,
    /// SHA-256 of the certificate of the authority that issues it; from level 5 on.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub issuer: Option<[u8; 32]>,
}

impl fmt::Debug for AdmitNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdmitNode({} {:016x} by {})", self.role, self.node, RequestId(self.token))
    }
}

impl AdmitNode {
    fn record(&self) -> NodeRecord {
        let Self { role, key_hash, certified_until, issuer, .. } = *self;
        NodeRecord { role, key_hash, certified_until, dismissed: false, asked_by: None, issuer }
    }

    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let row = key::of_all(Kind::JoinToken, &self.token);
        let id = RequestId(self.token);
        let refused = || Refusal::not_found("join token that is valid", id);
        let token: Option<JoinToken> = book.load("a join token", &row)?;
        let mut token = token.ok_or_else(refused)?;
        let shown = bool::from(token.secret_hash.ct_eq(&self.secret_hash));
        let is_late = token.expires_at <= book.at || is_of_before(book, &token)?;
        let is_for = token.returns.is_none_or(|node| node == self.node);
        if !shown || is_late || token.role != self.role || !is_for {
            return Err(refused().into());
        }
        book.unless_issuer_changed(self.issuer)?;
        let known = book.node(self.node)?;
        // One that comes back has another key, once. An edge that has its id is none that was here.
        let comes_back = |known: &NodeRecord| {
            token.returns.is_some() && token.admitted.is_empty() && known.role == self.role
        };
        let is_other = |known: NodeRecord| {
            known.dismissed || known.key_hash != self.key_hash && !comes_back(&known)
        };
        if known.is_some_and(is_other) {
            return Err(Refusal::taken("node id", format_args!("{:016x}", self.node)).into());
        }
        let admitted = Admitted { node: self.node, key_hash: self.key_hash };
        // One that is still known has shown its present key, which it may have renewed since.
        let is_same = |it: &Admitted| *it == admitted || known.is_some() && it.node == self.node;
        if token.admitted.iter().any(is_same) {
            // The same node, again because it got no answer or its certificate is over.
            book.store_node(self.node, &self.record());
            return Ok(Outcome::Done);
        }
        token.uses_left = token.uses_left.checked_sub(1).ok_or_else(refused)?;
        book.store_node(self.node, &self.record());
        if token.admitted.len() == JoinToken::REMEMBERED {
            token.admitted.remove(0);
        }
        token.admitted.push(admitted);
        book.store(row, &token);
        book.forget_edges()?;
        let (role, node) = (self.role, self.node);
        let words = format!("The {role} node {node:016x} joined by the join token {id}.");
        book.announce(HOME, Event { code: EventCode::NodeJoined, credential: None, words })?;
        Ok(Outcome::Made)
    }
}

/// Whether a token was made under an authority that is not trusted any more.
fn is_of_before(book: &mut Book<'_>, token: &JoinToken) -> Result<bool, Stop> {
    Ok(book
        .node_authority()?
        .is_some_and(|it| it.retiring.is_none() && token.created_at < it.created_at))
}
