//! An import key's end.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Deletes an import key of a tenant, an older one or the newest. What was encrypted to it cannot
/// be read any more.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeleteImportKey {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The key's public half.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub public: [u8; 32],
    /// The version that the tenant must have.
    #[n(2)]
    pub expect: Option<u64>,
}

impl DeleteImportKey {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut tenant = book.require_tenant(&self.tenant)?;
        Refusal::unless_version(self.expect, tenant.version)?;
        let older = key::under_tenant(Kind::ImportKey, &self.tenant, &self.public);
        let words = if tenant.import_key.as_ref().is_some_and(|key| key.public == self.public) {
            tenant.import_key = None;
            "The key that factories encrypt their lists to was deleted: there is none now."
        } else if book.holds(&older) {
            book.drop_row(&older);
            "An older key that factories encrypted their lists to was deleted."
        } else {
            let name: String = self.public.iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(Refusal::not_found("import key", name).into());
        };
        tenant.version += 1;
        book.store(key::of_tenant(Kind::Tenant, &self.tenant), &tenant);
        let words = words.to_owned();
        let event = Event { code: EventCode::ImportKeyChanged, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(Outcome::Done)
    }
}
