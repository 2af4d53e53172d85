//! What brings everything under the newest keys, at the leader, in the background.
//!
//! Where it stands is in the ledger: tenants name the root key that wraps theirs, and a tenant's
//! key on its way out has a cursor. So another leader goes on, and nothing is done twice that
//! matters: what is sealed anew replaces only what was read.

use super::{Keeper, KeyError};
use claviger_ledger::{
    DestroyRootKey, DestroyTenantKey, Refusal, Reseal, Resealed, RetiringKey, RootKeys,
    SealedPlace, SealedRow, Tenant, View, WrapTenantKey,
};
use claviger_seal::{DoesNotOpen, Label, TenantKey, Wrapped};
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(1);
/// The pause after a round in which something did not open: somebody has to see to it.
const TROUBLE: Duration = Duration::from_secs(60);
/// How many credentials are looked at for one command.
const BATCH: usize = 64;
/// The pause between two commands, so that devices do not wait for it.
const BREATH: Duration = Duration::from_millis(20);
/// How old a replacement must be before what its key has sealed is refused, in ms: until then
/// proposals that were under way have come in.
const GRACE: u64 = 10_000;
/// How old it must be before its key is destroyed, in ms: whoever has read something before may
/// still open it.
const LINGER: u64 = 300_000;

/// What a worker counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Secrets that were sealed anew.
    pub resealed: AtomicU64,
    /// Looks at a secret that does not open by the key it names.
    pub unopened: AtomicU64,
    /// Keys of tenants that went under a newer root key.
    pub wrapped: AtomicU64,
}

/// The worker of a leader.
pub struct Worker {
    keeper: Arc<Keeper>,
    counters: Arc<Counters>,
}

/// How a look for sealed secrets has ended.
pub(super) enum Look {
    /// None was found.
    Clean,
    /// Some were sealed anew.
    Resealed,
    /// Some do not open.
    Trouble,
}

impl Worker {
    /// One that works with the keys of `keeper`.
    pub const fn new(keeper: Arc<Keeper>, counters: Arc<Counters>) -> Self {
        Self { keeper, counters }
    }

    /// Works until the task is ended.
    pub async fn run(self) {
        loop {
            let pause = match self.round().await {
                Ok(Look::Trouble) => TROUBLE,
                Ok(_) => PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "keys wait to be brought under newer ones");
                    PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Does all that can be done now.
    pub(super) async fn round(&self) -> Result<Look, KeyError> {
        let keeper = &self.keeper;
        keeper.ledger.confirm().await?;
        keeper.open().await?;
        let (mut keys, mut rotating): (Option<RootKeys>, _) = (None, Vec::new());
        keeper.ledger.read(&mut |rows| {
            let view = View::new(rows);
            (keys, rotating) = (view.root_keys(), view.rotating());
        });
        let Some(keys) = keys else { return Ok(Look::Clean) };
        if keys.retiring.is_some() || keeper.ring.roots().first() == Some(&0) {
            self.carry(&keys).await?;
        }
        let mut ended = Look::Clean;
        for tenant in rotating {
            if let Look::Trouble = self.reseal(&tenant).await? {
                ended = Look::Trouble;
            }
        }
        Ok(ended)
    }

    /// Brings all tenants' keys under the newest root key, and destroys the one before.
    async fn carry(&self, keys: &RootKeys) -> Result<(), KeyError> {
        let keeper = &self.keeper;
        let mut tenants = Vec::new();
        keeper.ledger.read(&mut |rows| tenants = View::new(rows).tenants());
        for (name, tenant) in &tenants {
            for (version, from, bytes) in tenant.keys().filter(|it| it.1 != keys.version) {
                let wrapped = Wrapped { version, root: from, bytes };
                let anew = keeper.ring.wrap_anew(name, wrapped, keeper.crypto.random());
                let (root, wrapped) = anew.map_err(|DoesNotOpen| KeyError::Damaged)?;
                let tenant = name.clone();
                keeper.propose(WrapTenantKey { tenant, version, from, root, wrapped }).await?;
                self.counters.wrapped.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(BREATH).await;
            }
        }
        if let Some(retiring) = &keys.retiring {
            match keeper.propose(DestroyRootKey { version: retiring.version }).await {
                // A tenant was made meanwhile: the next round finds it.
                Err(KeyError::Refused(Refusal::InUse { .. })) => return Ok(()),
                done => done?,
            }
            tracing::info!(version = retiring.version, "a root key was destroyed");
        }
        keeper.open().await
    }

    /// A tenant with its key on its way out, and the key as all who hold it have it from now on.
    fn tenant(&self, name: &str) -> Option<(Tenant, RetiringKey)> {
        let mut found: Option<Tenant> = None;
        self.keeper.ledger.read(&mut |rows| found = View::new(rows).tenant(name));
        let tenant = found?;
        let retiring = tenant.retiring.clone()?;
        Some((tenant, retiring))
    }

    /// Seals anew what a replaced key of `name` has sealed; destroys the key when nothing is left.
    async fn reseal(&self, name: &str) -> Result<Look, KeyError> {
        let Some((tenant, retiring)) = self.tenant(name) else { return Ok(Look::Clean) };
        let key = crate::keys::key_of(&self.keeper.ring, name, &tenant);
        let key = key.map_err(|DoesNotOpen| KeyError::Damaged)?;
        let age = self.keeper.now().saturating_sub(retiring.since);
        if age < GRACE {
            return Ok(Look::Clean);
        }
        if !retiring.closed {
            self.propose(name, &retiring, Vec::new(), Vec::new()).await?;
        }
        let look = self.pass(name, &tenant, &retiring, &key).await?;
        if matches!(look, Look::Clean) && age >= LINGER {
            let (tenant, version) = (name.to_owned(), retiring.version);
            self.keeper.propose(DestroyTenantKey { tenant, version }).await?;
            tracing::info!(tenant = name, version, "a tenant's key was destroyed");
            // Whoever holds the key is to have it no more.
            if let Some(tenant) = self.read(name) {
                let _ = crate::keys::key_of(&self.keeper.ring, name, &tenant);
            }
        }
        Ok(look)
    }

    fn read(&self, name: &str) -> Option<Tenant> {
        let mut found = None;
        self.keeper.ledger.read(&mut |rows| found = View::new(rows).tenant(name));
        found
    }

    /// Looks at all that is sealed of a tenant, from where the look before has stopped.
    async fn pass(
        &self,
        name: &str,
        tenant: &Tenant,
        retiring: &RetiringKey,
        key: &TenantKey,
    ) -> Result<Look, KeyError> {
        let began_whole = retiring.cursor.is_empty();
        let mut after = Some(retiring.cursor.clone()).filter(|cursor| !cursor.is_empty());
        let (mut resealed, mut trouble, mut stored) = (false, false, !began_whole);
        loop {
            let version = tenant.key_version();
            let (mut found, mut next) = (Vec::new(), None);
            self.keeper.ledger.read(&mut |rows| {
                let view = View::new(rows);
                let page = view.sealed_before(name, version, after.as_deref(), BATCH);
                (found, next) = (page.items, page.next);
            });
            let items: Vec<_> = found.iter().filter_map(|row| self.anew(name, key, row)).collect();
            trouble |= items.len() < found.len();
            if !items.is_empty() {
                resealed = true;
                let count = items.len() as u64;
                stored = next.is_some();
                self.propose(name, retiring, items, next.clone().unwrap_or_default()).await?;
                self.counters.resealed.fetch_add(count, Ordering::Relaxed);
                tokio::time::sleep(BREATH).await;
            }
            if next.is_none() {
                break;
            }
            after = next;
            tokio::task::yield_now().await;
        }
        if stored {
            self.propose(name, retiring, Vec::new(), Vec::new()).await?;
        }
        Ok(match (trouble, resealed || !began_whole) {
            (true, _) => Look::Trouble,
            // Only a look at everything that finds nothing is the last one.
            (false, true) => Look::Resealed,
            (false, false) => Look::Clean,
        })
    }

    /// A sealed secret under the newest version of the key; none if it does not open.
    fn anew(&self, tenant: &str, key: &TenantKey, row: &SealedRow) -> Option<Resealed> {
        let label = label(tenant, &row.place);
        let Ok(secret) = key.open(label, &row.sealed) else {
            self.counters.unopened.fetch_add(1, Ordering::Relaxed);
            tracing::error!(tenant, place = ?row.place, "a sealed secret does not open");
            return None;
        };
        let sealed = key.seal(label, &secret, self.keeper.crypto.random());
        Some(Resealed { place: row.place.clone(), was: row.hash(), sealed })
    }

    async fn propose(
        &self,
        tenant: &str,
        retiring: &RetiringKey,
        items: Vec<Resealed>,
        cursor: Vec<u8>,
    ) -> Result<(), KeyError> {
        let (tenant, version) = (tenant.to_owned(), retiring.version);
        self.keeper.propose(Reseal { tenant, version, items, cursor }).await
    }
}

/// What a secret at this place is sealed as.
fn label<'a>(tenant: &'a str, place: &'a SealedPlace) -> Label<'a> {
    match place {
        SealedPlace::Material { device, credential } => {
            Label::Credential { tenant, device, credential: &credential.0 }
        }
        SealedPlace::Session { session, .. } => Label::Session { tenant, session: &session.0 },
        SealedPlace::Resumption { handle } => Label::Resumption { tenant, handle },
        SealedPlace::Connector { name } => Label::Connector { tenant, connector: name },
        SealedPlace::ServerIdentity { fingerprint } => Label::ServerKey { tenant, fingerprint },
        SealedPlace::ImportKey { public } => Label::ImportKey { tenant, public },
    }
}
