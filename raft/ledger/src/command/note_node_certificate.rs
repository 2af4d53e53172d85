//! A further certificate of a node.

use crate::event::{Event, EventCode};
use crate::record::{NodeRecord, NodeRole};
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Notes that a node is given its next certificate; also the first of the one that founds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NoteNodeCertificate {
    /// The node's id.
    #[n(0)]
    pub node: u64,
    /// What it is.
    #[n(1)]
    pub role: NodeRole,
    /// SHA-256 of its public key, which may be another than before.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub key_hash: [u8; 32],
    /// Until when it holds, in ms since the Unix epoch.
    #[n(3)]
    pub certified_until: u64,
}

impl NoteNodeCertificate {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let Self { node, role, key_hash, certified_until } = *self;
        let known = book.node(node)?;
        if known.is_some_and(|known| known.dismissed || known.role != role) {
            return Err(Refusal::not_found("node", format_args!("{node:016x}")).into());
        }
        book.store_node(node, &NodeRecord { role, key_hash, certified_until, dismissed: false });
        let words = format!("The {role} node {node:016x} was given its next certificate.");
        book.announce(HOME, Event { code: EventCode::NodeCertified, credential: None, words })?;
        Ok(Outcome::Done)
    }
}
