//! What a ledger must hold before it serves: its founding, the tenants of listeners, their keys.
//!
//! The leader sees to it, at the beginning of each term. All of it may have been done before.

use super::StartError;
use crate::config::{Coaps, CredentialKind};
use crate::identity;
use crate::keys::{Keeper, KeyError, key_of};
use claviger_actors::Clock;
use claviger_curves::SigningKey;
use claviger_ledger::{
    Command, CreateTenant, Envelope, Found, Ledger, Outcome, PutServerIdentity, RequestId,
    Unavailable, View,
};
use claviger_machine::Crypto;
use claviger_raft::Node;
use claviger_seal::TenantKey;
use std::collections::BTreeSet;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The tenant that every ledger has.
pub const TENANT: &str = "default";

/// What a node of the ledger works with.
#[derive(Clone)]
pub(super) struct World {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) crypto: Arc<dyn Crypto>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) ledger: Arc<Node>,
}

impl World {
    async fn propose(&self, command: impl Into<Command>) -> Result<Outcome, Unavailable> {
        let time = u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX);
        let request = RequestId(self.crypto.random());
        let ledger: &dyn Ledger = self.ledger.as_ref();
        ledger.propose(Envelope::new(time, request, command.into())).await
    }

    /// Founds the ledger, makes its root key and these tenants, where that is still to be done.
    pub(super) async fn prepare(&self, tenants: &BTreeSet<String>) -> Result<(), StartError> {
        self.ledger.confirm().await?;
        let mut founded = false;
        self.ledger.read(&mut |rows| founded = View::new(rows).meta().is_some());
        if !founded {
            self.propose(Found { cluster: self.crypto.random() }).await?;
        }
        self.keeper.establish().await?;
        self.ensure(TENANT).await?;
        for tenant in tenants.iter().filter(|tenant| *tenant != TENANT) {
            self.ensure(tenant).await?;
        }
        Ok(())
    }

    /// Makes a tenant if it is missing.
    async fn ensure(&self, tenant: &str) -> Result<(), StartError> {
        let Self { keeper, crypto, ledger, .. } = self;
        let look = || {
            let mut found = None;
            ledger.read(&mut |rows| found = View::new(rows).tenant(tenant));
            found
        };
        if look().is_none() {
            let bytes = Zeroizing::new(crypto.random());
            let wrapped = keeper.ring().wrap(tenant, 1, &bytes, crypto.random());
            let (root, wrapped_key) = wrapped.map_err(KeyError::from)?;
            let create = CreateTenant { tenant: tenant.to_owned(), wrapped_key, root };
            let outcome = self.propose(create).await?;
            debug_assert!(matches!(outcome, Outcome::Done), "it was not there");
        }
        let Some(record) = look() else { return Err(Unavailable::NoLeader.into()) };
        let key = key_of(&keeper.ring(), tenant, &record).map_err(|_| KeyError::Damaged)?;
        self.present(tenant, &key).await
    }

    /// Makes the key that the tenant's listeners prove themselves by, if it has none.
    async fn present(&self, tenant: &str, tenant_key: &TenantKey) -> Result<(), StartError> {
        let mut found = false;
        self.ledger.read(&mut |rows| found = View::new(rows).server_identity(tenant).is_some());
        if found {
            return Ok(());
        }
        let pkcs8 = SigningKey::generate().map_err(|_| StartError::ServerKey)?;
        let key = SigningKey::from_pkcs8(&pkcs8).map_err(|_| StartError::ServerKey)?;
        let sealed = identity::seal(tenant, tenant_key, &key, Vec::new(), self.crypto.as_ref());
        let identity = sealed.map_err(|_| StartError::ServerKey)?;
        let tenant = tenant.to_owned();
        // Another node may have made one meanwhile: that one stays.
        self.propose(PutServerIdentity { tenant, identity, expect: Some(0) }).await.map(drop)?;
        Ok(())
    }

    /// Tells who takes certificates and has none to show.
    pub(super) fn warn_without_chain(&self, coaps: &Coaps) {
        if !coaps.credentials.take(CredentialKind::Certificate) {
            return;
        }
        let tenant = coaps.tenant.as_str();
        self.ledger.read(&mut |rows| {
            let view = View::new(rows);
            let bare =
                view.server_identity(tenant).is_some_and(|identity| identity.chain.is_empty());
            if bare && !view.trust_anchors(tenant).is_empty() {
                tracing::warn!(
                    tenant,
                    listen = %coaps.listen,
                    "devices with certificates may want one of the server, and its key has none: \
                     `claviger identity set --chain FILE` gives it one"
                );
            }
        });
    }
}
