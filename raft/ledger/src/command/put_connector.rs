//! A connector, new or changed.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::{Connector, ConnectorKind};
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
    /// Where the server is told; empty where it asks.
    #[n(2)]
    pub url: String,
    /// The signing secret, sealed with the tenant's key.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub sealed_secret: Vec<u8>,
    /// How it reaches its server.
    #[cbor(n(4), skip_if = "ConnectorKind::is_webhook")]
    pub kind: ConnectorKind,
    /// The version that it must have; 0 if it must not exist.
    #[n(5)]
    pub expect: Option<u64>,
}

impl PutConnector {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        book.sealing_tenant(&self.tenant, &[&self.sealed_secret])?;
        Refusal::unless_within(key::NAME, "connector's name", self.name.as_bytes())?;
        let old = book.connector(&self.tenant, &self.name)?;
        let before = old.as_ref().map_or(0, |c| c.version);
        Refusal::unless_version(self.expect, before)?;
        if old.is_some_and(|old| old.kind != self.kind) {
            // A server that asks would not find what was told, nor one that is told what was not.
            let (what, name) = ("connector".to_owned(), self.name.clone());
            return Err(Refusal::OtherKind { what, name }.into());
        }
        let connector = Connector {
            url: self.url.clone(),
            sealed_secret: self.sealed_secret.clone(),
            version: book.version_after(before),
            kind: self.kind,
        };
        book.store(key::named(Kind::Connector, &self.tenant, &self.name), &connector);
        let words = format!("The connector \"{}\" is at version {}.", self.name, connector.version);
        let event = Event { code: EventCode::ConnectorChanged, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(if before == 0 { Outcome::Made } else { Outcome::Done })
    }
}
