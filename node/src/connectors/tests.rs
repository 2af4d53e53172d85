//! The outbox against a ledger in memory and a receiver at a loopback port.

mod leshan;

use super::outbox::{AT_ONCE, Answered, Counters, OutboxWorker};
use super::{SigningSecret, headers};
use crate::fixtures;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use claviger_actors::{Clock, Outbox};
use claviger_api::{CredentialRevoked, CredentialStaged, EventType};
use claviger_ledger::memory::MemoryLedger;
use claviger_ledger::{
    Command, ConnectorKind, CreateTenant, CredentialId, CredentialKind, DeleteDevice, DeviceRef,
    EnrolDevice, Envelope, Found, Ledger, OpenSession, Outcome, Profile, PutConnector, PutProfile,
    RequestId, RevokeCredential, SessionId, StageCredential, View,
};
use claviger_machine::Crypto;
use claviger_seal::{ClusterSecret, Keyring, Label, RootKey, TenantKey};
use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

const NOW: Duration = Duration::from_secs(1_795_543_200);
const KEY: [u8; 16] = *b"canary-canary-01";
const MADE: CredentialId = CredentialId([9; 16]);

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Duration {
        NOW
    }
}

/// Bytes that are not the same twice, so that two commands are not taken for one.
struct Counting(AtomicU64);

impl Crypto for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes.iter_mut().zip(number.iter().cycle()).for_each(|(byte, next)| *byte = *next);
    }
}

type Messages = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// An LwM2M server that answers with these statuses, then 204, and a ledger that should tell it.
struct Rig {
    ledger: Arc<MemoryLedger>,
    keys: Arc<Keyring>,
    messages: Messages,
    answers: UnboundedReceiver<Result<(), String>>,
    /// What is committed while the server answers its next message.
    meanwhile: Arc<Mutex<Option<Command>>>,
    outbox: Arc<dyn Outbox>,
    counters: Arc<Counters>,
    _tasks: JoinSet<()>,
}

/// What stands at the other end of the connector.
struct Server {
    router: Router,
    kind: ConnectorKind,
    secret: Vec<u8>,
}

#[derive(Clone)]
struct Receiver {
    messages: Messages,
    statuses: Arc<Mutex<Vec<StatusCode>>>,
    ledger: Arc<MemoryLedger>,
    meanwhile: Arc<Mutex<Option<Command>>>,
}

async fn receive(State(it): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    it.messages.lock().unwrap().push((headers, body));
    let meanwhile = it.meanwhile.lock().unwrap().take();
    if let Some(command) = meanwhile {
        apply(&it.ledger, 99, command).await;
    }
    let mut statuses = it.statuses.lock().unwrap();
    if statuses.is_empty() { StatusCode::NO_CONTENT } else { statuses.remove(0) }
}

async fn apply(ledger: &MemoryLedger, request: u8, command: impl Into<Command>) {
    apply_as(ledger, RequestId([request; 16]), command).await;
}

async fn apply_as(ledger: &MemoryLedger, request: RequestId, command: impl Into<Command>) {
    let time = u64::try_from(NOW.as_millis()).unwrap();
    let envelope = Envelope::new(time, request, command.into());
    let outcome = ledger.propose(envelope).await.unwrap();
    assert!(!matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}

fn revoke() -> RevokeCredential {
    RevokeCredential { device: of(), credential: MADE, reason: "It was copied.".into() }
}

fn put_profile(server_uri: &str) -> PutProfile {
    let profile = Profile {
        server_uri: server_uri.into(),
        short_server_id: 123,
        registration_lifetime: 300,
        credential_lifetime: 86_400,
        binding: "U".into(),
        security_mode: 0,
        connector: "c".into(),
        version: 0,
    };
    PutProfile { tenant: "t".into(), name: "p".into(), profile, expect: None }
}

fn of() -> DeviceRef {
    DeviceRef { tenant: "t".into(), device: "d".into() }
}

impl Rig {
    async fn start(statuses: &[StatusCode], before: bool) -> Self {
        let (ledger, messages, meanwhile) = (Arc::default(), Messages::default(), Arc::default());
        let receiver = Receiver {
            messages: messages.clone(),
            statuses: Arc::new(Mutex::new(statuses.to_vec())),
            ledger: Arc::clone(&ledger),
            meanwhile: Arc::clone(&meanwhile),
        };
        let router = Router::new().route("/", post(receive)).with_state(receiver);
        let server = Server { router, kind: ConnectorKind::Webhook, secret: vec![4; 32] };
        Self { messages, meanwhile, ..Self::with(server, ledger, before).await }
    }

    /// The worker before `server`; what is `before` stands in the outbox when it starts.
    async fn with(server: Server, ledger: Arc<MemoryLedger>, before: bool) -> Self {
        let Server { router, kind, secret } = server;
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", socket.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(socket, router).await.unwrap() });
        let keys = Keyring::new(RootKey::new([1; 32]), ClusterSecret::new([2; 32]));
        let keys = Arc::new(keys);
        let (crypto, clock): (Arc<dyn Crypto>, Arc<dyn Clock>) =
            (Arc::new(Counting(AtomicU64::new(0xa0))), Arc::new(Stopped));
        let public = "http://127.0.0.1:8080".to_owned();
        let counters = Arc::<Counters>::default();
        let (outbox, worker) = OutboxWorker::new(
            ledger.clone(),
            keys.clone(),
            clock,
            crypto,
            public,
            counters.clone(),
        );
        let (say, answers) = unbounded_channel();
        let answered: Arc<Answered> = Arc::new(move |_, _, result| say.send(result).unwrap());
        let (messages, meanwhile) = (Messages::default(), Arc::default());
        let _tasks = JoinSet::new();
        let rig = Self { ledger, keys, messages, answers, meanwhile, outbox, counters, _tasks };
        rig.prepare(&url, kind, &secret).await;
        if before {
            rig.stage().await;
        }
        tasks.spawn(worker.run(answered));
        Self { _tasks: tasks, ..rig }
    }

    async fn apply(&self, request: u8, command: impl Into<Command>) {
        apply(&self.ledger, request, command).await;
    }

    /// The message of this number, when it has come and the outbox is empty.
    async fn last_message(&self, number: usize) -> (HeaderMap, Bytes) {
        let told = async {
            loop {
                let mut left = 1;
                self.ledger.read(&mut |rows| left = View::new(rows).outbox().len());
                let messages = self.messages.lock().unwrap().clone();
                if left == 0 && messages.len() == number {
                    return messages[number - 1].clone();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), told).await.expect("it comes in time")
    }

    async fn prepare(&self, url: &str, kind: ConnectorKind, secret: &[u8]) {
        let wrapped = self.keys.wrap("t", 1, &Zeroizing::new([2; 32]), [3; 16]);
        let (root, wrapped_key) = wrapped.unwrap();
        self.apply(1, Found { cluster: [0; 16] }).await;
        self.apply(2, CreateTenant { tenant: "t".into(), wrapped_key, root }).await;
        self.put_connector("c", url, kind, secret).await;
        self.apply(4, put_profile("coaps://a.example")).await;
        let enrol = EnrolDevice {
            device: of(),
            endpoint: "urn:dev:1".into(),
            profile: "p".into(),
            credential: CredentialId([8; 16]),
            identity: b"i".to_vec(),
            sealed_key: vec![0],
            key_length: 16,
            kind: CredentialKind::Psk,
        };
        self.apply(5, enrol).await;
    }

    async fn put_connector(&self, name: &str, url: &str, kind: ConnectorKind, secret: &[u8]) {
        let label = Label::Connector { tenant: "t", connector: name };
        let sealed_secret = TenantKey::new([2; 32]).seal(label, secret, [5; 16]);
        let (tenant, url) = ("t".to_owned(), url.to_owned());
        let put =
            PutConnector { tenant, name: name.to_owned(), url, sealed_secret, kind, expect: None };
        let mut request = [3; 16];
        request[0] = name.as_bytes()[0];
        apply_as(&self.ledger, RequestId(request), put).await;
    }

    /// A device more under this profile, with something to tell to its server.
    async fn stage_another(&self, number: u16, profile: &str) -> (DeviceRef, CredentialId) {
        let name = format!("device {number}");
        let device = DeviceRef { tenant: "t".into(), device: name.clone() };
        let id = |kind: u8| ((u128::from(number) << 8) | u128::from(kind)).to_be_bytes();
        let enrol = EnrolDevice {
            device: device.clone(),
            endpoint: name.clone(),
            profile: profile.into(),
            credential: CredentialId(id(1)),
            identity: name.clone().into(),
            sealed_key: vec![0],
            key_length: 16,
            kind: CredentialKind::Psk,
        };
        apply_as(&self.ledger, RequestId(id(2)), enrol).await;
        let opened = fixtures::session(CredentialId(id(1)));
        let open = OpenSession::new(device.clone(), SessionId(id(3)), opened);
        apply_as(&self.ledger, RequestId(id(4)), open).await;
        let credential = CredentialId(id(5));
        let label = Label::Credential { tenant: "t", device: &name, credential: &credential.0 };
        let stage = StageCredential {
            device: device.clone(),
            session: SessionId(id(3)),
            highest_read: 1,
            credential,
            identity: format!("made for {name}").into(),
            sealed_key: TenantKey::new([2; 32]).seal(label, &KEY, [7; 16]),
            key_length: 16,
        };
        apply_as(&self.ledger, RequestId(id(6)), stage).await;
        (device, credential)
    }

    async fn stage(&self) {
        self.open().await;
        self.stage_as(7, MADE, "made").await;
    }

    async fn open(&self) {
        let (device, session) = (of(), SessionId([6; 16]));
        let opened = fixtures::session(CredentialId([8; 16]));
        self.apply(6, OpenSession::new(device, session, opened)).await;
    }

    async fn stage_as(&self, request: u8, credential: CredentialId, identity: &str) {
        let label = Label::Credential { tenant: "t", device: "d", credential: &credential.0 };
        let stage = StageCredential {
            device: of(),
            session: SessionId([6; 16]),
            highest_read: 1,
            credential,
            identity: identity.into(),
            sealed_key: TenantKey::new([2; 32]).seal(label, &KEY, [7; 16]),
            key_length: 16,
        };
        self.apply(request, stage).await;
    }

    async fn answer(&mut self) -> Result<(), String> {
        let answer = tokio::time::timeout(Duration::from_secs(20), self.answers.recv()).await;
        answer.expect("it answers in time").expect("the worker runs")
    }

    fn is_confirmed(&self) -> bool {
        let mut confirmed = false;
        self.ledger.read(&mut |rows| {
            let view = View::new(rows);
            let credential = view.credential(&of(), MADE).unwrap();
            confirmed = credential.confirmed_at.is_some() && view.outbox().is_empty();
        });
        confirmed
    }
}

#[tokio::test]
async fn a_wake_brings_one_signed_message_and_the_ledger_knows_before_anybody() {
    let mut rig = Rig::start(&[], false).await;
    rig.stage().await;

    rig.outbox.wake(&of(), MADE);

    assert_eq!(rig.answer().await, Ok(()));
    assert!(rig.is_confirmed());
    let messages = rig.messages.lock().unwrap().clone();
    let [(sent, body)] = messages.as_slice() else { panic!("one message") };
    assert_eq!(SigningSecret::new(&[4; 32]).verify(sent, body, NOW), Ok(()));
    assert_eq!(sent[headers::ID], MADE.to_string());
    let message: CredentialStaged = serde_json::from_slice(body).unwrap();
    assert_eq!(message.data.endpoint, "urn:dev:1");
    assert_eq!(message.data.psk.key.expose(), data_encoding::HEXLOWER.encode(&KEY));
    assert_eq!((message.data.short_server_id, message.data.replaces.len()), (123, 0));
}

#[tokio::test]
async fn what_stood_in_the_outbox_before_the_start_is_told_without_a_wake() {
    let mut rig = Rig::start(&[], true).await;
    assert_eq!(rig.answer().await, Ok(()));
    assert!(rig.is_confirmed());
}

#[tokio::test]
async fn a_refused_message_is_told_in_words_and_comes_again_under_the_same_id() {
    let refusals = [StatusCode::UNAUTHORIZED, StatusCode::FOUND];
    let mut rig = Rig::start(&refusals, true).await;

    let first = rig.answer().await.expect_err("401");
    let second = rig.answer().await.expect_err("302");
    rig.outbox.wake(&of(), MADE);
    let third = rig.answer().await;

    assert!(first.contains("answered 401") && first.contains("secret"), "{first}");
    assert!(second.contains("answered 302") && second.contains("redirects"), "{second}");
    assert_eq!(third, Ok(()));
    let messages = rig.messages.lock().unwrap().clone();
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().all(|(sent, _)| sent[headers::ID] == MADE.to_string()));
    for words in [first, second] {
        assert!(!words.contains("whsec") && !words.contains("canary"), "{words}");
    }
}

#[tokio::test]
async fn a_wake_for_what_is_told_already_is_answered_without_a_message() {
    let mut rig = Rig::start(&[], true).await;
    assert_eq!(rig.answer().await, Ok(()));

    rig.outbox.wake(&of(), MADE);

    assert_eq!(rig.answer().await, Ok(()));
    assert_eq!(rig.messages.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_revoked_credential_is_taken_back_by_a_message_of_its_own() {
    let mut rig = Rig::start(&[], true).await;
    assert_eq!(rig.answer().await, Ok(()));
    rig.apply(8, revoke()).await;

    rig.outbox.wake(&of(), MADE);

    let (sent, body) = rig.last_message(2).await;
    assert_eq!(SigningSecret::new(&[4; 32]).verify(&sent, &body, NOW), Ok(()));
    assert_eq!(sent[headers::ID], format!("{MADE}-revoked"));
    let message: CredentialRevoked = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (message.kind, message.data.state.as_str()),
        (EventType::CredentialRevoked, "revoked")
    );
    assert_eq!(message.data.credential, MADE.to_string());
    assert_eq!(message.data.psk.identity, "made");
    assert!(rig.answers.try_recv().is_err(), "nobody waits for a withdrawal");
}

#[tokio::test]
async fn what_ends_while_its_message_is_under_way_is_taken_back_and_nobody_told_it_is_held() {
    let mut rig = Rig::start(&[], false).await;
    *rig.meanwhile.lock().unwrap() = Some(revoke().into());
    rig.stage().await;

    rig.outbox.wake(&of(), MADE);

    let (_, body) = rig.last_message(2).await;
    serde_json::from_slice::<CredentialRevoked>(&body).unwrap();
    assert!(rig.answers.try_recv().is_err());
}

#[tokio::test]
async fn what_a_deleted_device_had_is_taken_back() {
    let mut rig = Rig::start(&[StatusCode::UNAUTHORIZED], true).await;
    rig.answer().await.expect_err("401");
    rig.apply(8, DeleteDevice { device: of() }).await;

    let (_, body) = rig.last_message(2).await;

    let message: CredentialRevoked = serde_json::from_slice(&body).unwrap();
    assert_eq!((message.data.device.as_str(), message.data.endpoint.as_str()), ("d", "urn:dev:1"));
}

#[tokio::test]
async fn a_server_that_swallows_connections_delays_nobody_elses_messages() {
    // Given more devices with something to tell to a server that never answers than there are
    // places for all
    let mut rig = Rig::start(&[], false).await;
    let swallows = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", swallows.local_addr().unwrap());
    rig.put_connector("dead", &url, ConnectorKind::Webhook, &[4; 32]).await;
    let mut profile = put_profile("coaps://dead.example");
    (profile.name, profile.profile.connector) = ("dead".into(), "dead".into());
    rig.apply(11, profile).await;
    for number in 0..=u16::try_from(AT_ONCE).unwrap() {
        let (device, credential) = rig.stage_another(number, "dead").await;
        rig.outbox.wake(&device, credential);
    }
    rig.stage().await;

    // When another server is to be told
    rig.outbox.wake(&of(), MADE);

    // Then that is done before any of them has given up
    assert_eq!(rig.answer().await, Ok(()));
    assert_eq!(rig.messages.lock().unwrap().len(), 1);
}
