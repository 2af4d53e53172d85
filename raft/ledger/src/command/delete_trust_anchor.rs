//! The end of a trust anchor.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Deletes a trust anchor. From now on no session opens by a certificate under it, and none that is
/// open brings a credential: devices that prove themselves so are shut out.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeleteTrustAnchor {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The anchor's name.
    #[n(1)]
    pub name: String,
    /// The version that it must have.
    #[n(2)]
    pub expect: Option<u64>,
}

impl DeleteTrustAnchor {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        book.require_tenant(&self.tenant)?;
        let Some(anchor) = book.trust_anchor(&self.tenant, &self.name)? else {
            return Err(Refusal::not_found("trust anchor", &self.name).into());
        };
        Refusal::unless_version(self.expect, anchor.version)?;
        book.drop_row(&key::named(Kind::TrustAnchor, &self.tenant, &self.name));
        let words = format!("The trust anchor \"{}\" was deleted.", self.name);
        let event = Event { code: EventCode::TrustAnchorDeleted, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(Outcome::Done)
    }
}
