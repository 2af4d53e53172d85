//! The router over a ledger in memory.

mod changes;
mod cluster;
mod connectors;
mod factory;
mod pull;
mod reading;
mod serving;
mod trust;

use super::*;
use crate::connectors::{SigningSecret, headers};
use crate::fixtures;
use crate::kek::Providers;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use claviger_ledger::memory::MemoryLedger;
use claviger_ledger::{
    ConfirmOutbox, CreateTenant, CredentialId, DeviceRef, Found, OpenSession, SessionId,
    StageCredential, Unavailable,
};
use claviger_seal::{ClusterSecret, RootKey};
use core::time::Duration;
use serde_json::{Value, json};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;
use tower::ServiceExt;
use zeroize::Zeroizing;

const KEY: &str = "63616e6172792d63616e6172792d3031";
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NOW: Duration = Duration::from_secs(1_795_543_200);

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Duration {
        NOW
    }
}

/// Bytes that are never the same, and repeat in every run.
#[derive(Default)]
struct Counting(AtomicU64);

impl Crypto for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes.iter_mut().zip(number.iter().cycle()).for_each(|(byte, next)| *byte = *next);
    }
}

struct Rig {
    router: Router,
    ledger: Arc<MemoryLedger>,
    token: String,
    lookups: Arc<Lookups>,
    /// Ends its streams.
    stop: watch::Sender<bool>,
}

impl Rig {
    async fn new() -> Self {
        let (stop, stopping) = watch::channel(false);
        let ledger = Arc::new(MemoryLedger::default());
        let crypto: Arc<dyn Crypto> = Arc::new(Counting::default());
        let (token, admin_token) = AdminToken::make(crypto.as_ref());
        let clock: Arc<dyn Clock> = Arc::new(Stopped);
        let keeper = Keeper::new(ledger.clone(), clock, crypto.clone(), Providers::of([]));
        keeper.ring().open([(1, RootKey::new([1; 32]))].into(), ClusterSecret::new([5; 32]));
        keeper.opened();
        let wrapped = keeper.ring().wrap("default", 1, &Zeroizing::new([2; 32]), [3; 16]);
        let (root, wrapped_key) = wrapped.unwrap();
        let desk = Desk::default();
        let lookups = desk.lookups.clone();
        let keeper = Arc::new(keeper);
        let api = Api {
            ledger: ledger.clone(),
            keeper: keeper.clone(),
            clock: Arc::new(Stopped),
            crypto,
            desk,
            admin_token,
            streams: Streams::new(Arc::default(), stopping),
            operator: Arc::new(cluster::Three::default()),
            registrar: Arc::new(Registrar::new(ledger.clone(), keeper.ring())),
            health: Arc::new(Health {
                ledger: Some((ledger.clone(), keeper)),
                edges: Vec::new(),
                draining: Arc::default(),
                waits: tokio::sync::watch::channel(None).1,
            }),
            metrics: Arc::new(Metrics::of(Vec::new())),
        };
        let token = token.to_string();
        let rig = Self { router: router(api), ledger, token, lookups, stop };
        rig.apply(1, Found { cluster: [0; 16] }).await;
        rig.apply(2, CreateTenant { tenant: "default".into(), wrapped_key, root }).await;
        rig
    }

    /// One with a connector, a profile and the device `d`.
    async fn ready() -> Self {
        let rig = Self::new().await;
        let connector = json!({ "url": "https://a.example/", "secret": SECRET });
        assert_eq!(rig.put("/connectors/c", connector).await.0, 201);
        let profile = json!({ "server_uri": "coaps://a.example", "connector": "c" });
        assert_eq!(rig.put("/profiles/p", profile).await.0, 201);
        assert_eq!(rig.post("/devices", device("d", KEY)).await.0, 201);
        rig
    }

    async fn apply(&self, request: u8, command: impl Into<Command>) {
        let time = u64::try_from(NOW.as_millis()).unwrap();
        let envelope = Envelope::new(time, RequestId([request; 16]), command.into());
        let outcome = self.ledger.propose(envelope).await.unwrap();
        assert!(!matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }

    async fn send(&self, request: Request<Body>) -> (Response<()>, Vec<u8>) {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        (Response::from_parts(head, ()), body)
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/tenants/default{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or(Body::empty(), |body| body.to_string().into());
        let (head, body) = self.send(request.body(body).unwrap()).await;
        (head.status().as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, None).await
    }

    async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("PUT", path, Some(body)).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("POST", path, Some(body)).await
    }

    /// Stages the credential `[9; 16]` for `d`, as a bootstrap does.
    async fn stage(&self) -> String {
        let of = DeviceRef { tenant: "default".into(), device: "d".into() };
        let prover = self.get("/devices/d").await.1["credentials"][0]["id"].clone();
        let prover: CredentialId = prover.as_str().unwrap().parse().unwrap();
        let session = SessionId([8; 16]);
        self.apply(10, open(of.clone(), prover, session)).await;
        let credential = CredentialId([9; 16]);
        let stage = StageCredential {
            device: of.clone(),
            session,
            highest_read: 1,
            credential,
            identity: b"made".to_vec(),
            sealed_key: vec![0; 49],
            key_length: 16,
        };
        self.apply(11, stage).await;
        self.apply(12, ConfirmOutbox { device: of, credential }).await;
        format!("/devices/d/credentials/{credential}/use")
    }

    async fn report(&self, path: &str, secret: &SigningSecret, time: u64, body: &str) -> u16 {
        let request = Request::builder()
            .method("POST")
            .uri(format!("/api/v1/tenants/default{path}"))
            .header(headers::ID, "msg_1")
            .header(headers::TIMESTAMP, time.to_string())
            .header(headers::SIGNATURE, secret.sign("msg_1", time, body.as_bytes()));
        self.send(request.body(body.to_owned().into()).unwrap()).await.0.status().as_u16()
    }
}

fn device(name: &str, key: &str) -> Value {
    let psk = json!({ "identity": name, "key": { "format": "hex", "value": key } });
    json!({ "endpoint": name, "profile": "p", "psk": psk })
}

fn secret() -> SigningSecret {
    SigningSecret::parse(SECRET).unwrap()
}

const REPORT: &str = r#"{"used_at":"2026-11-24T18:00:00Z"}"#;

#[tokio::test]
async fn a_device_is_enrolled_shown_and_told_of() {
    let rig = Rig::ready().await;

    let (status, shown) = rig.get("/devices/d").await;

    assert_eq!(status, 200);
    assert_eq!(shown["endpoint"], "d");
    assert_eq!(shown["created_at"], "2026-11-24T18:00:00Z");
    let credential = &shown["credentials"][0];
    assert_eq!(credential["origin"], "manufacturer");
    assert_eq!(credential["state"], "delivered");
    assert_eq!(credential["identity"], "d");
    assert_eq!(shown["timeline"][0]["code"], "device.enrolled");
    let (_, audit) = rig.get("/devices/d/audit").await;
    assert_eq!(audit["entries"][0]["code"], "device.enrolled");
}

#[tokio::test]
async fn an_enrolment_says_where_the_device_is() {
    let rig = Rig::ready().await;
    let mut body = device("e", KEY);
    body["id"] = json!("a/b c");
    let request = Request::post("/api/v1/tenants/default/devices")
        .header(header::AUTHORIZATION, format!("Bearer {}", rig.token))
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .body(body.to_string().into());

    let (head, _) = rig.send(request.unwrap()).await;

    let location = head.headers()[header::LOCATION].to_str().unwrap();
    assert_eq!(location, "/api/v1/tenants/default/devices/a%2Fb%20c");
    let path = location.strip_prefix("/api/v1/tenants/default").unwrap();
    assert_eq!(rig.get(path).await.1["id"], "a/b c");
}

#[tokio::test]
async fn what_the_ledger_refuses_has_its_status_and_code() {
    let rig = Rig::ready().await;
    let mut same_identity = device("e", KEY);
    same_identity["psk"]["identity"] = json!("d");
    let mut no_profile = device("e", KEY);
    no_profile["profile"] = json!("none");
    let profile = json!({ "server_uri": "coaps://a.example", "connector": "none" });
    let unknown = format!("/devices/d/credentials/{}/use", "00".repeat(16));
    let used = json!({ "used_at": "2026-11-24T18:00:00Z" });
    let table = [
        (rig.post("/devices", device("d", KEY)).await, 409, "taken"),
        (rig.post("/devices", same_identity).await, 409, "taken"),
        (rig.post("/devices", no_profile).await, 404, "not_found"),
        (rig.put("/profiles/q", profile).await, 404, "not_found"),
        (rig.post(&unknown, used.clone()).await, 404, "not_found"),
        (rig.post("/devices/d/credentials/x/use", used).await, 404, "not_found"),
        (rig.get("/devices/none").await, 404, "not_found"),
        (rig.get("/devices/none/audit").await, 404, "not_found"),
        (rig.get("/profiles/none").await, 404, "not_found"),
        (rig.get("/connectors/none").await, 404, "not_found"),
    ];

    for ((status, problem), expected, code) in table {
        assert_eq!((status, problem["code"].as_str()), (expected, Some(code)), "{problem}");
        assert_eq!(problem["status"], expected);
        assert!(!problem["hint"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn values_outside_of_what_they_may_be_are_refused_by_name() {
    let rig = Rig::ready().await;
    let with = |pointer: &str, value: Value| {
        let mut body = device("e", KEY);
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let devices = [
        (with("/endpoint", json!("")), "endpoint"),
        (with("/endpoint", json!("a\u{7}")), "endpoint"),
        (with("/endpoint", json!("..")), "id"),
        (with("/psk/identity", json!("i".repeat(129))), "psk.identity"),
        (with("/psk/key/value", json!("00".repeat(15))), "psk.key.value"),
        (with("/psk/key/value", json!("00".repeat(65))), "psk.key.value"),
        (with("/psk/key/value", json!("zz".repeat(16))), "psk.key.value"),
    ];
    for (body, field) in devices {
        let (status, problem) = rig.post("/devices", body).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with(field), "{problem}");
    }
    let profiles = [
        ("server_uri", json!("http://x")),
        ("short_server_id", json!(0)),
        ("short_server_id", json!(65535)),
        ("registration_lifetime", json!(0)),
        ("credential_lifetime", json!(0)),
        ("binding", json!("SMS")),
    ];
    for (field, value) in profiles {
        let mut body = json!({ "server_uri": "coaps://a.example", "connector": "c" });
        body[field] = value;
        let (status, problem) = rig.put("/profiles/q", body).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with(field), "{problem}");
    }
    for (field, body) in [
        ("url", json!({ "url": "http://a.example/" })),
        ("secret", json!({ "url": "https://a.example/", "secret": "whsec_AAAA" })),
    ] {
        let (status, problem) = rig.put("/connectors/q", body).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with(field), "{problem}");
    }
}

#[tokio::test]
async fn a_profile_has_the_defaults_that_are_documented() {
    let rig = Rig::ready().await;
    let (_, profile) = rig.get("/profiles/p").await;
    assert_eq!(profile["short_server_id"], 1);
    assert_eq!(profile["registration_lifetime"], 86_400);
    assert_eq!(profile["credential_lifetime"], 31_536_000);
    assert_eq!((&profile["binding"], &profile["security_mode"]), (&json!("U"), &json!("psk")));
    assert_eq!(rig.get("/profiles").await.1["profiles"], json!([profile]));
}

#[tokio::test]
async fn a_made_secret_is_shown_once_and_a_given_one_never() {
    let rig = Rig::new().await;
    let url = json!({ "url": "http://127.0.0.1:9/" });

    let (created, made) = rig.put("/connectors/c", url).await;
    let given = json!({ "url": "http://127.0.0.1:9/", "secret": SECRET });
    let (changed, given) = rig.put("/connectors/c", given).await;

    assert_eq!((created, changed), (201, 200));
    assert!(SigningSecret::parse(made["secret"].as_str().unwrap()).is_ok());
    let next = json!(made["version"].as_u64().unwrap() + 1);
    assert_eq!((given.get("secret"), &given["version"]), (None, &next));
    assert_eq!(rig.get("/connectors/c").await.1.get("secret"), None);
}

#[tokio::test]
async fn only_the_bearer_of_the_token_gets_in() {
    let rig = Rig::ready().await;
    let paths = ["/devices", "/devices/d", "/devices/d/audit", "/profiles", "/profiles/p"];
    let paths = paths.into_iter().chain(["/connectors/c", "/unproven-attempts"]);
    for path in paths {
        for value in [None, Some("Bearer wrong".to_owned()), Some(format!("Basic {}", rig.token))] {
            let mut request = Request::get(format!("/api/v1/tenants/default{path}"));
            if let Some(value) = value {
                request = request.header(header::AUTHORIZATION, value);
            }
            let (head, body) = rig.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(head.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(head.headers()[header::WWW_AUTHENTICATE], "Bearer");
            assert_eq!(head.headers()[header::CONTENT_TYPE], "application/problem+json");
            assert!(!String::from_utf8_lossy(&body).contains(&rig.token));
        }
        assert_eq!(rig.get(path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn pages_follow_one_another_until_all_are_seen() {
    let rig = Rig::ready().await;
    for number in 0..6 {
        rig.post("/devices", device(&format!("n{number}"), KEY)).await;
    }

    let (mut seen, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let (status, page) = rig.get(&format!("/devices{query}")).await;
        assert_eq!(status, 200, "{page}");
        let ids = page["items"].as_array().unwrap().iter();
        seen.extend(ids.map(|device| device["id"].as_str().unwrap().to_owned()));
        let Some(token) = page["next"].as_str() else { break };
        query = format!("?limit=3&after={token}");
    }

    seen.sort();
    assert_eq!(seen, ["d", "n0", "n1", "n2", "n3", "n4", "n5"]);
}

#[tokio::test]
async fn queries_paths_methods_and_bodies_that_do_not_fit_are_told_apart() {
    let rig = Rig::ready().await;
    let long = json!({ "endpoint": "x".repeat(70_000) });
    let table = [
        (rig.get("/devices?page_length=3").await, 400, "unknown_parameter"),
        (rig.get("/devices?limit=x").await, 400, "unknown_parameter"),
        (rig.get("/devices/d?x").await, 400, "unknown_parameter"),
        (rig.get("/devices?after=*").await, 400, "bad_cursor"),
        (rig.get("/devices?limit=0").await, 422, "invalid"),
        (rig.get("/devices?limit=1001").await, 422, "invalid"),
        (rig.get("/nothing").await, 404, "no_route"),
        (rig.get("/devices/%ff").await, 400, "malformed"),
        (rig.ask("DELETE", "/devices", None).await, 405, "method_not_allowed"),
        (rig.post("/devices", json!([])).await, 400, "malformed"),
        (rig.post("/devices", long).await, 413, "too_large"),
    ];
    for ((status, problem), expected, code) in table {
        assert_eq!((status, problem["code"].as_str()), (expected, Some(code)), "{problem}");
    }
    let text = Request::post("/api/v1/tenants/default/devices")
        .header(header::AUTHORIZATION, format!("Bearer {}", rig.token))
        .body("{}".into());
    assert_eq!(rig.send(text.unwrap()).await.0.status(), 415);
}

#[tokio::test]
async fn an_unknown_tenant_is_not_found() {
    let rig = Rig::ready().await;
    for path in ["devices", "devices/d", "profiles", "connectors/c", "unproven-attempts"] {
        let request = Request::get(format!("/api/v1/tenants/other/{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", rig.token));
        let (head, body) = rig.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(head.status(), 404, "{path}");
        assert!(String::from_utf8_lossy(&body).contains("no tenant named"), "{path}");
    }
}

#[tokio::test]
async fn a_signed_report_makes_the_credential_active_and_may_come_again() {
    let rig = Rig::ready().await;
    let path = rig.stage().await;

    for _ in 0..2 {
        assert_eq!(rig.report(&path, &secret(), NOW.as_secs() + 299, REPORT).await, 204);
    }

    let shown = rig.get("/devices/d").await.1;
    assert_eq!(shown["credentials"][1]["state"], "active");
    let codes = shown["timeline"].as_array().unwrap().iter();
    assert_eq!(codes.filter(|entry| entry["code"] == "credential.activated").count(), 2);
}

#[tokio::test]
async fn a_report_that_proves_nothing_learns_and_changes_nothing() {
    let rig = Rig::ready().await;
    let path = rig.stage().await;
    let (now, other) = (NOW.as_secs(), SigningSecret::new(&[7; 32]));
    let nobody = path.replace("devices/d", "devices/nobody");
    let unknown = "/devices/d/credentials/x/use";

    for status in [
        rig.report(&path, &other, now, REPORT).await,
        rig.report(&path, &secret(), now - 301, REPORT).await,
        rig.report(&path, &secret(), now + 301, REPORT).await,
        rig.report(&nobody, &secret(), now, REPORT).await,
        rig.report(unknown, &secret(), now, REPORT).await,
    ] {
        assert_eq!(status, 401);
    }
    assert_eq!(rig.report(&path, &secret(), now, "{}").await, 400);

    assert_eq!(rig.get("/devices/d").await.1["credentials"][1]["state"], "staged");
}

#[tokio::test]
async fn without_its_ledger_it_lives_and_is_not_ready() {
    let rig = Rig::ready().await;
    rig.ledger.refuse(Some(Unavailable::NoLeader));
    for (path, expected) in [("/livez", 200), ("/readyz", 503), ("/metrics", 200)] {
        let (head, _) = rig.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(head.status(), expected, "{path}");
        assert_eq!(head.headers().contains_key(header::RETRY_AFTER), expected == 503);
    }
    assert_eq!(rig.get("/devices/d").await.0, 503);
    assert_eq!(rig.post("/devices", device("e", KEY)).await.0, 503);

    rig.ledger.refuse(None);
    assert_eq!(rig.get("/devices/e").await.0, 404, "what was answered 503 was not committed");
    let ready = rig.send(Request::get("/readyz").body(Body::empty()).unwrap()).await;
    assert_eq!(ready.0.status(), 200);
}

#[tokio::test]
async fn no_answer_holds_a_key_or_a_secret() {
    let rig = Rig::ready().await;
    let mut answers = Vec::new();
    for path in ["/devices", "/devices/d", "/devices/d/audit", "/connectors/c", "/profiles"] {
        answers.push(rig.get(path).await.1.to_string());
    }
    for body in [
        device("d", KEY),
        device("x", &format!("{KEY}zz")),
        json!({ "endpoint": "x", "profile": "p", "psk": KEY }),
        json!({ "endpoint": "x", "profile": "p", "psk": { "identity": "i", "key": KEY } }),
    ] {
        let (status, answer) = rig.post("/devices", body).await;
        assert!((400..500).contains(&status));
        answers.push(answer.to_string());
    }
    let (_, answer) = rig.put("/connectors/c", json!({ "url": "x", "secret": SECRET })).await;
    answers.push(answer.to_string());

    for answer in answers {
        for secret in [KEY, "canary", &SECRET[6..]] {
            assert!(!answer.contains(secret), "{answer}");
        }
    }
}

fn open(device: DeviceRef, credential: CredentialId, session: SessionId) -> OpenSession {
    let opened = fixtures::session(credential);
    OpenSession::new(device, session, opened)
}
