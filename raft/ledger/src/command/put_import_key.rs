//! A tenant's import key, new or changed.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::ImportKey;
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// How many older keys a tenant keeps at most.
const OLDER: usize = 16;

/// Sets the key pair that lists from a factory are encrypted to. The one before stays, so that
/// lists which are on their way can be read, until [`DeleteImportKey`](crate::DeleteImportKey).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutImportKey {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The public key of X25519 (RFC 7748).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub public: [u8; 32],
    /// The private key, sealed with the tenant's key.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub sealed_private: Vec<u8>,
    /// The version that the tenant must have.
    #[n(3)]
    pub expect: Option<u64>,
}

impl PutImportKey {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut tenant = book.sealing_tenant(&self.tenant, &[&self.sealed_private])?;
        Refusal::unless_version(self.expect, tenant.version)?;
        let made = if tenant.import_key.is_none() { "was made" } else { "was replaced" };
        if let Some(older) = tenant.import_key.take_if(|key| key.public != self.public) {
            let prefix = key::of_tenant(Kind::ImportKey, &self.tenant);
            if book.keys_under(&prefix, OLDER).len() == OLDER {
                let (what, limit) = ("older import keys".to_owned(), OLDER as u64);
                return Err(Refusal::Full { what, limit }.into());
            }
            let row = key::under_tenant(Kind::ImportKey, &self.tenant, &older.public);
            book.store(row, &older);
        }
        tenant.version += 1;
        tenant.import_key = Some(ImportKey {
            public: self.public,
            sealed_private: self.sealed_private.clone(),
            created_at: book.at,
        });
        book.store(key::of_tenant(Kind::Tenant, &self.tenant), &tenant);
        let words = format!("The key that factories encrypt their lists to {made}.");
        let event = Event { code: EventCode::ImportKeyChanged, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(Outcome::Done)
    }
}
