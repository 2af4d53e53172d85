//! A bootstrap profile, new or changed.

use crate::key::{self, Kind};
use crate::record::{Connector, Profile};
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
}

impl PutProfile {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        book.require_tenant(&self.tenant)?;
        let connector = key::named(Kind::Connector, &self.tenant, &self.profile.connector);
        if book.load::<Connector>("a connector", &connector)?.is_none() {
            return Err(Refusal::not_found("connector", &self.profile.connector).into());
        }
        Refusal::unless_within(key::NAME, "profile's name", self.name.as_bytes())?;
        let row = key::named(Kind::Profile, &self.tenant, &self.name);
        let before: Option<Profile> = book.load("a profile", &row)?;
        let mut profile = self.profile.clone();
        profile.version = before.map_or(0, |p| p.version) + 1;
        book.store(row, &profile);
        Ok(Outcome::Done)
    }
}
