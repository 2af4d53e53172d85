//! The key of a tenant's listeners, new or changed.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::ServerIdentity;
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Sets what the listeners of a tenant prove themselves by; its `version` is counted by the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutServerIdentity {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// What it is.
    #[n(1)]
    pub identity: ServerIdentity,
    /// The version that it must have; 0 if there must be none.
    #[n(2)]
    pub expect: Option<u64>,
}

impl PutServerIdentity {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        book.sealing_tenant(&self.tenant, &[&self.identity.sealed_key])?;
        let ServerIdentity { chain, public_key, .. } = &self.identity;
        let bytes = chain.iter().map(|it| it.len()).sum::<usize>() + public_key.len();
        Refusal::unless_short(ServerIdentity::BYTES, "chain of the server", bytes)?;
        let row = key::of_tenant(Kind::ServerIdentity, &self.tenant);
        let before: Option<ServerIdentity> = book.load("a server's identity", &row)?;
        let before = before.map_or(0, |it| it.version);
        Refusal::unless_version(self.expect, before)?;
        let version = book.version_after(before);
        book.store(row, &ServerIdentity { version, ..self.identity.clone() });
        let made = if before == 0 { "was made" } else { "was replaced" };
        let with = match chain.len() {
            0 => "It has no certificate.".to_owned(),
            n => format!("Certificates in its chain: {n}."),
        };
        let words = format!("The key of the listeners {made}. {with}");
        let event = Event { code: EventCode::ServerIdentityChanged, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(if before == 0 { Outcome::Made } else { Outcome::Done })
    }
}
