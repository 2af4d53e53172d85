//! A node that is not to be one any more.

use crate::event::{Event, EventCode};
use crate::record::NodeRecord;
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Dismisses a node: no ledger node accepts its certificates any more, and its id is not given
/// again. That it is no member of the ledger any more is another's matter.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DismissNode {
    /// Its id.
    #[n(0)]
    pub node: u64,
}

impl DismissNode {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let node = self.node;
        let absent = || Refusal::not_found("node", format_args!("{node:016x}"));
        let known = book.node(node)?.ok_or_else(absent)?;
        if known.dismissed {
            return Ok(Outcome::Done);
        }
        book.store_node(node, &NodeRecord { dismissed: true, ..known });
        let words = format!("The {} node {node:016x} was dismissed.", known.role);
        book.announce(HOME, Event { code: EventCode::NodeDismissed, credential: None, words })?;
        Ok(Outcome::Done)
    }
}
