//! A new level: every node of the cluster runs a version that knows it.

use crate::key;
use crate::record::LEVEL;
use crate::state::{Book, Stop};
use crate::{Damage, Outcome};
use minicbor::{Decode, Encode};

/// Raises the level that commands are applied by; one that is not above it changes nothing.
///
/// The leader proposes it when every member of the cluster has said that it knows the level. A node
/// that does not stops here rather than apply what follows in another way than the others.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RaiseLevel {
    /// The level.
    #[n(0)]
    pub level: u32,
}

impl RaiseLevel {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        if self.level > LEVEL {
            return Err(Stop::Damaged(Damage { what: "the ledger's level", index: book.index }));
        }
        if let Some(mut meta) = book.meta()?
            && self.level > meta.level
        {
            meta.level = self.level;
            book.store(key::meta(), &meta);
        }
        Ok(Outcome::Done)
    }
}
