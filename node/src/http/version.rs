//! Versions of what the API shows: `ETag` out, `If-Match` and `If-None-Match` in (RFC 9110 §13).

use super::problem::Fault;
use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use claviger_api::Code;
use serde::Serialize;

/// The version that a request expects: 0 where nothing must be there, none where it does not care.
pub(super) struct Expected(pub(super) Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for Expected {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let only = |name: &HeaderName| {
            let mut values = parts.headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (value, None) => Ok(value.map(HeaderValue::as_bytes)),
                _ => Err(bad(name)),
            }
        };
        match (only(&header::IF_MATCH)?, only(&header::IF_NONE_MATCH)?) {
            (None, None) => Ok(Self(None)),
            (None, Some(b"*")) => Ok(Self(Some(0))),
            (Some(tag), None) => {
                let version = version_of(tag).ok_or_else(|| bad(&header::IF_MATCH))?;
                Ok(Self(Some(version)))
            }
            (Some(tag), Some(b"*")) if version_of(tag).is_some() => {
                let words = "it cannot be at a version and not be there";
                Err(Fault::new(Code::Changed, words))
            }
            _ => Err(bad(&header::IF_NONE_MATCH)),
        }
    }
}

fn bad(name: &HeaderName) -> Fault {
    let words = match *name {
        header::IF_MATCH => "If-Match must be one ETag as an answer gave it",
        _ => "If-None-Match can only be \"*\"",
    };
    Fault::new(Code::BadHeader, words)
}

/// The version that a strong tag of ours names: `"7"`.
fn version_of(tag: &[u8]) -> Option<u64> {
    let digits = tag.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let version = plain.then(|| core::str::from_utf8(digits).ok()).flatten()?.parse().ok()?;
    (version > 0).then_some(version)
}

/// Answers 304 to who asks for what he has seen (RFC 9110 §13.1.2).
pub(super) async fn unless_seen(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let seen = request.headers().get_all(header::IF_NONE_MATCH);
    let seen: Vec<HeaderValue> = if reads { seen.iter().cloned().collect() } else { Vec::new() };
    let mut response = next.run(request).await;
    let tag = response.headers().get(header::ETAG).map(HeaderValue::as_bytes);
    if tag.is_some_and(|tag| response.status() == StatusCode::OK && names(&seen, tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        headers.remove(header::CONTENT_LENGTH);
    }
    response
}

/// True if one of the tags in `values` is `tag`, by the weak comparison.
fn names(values: &[HeaderValue], tag: &[u8]) -> bool {
    let tags = values.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut tags = tags.map(<[u8]>::trim_ascii);
    tags.any(|one| one == b"*" || one.strip_prefix(b"W/").unwrap_or(one) == tag)
}

/// What is shown, with its version as the ETag.
pub(super) struct Versioned<T>(pub(super) StatusCode, pub(super) u64, pub(super) T);

impl<T> Versioned<T> {
    /// The answer to a PUT that has made what is shown, or changed it.
    pub(super) const fn put(made: bool, version: u64, shown: T) -> Self {
        let status = if made { StatusCode::CREATED } else { StatusCode::OK };
        Self(status, version, shown)
    }
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let Self(status, version, shown) = self;
        let mut response = (status, Json(shown)).into_response();
        let tag = HeaderValue::from_str(&format!("\"{version}\"")).expect("digits and quotes");
        response.headers_mut().insert(header::ETAG, tag);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_tag_among_those_that_were_seen() {
        let seen = |value: &'static str| names(&[HeaderValue::from_static(value)], b"\"7\"");
        for value in ["\"7\"", "W/\"7\"", "\"1\", \"7\"", "*"] {
            assert!(seen(value), "{value}");
        }
        for value in ["", "7", "\"77\"", "\"1\",\"2\""] {
            assert!(!seen(value), "{value}");
        }
    }

    #[test]
    fn reads_its_own_tags_and_no_others() {
        assert_eq!(version_of(b"\"7\""), Some(7));
        for tag in [&b"7"[..], b"W/\"7\"", b"\"0\"", b"\"\"", b"\"-1\"", b"\"7\", \"8\"", b"*"] {
            assert_eq!(version_of(tag), None, "{tag:?}");
        }
    }
}
