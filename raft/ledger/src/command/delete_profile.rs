//! The end of a bootstrap profile.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::Profile;
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Deletes a bootstrap profile that no device has.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeleteProfile {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The profile's name.
    #[n(1)]
    pub name: String,
    /// The version that it must have.
    #[n(2)]
    pub expect: Option<u64>,
}

impl DeleteProfile {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        book.require_tenant(&self.tenant)?;
        let row = key::named(Kind::Profile, &self.tenant, &self.name);
        let Some(profile): Option<Profile> = book.load("a profile", &row)? else {
            return Err(Refusal::not_found("profile", &self.name).into());
        };
        Refusal::unless_version(self.expect, profile.version)?;
        match book.profile_use(&self.tenant, &self.name)? {
            0 => {}
            1 => return Err(Refusal::in_use("profile", &self.name, "a device").into()),
            n => {
                let by = format!("{n} devices");
                return Err(Refusal::in_use("profile", &self.name, by).into());
            }
        }
        for (name, anchor) in book.trust_anchors(&self.tenant)? {
            if anchor.enrol_with.as_ref() == Some(&self.name) {
                let by = format!("the trust anchor \"{name}\"");
                return Err(Refusal::in_use("profile", &self.name, by).into());
            }
        }
        book.drop_row(&row);
        book.drop_row(&key::named(Kind::ProfileUse, &self.tenant, &self.name));
        let words = format!("The profile \"{}\" was deleted.", self.name);
        let event = Event { code: EventCode::ProfileDeleted, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(Outcome::Done)
    }
}
