//! `cluster/keys`: how the keys stand, and what an operator may have done with them.
//!
//! These paths, and health and metrics, are all that a sealed node answers.

use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::change::{Change, ChangeTo};
use crate::http::names::check_text;
use crate::http::openapi::parameters::{OfKek, OfTenant};
use crate::http::openapi::problems::{Any, KeyChanges, KeyChangesTo};
use crate::http::problem::Fault;
use crate::jwk;
use crate::keys::Copy;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use claviger_api::{
    EscrowKey, EscrowedKey, KeyStatus, ProveKey, PublicJwk, ReplacedKey, RetiringTenantKey,
    RootKek, RootKey, TenantKey, Timestamp, WrappedBy,
};
use claviger_ledger as ledger;
use data_encoding::BASE64URL_NOPAD;
use std::sync::Arc;

/// Shows how the keys stand, as this node sees them; it may be sealed.
#[utoipa::path(
    get, path = "/keys", operation_id = "showKeys", tag = "keys",
    security(("admin" = [])),
    responses((status = 200, description = "How they stand.", body = KeyStatus), Any)
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    _: NoParameters,
) -> Result<Json<KeyStatus>, Fault> {
    let standing = api.keeper.standing().borrow().clone();
    let (kek, provider_error) = match standing.kek {
        Some(Ok(kek)) => (Some(kek), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    let (mut root, mut tenants, mut edges) = (None, Vec::new(), 1);
    // What this node has: a sealed one may have no leader to ask.
    api.ledger.read(&mut |rows| {
        let view = ledger::View::new(rows);
        (root, tenants) = (view.root_keys(), view.tenants());
        edges = view.edge_keys().generation;
    });
    let root = root.map(|it| RootKey {
        version: it.version,
        since: Timestamp(it.since),
        retiring: it.retiring.map(|retiring| retiring.version),
        keks: it
            .wrappings
            .into_iter()
            .map(|it| RootKek { here: api.keeper.has(&it.kek), name: it.kek })
            .collect(),
    });
    let tenants = tenants.into_iter().map(of_tenant).collect();
    let (sealed, reason) = (standing.sealed.is_some(), standing.sealed);
    Ok(Json(KeyStatus { sealed, reason, kek, provider_error, root, edges, tenants }))
}

fn of_tenant((tenant, row): (String, ledger::Tenant)) -> TenantKey {
    let retiring = row.retiring.as_ref().map(|it| RetiringTenantKey {
        version: it.version,
        since: Timestamp(it.since),
        resealed: it.resealed,
        percent: it.percent(),
    });
    TenantKey { tenant, version: row.key_version(), root: row.root, retiring }
}

/// Wraps the root key by the KEK of this node's provider. The KEKs that wrap it already stay, so
/// that nodes which have no other still open it.
#[utoipa::path(
    post, path = "/keys/kek", operation_id = "rotateKek", tag = "keys",
    security(("admin" = [])),
    responses((status = 200, description = "It is wrapped.", body = WrappedBy), KeyChanges)
)]
pub(crate) async fn rotate_kek(
    State(api): State<Arc<Api>>,
    _: NoParameters,
    Change(_): Change,
) -> Result<Json<WrappedBy>, Fault> {
    Ok(Json(WrappedBy { kek: api.keeper.rotate_kek().await? }))
}

/// Takes the root key's wrapping by this KEK away: nodes that have no other will not open it.
#[utoipa::path(
    delete, path = "/keys/kek/{kek}", operation_id = "dropKek", tag = "keys", params(OfKek),
    security(("admin" = [])),
    responses((status = 204, description = "It is gone."), KeyChanges)
)]
pub(crate) async fn drop_kek(
    State(api): State<Arc<Api>>,
    Names(kek): Names<String>,
    _: NoParameters,
    Change(_): Change,
) -> Result<StatusCode, Fault> {
    api.keeper.drop_kek(&kek).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces the root key. Tenants' keys go under the new one in the background; then the old one
/// is destroyed.
#[utoipa::path(
    post, path = "/keys/root", operation_id = "rotateRootKey", tag = "keys",
    security(("admin" = [])),
    responses((status = 200, description = "It is replaced.", body = ReplacedKey), KeyChanges)
)]
pub(crate) async fn rotate_root(
    State(api): State<Arc<Api>>,
    _: NoParameters,
    Change(_): Change,
) -> Result<Json<ReplacedKey>, Fault> {
    Ok(Json(ReplacedKey { version: api.keeper.rotate_root().await? }))
}

/// Replaces the keys that edges are handed: those of cookies, and those that connection ids are checked
/// by. Edges get them within a second; ids of the three generations before stay good.
#[utoipa::path(
    post, path = "/keys/edges", operation_id = "rotateEdgeKeys", tag = "keys",
    security(("admin" = [])),
    responses((status = 200, description = "They are replaced.", body = ReplacedKey), KeyChanges)
)]
pub(crate) async fn rotate_edges(
    State(api): State<Arc<Api>>,
    _: NoParameters,
    Change(_): Change,
) -> Result<Json<ReplacedKey>, Fault> {
    Ok(Json(ReplacedKey { version: api.keeper.rotate_edges().await? }))
}

/// Replaces the tenant's key. What the old one has sealed is sealed anew in the background; then
/// the old one is destroyed, no sooner than five minutes after.
#[utoipa::path(
    post, path = "/key", operation_id = "rotateTenantKey", tag = "keys", params(OfTenant),
    security(("admin" = [])),
    responses((status = 200, description = "It is replaced.", body = ReplacedKey), KeyChanges)
)]
pub(crate) async fn rotate_tenant(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
    Change(_): Change,
) -> Result<Json<ReplacedKey>, Fault> {
    Ok(Json(ReplacedKey { version: api.keeper.rotate_tenant(&tenant).await? }))
}

/// Gives a copy of the root key, encrypted to a recipient. It is noted in the audit log first.
#[utoipa::path(
    post, path = "/keys/escrow", operation_id = "escrowKey", tag = "keys",
    request_body = EscrowKey,
    security(("admin" = [])),
    responses((status = 200, description = "The copy.", body = EscrowedKey), KeyChangesTo)
)]
pub(crate) async fn escrow(
    State(api): State<Arc<Api>>,
    _: NoParameters,
    ChangeTo(_, asked): ChangeTo<EscrowKey>,
) -> Result<Json<EscrowedKey>, Fault> {
    if let Some(tenant) = &asked.recipient.tenant {
        check_text("recipient.tenant", tenant, 255)?;
    }
    // By the key alone: its thumbprint only says the same once more.
    let jwk = PublicJwk { kid: None, tenant: None, ..asked.recipient };
    let recipient = jwk::read(&jwk).map_err(|why| Fault::invalid("recipient", why))?;
    Ok(Json(shown(&api.keeper.escrow(&recipient).await?)))
}

/// Notes in the audit log that somebody has a copy that opens this ledger, if he proves it.
#[utoipa::path(
    post, path = "/keys/proof", operation_id = "proveKey", tag = "keys",
    request_body = ProveKey,
    security(("admin" = [])),
    responses((status = 204, description = "The copy opens this ledger."), KeyChangesTo)
)]
pub(crate) async fn prove(
    State(api): State<Arc<Api>>,
    _: NoParameters,
    ChangeTo(_, asked): ChangeTo<ProveKey>,
) -> Result<StatusCode, Fault> {
    let bytes = |field: &str, text: &str| {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok().filter(|it| it.len() == 32);
        bytes.ok_or_else(|| Fault::invalid(field, "it must be 32 bytes in base64url"))
    };
    let challenge = bytes("challenge", &asked.challenge)?;
    let proof = bytes("proof", &asked.proof)?;
    api.keeper.prove(asked.version, &challenge, &proof).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows to what a copy of the root key must be encrypted that is to open this node. It is another
/// key at each start.
#[utoipa::path(
    get, path = "/keys/unseal", operation_id = "showDoor", tag = "keys",
    security(("admin" = [])),
    responses((status = 200, description = "The public key.", body = PublicJwk), Any)
)]
pub(crate) async fn door(
    State(api): State<Arc<Api>>,
    _: NoParameters,
) -> Result<Json<PublicJwk>, Fault> {
    Ok(Json(jwk::of(api.keeper.door())))
}

/// Opens this node by a copy of the root key. Its provider's KEK wraps nothing by that: see
/// `rotateKek`.
#[utoipa::path(
    post, path = "/keys/unseal", operation_id = "unsealNode", tag = "keys",
    request_body = EscrowedKey,
    security(("admin" = [])),
    responses((status = 204, description = "It is open."), KeyChangesTo)
)]
pub(crate) async fn unseal(
    State(api): State<Arc<Api>>,
    _: NoParameters,
    ChangeTo(_, given): ChangeTo<EscrowedKey>,
) -> Result<StatusCode, Fault> {
    let key = given.key.parse().map_err(|why| Fault::invalid("key", why))?;
    let copy = Copy { cluster: given.cluster, version: given.version, key };
    api.keeper.unseal(&copy).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(copy: &Copy) -> EscrowedKey {
    let Copy { cluster, version, key } = copy;
    EscrowedKey { cluster: cluster.clone(), version: *version, key: key.to_string() }
}
