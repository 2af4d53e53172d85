//! `unproven-attempts`: what strangers tried.

use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::openapi::parameters::OfTenant;
use crate::http::openapi::problems::Any;
use crate::http::problem::Fault;
use axum::Json;
use axum::extract::State;
use claviger_api::{Timestamp, UnprovenAttempt, UnprovenAttempts};
use std::sync::Arc;

/// Lists attempts without proof.
///
/// The attempts in the tenant's realm that are still remembered, the latest first.
#[utoipa::path(
    get, path = "/unproven-attempts", operation_id = "listUnprovenAttempts", tag = "devices", params(OfTenant),
    security(("admin" = [])),
    responses((status = 200, description = "The attempts.", body = UnprovenAttempts), Any)
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
) -> Result<Json<UnprovenAttempts>, Fault> {
    let realm = api.tenant(&tenant).await?.realm;
    let seen = api.unproven.attempts(&realm).into_iter();
    let attempts = seen.map(|attempt| UnprovenAttempt {
        identity: String::from_utf8_lossy(&attempt.identity).into_owned(),
        reason: attempt.reason.as_str().to_owned(),
        count: attempt.count,
        last_seen: Timestamp(u64::try_from(attempt.last_seen.as_millis()).unwrap_or(u64::MAX)),
        advice: attempt.reason.advice().to_owned(),
    });
    Ok(Json(UnprovenAttempts { attempts: attempts.collect() }))
}
