//! `unproven-attempts`: what strangers tried.

use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::openapi::parameters::OfTenant;
use crate::http::openapi::problems::Any;
use crate::http::problem::Fault;
use axum::Json;
use axum::extract::State;
use claviger_api::{Code, Timestamp, UnprovenAttempt, UnprovenAttempts};
use claviger_front::{Ask, Told};
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
    // The leader has the table.
    let seen = match api.operator.ask(Ask::Attempts { realm }).await? {
        Told::Attempts { attempts } => attempts.into_iter(),
        Told::Refused { words, .. } => return Err(Fault::new(Code::Unavailable, words)),
        Told::Done | Told::Edges { .. } => {
            return Err(Fault::internal("an answer of another kind"));
        }
    };
    let attempts = seen.map(|attempt| UnprovenAttempt {
        identity: String::from_utf8_lossy(&attempt.identity).into_owned(),
        reason: attempt.reason,
        count: attempt.count,
        last_seen: Timestamp(attempt.last_seen),
        advice: attempt.advice,
    });
    Ok(Json(UnprovenAttempts { attempts: attempts.collect() }))
}
