//! Requests that may be repeated: `Idempotency-Key`.
//!
//! The ledger knows a repetition by its request id, and a request with a key has an id that is
//! made from the key, the path and the body, under a secret of the cluster, since bodies hold keys
//! of devices. Repeated soon, at this node or after a restart, it has the outcome of the first: the
//! ledger remembers the newest 8 requests about a device, its own bootstraps among them, and the
//! newest 64 about a tenant. That a key comes back with another body is seen as long as this
//! process remembers the key.

use super::problem::Fault;
use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use claviger_api::Code;
use claviger_ledger::RequestId;
use claviger_machine::Crypto;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

const HEADER: &str = "idempotency-key";
/// How many keys are remembered; the oldest makes room.
const REMEMBERED: usize = 16_384;

/// What a request is known by, if it says so.
#[derive(Clone)]
pub(super) struct Repeatable {
    /// SHA-256 over method, path and key.
    key: Option<[u8; 32]>,
}

impl<S: Send + Sync> FromRequestParts<S> for Repeatable {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(Self { key: None }),
            (Some(value), None) => value.as_bytes(),
            _ => return Err(bad()),
        };
        if !(1..=255).contains(&value.len()) || !value.iter().all(u8::is_ascii_graphic) {
            return Err(bad());
        }
        Ok(Self { key: Some(digest(&parts.method, parts.uri.path(), value)) })
    }
}

fn bad() -> Fault {
    Fault::new(Code::BadHeader, "the Idempotency-Key must be one of 1 to 255 visible characters")
}

fn digest(method: &Method, path: &str, key: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [b"claviger idempotency", method.as_str().as_bytes(), path.as_bytes(), key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// The keys that were used, and for which bodies.
pub struct Keys {
    secret: hmac::Key,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    bodies: BTreeMap<[u8; 32], [u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Keys {
    /// No keys yet; `secret` is what request ids are made under.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { secret: hmac::Key::new(hmac::HMAC_SHA256, secret), used: Mutex::default() }
    }

    /// The id of a request with this body: its own again if it is repeated, else a fresh one.
    ///
    /// # Errors
    /// If its key was used for another body.
    pub(super) fn request_id(
        &self,
        repeatable: &Repeatable,
        body: &Bytes,
        crypto: &dyn Crypto,
    ) -> Result<RequestId, Fault> {
        let Some(key) = repeatable.key else { return Ok(RequestId(crypto.random())) };
        let body = self.digest(&[body]);
        if !self.used.lock().unwrap_or_else(PoisonError::into_inner).take(key, body) {
            let words = "the Idempotency-Key was used for a request with another body";
            return Err(Fault::new(Code::KeyReused, words));
        }
        let whole = self.digest(&[&key, &body]);
        Ok(RequestId(*whole.first_chunk().expect("16 is less than 32")))
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.secret);
        parts.iter().for_each(|part| context.update(part));
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

impl Used {
    /// Remembers that `key` stands for `body`; false if it stands for another.
    fn take(&mut self, key: [u8; 32], body: [u8; 32]) -> bool {
        if let Some(before) = self.bodies.get(&key) {
            return *before == body;
        }
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.bodies.remove(&oldest);
        }
        self.order.push_back(key);
        self.bodies.insert(key, body);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SystemCrypto;

    fn repeatable(key: &str) -> Repeatable {
        Repeatable { key: Some(digest(&Method::POST, "/devices", key.as_bytes())) }
    }

    #[test]
    fn a_repetition_has_the_id_of_the_first_and_another_body_is_refused() {
        let (keys, body) = (Keys::new(&[5; 32]), Bytes::from_static(b"{}"));
        let first = keys.request_id(&repeatable("a"), &body, &SystemCrypto).unwrap();

        let again = keys.request_id(&repeatable("a"), &body, &SystemCrypto).unwrap();
        let other = keys.request_id(&repeatable("b"), &body, &SystemCrypto).unwrap();
        let reused = keys.request_id(&repeatable("a"), &Bytes::new(), &SystemCrypto);

        assert_eq!(first, again);
        assert_ne!(first, other);
        assert!(reused.is_err());
        // What a restart forgets is known by the ledger all the same.
        let restarted =
            Keys::new(&[5; 32]).request_id(&repeatable("a"), &body, &SystemCrypto).unwrap();
        assert_eq!(first, restarted);
    }

    #[test]
    fn without_a_key_each_request_is_its_own() {
        let (keys, none) = (Keys::new(&[5; 32]), Repeatable { key: None });
        let id = || keys.request_id(&none, &Bytes::new(), &SystemCrypto).unwrap();
        assert_ne!(id(), id());
    }

    #[test]
    fn the_oldest_key_makes_room() {
        let mut used = Used::default();
        for number in 0..=REMEMBERED as u64 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            assert!(used.take(key, [1; 32]));
        }
        assert_eq!((used.bodies.len(), used.order.len()), (REMEMBERED, REMEMBERED));
        assert!(used.take([0; 32], [2; 32]), "forgotten");
    }
}
