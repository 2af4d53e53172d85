//! A new tenant.

use crate::key::{self, Kind};
use crate::record::Tenant;
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Makes a tenant; its realm has its name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CreateTenant {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The tenant key, wrapped by the KEK.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub wrapped_key: Vec<u8>,
}

impl CreateTenant {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        Refusal::unless_within(key::NAME, "tenant's name", self.tenant.as_bytes())?;
        let row = key::of_tenant(Kind::Tenant, &self.tenant);
        if book.load::<Tenant>("a tenant", &row)?.is_some() {
            return Err(Refusal::taken("tenant", &self.tenant).into());
        }
        let tenant = Tenant {
            realm: self.tenant.clone(),
            wrapped_key: self.wrapped_key.clone(),
            created_at: book.at,
            import_key: None,
            version: 1,
        };
        book.store(row, &tenant);
        Ok(Outcome::Done)
    }
}
