//! Who opens the root key, and makes the first one.

use crate::kek::{KekError, Providers};
use claviger_actors::Clock;
use claviger_ledger::{
    Command, Envelope, Ledger, Outcome, PutRootKey, Refusal, RequestId, RootKeys, Tenant,
    Unavailable, View,
};
use claviger_machine::Crypto;
use claviger_seal::{ClusterSecret, Keyring, RootKey, Wrapped};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, PoisonError};
use tokio::sync::{Mutex, Notify, watch};
use zeroize::Zeroizing;

/// How often it is looked whether the root key has changed, or can be opened by now.
const LOOK: Duration = Duration::from_secs(1);
/// How long a node that is sealed lets commands gather before it looks at them.
const MOMENT: Duration = Duration::from_millis(20);
/// How often it is looked whether the provider that wraps still answers.
const CHECK: Duration = Duration::from_secs(30);

/// Why the keys are not as somebody wants them; the words say what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The provider does not do it.
    #[error(transparent)]
    Kek(#[from] KekError),
    /// The ledger has tenants, and no KEK at hand opens their keys.
    #[error("the key file does not open this ledger; restore the one that belongs to it")]
    WrongKek,
    /// Nobody has made a root key yet.
    #[error("the ledger has no root key yet: its leader makes it")]
    NoRootKey,
    /// The root key opens, and does not open the rest.
    #[error("the root key of this ledger does not open its cluster secret: the ledger is damaged")]
    Damaged,
    /// This node is sealed.
    #[error(transparent)]
    Sealed(#[from] claviger_seal::Sealed),
    /// The ledger does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The ledger refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// How the keys of this node stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Why it is sealed; none if it is not.
    pub sealed: Option<String>,
    /// The name of the KEK that wraps, or why its provider gives none.
    pub kek: Option<Result<String, String>>,
}

/// The keeper of a node's keys.
pub struct Keeper {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) crypto: Arc<dyn Crypto>,
    pub(super) providers: Providers,
    pub(super) ring: Arc<Keyring>,
    standing: watch::Sender<Standing>,
    /// Held while the ring is being opened.
    pub(super) opening: Mutex<()>,
    again: Notify,
    /// The root key of the copy that has opened this node, until that is noted; 0 for none.
    pub(super) unsealed: AtomicU32,
    /// Root keys of copies that were given to this process, until they are on the ring.
    pub(super) given: std::sync::Mutex<BTreeMap<u32, RootKey>>,
    /// What opens copies that are given to a sealed node; of this process alone.
    pub(super) door: claviger_factory::PrivateKey,
}

/// What the rows say of keys.
struct Rows {
    keys: Option<RootKeys>,
    /// A tenant whose key the KEK itself wraps, as it was before there were root keys.
    before: Option<(String, Tenant)>,
}

impl Keeper {
    /// One for the rows of `ledger`, by these providers; the ring is closed.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        crypto: Arc<dyn Crypto>,
        providers: Providers,
    ) -> Self {
        let sealed = Some("the root key has not been opened yet".to_owned());
        let (standing, _) = watch::channel(Standing { sealed, kek: None });
        let mut draw = claviger_machine::Draw(crypto.clone());
        let door = claviger_factory::PrivateKey::make("", &mut draw);
        let (ring, opening, again) = (Arc::default(), Mutex::new(()), Notify::new());
        let (unsealed, given) = (AtomicU32::new(0), std::sync::Mutex::default());
        Self {
            ledger,
            clock,
            crypto,
            providers,
            ring,
            standing,
            opening,
            again,
            unsealed,
            given,
            door,
        }
    }

    /// The ring that all of this node ask.
    pub fn ring(&self) -> Arc<Keyring> {
        self.ring.clone()
    }

    /// How the keys stand, and how they will.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// True if a provider of this node has the KEK of this name.
    pub fn has(&self, kek: &str) -> bool {
        self.providers.has(kek)
    }

    /// The newest version of the root key, and how many keys are on their way out.
    pub fn retiring(&self) -> (u32, usize) {
        let (mut version, mut retiring) = (0, 0);
        self.ledger.read(&mut |rows| {
            let view = View::new(rows);
            let keys = view.root_keys();
            version = keys.as_ref().map_or(0, |it| it.version);
            retiring = view.rotating().len() + keys.and_then(|it| it.retiring).iter().count();
        });
        (version, retiring)
    }

    /// Whether this node may lead: it can seal and open all, or there is nothing sealed yet.
    pub fn may_lead(&self) -> bool {
        let Rows { keys, before } = self.rows();
        match keys {
            Some(keys) => self.ring.root(keys.version).is_some(),
            None => self.ring.is_open() || before.is_none(),
        }
    }

    /// Opens the root key, follows it when it is replaced, and looks after the provider, until the
    /// task is ended. `stand` is told when this node may not lead, and when it may again; at first
    /// it is taken to be so if it `stood`.
    pub async fn run(self: Arc<Self>, mut stood: bool, stand: impl Fn(bool) + Send) {
        let mut checked = None;
        loop {
            let seen = self.ledger.applied();
            // What came of it is told by the standing.
            let _ = self.open().await;
            let may_lead = self.may_lead();
            if may_lead != stood {
                stood = may_lead;
                stand(may_lead);
            }
            self.note_unsealed().await;
            let now = tokio::time::Instant::now();
            if checked.is_none_or(|then| now.duration_since(then) >= CHECK) {
                checked = Some(now);
                self.check().await;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                // What it lacks may be in the ledger's next command.
                () = self.moved(seen), if self.standing.borrow().sealed.is_some() => {}
                () = self.again.notified() => checked = None,
            }
        }
    }

    /// Waits until the ledger has moved on from `seen`, and then for a moment: more may follow.
    async fn moved(&self, seen: u64) {
        self.ledger.beyond(seen).await;
        tokio::time::sleep(MOMENT).await;
    }

    /// Has the providers look again at what they are made of; false if that never changes.
    pub fn reload(&self) -> bool {
        let may_change = self.providers.reload();
        self.again.notify_one();
        may_change
    }

    /// Makes the first root key, or opens the one that is there, however long that takes. For the
    /// leader.
    pub async fn established(&self) {
        while let Err(error) = self.establish().await {
            self.seal(&error);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Tells why this node is sealed: it cannot open what the rows have. The ring may be open, with
    /// a root key that was replaced since; that opens less and less.
    pub fn seal(&self, error: &KeyError) {
        let words = error.to_string();
        let changed = self.standing.send_if_modified(|standing| {
            let sealed = Some(words.clone());
            let changed = standing.sealed != sealed;
            standing.sealed = sealed;
            changed
        });
        if changed {
            tracing::warn!(why = words, "this node is sealed");
        }
    }

    async fn check(&self) {
        let keys = self.rows().keys;
        let keks = keys.iter().flat_map(RootKeys::versions).flat_map(|(_, wrappings)| wrappings);
        self.providers.look(keks.map(|it| it.kek.clone()).collect()).await;
        let kek = self.providers.kek().await.map_err(|error| error.to_string());
        self.standing.send_if_modified(|standing| {
            let known = standing.kek.as_ref();
            let changed = known != Some(&kek);
            if let (true, Err(why)) = (changed, &kek) {
                tracing::warn!(why, "the key provider does not answer; what is open stays open");
            }
            standing.kek = Some(kek);
            changed
        });
    }

    fn rows(&self) -> Rows {
        let mut found = Rows { keys: None, before: None };
        self.ledger.read(&mut |rows| {
            let view = View::new(rows);
            found.keys = view.root_keys();
            // Once all are carried over, the newest root key has wrapped them.
            let is_before = |(_, tenant): &(String, Tenant)| tenant.keys().any(|it| it.1 == 0);
            if self.ring.roots().first() == Some(&0) || !self.ring.is_open() {
                found.before = view.tenants().into_iter().find(is_before);
            }
        });
        found
    }

    /// Sees to it that the ring has the root keys of the rows.
    ///
    /// # Errors
    /// Why it cannot; what it had stays.
    pub async fn open(&self) -> Result<(), KeyError> {
        let _alone = self.opening.lock().await;
        let opened = self.open_alone().await;
        if let Err(error) = &opened {
            self.seal(error);
        }
        opened
    }

    async fn open_alone(&self) -> Result<(), KeyError> {
        let Rows { keys, before } = self.rows();
        let wanted = keys.iter().flat_map(RootKeys::versions).map(|(version, _)| version);
        let mut wanted: Vec<_> = wanted.chain(before.iter().map(|_| 0)).collect();
        wanted.sort_unstable();
        if self.ring.is_open() && self.ring.roots() == wanted {
            self.standing.send_if_modified(|standing| standing.sealed.take().is_some());
            return Ok(());
        }
        let (roots, cluster) = match &keys {
            Some(keys) => self.unwrapped(keys, before.as_ref()).await?,
            None => {
                let (name, tenant) = before.as_ref().ok_or(KeyError::NoRootKey)?;
                let (root, cluster) = self.of_before(name, tenant).ok_or(KeyError::WrongKek)?;
                (BTreeMap::from([(0, root)]), cluster)
            }
        };
        if self.ring.is_open() && roots.keys().copied().eq(self.ring.roots()) {
            self.standing.send_if_modified(|standing| standing.sealed.take().is_some());
            return Ok(());
        }
        self.ring.open(roots, cluster);
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.opened();
        Ok(())
    }

    /// Tells that the ring is open.
    pub(crate) fn opened(&self) {
        self.standing.send_if_modified(|standing| standing.sealed.take().is_some());
        tracing::info!(roots = ?self.ring.roots(), "the root key is open");
        self.again.notify_one();
    }

    async fn unwrapped(
        &self,
        keys: &RootKeys,
        before: Option<&(String, Tenant)>,
    ) -> Result<(BTreeMap<u32, RootKey>, ClusterSecret), KeyError> {
        let mut roots = BTreeMap::new();
        for (version, wrappings) in keys.versions() {
            let root = match self.ring.root(version).or_else(|| self.given(version)) {
                Some(root) => Ok(root),
                None => self.providers.unwrap(version, wrappings).await,
            };
            match root {
                Ok(root) => drop(roots.insert(version, root)),
                // One on its way out that wraps nothing any more is not missed.
                Err(_) if version != keys.version && self.wrapped_by(version).is_none() => {}
                Err(why) => return Err(why.into()),
            }
        }
        let newest = &roots[&keys.version];
        let cluster = newest.unwrap_cluster(&keys.cluster).map_err(|_| KeyError::Damaged)?;
        if let Some((name, tenant)) = before {
            let (root, _) = self.of_before(name, tenant).ok_or(KeyError::WrongKek)?;
            roots.insert(0, root);
        }
        Ok((roots, cluster))
    }

    fn given(&self, version: u32) -> Option<RootKey> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).get(&version).cloned()
    }

    /// A tenant with a key that this version of the root key wraps.
    pub(super) fn wrapped_by(&self, version: u32) -> Option<(String, Tenant)> {
        let mut tenants = Vec::new();
        self.ledger.read(&mut |rows| tenants = View::new(rows).tenants());
        tenants.into_iter().find(|(_, tenant)| tenant.keys().any(|it| it.1 == version))
    }

    /// The KEK that wraps the key of this tenant itself.
    fn of_before(&self, name: &str, tenant: &Tenant) -> Option<(RootKey, ClusterSecret)> {
        let (version, root, bytes) = tenant.keys().find(|it| it.1 == 0)?;
        let wrapped = Wrapped { version, root, bytes };
        let opens = |(root, cluster): &(RootKey, ClusterSecret)| {
            let ring = Keyring::default();
            ring.open(BTreeMap::from([(0, root.clone())]), cluster.clone());
            ring.tenant(name, &[wrapped]).is_ok()
        };
        self.providers.before_roots().into_iter().find(opens)
    }

    /// Makes the first root key, if there is none, and opens it; a ledger of before there were
    /// root keys keeps its cluster secret. For the leader.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn establish(&self) -> Result<(), KeyError> {
        let Rows { keys, before } = self.rows();
        if keys.is_some() {
            return self.open().await;
        }
        if before.is_some() {
            self.open().await?;
        }
        let cluster = self.ring.cluster().ok();
        let cluster = cluster.unwrap_or_else(|| ClusterSecret::new(self.crypto.random()));
        let command = self.root_key(1, &cluster, &[self.providers.kek().await?]).await?;
        match self.propose(command).await {
            // Another has made it meanwhile.
            Ok(()) | Err(KeyError::Refused(Refusal::Changed { .. })) => self.open().await,
            Err(error) => Err(error),
        }
    }

    /// A new root key, wrapped by each of these KEKs, that wraps the cluster secret.
    pub(super) async fn root_key(
        &self,
        version: u32,
        cluster: &ClusterSecret,
        keks: &[String],
    ) -> Result<PutRootKey, KeyError> {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(self.crypto.random());
        let root = RootKey::new(*bytes);
        let mut wrappings = Vec::with_capacity(keks.len());
        for kek in keks {
            wrappings.push(self.providers.wrap_by(kek, version, &root).await?);
        }
        let cluster = root.wrap_cluster(cluster, self.crypto.random());
        Ok(PutRootKey { version, wrappings, cluster })
    }

    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) async fn propose(&self, command: impl Into<Command>) -> Result<(), KeyError> {
        let request = RequestId(self.crypto.random());
        let envelope = Envelope::new(self.now(), request, command.into());
        match self.ledger.propose(envelope).await? {
            Outcome::Refused(refusal) => Err(refusal.into()),
            _ => Ok(()),
        }
    }
}
