//! The root key under other KEKs.

use super::put_root_key::check;
use crate::event::{Event, EventCode};
use crate::record::Wrapping;
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Replaces the wrappings of the root key, which stays what it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WrapRootKey {
    /// The revision that the root key must have.
    #[n(0)]
    pub expect: u64,
    /// Its newest version, wrapped by each KEK that is to open it, that of the newest first.
    #[n(1)]
    pub wrappings: Vec<Wrapping>,
    /// The version that it replaces, if there is one, wrapped in the same way.
    #[n(2)]
    pub retiring: Vec<Wrapping>,
}

impl WrapRootKey {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        check(&self.wrappings)?;
        let mut keys = book.require_root_keys()?;
        if keys.wrappings == self.wrappings {
            return Ok(Outcome::Done);
        }
        Refusal::unless_version(Some(self.expect), keys.revision)?;
        if let Some(retiring) = &mut keys.retiring {
            check(&self.retiring)?;
            retiring.wrappings.clone_from(&self.retiring);
        }
        let list = |wrappings: &[Wrapping]| {
            let names: Vec<_> = wrappings.iter().map(|it| it.kek.as_str()).collect();
            names.join(", ")
        };
        let (before, now) = (list(&keys.wrappings), list(&self.wrappings));
        let words = format!("The root key is wrapped by {now}; it was by {before}.");
        keys.wrappings.clone_from(&self.wrappings);
        book.store_root_keys(keys);
        book.announce(HOME, Event { code: EventCode::KekChanged, credential: None, words })?;
        Ok(Outcome::Done)
    }
}
