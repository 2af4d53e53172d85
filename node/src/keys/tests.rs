use super::*;
use crate::crypto::SystemCrypto;
use crate::kek::{KekError, KeyProvider, Providers};
use claviger_actors::Clock;
use claviger_factory::PrivateKey;
use claviger_ledger::memory::MemoryLedger;
use claviger_ledger::{
    Command, ConnectorKind, CreateTenant, CredentialId, CredentialKind, DeviceRef, EnrolDevice,
    Envelope, EventCode, Found, HOME, Ledger, Outcome, Profile, PutConnector, PutProfile,
    RequestId, View, WrapTenantKey, Wrapping,
};
use claviger_machine::{Crypto, Draw};
use claviger_seal::{ClusterSecret, Kek, Label, RootKey};
use core::time::Duration;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

fn random<const N: usize>() -> [u8; N] {
    let crypto: &dyn Crypto = &SystemCrypto;
    crypto.random()
}

/// A clock that somebody else turns.
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// A KEK of this byte, whose provider can be lost.
struct Fake {
    kek: Kek,
    name: &'static str,
    lost: AtomicBool,
}

impl Fake {
    fn new(byte: u8, name: &'static str) -> Arc<Self> {
        Arc::new(Self { kek: Kek::new([byte; 32]), name, lost: AtomicBool::new(false) })
    }

    fn answers(&self) -> Result<(), KekError> {
        match self.lost.load(Ordering::Relaxed) {
            true => Err(KekError::Token("it is not plugged in".to_owned())),
            false => Ok(()),
        }
    }
}

impl KeyProvider for Fake {
    fn kek(&self) -> Result<String, KekError> {
        self.answers().map(|()| self.name.to_owned())
    }

    fn has(&self, kek: &str) -> bool {
        kek == self.name
    }

    fn wrap(&self, kek: &str, version: u32, root: &RootKey) -> Result<Wrapping, KekError> {
        assert_eq!(kek, self.name);
        self.answers()?;
        let bytes = self.kek.wrap(version, root, random());
        Ok(Wrapping { kek: self.name.to_owned(), bytes })
    }

    fn unwrap(&self, version: u32, wrapping: &Wrapping) -> Result<RootKey, KekError> {
        self.answers()?;
        let does_not = |_| KekError::DoesNotOpen { kek: wrapping.kek.clone() };
        self.kek.unwrap(version, &wrapping.bytes).map_err(does_not)
    }

    fn before_roots(&self) -> Vec<(RootKey, ClusterSecret)> {
        vec![(self.kek.before_roots(), self.kek.cluster_before_roots())]
    }
}

/// A founded ledger, and nodes at it.
struct Rig {
    ledger: Arc<MemoryLedger>,
    clock: Arc<Hand>,
}

impl Rig {
    async fn new() -> Self {
        let rig = Self { ledger: Arc::default(), clock: Arc::new(Hand(AtomicU64::new(1_000_000))) };
        rig.apply(Found { cluster: [0xc1; 16] }).await;
        rig
    }

    /// A node that starts with these providers.
    fn node(&self, providers: &[&Arc<Fake>]) -> Arc<Keeper> {
        let providers = providers.iter().map(|it| (*it).clone() as Arc<dyn KeyProvider>);
        let (ledger, clock) = (self.ledger.clone(), self.clock.clone());
        Arc::new(Keeper::new(ledger, clock, Arc::new(SystemCrypto), Providers::of(providers)))
    }

    async fn apply(&self, command: impl Into<Command>) {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap();
        let envelope = Envelope::new(now, RequestId(random()), command.into());
        let outcome = self.ledger.propose(envelope).await.unwrap();
        assert!(!matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }

    fn look<T>(&self, look: impl Fn(&View<'_>) -> T) -> T {
        let mut seen = None;
        self.ledger.read(&mut |rows| seen = Some(look(&View::new(rows))));
        seen.unwrap()
    }

    /// Makes a tenant, as a node with an open ring does.
    async fn tenant(&self, keeper: &Keeper, name: &str) {
        let bytes = Zeroizing::new(random());
        let wrapped = keeper.ring().wrap(name, 1, &bytes, random());
        let (root, wrapped_key) = wrapped.unwrap();
        self.apply(CreateTenant { tenant: name.to_owned(), wrapped_key, root }).await;
    }

    fn key(&self, keeper: &Keeper, name: &str) -> claviger_seal::TenantKey {
        let tenant = self.look(|view| view.tenant(name)).unwrap();
        key_of(&keeper.ring(), name, &tenant).unwrap()
    }

    /// What may be done for the codes of keys in the audit log.
    fn told(&self) -> Vec<EventCode> {
        let audit = self.look(|view| view.tenant_audit(HOME, None, 99)).into_iter();
        audit.map(|entry| entry.code).filter(|code| *code >= EventCode::RootKeyMade).collect()
    }

    /// A connector with a secret, and devices with a key each.
    async fn fill(&self, keeper: &Keeper, devices: u8) {
        let key = self.key(keeper, HOME);
        let label = Label::Connector { tenant: HOME, connector: "c" };
        self.apply(PutConnector {
            tenant: HOME.to_owned(),
            name: "c".to_owned(),
            url: String::new(),
            sealed_secret: key.seal(label, b"signs", random()),
            kind: ConnectorKind::Pull,
            expect: None,
        })
        .await;
        let profile = Profile {
            server_uri: "coaps://a.example".to_owned(),
            short_server_id: 1,
            registration_lifetime: 60,
            credential_lifetime: 3600,
            binding: "U".to_owned(),
            security_mode: 0,
            connector: "c".to_owned(),
            version: 0,
        };
        let (tenant, name) = (HOME.to_owned(), "p".to_owned());
        self.apply(PutProfile { tenant, name, profile, expect: None }).await;
        for number in 0..devices {
            self.enrol(&key, number).await;
        }
    }

    async fn enrol(&self, key: &claviger_seal::TenantKey, number: u8) {
        let credential = CredentialId([number; 16]);
        let device = number.to_string();
        let label = Label::Credential { tenant: HOME, device: &device, credential: &credential.0 };
        self.apply(EnrolDevice {
            endpoint: device.clone(),
            profile: "p".to_owned(),
            credential,
            identity: vec![number],
            sealed_key: key.seal(label, &[number; 16], random()),
            key_length: 16,
            kind: CredentialKind::Psk,
            device: DeviceRef { tenant: HOME.to_owned(), device },
        })
        .await;
    }

    /// The key of a device, opened.
    fn psk(&self, keeper: &Keeper, number: u8) -> Option<Vec<u8>> {
        let (device, credential) = (number.to_string(), CredentialId([number; 16]));
        let of = DeviceRef { tenant: HOME.to_owned(), device: device.clone() };
        let sealed = self.look(|view| view.material(&of, credential))?;
        let label = Label::Credential { tenant: HOME, device: &device, credential: &credential.0 };
        self.key(keeper, HOME).open(label, &sealed).ok().map(|key| key.to_vec())
    }

    fn wait(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

fn worker(keeper: &Arc<Keeper>) -> (Worker, Arc<Counters>) {
    let counters = Arc::<Counters>::default();
    (Worker::new(keeper.clone(), counters.clone()), counters)
}

#[tokio::test]
async fn a_new_ledger_gets_a_root_key_that_the_same_kek_opens_again() {
    let rig = Rig::new().await;
    let kek = Fake::new(1, "a");
    let first = rig.node(&[&kek]);
    assert!(matches!(first.open().await, Err(KeyError::NoRootKey)));
    assert!(first.may_lead(), "somebody has to make it");

    first.establish().await.unwrap();
    first.establish().await.unwrap();
    rig.tenant(&first, HOME).await;

    let again = rig.node(&[&kek]);
    again.open().await.unwrap();
    let secret = |keeper: &Keeper| keeper.ring().derive("x").unwrap();
    assert_eq!(secret(&first), secret(&again));
    assert_eq!(rig.told(), [EventCode::RootKeyMade]);
}

#[tokio::test]
async fn a_node_without_its_kek_is_sealed_and_opens_when_the_provider_answers() {
    let rig = Rig::new().await;
    let kek = Fake::new(1, "a");
    rig.node(&[&kek]).establish().await.unwrap();

    let other = rig.node(&[&Fake::new(2, "b")]);
    let why = other.open().await.unwrap_err().to_string();
    assert!(why.contains("is wrapped by (a)"), "{why}");
    assert!(!other.may_lead() && !other.ring().is_open());

    let wrong = rig.node(&[&Fake::new(2, "a")]);
    let why = wrong.open().await.unwrap_err().to_string();
    assert!(why.contains("the KEK a does not open"), "{why}");

    kek.lost.store(true, Ordering::Relaxed);
    let node = rig.node(&[&kek]);
    assert!(node.open().await.is_err());
    kek.lost.store(false, Ordering::Relaxed);
    node.open().await.unwrap();
    assert!(node.may_lead());

    // What is open stays open.
    kek.lost.store(true, Ordering::Relaxed);
    node.open().await.unwrap();
    assert!(node.rotate_root().await.is_err());
    assert!(node.ring().is_open());
}

#[tokio::test]
async fn a_ledger_of_before_root_keys_is_carried_over_with_its_secrets() {
    // Given tenants whose keys the KEK wraps itself
    let rig = Rig::new().await;
    let kek = Fake::new(1, "a");
    let before = rig.node(&[]);
    before.ring().open([(0, kek.kek.before_roots())].into(), kek.kek.cluster_before_roots());
    for name in [HOME, "other"] {
        rig.tenant(&before, name).await;
    }
    rig.fill(&before, 3).await;
    let cookie = before.ring().derive("dtls cookie").unwrap();

    // When another KEK starts, then the right one
    assert!(matches!(rig.node(&[&Fake::new(2, "a")]).open().await, Err(KeyError::WrongKek)));
    let node = rig.node(&[&kek]);
    node.open().await.unwrap();
    assert_eq!(rig.psk(&node, 2).unwrap(), [2; 16], "it serves before it is carried over");
    node.establish().await.unwrap();
    assert_eq!(node.ring().roots(), [0, 1]);
    let (worker, counters) = worker(&node);
    worker.round().await.unwrap();

    // Then the root key wraps all, and what was derived from the KEK stays
    assert_eq!((node.ring().roots(), counters.wrapped.load(Ordering::Relaxed)), (vec![1], 2));
    assert_eq!(node.ring().derive("dtls cookie").unwrap(), cookie);
    let again = rig.node(&[&kek]);
    again.open().await.unwrap();
    assert_eq!(again.ring().derive("dtls cookie").unwrap(), cookie);
    assert_eq!(rig.psk(&again, 2).unwrap(), [2; 16]);
}

#[tokio::test]
async fn a_kek_takes_the_place_of_another_while_all_goes_on() {
    let rig = Rig::new().await;
    let (old, new) = (Fake::new(1, "old"), Fake::new(2, "new"));
    rig.node(&[&old]).establish().await.unwrap();
    let node = rig.node(&[&new, &old]);
    node.open().await.unwrap();

    assert!(node.drop_kek("old").await.is_err(), "nothing else opens it");
    assert_eq!(node.rotate_kek().await.unwrap(), "new");
    assert_eq!(node.rotate_kek().await.unwrap(), "new");
    for kek in [&old, &new] {
        rig.node(&[kek]).open().await.unwrap();
    }
    node.drop_kek("old").await.unwrap();

    assert!(rig.node(&[&old]).open().await.is_err());
    rig.node(&[&new]).open().await.unwrap();
    assert!(node.drop_kek("old").await.is_err());
    assert_eq!(rig.told()[1..], [EventCode::KekChanged; 2]);
}

#[tokio::test]
async fn a_root_key_is_replaced_and_the_old_one_destroyed_when_it_wraps_nothing() {
    let rig = Rig::new().await;
    let kek = Fake::new(1, "a");
    let (leader, follower) = (rig.node(&[&kek]), rig.node(&[&kek]));
    leader.establish().await.unwrap();
    for name in [HOME, "other"] {
        rig.tenant(&leader, name).await;
    }
    rig.fill(&leader, 2).await;
    follower.open().await.unwrap();
    let secret = leader.ring().derive("x").unwrap();

    assert_eq!(follower.rotate_root().await.unwrap(), 2);
    assert_eq!(rig.psk(&leader, 1).unwrap(), [1; 16]);
    worker(&leader).0.round().await.unwrap();
    follower.open().await.unwrap();

    for node in [&leader, &follower] {
        assert_eq!(node.ring().roots(), [2]);
        assert_eq!(rig.psk(node, 1).unwrap(), [1; 16]);
        assert_eq!(node.ring().derive("x").unwrap(), secret);
    }
    let expected =
        [EventCode::RootKeyMade, EventCode::RootKeyReplaced, EventCode::RootKeyDestroyed];
    assert_eq!(rig.told(), expected);
}

#[tokio::test]
async fn a_new_root_key_is_wrapped_for_every_node_and_who_cannot_open_it_does_not_lead() {
    // Given two nodes with a KEK each, and one with both
    let rig = Rig::new().await;
    let (a, b) = (Fake::new(1, "a"), Fake::new(2, "b"));
    rig.node(&[&a]).establish().await.unwrap();
    let (only_a, only_b, both) = (rig.node(&[&a]), rig.node(&[&b]), rig.node(&[&b, &a]));
    both.rotate_kek().await.unwrap();
    for node in [&only_a, &only_b, &both] {
        node.open().await.unwrap();
    }

    // Then a root key that one of them could not open is not made
    let why = only_a.rotate_root().await.unwrap_err().to_string();
    assert!(why.contains("the KEK b, which is not here"), "{why}");
    both.rotate_root().await.unwrap();
    for node in [&only_a, &only_b] {
        node.open().await.unwrap();
        assert_eq!((node.ring().roots(), node.may_lead()), (vec![1, 2], true));
    }
    worker(&both).0.round().await.unwrap();

    // When one is left out, and the root key is replaced once more
    both.drop_kek("a").await.unwrap();
    both.rotate_root().await.unwrap();
    assert!(only_a.open().await.is_err());

    // Then that node does not lead, and says so, although it has the old one in memory
    assert!(only_a.ring().is_open() && !only_a.may_lead());
    assert!(only_a.standing().borrow().sealed.is_some());
    only_b.open().await.unwrap();
    assert!(only_b.may_lead());
}

#[tokio::test]
async fn a_tenants_key_is_replaced_by_whoever_leads_and_nothing_is_lost_on_the_way() {
    // Given devices, and somebody who holds the key
    let rig = Rig::new().await;
    let kek = Fake::new(1, "a");
    let first = rig.node(&[&kek]);
    first.establish().await.unwrap();
    rig.tenant(&first, HOME).await;
    rig.fill(&first, 150).await;
    let held = rig.key(&first, HOME);

    // When it is replaced
    assert_eq!(first.rotate_tenant(HOME).await.unwrap(), 2);
    assert!(first.rotate_tenant(HOME).await.is_err(), "one after the other");
    let (worker_of_first, _) = worker(&first);
    worker_of_first.round().await.unwrap();

    // Then at first nothing is refused, and what is held seals anew
    let retiring = || rig.look(|view| view.tenant(HOME)).unwrap().retiring;
    assert!(!retiring().unwrap().closed);
    assert_eq!(held.version(), 2);
    rig.enrol(&held, 200).await;

    // When the leader is lost in the middle of its work
    rig.wait(11);
    let work = worker_of_first.round();
    let stopped = async {
        while retiring().unwrap().resealed == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = stopped => {}
        ended = work => panic!("it ended: {:?}", ended.is_ok()),
    }
    let part = retiring().unwrap();
    assert!(part.closed && part.resealed < 151 && !part.cursor.is_empty(), "{part:?}");

    // Then another goes on
    let second = rig.node(&[&kek]);
    let (worker_of_second, counters) = worker(&second);
    for _ in 0..3 {
        worker_of_second.round().await.unwrap();
    }
    let resealed = counters.resealed.load(Ordering::Relaxed);
    assert_eq!(part.resealed + resealed, 151, "the connector and 150 devices, each once");
    assert!(retiring().is_some(), "whoever has read before may still open");
    rig.wait(300);
    worker_of_second.round().await.unwrap();
    assert!(retiring().is_none());
    for number in (0..150).chain([200]) {
        assert_eq!(rig.psk(&second, number).unwrap(), [number; 16]);
    }
    let expected = [EventCode::TenantKeyReplaced, EventCode::TenantKeyDestroyed];
    assert_eq!(rig.told()[1..], expected);
    assert_eq!(first.rotate_tenant(HOME).await.unwrap(), 3);
}

#[tokio::test]
async fn a_secret_that_does_not_open_keeps_the_old_key_and_is_counted() {
    let rig = Rig::new().await;
    let node = rig.node(&[&Fake::new(1, "a")]);
    node.establish().await.unwrap();
    rig.tenant(&node, HOME).await;
    rig.fill(&node, 1).await;
    // Sealed by a key that was never the tenant's.
    rig.enrol(&claviger_seal::TenantKey::new([9; 32]), 7).await;
    node.rotate_tenant(HOME).await.unwrap();
    rig.wait(400);
    let (worker, counters) = worker(&node);

    for _ in 0..3 {
        worker.round().await.unwrap();
    }

    assert!(rig.look(|view| view.tenant(HOME)).unwrap().retiring.is_some());
    assert_eq!(counters.resealed.load(Ordering::Relaxed), 2);
    assert!(counters.unopened.load(Ordering::Relaxed) > 0);
    assert_eq!(rig.psk(&node, 0).unwrap(), [0; 16]);
}

#[tokio::test]
async fn a_copy_in_escrow_opens_the_ledger_when_every_kek_is_lost() {
    // Given a copy for a recipient
    let rig = Rig::new().await;
    let node = rig.node(&[&Fake::new(1, "lost")]);
    node.establish().await.unwrap();
    rig.tenant(&node, HOME).await;
    rig.fill(&node, 1).await;
    let mut draw = Draw(Arc::new(SystemCrypto));
    let (recipient, other) = (PrivateKey::make("", &mut draw), PrivateKey::make("", &mut draw));
    let copy = node.escrow(recipient.public()).await.unwrap();

    // Then it is proven without being shown
    let root = copy.open(&recipient).unwrap();
    assert!(matches!(copy.open(&other), Err(EscrowError::Closed(_))));
    node.prove(1, b"challenge", &root.prove(b"challenge")).await.unwrap();
    let stranger = RootKey::new([7; 32]);
    let wrong = node.prove(1, b"challenge", &stranger.prove(b"challenge")).await;
    assert!(matches!(wrong, Err(EscrowError::Other)));

    // When a node with another KEK is given it, encrypted to that node
    let new = Fake::new(2, "new");
    let sealed = rig.node(&[&new]);
    assert!(sealed.open().await.is_err());
    assert!(sealed.unseal(&copy).await.is_err(), "it is not encrypted to the node");
    let sent = |cluster: &str, root: &RootKey, to: &Keeper| {
        let mut draw = Draw(Arc::new(SystemCrypto));
        Copy::make(cluster.to_owned(), 1, root, to.door(), &mut draw).unwrap()
    };
    assert!(sealed.unseal(&sent(&copy.cluster, &stranger, &sealed)).await.is_err());
    assert!(sealed.unseal(&sent("00", &root, &sealed)).await.is_err());
    assert!(!sealed.ring().is_open());
    sealed.unseal(&sent(&copy.cluster, &root, &sealed)).await.unwrap();
    assert_eq!(rig.psk(&sealed, 0).unwrap(), [0; 16]);
    sealed.rotate_kek().await.unwrap();

    // Then the next start needs no copy
    rig.node(&[&new]).open().await.unwrap();
    use EventCode::{EscrowMade, EscrowProven, EscrowUsed, KekChanged};
    assert_eq!(rig.told()[1..], [EscrowMade, EscrowProven, EscrowUsed, KekChanged]);

    // And a copy of an older root key is refused in words
    node.open().await.unwrap();
    let newer = rig.node(&[&new]);
    newer.open().await.unwrap();
    newer.drop_kek("lost").await.unwrap();
    newer.rotate_root().await.unwrap();
    let outdated = newer.prove(1, b"c", &root.prove(b"c")).await.unwrap_err().to_string();
    assert!(outdated.contains("take a newer copy"), "{outdated}");
}

#[tokio::test]
async fn while_the_root_key_is_being_replaced_copies_of_both_open_the_ledger() {
    // Given a tenant whose key is under the old root key yet, and copies of both root keys
    let rig = Rig::new().await;
    let node = rig.node(&[&Fake::new(1, "lost")]);
    node.establish().await.unwrap();
    rig.tenant(&node, HOME).await;
    rig.fill(&node, 1).await;
    let mut draw = Draw(Arc::new(SystemCrypto));
    let recipient = PrivateKey::make("", &mut draw);
    let old = node.escrow(recipient.public()).await.unwrap();
    node.rotate_root().await.unwrap();
    let new = node.escrow(recipient.public()).await.unwrap();

    // When every KEK is lost, and a node is given the newest
    let sealed = rig.node(&[&Fake::new(2, "new")]);
    let mut sent = |copy: &Copy, root: &RootKey| {
        Copy::make(copy.cluster.clone(), copy.version, root, sealed.door(), &mut draw).unwrap()
    };
    let of_new = sent(&new, &new.open(&recipient).unwrap());
    let words = sealed.unseal(&of_new).await.unwrap_err().to_string();
    assert!(words.contains("under version 1 of its root key"), "{words}");
    assert!(sealed.standing().borrow().sealed.is_some());

    // Then the other one opens it, and none that is not of this ledger
    let wrong = sent(&old, &RootKey::new([7; 32]));
    assert!(matches!(sealed.unseal(&wrong).await, Err(EscrowError::Other)));
    let of_old = sent(&old, &old.open(&recipient).unwrap());
    sealed.unseal(&of_old).await.unwrap();
    assert_eq!(sealed.standing().borrow().sealed, None);
    assert_eq!(rig.psk(&sealed, 0).unwrap(), [0; 16]);

    // When nothing is under the old one any more, and it is there yet
    let key = rig.look(|view| view.tenant(HOME)).unwrap();
    let anew = {
        let (version, root, bytes) = key.keys().next().unwrap();
        let wrapped = claviger_seal::Wrapped { version, root, bytes };
        sealed.ring().wrap_anew(HOME, wrapped, random()).unwrap()
    };
    let (root, wrapped) = anew;
    let tenant = HOME.to_owned();
    rig.apply(WrapTenantKey { tenant, version: 1, from: 1, root, wrapped }).await;

    // Then the newest copy is enough
    let third = rig.node(&[&Fake::new(3, "third")]);
    let root = new.open(&recipient).unwrap();
    let copy = Copy::make(new.cluster.clone(), new.version, &root, third.door(), &mut draw);
    third.unseal(&copy.unwrap()).await.unwrap();
    assert_eq!(rig.psk(&third, 0).unwrap(), [0; 16]);
}

/// A provider that never answers, until it is let go.
struct Hung(Mutex<std::sync::mpsc::Receiver<()>>);

impl KeyProvider for Hung {
    fn kek(&self) -> Result<String, KekError> {
        let _ = self.0.lock().map(|it| it.recv());
        Err(KekError::Silent)
    }

    fn has(&self, _: &str) -> bool {
        true
    }

    fn wrap(&self, _: &str, _: u32, _: &RootKey) -> Result<Wrapping, KekError> {
        Err(KekError::Silent)
    }

    fn unwrap(&self, _: u32, _: &Wrapping) -> Result<RootKey, KekError> {
        self.kek().map(|_| RootKey::new([0; 32]))
    }
}

#[tokio::test]
async fn who_asks_a_provider_at_the_same_time_is_answered_too() {
    let providers = Providers::of([Fake::new(1, "a") as Arc<dyn KeyProvider>]);
    let many = (0..32).map(|_| providers.kek());
    for answer in futures::future::join_all(many).await {
        assert_eq!(answer.unwrap(), "a");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up_and_not_waited_for_anew() {
    let (let_go, held) = std::sync::mpsc::channel();
    let providers = Providers::of([Arc::new(Hung(Mutex::new(held))) as Arc<dyn KeyProvider>]);
    let began = tokio::time::Instant::now();

    assert!(matches!(providers.kek().await, Err(KekError::Silent)));
    assert_eq!(began.elapsed(), crate::kek::PATIENCE);
    assert!(matches!(providers.kek().await, Err(KekError::Silent)));

    assert_eq!(began.elapsed(), crate::kek::PATIENCE);
    drop(let_go);
}
