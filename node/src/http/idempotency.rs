//! Requests that may be repeated: `Idempotency-Key`.
//!
//! The ledger keeps the keys, each with a fingerprint of its request, so that any node knows a
//! repetition, and a key that comes back with another request. A fingerprint is made under a secret
//! of the cluster, since bodies hold keys of devices.

use super::body::Raw;
use super::problem::Fault;
use aws_lc_rs::hmac;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use claviger_api::Code;
use claviger_ledger::Keyed;
use sha2::{Digest, Sha256};

const HEADER: &str = "idempotency-key";

/// What a request is known by, if it says so, and what it says but for its body.
pub(super) struct Repeatable {
    /// A hash of the key.
    key: Option<[u8; 16]>,
    head: Vec<Vec<u8>>,
}

impl Repeatable {
    /// True if it says what it is known by.
    pub(super) const fn is_keyed(&self) -> bool {
        self.key.is_some()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Repeatable {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(Self { key: None, head: Vec::new() }),
            (Some(value), None) => value.as_bytes(),
            _ => return Err(bad()),
        };
        if !(1..=255).contains(&value.len()) || !value.iter().all(u8::is_ascii_graphic) {
            return Err(bad());
        }
        let mut hash = Sha256::new();
        hash.update(b"claviger idempotency ");
        hash.update(value);
        let key: [u8; 32] = hash.finalize().into();
        Ok(Self { key: key.first_chunk().copied(), head: head(parts) })
    }
}

/// What makes a request another one, besides its body.
fn head(parts: &Parts) -> Vec<Vec<u8>> {
    let condition = |headers: &HeaderMap, name| {
        let value = headers.get(name).map(axum::http::HeaderValue::as_bytes);
        value.unwrap_or_default().to_vec()
    };
    vec![
        parts.method.as_str().into(),
        parts.uri.path().into(),
        condition(&parts.headers, header::IF_MATCH),
        condition(&parts.headers, header::IF_NONE_MATCH),
    ]
}

fn bad() -> Fault {
    Fault::new(Code::BadHeader, "the Idempotency-Key must be one of 1 to 255 visible characters")
}

/// What fingerprints are made under: the same at every node of the cluster.
pub(super) struct Keys(hmac::Key);

impl Keys {
    /// Fingerprints under `secret`.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// By what the ledger knows the request again, if it asks for that.
    pub(super) fn keyed(&self, repeatable: &Repeatable, body: &Raw) -> Option<Keyed> {
        let key = repeatable.key?;
        let mut context = hmac::Context::with_key(&self.0);
        for part in repeatable.head.iter().map(Vec::as_slice).chain([&body.0[..]]) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let tag = context.sign();
        let fingerprint = *tag.as_ref().first_chunk().expect("16 is less than 32");
        Some(Keyed { key, fingerprint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;
    use axum::http::Request;

    async fn keyed(secret: u8, path: &str, key: &str, tag: &str, body: &'static str) -> Keyed {
        let request = Request::put(path).header(HEADER, key).header(header::IF_MATCH, tag);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let repeatable = Repeatable::from_request_parts(&mut parts, &()).await.unwrap();
        let body = Raw(Bytes::from_static(body.as_bytes()));
        Keys::new(&[secret; 32]).keyed(&repeatable, &body).unwrap()
    }

    #[tokio::test]
    async fn a_repetition_has_the_fingerprint_of_the_first_at_every_node() {
        let first = keyed(5, "/a", "k", "1", "{}").await;
        assert_eq!(first, keyed(5, "/a", "k", "1", "{}").await);
    }

    #[tokio::test]
    async fn whatever_differs_is_another_request_under_the_same_key() {
        let first = keyed(5, "/a", "k", "1", "{}").await;
        let others = [
            keyed(6, "/a", "k", "1", "{}").await,
            keyed(5, "/b", "k", "1", "{}").await,
            keyed(5, "/a", "k", "2", "{}").await,
            keyed(5, "/a", "k", "1", "").await,
        ];
        for other in others {
            assert_eq!(other.key, first.key);
            assert_ne!(other.fingerprint, first.fingerprint);
        }
        assert_ne!(keyed(5, "/a", "l", "1", "{}").await.key, first.key);
    }

    #[tokio::test]
    async fn a_request_without_a_key_has_none() {
        let (mut parts, ()) = Request::new(()).into_parts();
        let repeatable = Repeatable::from_request_parts(&mut parts, &()).await.unwrap();
        assert_eq!(Keys::new(&[5; 32]).keyed(&repeatable, &Raw(Bytes::new())), None);
    }
}
