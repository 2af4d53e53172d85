//! What comes in with a request, read strictly and refused without being quoted.

use super::problem::Fault;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use claviger_api::Code;
use core::time::Duration;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// How long a body may take to come; of one that has no limit, a part of it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A body as its bytes, of bounded length.
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        read_within(PATIENCE, request, state).await
    }
}

/// The body of a request, if it comes within `patience`.
pub(super) async fn read_within<S: Send + Sync>(
    patience: Duration,
    request: Request,
    state: &S,
) -> Result<Raw, Fault> {
    let body = tokio::time::timeout(patience, Bytes::from_request(request, state)).await;
    let words = || format!("the body took longer than {} seconds to come", patience.as_secs());
    body.map_err(|_| Fault::new(Code::Slow, words()))?.map(Raw).map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Fault::new(Code::TooLarge, "the body is longer than 64 KiB")
        } else {
            Fault::new(Code::Malformed, "the body did not arrive whole")
        }
    })
}

/// The value in `bytes`.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| Fault::new(Code::Malformed, words(&error)))
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// What is wrong with a body, without a word of it: serde's own messages quote what they refuse.
///
/// Kept are the names of our fields and what is expected in their place, which both come from us.
fn words(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(words, _)| words);
    let ours =
        ["missing field `", "duplicate field `"].iter().any(|ours| message.starts_with(ours));
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => {
            format!("the body is not JSON at {place}")
        }
        Category::Data if ours => format!("{message}, at {place}"),
        Category::Data => match message.rsplit_once(", expected ") {
            Some((_, expected)) => format!("at {place}: expected {expected}"),
            None => format!("what stands at {place} does not fit"),
        },
    }
}

/// The names in the path.
pub(super) struct Names<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Names<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let names = Path::<T>::from_request_parts(parts, state).await;
        let unreadable = |_| Fault::new(Code::Malformed, "a name in the path is not UTF-8");
        names.map(|Path(names)| Self(names)).map_err(unreadable)
    }
}

/// The query's parameters.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let words = "the query has a parameter that is not known, or a value that does not fit";
        let unknown = |_| Fault::new(Code::UnknownParameter, words);
        query.map(|Query(parameters)| Self(parameters)).map_err(unknown)
    }
}

/// The certainty that there are no parameters.
pub(super) struct NoParameters;

impl<S: Send + Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        match parts.uri.query() {
            None | Some("") => Ok(Self),
            Some(_) => Err(Fault::new(Code::UnknownParameter, "this path takes no parameters")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_api::NewDevice;

    fn refusal(body: &str) -> String {
        format!("{:?}", read::<NewDevice>(body.as_bytes()).expect_err("it is refused"))
    }

    #[test]
    fn says_which_field_is_missing_and_where() {
        let words = refusal(r#"{"endpoint":"x","psk":null}"#);
        assert!(words.contains("missing field `profile`"), "{words}");
        assert!(words.contains("line 1, column 27"), "{words}");
    }

    #[test]
    fn says_what_is_expected_without_quoting_what_is_there() {
        let key = |key: &str| {
            format!(r#"{{"endpoint":"x","profile":"p","psk":{{"identity":"i","key":{key}}}}}"#)
        };
        let bodies = [
            key(r#""canary""#),
            key(r#"{"format":"canary","value":"00"}"#),
            key(r#"{"format":"hex","canary":"00"}"#),
            key(r#"{"format":"hex","value":"00","canary, expected canary":1}"#),
            key(r#"{"format":"hex","value":["canary"]}"#),
            key("canary"),
            format!("{} canary", key(r#"{"format":"hex","value":"00"}"#)),
        ];
        for body in bodies {
            let words = refusal(&body);
            assert!(!words.contains("canary"), "{body} gives {words}");
        }
        assert!(
            refusal(&key(r#"{"format":"x","value":"00"}"#)).contains("`hex`, `base64url`, `hpke`")
        );
    }
}
