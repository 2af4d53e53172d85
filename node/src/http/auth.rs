//! Who may ask: the bearer of the admin token.

use super::Api;
use super::problem::Fault;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use claviger_api::Code;
use claviger_machine::Crypto;
use core::fmt;
use data_encoding::BASE64URL_NOPAD;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What the admin token is compared with: its SHA-256. The token has 256 random bits, so a plain
/// hash is enough.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken([u8; 32]);

impl AdminToken {
    /// A fresh token, to be shown once, and what it is compared with.
    pub fn make(crypto: &dyn Crypto) -> (Zeroizing<String>, Self) {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(crypto.random());
        let token = Zeroizing::new(format!("claviger_{}", BASE64URL_NOPAD.encode(&*bytes)));
        let kept = Self::of(&token);
        (token, kept)
    }

    /// What `token` is compared with; it must be as hard to guess as one that is made here.
    pub fn of(token: &str) -> Self {
        Self(Self::hash(token))
    }

    fn hash(token: &str) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        hash
    }

    /// True if the headers bear the token (RFC 6750 §2.1).
    pub(super) fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, token)) = value.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let same = verify_slices_are_equal(&Self::hash(token.trim()), &self.0).is_ok();
        scheme.eq_ignore_ascii_case("bearer") && same
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

/// Lets only the administrator pass. A wrong token is answered as a missing one (RFC 6750 §3.1).
pub(super) async fn require_admin(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    if api.admin_token.is_borne_by(request.headers()) {
        return Ok(next.run(request).await);
    }
    Err(Fault::new(Code::Unauthorized, "the admin token is missing or wrong"))
}
