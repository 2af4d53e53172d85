//! A further generation of the keys of edges.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::EdgeKeys;
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Begins the next generation of what edges are handed: keys of cookies, and keys that connection ids
/// are checked by. Edges get them within a second; ids of some generations before stay good.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RotateEdgeKeys {
    /// The generation that it follows.
    #[n(0)]
    pub expect: u32,
}

impl RotateEdgeKeys {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let row = key::of_all(Kind::EdgeKeys, &[]);
        let kept = book.load::<EdgeKeys>("the keys of edges", &row)?.unwrap_or_default();
        let (expected, actual) = (u64::from(self.expect), u64::from(kept.generation));
        // The same, proposed again because its fate was unknown.
        if actual == expected + 1 {
            return Ok(Outcome::Done);
        }
        Refusal::unless_version(Some(expected), actual)?;
        let generation = kept.generation.saturating_add(1);
        book.store(row, &EdgeKeys { generation, since: book.at });
        let words = format!("The keys of edges are at generation {generation}.");
        book.announce(HOME, Event { code: EventCode::EdgeKeysRotated, credential: None, words })?;
        Ok(Outcome::Made)
    }
}
