//! The outbox against a ledger in memory and a receiver at a loopback port.

use super::outbox::{Answered, OutboxWorker};
use super::{SigningSecret, headers};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use claviger_actors::{Clock, Outbox};
use claviger_api::{CredentialRevoked, CredentialStaged, EventType};
use claviger_ledger::memory::MemoryLedger;
use claviger_ledger::{
    Command, ConnectorKind, CreateTenant, CredentialId, DeleteDevice, DeviceRef, EnrolDevice,
    Envelope, Found, Ledger, OpenSession, Outcome, Profile, PutConnector, PutProfile, RequestId,
    RevokeCredential, Session, SessionId, StageCredential, View,
};
use claviger_machine::Crypto;
use claviger_seal::{Kek, Label, TenantKey};
use core::time::Duration;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

const NOW: Duration = Duration::from_secs(1_795_543_200);
const KEY: [u8; 16] = *b"canary-canary-01";
const MADE: CredentialId = CredentialId([9; 16]);

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Duration {
        NOW
    }
}

struct Same;

impl Crypto for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0xab);
    }
}

type Messages = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// An LwM2M server that answers with these statuses, then 204, and a ledger that should tell it.
struct Rig {
    ledger: Arc<MemoryLedger>,
    kek: Arc<Kek>,
    messages: Messages,
    answers: UnboundedReceiver<Result<(), String>>,
    /// What is committed while the server answers its next message.
    meanwhile: Arc<Mutex<Option<Command>>>,
    outbox: Arc<dyn Outbox>,
    _tasks: JoinSet<()>,
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
    let time = u64::try_from(NOW.as_millis()).unwrap();
    let envelope = Envelope::new(time, RequestId([request; 16]), command.into());
    let outcome = ledger.propose(envelope).await.unwrap();
    assert!(!matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}

fn revoke() -> RevokeCredential {
    RevokeCredential { device: of(), credential: MADE, reason: "It was copied.".into() }
}

fn of() -> DeviceRef {
    DeviceRef { tenant: "t".into(), device: "d".into() }
}

impl Rig {
    async fn start(statuses: &[StatusCode], before: bool) -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", socket.local_addr().unwrap());
        let messages = Messages::default();
        let statuses = Arc::new(Mutex::new(statuses.to_vec()));
        let (ledger, meanwhile) = (Arc::new(MemoryLedger::default()), Arc::default());
        let receiver = Receiver {
            messages: messages.clone(),
            statuses,
            ledger: ledger.clone(),
            meanwhile: Arc::clone(&meanwhile),
        };
        let router = Router::new().route("/", post(receive)).with_state(receiver);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(socket, router).await.unwrap() });
        let kek = Arc::new(Kek::new([1; 32]));
        let (crypto, clock): (Arc<dyn Crypto>, Arc<dyn Clock>) =
            (Arc::new(Same), Arc::new(Stopped));
        let public = "http://127.0.0.1:8080".to_owned();
        let (outbox, worker) =
            OutboxWorker::new(ledger.clone(), kek.clone(), clock, crypto, public);
        let (say, answers) = unbounded_channel();
        let answered: Arc<Answered> = Arc::new(move |_, credential, result| {
            assert_eq!(credential, MADE);
            say.send(result).unwrap();
        });
        let _tasks = JoinSet::new();
        let rig = Self { ledger, kek, messages, answers, meanwhile, outbox, _tasks };
        rig.prepare(&url).await;
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

    async fn prepare(&self, url: &str) {
        let key = TenantKey::new([2; 32]);
        let wrapped_key = self.kek.wrap("t", &key, [3; 16]);
        self.apply(1, Found { cluster: [0; 16] }).await;
        self.apply(2, CreateTenant { tenant: "t".into(), wrapped_key }).await;
        let label = Label::Connector { tenant: "t", connector: "c" };
        let sealed_secret = key.seal(label, &[4; 32], [5; 16]);
        let (tenant, name) = ("t".to_owned(), "c".to_owned());
        self.apply(
            3,
            PutConnector {
                tenant,
                name,
                url: url.into(),
                sealed_secret,
                kind: ConnectorKind::Webhook,
                expect: None,
            },
        )
        .await;
        let profile = Profile {
            server_uri: "coaps://a.example".into(),
            short_server_id: 123,
            registration_lifetime: 300,
            credential_lifetime: 86_400,
            binding: "U".into(),
            security_mode: 0,
            connector: "c".into(),
            version: 0,
        };
        self.apply(4, PutProfile { tenant: "t".into(), name: "p".into(), profile, expect: None })
            .await;
        let enrol = EnrolDevice {
            device: of(),
            endpoint: "urn:dev:1".into(),
            profile: "p".into(),
            credential: CredentialId([8; 16]),
            identity: b"i".to_vec(),
            sealed_key: vec![0],
            key_length: 16,
        };
        self.apply(5, enrol).await;
    }

    async fn stage(&self) {
        let (device, session, credential) = (of(), SessionId([6; 16]), CredentialId([8; 16]));
        let opened = Session {
            credential,
            suite: 0xC0A8,
            sealed_keys: vec![0],
            cid: Vec::new(),
            peer_cid: Vec::new(),
            listener: "coaps".into(),
            peer: "127.0.0.1:1".into(),
            generation: 0,
            highest_read: 0,
            opened_at: 0,
        };
        self.apply(6, OpenSession { device, session, opened }).await;
        let label = Label::Credential { tenant: "t", device: "d", credential: &MADE.0 };
        let stage = StageCredential {
            device: of(),
            session,
            highest_read: 1,
            credential: MADE,
            identity: b"made".to_vec(),
            sealed_key: TenantKey::new([2; 32]).seal(label, &KEY, [7; 16]),
            key_length: 16,
            asked: [1; 16],
            sealed_response: vec![0],
            remember: 247_000,
        };
        self.apply(7, stage).await;
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
