//! From what went wrong to what is answered: the one place that maps it.

use crate::keys::{EscrowError, KeyError};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use claviger_api::{Code, Problem};
use claviger_ledger::{Refusal, Unavailable};
use core::fmt;

/// Why a request is not answered with a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(super) code: Code,
    detail: String,
}

impl Fault {
    /// A fault of this kind; `detail` never holds a secret.
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub(super) fn not_found(what: &str, name: impl fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("there is no {what} named \"{name}\""))
    }

    pub(super) fn invalid(field: &str, rule: impl fmt::Display) -> Self {
        Self::new(Code::Invalid, format!("{field}: {rule}"))
    }

    /// A fault of ours, told to the log too.
    pub(super) fn internal(words: &str) -> Self {
        tracing::error!(words, "a request failed");
        Self::new(Code::Internal, words)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NotFound { .. } => Code::NotFound,
            Refusal::Taken { .. } | Refusal::Founded => Code::Taken,
            Refusal::Changed { .. } => Code::Changed,
            Refusal::State { .. }
            | Refusal::InUse { .. }
            | Refusal::OtherKind { .. }
            | Refusal::Full { .. }
            | Refusal::Retiring { .. } => Code::State,
            Refusal::TooLong { .. } => Code::Invalid,
            Refusal::KeyReused => Code::KeyReused,
            // The same request is sealed under the newer key.
            Refusal::KeyReplaced => Code::Unavailable,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<Unavailable> for Fault {
    fn from(unavailable: Unavailable) -> Self {
        Self::new(Code::Unavailable, unavailable.to_string())
    }
}

impl From<claviger_seal::Sealed> for Fault {
    fn from(sealed: claviger_seal::Sealed) -> Self {
        Self::new(Code::Sealed, sealed.to_string())
    }
}

impl From<KeyError> for Fault {
    fn from(error: KeyError) -> Self {
        let code = match &error {
            KeyError::Kek(_) | KeyError::WrongKek => Code::KeyProvider,
            KeyError::NoRootKey | KeyError::Sealed(_) => Code::Sealed,
            KeyError::Damaged => return Self::internal(&error.to_string()),
            KeyError::Unavailable(why) => return why.clone().into(),
            KeyError::Refused(why) => return why.clone().into(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<EscrowError> for Fault {
    fn from(error: EscrowError) -> Self {
        match error {
            EscrowError::Key(error) => error.into(),
            error => Self::new(Code::Invalid, error.to_string()),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::new(fault.code, fault.detail)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let code = self.code;
        let problem = Problem::from(self);
        let status = StatusCode::from_u16(problem.status).expect("codes have valid statuses");
        let mut response = (status, Json(problem)).into_response();
        let mut set = |name, value| response.headers_mut().insert(name, value);
        set(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match code {
            Code::Unauthorized => {
                set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Code::Unavailable | Code::Busy | Code::Sealed | Code::KeyProvider => {
                set(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            // A share is refilled within milliseconds; a second is the least that can be said.
            Code::TooMany => {
                set(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
