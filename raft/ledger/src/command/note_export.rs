//! That secrets have left.

use crate::event::{Event, EventCode};
use crate::key;
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Notes that secrets of a tenant are exported; committed before the first of them leaves.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NoteExport {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// What is exported, by whom and to whom, in words: at most 512 bytes.
    #[n(1)]
    pub words: String,
}

impl NoteExport {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        Refusal::unless_within(key::WORDS, "note", self.words.as_bytes())?;
        book.require_tenant(&self.tenant)?;
        let words = self.words.clone();
        let event = Event { code: EventCode::SecretsExported, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(Outcome::Done)
    }
}
