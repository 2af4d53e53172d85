//! The outbox against a security store that does what Leshan's demo was seen to do.

use super::*;
use axum::extract::Path;
use axum::http::{Method, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{delete, get, put};
use claviger_ledger::State as Life;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::Notify;

const ENDPOINT: &str = "urn:dev:1";
const TOKEN: &str = "Bearer canary-token";

/// The demo's store and its servlet: one entry an endpoint, one endpoint an identity.
#[derive(Clone, Default)]
struct Demo {
    /// By endpoint, as it was put.
    entries: Arc<Mutex<BTreeMap<String, Value>>>,
    /// What was asked, in the order in which it came.
    seen: Arc<Mutex<Vec<String>>>,
    /// What a proxy before it wants.
    authorization: Option<&'static str>,
    /// Told when something was put. A list is only given after that, or after a while.
    slow_list: Option<Arc<Notify>>,
}

impl Demo {
    async fn before(self) -> Rig {
        self.with_secret(b"").await
    }

    async fn with_secret(self, secret: &[u8]) -> Rig {
        let router = Router::new()
            .route("/api/security/clients", get(list))
            .route("/api/security/clients/", put(add))
            .route("/api/security/clients/{*endpoint}", delete(remove))
            .with_state(self);
        let server = Server { router, kind: ConnectorKind::Leshan, secret: secret.to_vec() };
        Rig::with(server, Arc::default(), false).await
    }

    fn identity(&self) -> Option<String> {
        let entries = self.entries.lock().unwrap();
        Some(entries.get(ENDPOINT)?["tls"]["details"]["identity"].as_str().unwrap().to_owned())
    }

    fn note(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), StatusCode> {
        self.seen.lock().unwrap().push(format!("{method} {uri}"));
        let given = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
        if given == self.authorization { Ok(()) } else { Err(StatusCode::UNAUTHORIZED) }
    }
}

async fn add(
    State(demo): State<Demo>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(), (StatusCode, String)> {
    demo.note(&method, &uri, &headers).map_err(|status| (status, String::new()))?;
    let entry: Value = serde_json::from_slice(&body).unwrap();
    let endpoint = entry["endpoint"].as_str().unwrap().to_owned();
    let identity = |entry: &Value| entry["tls"]["details"]["identity"].clone();
    let mut entries = demo.entries.lock().unwrap();
    let taken = entries.iter().any(|(of, it)| *of != endpoint && identity(it) == identity(&entry));
    if taken {
        let words = format!("PSK Identity {} is already used", identity(&entry));
        return Err((StatusCode::BAD_REQUEST, words));
    }
    entries.insert(endpoint, entry);
    if let Some(list) = &demo.slow_list {
        list.notify_one();
    }
    Ok(())
}

async fn list(
    State(demo): State<Demo>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, StatusCode> {
    demo.note(&method, &uri, &headers)?;
    let entries: Vec<_> = demo.entries.lock().unwrap().values().cloned().collect();
    if let Some(put) = &demo.slow_list {
        let _ = tokio::time::timeout(Duration::from_millis(500), put.notified()).await;
    }
    Ok(axum::Json(entries).into_response())
}

/// The demo answers 200, whether there was something or not.
async fn remove(
    State(demo): State<Demo>,
    Path(endpoint): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<(), StatusCode> {
    demo.note(&method, &uri, &headers)?;
    demo.entries.lock().unwrap().remove(&endpoint);
    Ok(())
}

fn entry(endpoint: &str, identity: &str) -> Value {
    let details = json!({ "identity": identity, "key": "00" });
    json!({ "endpoint": endpoint, "tls": { "mode": "psk", "details": details } })
}

/// Waits until nothing is left to be told.
async fn all_told(rig: &Rig) {
    let told = async {
        let mut left = 1;
        while left > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            rig.ledger.read(&mut |rows| left = View::new(rows).outbox().len());
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("it is told in time");
}

fn states(rig: &Rig) -> BTreeMap<String, Life> {
    let mut states = BTreeMap::new();
    rig.ledger.read(&mut |rows| {
        let all = View::new(rows).credentials(&of()).into_iter();
        states = all.map(|(_, c)| (String::from_utf8(c.identity).unwrap(), c.state)).collect();
    });
    states
}

#[tokio::test]
async fn a_credential_is_put_as_leshan_reads_it() {
    let demo = Demo::default();
    let mut rig = demo.clone().before().await;
    rig.stage().await;

    rig.outbox.wake(&of(), MADE);

    assert_eq!(rig.answer().await, Ok(()));
    assert!(rig.is_confirmed());
    let mut expected = entry(ENDPOINT, "made");
    expected["tls"]["details"]["key"] = json!(data_encoding::HEXLOWER.encode(&KEY));
    assert_eq!(demo.entries.lock().unwrap()[ENDPOINT], expected);
    assert_eq!(*demo.seen.lock().unwrap(), ["PUT /api/security/clients/"]);
    let counted = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!((counted(&rig.counters.leshan.taken), counted(&rig.counters.webhook.taken)), (1, 0));
}

#[tokio::test]
async fn a_newer_credential_takes_the_place_of_the_older_there_and_in_the_ledger() {
    let demo = Demo::default();
    let mut rig = demo.clone().before().await;
    rig.stage().await;
    rig.outbox.wake(&of(), MADE);
    rig.answer().await.unwrap();
    let steps = "Finish".to_owned();
    let session = SessionId([6; 16]);
    let delivered = claviger_ledger::DeliverCredential {
        device: of(),
        credential: MADE,
        session,
        highest_read: 1,
        steps,
    };
    rig.apply(8, delivered).await;
    rig.stage_as(9, CredentialId([10; 16]), "newer").await;

    rig.outbox.wake(&of(), CredentialId([10; 16]));

    assert_eq!(rig.answer().await, Ok(()));
    assert_eq!(demo.identity().as_deref(), Some("newer"));
    let states = states(&rig);
    assert_eq!((states["made"], states["newer"]), (Life::Superseded, Life::Staged));
}

#[tokio::test]
async fn a_revoked_credential_is_removed_if_it_stands_there() {
    let demo = Demo::default();
    let mut rig = demo.clone().before().await;
    rig.stage().await;
    rig.outbox.wake(&of(), MADE);
    rig.answer().await.unwrap();
    demo.entries.lock().unwrap().insert("other".into(), entry("other", "someone"));
    rig.apply(8, revoke()).await;

    rig.outbox.wake(&of(), MADE);
    all_told(&rig).await;

    assert_eq!(demo.identity(), None);
    assert_eq!(demo.entries.lock().unwrap().len(), 1, "of others nothing is touched");
    let seen = demo.seen.lock().unwrap().clone();
    let expected = ["GET /api/security/clients", "DELETE /api/security/clients/urn:dev:1"];
    assert_eq!(seen[1..], expected);
}

#[tokio::test]
async fn what_somebody_else_put_there_is_left_alone() {
    let demo = Demo::default();
    let mut rig = demo.clone().before().await;
    rig.stage().await;
    rig.outbox.wake(&of(), MADE);
    rig.answer().await.unwrap();
    demo.entries.lock().unwrap().insert(ENDPOINT.into(), entry(ENDPOINT, "by hand"));
    rig.apply(8, revoke()).await;

    rig.outbox.wake(&of(), MADE);
    all_told(&rig).await;

    assert_eq!(demo.identity().as_deref(), Some("by hand"));
}

#[tokio::test]
async fn withdrawing_the_older_does_not_remove_the_newer_that_comes_meanwhile() {
    let demo = Demo { slow_list: Some(Arc::default()), ..Demo::default() };
    let mut rig = demo.clone().before().await;
    rig.stage().await;
    rig.outbox.wake(&of(), MADE);
    rig.answer().await.unwrap();
    demo.slow_list.as_ref().unwrap().notified().await;
    // The profile changed: what was staged is withdrawn, and another is put at the same time.
    rig.apply(8, put_profile("coaps://b.example")).await;
    rig.stage_as(9, CredentialId([10; 16]), "newer").await;

    rig.outbox.wake(&of(), MADE);
    rig.outbox.wake(&of(), CredentialId([10; 16]));
    all_told(&rig).await;

    assert_eq!(demo.identity().as_deref(), Some("newer"), "{:?}", demo.seen.lock().unwrap());
}

#[tokio::test]
async fn an_identity_of_another_endpoint_is_told_in_words() {
    let demo = Demo::default();
    demo.entries.lock().unwrap().insert("other".into(), entry("other", "made"));
    let mut rig = demo.clone().before().await;
    rig.stage().await;

    rig.outbox.wake(&of(), MADE);

    let words = rig.answer().await.expect_err("400");
    assert!(words.contains("\"c\") answered 400; another endpoint"), "{words}");
    assert!(!words.contains("already used"), "nothing of the answer is quoted: {words}");
}

#[tokio::test]
async fn a_proxy_is_shown_the_connectors_secret_and_nobody_else() {
    let demo = Demo { authorization: Some(TOKEN), ..Demo::default() };
    let mut rig = demo.clone().with_secret(TOKEN.as_bytes()).await;
    rig.stage().await;
    rig.outbox.wake(&of(), MADE);
    assert_eq!(rig.answer().await, Ok(()));

    let mut rig = demo.with_secret(b"Bearer canary-wrong").await;
    rig.stage().await;
    rig.outbox.wake(&of(), MADE);
    let words = rig.answer().await.expect_err("401");
    assert!(words.contains("answered 401; compare the connector's secret"), "{words}");
    assert!(!words.contains("canary"), "{words}");
}

#[tokio::test]
async fn a_server_that_answers_everything_with_a_page_is_none() {
    let router = Router::new().fallback(async || Html("<html>"));
    let server = Server { router, kind: ConnectorKind::Leshan, secret: Vec::new() };
    let mut rig = Rig::with(server, Arc::default(), true).await;

    let words = rig.answer().await.expect_err("a page");

    assert!(words.contains("answered with a page"), "{words}");
    assert!(!rig.is_confirmed());
}
