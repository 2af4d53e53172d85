//! The end of a version of the root key.

use crate::event::{Event, EventCode};
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Destroys the version of the root key that was replaced; refused while it wraps a tenant's key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DestroyRootKey {
    /// The version.
    #[n(0)]
    pub version: u32,
}

impl DestroyRootKey {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut keys = book.require_root_keys()?;
        if keys.retiring.take_if(|it| it.version == self.version).is_none() {
            let name = format!("of version {}, on its way out", self.version);
            return Err(Refusal::not_found("root key", name).into());
        }
        if book.wraps_a_key(self.version)? {
            let name = format!("of version {}", self.version);
            return Err(Refusal::in_use("root key", &name, "a tenant's key").into());
        }
        book.store_root_keys(keys);
        let words = format!("Version {} of the root key was destroyed.", self.version);
        let code = EventCode::RootKeyDestroyed;
        book.announce(HOME, Event { code, credential: None, words })?;
        Ok(Outcome::Done)
    }
}
