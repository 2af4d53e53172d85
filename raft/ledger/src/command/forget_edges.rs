//! Edges that are gone.

use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Forgets edges whose certificates are over everywhere: each start of one brings a new id. Others,
/// and what is not there any more, it leaves alone.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ForgetEdges {
    /// Their ids, at most [`ForgetEdges::MOST`].
    #[n(0)]
    pub nodes: Vec<u64>,
}

impl ForgetEdges {
    /// How many one command forgets.
    pub const MOST: usize = 256;

    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        Refusal::unless_short(Self::MOST, "nodes", self.nodes.len())?;
        for node in &self.nodes {
            if book.node(*node)?.is_some_and(|known| known.is_gone(book.at)) {
                book.drop_node(*node);
            }
        }
        Ok(Outcome::Done)
    }
}
