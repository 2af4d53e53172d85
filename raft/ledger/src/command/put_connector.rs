//! A connector, new or changed.

use crate::key::{self, Kind};
use crate::record::Connector;
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Sets a connector of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutConnector {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The connector's name.
    #[n(1)]
    pub name: String,
    /// Where the webhook is sent.
    #[n(2)]
    pub url: String,
    /// The signing secret, sealed with the tenant's key.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub sealed_secret: Vec<u8>,
}

impl PutConnector {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        book.require_tenant(&self.tenant)?;
        Refusal::unless_within(key::NAME, "connector's name", self.name.as_bytes())?;
        let row = key::named(Kind::Connector, &self.tenant, &self.name);
        let before: Option<Connector> = book.load("a connector", &row)?;
        let connector = Connector {
            url: self.url.clone(),
            sealed_secret: self.sealed_secret.clone(),
            version: before.map_or(0, |c| c.version) + 1,
        };
        book.store(row, &connector);
        Ok(Outcome::Done)
    }
}
