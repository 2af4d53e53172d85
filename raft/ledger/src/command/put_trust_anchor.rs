//! A trust anchor, new or changed.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::TrustAnchor;
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Sets a trust anchor of a tenant; its `version` is counted by the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutTrustAnchor {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The anchor's name.
    #[n(1)]
    pub name: String,
    /// What it is.
    #[n(2)]
    pub anchor: TrustAnchor,
    /// The version that it must have; 0 if it must not exist.
    #[n(3)]
    pub expect: Option<u64>,
}

impl PutTrustAnchor {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        book.require_tenant(&self.tenant)?;
        self.check(book)?;
        let before = book.trust_anchor(&self.tenant, &self.name)?.map_or(0, |it| it.version);
        Refusal::unless_version(self.expect, before)?;
        let prefix = key::of_tenant(Kind::TrustAnchor, &self.tenant);
        let most = TrustAnchor::OF_TENANT;
        if before == 0 && book.keys_under(&prefix, most).len() == most {
            let (what, limit) = ("trust anchors".to_owned(), most as u64);
            return Err(Refusal::Full { what, limit }.into());
        }
        let anchor = TrustAnchor { version: book.version_after(before), ..self.anchor.clone() };
        book.store(key::named(Kind::TrustAnchor, &self.tenant, &self.name), &anchor);
        let words = format!("The trust anchor \"{}\" is at version {}.", self.name, anchor.version);
        let event = Event { code: EventCode::TrustAnchorChanged, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(if before == 0 { Outcome::Made } else { Outcome::Done })
    }

    fn check(&self, book: &Book<'_>) -> Result<(), Refusal> {
        Refusal::unless_within(key::NAME, "trust anchor's name", self.name.as_bytes())?;
        let certificates = &self.anchor.certificates;
        if certificates.is_empty() {
            return Err(Refusal::not_found("certificate", "of the trust anchor"));
        }
        if certificates.len() > TrustAnchor::CERTIFICATES {
            let (what, limit) = ("certificates".to_owned(), TrustAnchor::CERTIFICATES as u64);
            return Err(Refusal::Full { what, limit });
        }
        let bytes = certificates.iter().map(|certificate| certificate.len()).sum();
        Refusal::unless_short(TrustAnchor::BYTES, "trust anchor", bytes)?;
        match &self.anchor.enrol_with {
            Some(profile) if !book.holds(&key::named(Kind::Profile, &self.tenant, profile)) => {
                Err(Refusal::not_found("profile", profile))
            }
            _ => Ok(()),
        }
    }
}
