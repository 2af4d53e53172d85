//! Secrets that were sealed anew.

use super::SealedPlace;
use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Replaces sealed secrets of a tenant by the same under the newest version of its key. From the
/// first of these commands on nothing comes in that the replaced version has sealed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Reseal {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The version of its key that is replaced.
    #[n(1)]
    pub version: u32,
    /// What was sealed anew; what has changed meanwhile stays as it is.
    #[n(2)]
    pub items: Vec<Resealed>,
    /// How far the look for more has come; empty at its beginning.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub cursor: Vec<u8>,
}

/// A secret that was sealed anew.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Resealed {
    /// Where it stands.
    #[n(0)]
    pub place: SealedPlace,
    /// The first half of the SHA-256 of what must stand there.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub was: [u8; 16],
    /// What is to stand there.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

impl Reseal {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let sealed: Vec<&[u8]> = self.items.iter().map(|it| it.sealed.as_slice()).collect();
        let tenant = book.sealing_tenant(&self.tenant, &sealed)?;
        let missing = || Refusal::not_found("tenant's key on its way out", self.version);
        let is_this = |retiring: &crate::RetiringKey| retiring.version == self.version;
        if !tenant.retiring.as_ref().is_some_and(is_this) {
            return Err(missing().into());
        }
        let mut done = 0;
        for Resealed { place, was, sealed } in &self.items {
            done += u64::from(book.reseal(&self.tenant, place, *was, sealed)?);
        }
        // Read again: an import key may have been sealed anew in it.
        let mut tenant = book.require_tenant(&self.tenant)?;
        let retiring = tenant.retiring.as_mut().ok_or_else(missing)?;
        retiring.closed = true;
        retiring.resealed += done;
        retiring.cursor.clone_from(&self.cursor);
        book.store(key::of_tenant(Kind::Tenant, &self.tenant), &tenant);
        Ok(Outcome::Done)
    }
}
