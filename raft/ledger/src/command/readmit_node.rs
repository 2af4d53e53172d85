//! A node that lost what it shows of itself.

use crate::event::{Event, EventCode};
use crate::record::NodeRole;
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Forgets the key of a ledger node, so that whoever has a join token may come in under its id once
/// more: the node itself, whose certificate was lost or is over. Its disk, and with that its place
/// in the ledger's group, stays.
///
/// Until level 4 this was how a node came back; since then it has a token of its own
/// ([`crate::CreateJoinToken::returns`]), and this is there for logs of before alone.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ReadmitNode {
    /// Its id.
    #[n(0)]
    pub node: u64,
}

impl ReadmitNode {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let node = self.node;
        let name = || format!("{node:016x}");
        let known = book.node(node)?;
        let known = known.filter(|known| known.role == NodeRole::Ledger && !known.dismissed);
        if known.is_none() {
            return Err(Refusal::not_found("ledger node that may come back", name()).into());
        }
        book.drop_node(node);
        let words = format!("The ledger node {node:016x} may join anew under its id.");
        book.announce(HOME, Event { code: EventCode::NodeReadmitted, credential: None, words })?;
        Ok(Outcome::Done)
    }
}
