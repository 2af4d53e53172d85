//! The next version of a tenant's key.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::RetiringKey;
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Gives a tenant a new key. The one before opens what it has sealed, until all of that was sealed
/// anew ([`Reseal`](crate::Reseal)) and it is destroyed
/// ([`DestroyTenantKey`](crate::DestroyTenantKey)).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ReplaceTenantKey {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The version of the new key: the one behind the newest.
    #[n(1)]
    pub version: u32,
    /// The version of the root key that it is wrapped by: the newest.
    #[n(2)]
    pub root: u32,
    /// The new key, wrapped.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub wrapped: Vec<u8>,
}

impl ReplaceTenantKey {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut tenant = book.require_tenant(&self.tenant)?;
        if let Some(retiring) = &tenant.retiring {
            return Err(Refusal::retiring("tenant's key", retiring.version).into());
        }
        let before = tenant.key_version();
        Refusal::unless_version(u64::from(self.version).checked_sub(1), before.into())?;
        book.require_newest_root(self.root)?;
        tenant.retiring = Some(RetiringKey {
            version: before,
            root: tenant.root,
            wrapped: core::mem::replace(&mut tenant.wrapped_key, self.wrapped.clone()),
            since: book.at,
            closed: false,
            resealed: 0,
            cursor: Vec::new(),
        });
        tenant.root = self.root;
        tenant.replaced = before;
        book.store(key::of_tenant(Kind::Tenant, &self.tenant), &tenant);
        book.store(key::rotating(Some(&self.tenant)), &before);
        let words = format!("The tenant's key was replaced by version {}.", self.version);
        let event = Event { code: EventCode::TenantKeyReplaced, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(Outcome::Done)
    }
}
