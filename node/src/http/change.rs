//! A request that changes something: its body, the version that it expects, and what it is known
//! by. All three are read before anything is done.

use super::Api;
use super::body::{Raw, is_json, read};
use super::idempotency::{Keys, Repeatable};
use super::problem::Fault;
use super::version::Expected;
use axum::extract::{FromRequest, FromRequestParts, Request};
use claviger_api::Code;
use claviger_ledger::{Keyed, RequestId};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// How a change is proposed.
pub(super) struct Write {
    /// The version that what is changed must have; 0 where it must not be there.
    pub(super) expected: Option<u64>,
    /// By which the proposal's own repetition is known.
    pub(super) request: RequestId,
    /// By which the request's repetition is known.
    pub(super) keyed: Option<Keyed>,
}

/// A change with a JSON body.
pub(super) struct ChangeTo<T>(pub(super) Write, pub(super) T);

/// A change whose body says nothing.
pub(super) struct Change(pub(super) Write);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for ChangeTo<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Fault> {
        if !is_json(request.headers()) {
            return Err(Fault::new(Code::MediaType, "the Content-Type is not application/json"));
        }
        let parts = Parts::of(request, api).await?;
        let body = read(&parts.body.0)?;
        Ok(Self(parts.write(api)?, body))
    }
}

impl FromRequest<Arc<Api>> for Change {
    type Rejection = Fault;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Fault> {
        Parts::of(request, api).await?.write(api).map(Self)
    }
}

struct Parts {
    expected: Option<u64>,
    repeatable: Repeatable,
    body: Raw,
}

impl Parts {
    async fn of(request: Request, api: &Arc<Api>) -> Result<Self, Fault> {
        let (mut head, body) = request.into_parts();
        let Expected(expected) = Expected::from_request_parts(&mut head, api).await?;
        let repeatable = Repeatable::from_request_parts(&mut head, api).await?;
        let body = Raw::from_request(Request::from_parts(head, body), api).await?;
        Ok(Self { expected, repeatable, body })
    }

    fn write(self, api: &Api) -> Result<Write, Fault> {
        let keyed = self.repeatable.is_keyed().then(|| api.keeper.ring().derive("idempotency"));
        let keys = keyed.transpose()?.map(|secret| Keys::new(&secret));
        let keyed = keys.and_then(|keys| keys.keyed(&self.repeatable, &self.body));
        Ok(Write { expected: self.expected, request: RequestId(api.crypto.random()), keyed })
    }
}
