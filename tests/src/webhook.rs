//! An LwM2M server's end of the webhook: it checks signatures and keeps what it is told.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A credential as the LwM2M server was told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The credential's id.
    pub credential: String,
    /// The device's endpoint name.
    pub endpoint: String,
    /// The PSK identity.
    pub identity: String,
    /// The key.
    pub key: Vec<u8>,
    /// Where its use is reported.
    pub use_url: String,
}

/// The receiver, by webhook id.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Its URL.
    pub url: String,
    /// The signing secret in the form `whsec_…`.
    pub secret: String,
    told: Arc<Mutex<BTreeMap<String, Told>>>,
    key: Arc<Vec<u8>>,
}

impl Receiver {
    /// Starts a receiver on a free port of loopback; it ends with the runtime.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    /// Starts a receiver at `address`, which those who tell it find at the same port of their own
    /// loopback.
    ///
    /// # Panics
    /// If it cannot listen there.
    pub async fn start_at(address: &str) -> Self {
        let key = b"the webhook's secret of the tests".to_vec();
        let socket = tokio::net::TcpListener::bind(address).await.expect("a free port");
        let port = socket.local_addr().expect("it is bound").port();
        let receiver = Self {
            url: format!("http://127.0.0.1:{port}/"),
            secret: format!("whsec_{}", BASE64.encode(&key)),
            told: Arc::default(),
            key: Arc::new(key),
        };
        let router = Router::new().route("/", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(socket, router).await });
        receiver
    }

    /// What it was told so far, by PSK identity.
    ///
    /// # Panics
    /// If an earlier request broke it.
    pub fn told(&self) -> BTreeMap<String, Told> {
        let told = self.told.lock().expect("nobody panics with it");
        told.values().map(|told| (told.identity.clone(), told.clone())).collect()
    }

    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let parts =
            (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        let (Some(id), Some(time), Some(signature)) = parts else { return false };
        signature == self.sign(id, time, body)
    }

    /// The signature of the Standard Webhooks specification.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    pub fn sign(&self, id: &str, time: &str, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length");
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !receiver.is_signed(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut all = receiver.told.lock().expect("nobody panics with it");
    if body["type"] == "credential.revoked" {
        let known = body["data"]["credential"].as_str().map(|id| all.remove(id));
        return if known.is_some() { StatusCode::NO_CONTENT } else { StatusCode::BAD_REQUEST };
    }
    let Some(told) = read(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    all.insert(told.credential.clone(), told);
    StatusCode::NO_CONTENT
}

fn read(body: &Value) -> Option<Told> {
    let data = &body["data"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Told {
        credential: text(&data["credential"])?,
        endpoint: text(&data["endpoint"])?,
        identity: text(&data["psk"]["identity"])?,
        key: HEXLOWER.decode(data["psk"]["key"].as_str()?.as_bytes()).ok()?,
        use_url: text(&data["use_url"])?,
    })
}
