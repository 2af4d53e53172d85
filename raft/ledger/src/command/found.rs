//! The first command of a ledger.

use crate::key;
use crate::record::{FIRST_LEVEL, Meta};
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Founds the cluster: its id. It begins at the first level, so that every version that applies
/// this command writes the same; [`crate::RaiseLevel`] follows at once.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Found {
    /// A random id that every node of the cluster checks.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub cluster: [u8; 16],
}

impl Found {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        if let Some(meta) = book.meta()? {
            // The same founding, proposed again because its fate was unknown.
            let again = meta.cluster == self.cluster;
            return if again { Ok(Outcome::Done) } else { Err(Refusal::Founded.into()) };
        }
        let meta =
            Meta { cluster: self.cluster, incarnation: 1, level: FIRST_LEVEL, time: book.at };
        book.store(key::meta(), &meta);
        Ok(Outcome::Done)
    }
}
