//! A new tenant.

use crate::key::{self, Kind};
use crate::record::{Tenant, is_zero};
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Makes a tenant; its realm has its name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CreateTenant {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The tenant key, wrapped by the root key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub wrapped_key: Vec<u8>,
    /// The version of the root key; 0 for the KEK itself, as it was before there were root keys.
    #[cbor(n(2), skip_if = "is_zero")]
    pub root: u32,
}

impl CreateTenant {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        Refusal::unless_within(key::NAME, "tenant's name", self.tenant.as_bytes())?;
        let row = key::of_tenant(Kind::Tenant, &self.tenant);
        if book.load::<Tenant>("a tenant", &row)?.is_some() {
            return Err(Refusal::taken("tenant", &self.tenant).into());
        }
        // One that has been destroyed opens nothing.
        if let Some(keys) = book.root_keys()?.filter(|keys| !keys.holds(self.root)) {
            Refusal::unless_version(Some(self.root.into()), keys.version.into())?;
        }
        let tenant = Tenant {
            realm: self.tenant.clone(),
            wrapped_key: self.wrapped_key.clone(),
            created_at: book.at,
            import_key: None,
            version: 1,
            root: self.root,
            replaced: 0,
            retiring: None,
        };
        book.store(row, &tenant);
        Ok(Outcome::Done)
    }
}
