//! A tenant's key under a newer root key.

use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Replaces the wrapping of one version of a tenant's key, which stays what it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WrapTenantKey {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The version of its key.
    #[n(1)]
    pub version: u32,
    /// The version of the root key that it must be wrapped by.
    #[n(2)]
    pub from: u32,
    /// The version that it is wrapped by now: the newest.
    #[n(3)]
    pub root: u32,
    /// The key, wrapped.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub wrapped: Vec<u8>,
}

impl WrapTenantKey {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut tenant = book.require_tenant(&self.tenant)?;
        book.require_newest_root(self.root)?;
        let (actual, place) = if self.version == tenant.key_version() {
            (&mut tenant.root, &mut tenant.wrapped_key)
        } else {
            match tenant.retiring.as_mut().filter(|it| it.version == self.version) {
                Some(retiring) => (&mut retiring.root, &mut retiring.wrapped),
                None => return Err(Refusal::not_found("tenant key", self.version).into()),
            }
        };
        if *actual == self.root {
            return Ok(Outcome::Done);
        }
        Refusal::unless_version(Some(self.from.into()), u64::from(*actual))?;
        *actual = self.root;
        place.clone_from(&self.wrapped);
        book.store(key::of_tenant(Kind::Tenant, &self.tenant), &tenant);
        Ok(Outcome::Done)
    }
}
