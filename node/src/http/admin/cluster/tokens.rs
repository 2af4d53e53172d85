//! `cluster/tokens`: what nodes join with. A token is shown once; the ledger keeps its hash.

use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::change::ChangeTo;
use crate::http::openapi::parameters::OfToken;
use crate::http::openapi::problems::{Any, ClusterChanges};
use crate::http::problem::Fault;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use claviger_api::{
    Code, CreateJoinToken, CreatedJoinToken, JoinToken, JoinTokens, NodeRole, Secret, Timestamp,
};
use claviger_ledger as ledger;
use claviger_link::{RegistrarError, Role, Token};
use core::time::Duration;
use data_encoding::HEXLOWER_PERMISSIVE;
use std::sync::Arc;

/// The longest time of a token, in seconds: 90 days, and for edges, which keep theirs, ten years.
const LONGEST: u64 = 90 * 86_400;
const LONGEST_OF_EDGES: u64 = 3_650 * 86_400;
/// Its time where none is named: an hour, and for edges a year.
const LIFETIME: u64 = 3_600;
const LIFETIME_OF_EDGES: u64 = 365 * 86_400;
/// The time of one by which a node comes back.
const LIFETIME_OF_RETURN: u64 = 86_400;
/// How many nodes one may let in.
const MOST: u32 = 10_000;

/// Makes a join token. It is shown once.
#[utoipa::path(
    post, path = "/tokens", operation_id = "createJoinToken", tag = "cluster",
    request_body = CreateJoinToken,
    security(("admin" = [])),
    responses((status = 201, description = "It is made.", body = CreatedJoinToken), ClusterChanges)
)]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    _: NoParameters,
    ChangeTo(write, body): ChangeTo<CreateJoinToken>,
) -> Result<(StatusCode, Json<CreatedJoinToken>), Fault> {
    super::unconditional(&write)?;
    let CreateJoinToken { role, uses, lifetime } = body;
    let (as_role, default, longest, any) = match role {
        NodeRole::Ledger => (Role::Ledger, LIFETIME, LONGEST, 1),
        NodeRole::Edge => (Role::Edge, LIFETIME_OF_EDGES, LONGEST_OF_EDGES, ledger::JoinToken::ANY),
    };
    if uses.is_some_and(|uses| !(1..=MOST).contains(&uses)) {
        return Err(Fault::invalid("uses", format!("it must be within 1 to {MOST}")));
    }
    let lifetime = lifetime.unwrap_or(default);
    if !(1..=longest).contains(&lifetime) {
        let words = format!("it must be within 1 to {longest} seconds");
        return Err(Fault::invalid("lifetime", words));
    }
    let (lifetime, now) = (Duration::from_secs(lifetime), api.clock.now());
    let uses = uses.unwrap_or(any);
    let token = api.registrar.token(as_role, uses, lifetime, now).await.map_err(fault)?;
    Ok((StatusCode::CREATED, Json(shown(&token, role, uses, now + lifetime))))
}

/// A token by which a node of the ledger comes back, with a day for it.
pub(super) async fn returning(api: &Api, node: u64) -> Result<CreatedJoinToken, Fault> {
    let (lifetime, now) = (Duration::from_secs(LIFETIME_OF_RETURN), api.clock.now());
    let token = api.registrar.returning(node, lifetime, now).await.map_err(fault)?;
    Ok(shown(&token, NodeRole::Ledger, 1, now + lifetime))
}

/// A token, as it is shown once.
fn shown(token: &Token, role: NodeRole, uses: u32, expires: Duration) -> CreatedJoinToken {
    let about = JoinToken {
        id: HEXLOWER_PERMISSIVE.encode(&token.id),
        role,
        uses_left: Some(uses).filter(|uses| *uses != ledger::JoinToken::ANY),
        expires: Timestamp(u64::try_from(expires.as_millis()).unwrap_or(u64::MAX)),
    };
    CreatedJoinToken { token: Secret::new(token.expose().to_string()), about }
}

/// Lists the join tokens that can still be used; never what they are.
#[utoipa::path(
    get, path = "/tokens", operation_id = "listJoinTokens", tag = "cluster",
    security(("admin" = [])),
    responses((status = 200, description = "The tokens.", body = JoinTokens), Any)
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: NoParameters,
) -> Result<Json<JoinTokens>, Fault> {
    let now = u64::try_from(api.clock.now().as_millis()).unwrap_or(u64::MAX);
    let all = api.look(|view| view.join_tokens()).await?.into_iter();
    let usable = all.filter(|(_, token)| token.uses_left > 0 && token.expires_at > now);
    let shown = usable.map(|(id, token)| JoinToken {
        id: HEXLOWER_PERMISSIVE.encode(&id),
        role: match token.role {
            ledger::NodeRole::Ledger => NodeRole::Ledger,
            ledger::NodeRole::Edge => NodeRole::Edge,
        },
        uses_left: token.uses_left(),
        expires: Timestamp(token.expires_at),
    });
    Ok(Json(JoinTokens { items: shown.collect() }))
}

/// Revokes a join token: nobody joins with it any more. Nodes that have joined stay.
#[utoipa::path(
    delete, path = "/tokens/{join_token}", operation_id = "revokeJoinToken", tag = "cluster",
    params(OfToken),
    security(("admin" = [])),
    responses((status = 204, description = "It is revoked."), ClusterChanges)
)]
pub(crate) async fn revoke(
    State(api): State<Arc<Api>>,
    Names(id): Names<String>,
    _: NoParameters,
) -> Result<StatusCode, Fault> {
    let token = HEXLOWER_PERMISSIVE.decode(id.as_bytes()).ok();
    let token = token.and_then(|bytes| bytes.try_into().ok());
    let token = token.ok_or_else(|| Fault::not_found("join token", &id))?;
    api.commit(ledger::RevokeJoinToken { token }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn fault(error: RegistrarError) -> Fault {
    match error {
        RegistrarError::Unavailable(why) => why.into(),
        RegistrarError::Refused(why) => why.into(),
        RegistrarError::Sealed(why) => Fault::new(Code::Sealed, why.to_string()),
        other => Fault::internal(&other.to_string()),
    }
}
