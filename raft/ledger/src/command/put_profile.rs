//! A bootstrap profile, new or changed.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::Profile;
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Sets a bootstrap profile of a tenant; its `version` is counted by the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutProfile {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The profile's name.
    #[n(1)]
    pub name: String,
    /// What its devices get.
    #[n(2)]
    pub profile: Profile,
    /// The version that it must have; 0 if it must not exist.
    #[n(3)]
    pub expect: Option<u64>,
}

impl PutProfile {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        book.require_tenant(&self.tenant)?;
        if book.connector(&self.tenant, &self.profile.connector)?.is_none() {
            return Err(Refusal::not_found("connector", &self.profile.connector).into());
        }
        Refusal::unless_within(key::NAME, "profile's name", self.name.as_bytes())?;
        let row = key::named(Kind::Profile, &self.tenant, &self.name);
        let before: Option<Profile> = book.load("a profile", &row)?;
        let before = before.map_or(0, |p| p.version);
        Refusal::unless_version(self.expect, before)?;
        let profile = Profile { version: book.version_after(before), ..self.profile.clone() };
        book.store(row, &profile);
        let words = format!("The profile \"{}\" is at version {}.", self.name, profile.version);
        let event = Event { code: EventCode::ProfileChanged, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(if before == 0 { Outcome::Made } else { Outcome::Done })
    }
}
