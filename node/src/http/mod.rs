//! The HTTP API: administration, reports of LwM2M servers, health and metrics.
//!
//! It translates: a request becomes a command of the ledger or a look at its rows, and a refusal a
//! [`claviger_api::Problem`]. It decides nothing that `apply` decides. Every write is committed
//! before its answer, every read begins behind [`Ledger::confirm`]. Key material comes in and is
//! sealed at once; no answer, error or log line has it.
//!
//! [`router`] on an [`Api`] gives the whole, and a [`Server`] serves it.

mod admin;
mod auth;
mod body;
mod change;
mod claim;
mod health;
mod idempotency;
mod names;
mod openapi;
mod paging;
mod problem;
mod pull;
mod router;
mod serve;
#[cfg(test)]
mod tests;
mod tls;
mod trace;
mod version;

pub use admin::profiles::is_server_uri;
pub use auth::AdminToken;
pub use health::Health;
pub use openapi::document;
pub use pull::{Desk, Lookup, Lookups};
pub use router::{router, starting, without_api};
pub use serve::{Counters, Server, Streams};
pub use tls::{Identity, TlsError};

use crate::cluster::operator::Operator;
use crate::keys::{Keeper, key_of};
use crate::metrics::Metrics;
use change::Write;
use claviger_actors::Clock;
use claviger_api::Code;
use claviger_ledger::{Command, Envelope, Ledger, Outcome, RequestId, Tenant, View};
use claviger_link::Registrar;
use claviger_machine::Crypto;
use claviger_seal::TenantKey;
use problem::Fault;
use std::sync::Arc;

/// What the handlers may touch.
pub struct Api {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The keys of the cluster.
    pub keeper: Arc<Keeper>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub crypto: Arc<dyn Crypto>,
    /// What is kept of look-ups by LwM2M servers.
    pub desk: Desk,
    /// What an administrator proves himself by.
    pub admin_token: AdminToken,
    /// The places of those who read events as they happen.
    pub streams: Streams,
    /// The cluster, as this node sees it.
    pub operator: Arc<dyn Operator>,
    /// Who lets nodes join.
    pub registrar: Arc<Registrar>,
    /// Whether this node can serve.
    pub health: Arc<Health>,
    /// What is shown to Prometheus.
    pub metrics: Arc<Metrics>,
}

impl Api {
    /// Now, in ms since the Unix epoch.
    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX)
    }

    /// Looks at rows that are no older than this call.
    async fn look<T>(&self, look: impl FnOnce(&View<'_>) -> T + Send) -> Result<T, Fault> {
        self.ledger.confirm().await?;
        let (mut look, mut seen) = (Some(look), None);
        self.ledger.read(&mut |rows| {
            if let Some(look) = look.take() {
                seen = Some(look(&View::new(rows)));
            }
        });
        seen.ok_or_else(|| Fault::internal("the ledger showed nothing"))
    }

    /// Commits a command; a refusal is a fault.
    async fn commit(&self, command: impl Into<Command>) -> Result<(), Fault> {
        let request = RequestId(self.crypto.random());
        let envelope = Envelope::new(self.now(), request, command.into());
        match self.ledger.propose(envelope).await? {
            Outcome::Refused(refusal) => Err(refusal.into()),
            _ => Ok(()),
        }
    }

    /// Commits a change as its request wants it. The leader's actors hear of what it has ended.
    /// True if the command says that it has made what was not there.
    async fn change(&self, write: Write, command: impl Into<Command>) -> Result<bool, Fault> {
        let mut envelope = Envelope::new(self.now(), write.request, command.into());
        envelope.expected = write.expected;
        envelope.keyed = write.keyed;
        match self.ledger.propose(envelope).await? {
            Outcome::Refused(refusal) => Err(refusal.into()),
            outcome => Ok(outcome == Outcome::Made),
        }
    }

    /// Looks at rows of a tenant, which must be there, as [`Api::look`] does.
    async fn look_in<T>(
        &self,
        tenant: &str,
        look: impl FnOnce(&View<'_>) -> T + Send,
    ) -> Result<T, Fault> {
        let (owner, seen) = self.look(|view| (view.tenant(tenant), look(view))).await?;
        owner.ok_or_else(|| Fault::not_found("tenant", tenant))?;
        Ok(seen)
    }

    /// The tenant of this name.
    async fn tenant(&self, name: &str) -> Result<Tenant, Fault> {
        self.look(|view| view.tenant(name)).await?.ok_or_else(|| Fault::not_found("tenant", name))
    }

    /// Refuses while this node is sealed.
    fn unless_sealed(&self) -> Result<(), Fault> {
        match &self.keeper.standing().borrow().sealed {
            Some(why) => Err(Fault::new(Code::Sealed, why.as_str())),
            None => Ok(()),
        }
    }

    /// The tenant's key.
    fn key_of(&self, name: &str, tenant: &Tenant) -> Result<TenantKey, Fault> {
        let key = key_of(&self.keeper.ring(), name, tenant);
        key.map_err(|_| Fault::internal("the tenant's key does not open by this node's root key"))
    }
}
