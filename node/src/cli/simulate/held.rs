//! What the webhook brought to the simulated LwM2M server.

use super::print::Story;
use crate::connectors::SigningSecret;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use claviger_actors::Clock;
use claviger_api::{CredentialRevoked, CredentialStaged, StagedCredential};
use data_encoding::HEXLOWER;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The accounts of devices, by PSK identity, and the secret that proves the webhook.
pub(super) struct Accounts {
    clock: Arc<dyn Clock>,
    story: Story,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    secret: Option<SigningSecret>,
    credentials: BTreeMap<Vec<u8>, StagedCredential>,
    /// The trace that each was told in, by its `traceparent`.
    traces: BTreeMap<Vec<u8>, String>,
}

/// What the report of a credential's use needs.
pub(super) struct Report {
    pub(super) credential: String,
    pub(super) use_url: String,
    /// The trace that the credential was told in.
    pub(super) traceparent: Option<String>,
}

impl Accounts {
    pub(super) fn new(clock: Arc<dyn Clock>, story: Story) -> Self {
        Self { clock, story, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn trust(&self, secret: SigningSecret) {
        self.held().secret = Some(secret);
    }

    pub(super) fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let held = self.held();
        let key = held.credentials.get(identity)?.psk.key.expose().as_bytes();
        HEXLOWER.decode(key).ok().map(Zeroizing::new)
    }

    pub(super) fn endpoint(&self, identity: &[u8]) -> Option<String> {
        self.held().credentials.get(identity).map(|staged| staged.endpoint.clone())
    }

    pub(super) fn report(&self, identity: &[u8]) -> Option<(Report, SigningSecret)> {
        let held = self.held();
        let staged = held.credentials.get(identity)?;
        let (credential, use_url) = (staged.credential.clone(), staged.use_url.clone());
        let traceparent = held.traces.get(identity).cloned();
        Some((Report { credential, use_url, traceparent }, held.secret.clone()?))
    }
}

/// Takes the webhook: 204 if it is signed and can be read.
pub(super) async fn receive(
    State(accounts): State<Arc<Accounts>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let secret = accounts.held().secret.clone();
    let now = accounts.clock.now();
    let signed = secret.is_some_and(|secret| secret.verify(&headers, &body, now).is_ok());
    if !signed {
        return StatusCode::UNAUTHORIZED;
    }
    if let Ok(message) = serde_json::from_slice::<CredentialRevoked>(&body) {
        let revoked = message.data;
        let words = format!("LwM2M server: the webhook took back a key for {}", revoked.endpoint);
        accounts.story.tell(&words);
        accounts.held().credentials.remove(revoked.psk.identity.as_bytes());
        return StatusCode::NO_CONTENT;
    }
    let Ok(message) = serde_json::from_slice::<CredentialStaged>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let staged = message.data;
    let words = format!("LwM2M server: the webhook brought a key for {}", staged.endpoint);
    accounts.story.tell(&words);
    let identity = staged.psk.identity.clone().into_bytes();
    let mut held = accounts.held();
    if let Some(parent) = headers.get("traceparent").and_then(|value| value.to_str().ok()) {
        held.traces.insert(identity.clone(), parent.to_owned());
    }
    held.credentials.insert(identity, staged);
    StatusCode::NO_CONTENT
}
