//! The end of a version of a tenant's key.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Destroys the version of a tenant's key that was replaced. Its proposer has seen that nothing is
/// sealed by it any more; nothing has come in since the first [`Reseal`](crate::Reseal).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DestroyTenantKey {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The version.
    #[n(1)]
    pub version: u32,
}

impl DestroyTenantKey {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut tenant = book.require_tenant(&self.tenant)?;
        let gone = tenant.retiring.take_if(|it| it.version == self.version);
        let Some(gone) = gone else {
            return Err(Refusal::not_found("tenant's key on its way out", self.version).into());
        };
        if !gone.closed {
            let name = format!("of version {}", self.version);
            return Err(Refusal::in_use("tenant's key", &name, "what may still come in").into());
        }
        book.store(key::of_tenant(Kind::Tenant, &self.tenant), &tenant);
        book.drop_row(&key::rotating(Some(&self.tenant)));
        let words = format!(
            "Version {} of the tenant's key was destroyed; {} secrets were sealed anew.",
            gone.version, gone.resealed
        );
        let event = Event { code: EventCode::TenantKeyDestroyed, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(Outcome::Done)
    }
}
