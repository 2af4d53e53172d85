//! `credentials`: how a device's credentials stand, and their end.

use super::devices::{described, known};
use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::change::ChangeTo;
use crate::http::names::check_text;
use crate::http::openapi::parameters::{IfThere, OfCredential, OfDevice};
use crate::http::openapi::problems::{Any, ChangesTo};
use crate::http::problem::Fault;
use axum::Json;
use axum::extract::State;
use claviger_api::{Credential, Credentials, RevokeCredential};
use claviger_ledger::{self as ledger, CredentialId, DeviceRef, View};
use std::sync::Arc;

/// Lists a device's credentials, without their keys.
#[utoipa::path(
    get, path = "/devices/{device}/credentials", operation_id = "listCredentials", tag = "credentials", params(OfDevice),
    security(("admin" = [])),
    responses((status = 200, description = "The credentials.", body = Credentials), Any)
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names((tenant, device)): Names<(String, String)>,
    _: NoParameters,
) -> Result<Json<Credentials>, Fault> {
    let of = DeviceRef { tenant, device };
    let look = |view: &View<'_>| known(view, &of).map(|_| view.credentials(&of));
    let mut credentials = api.look(look).await??;
    credentials.sort_by_key(|(_, credential)| credential.not_before);
    let credentials = credentials.into_iter().map(|(id, row)| described(id, row)).collect();
    Ok(Json(Credentials { credentials }))
}

/// Shows a credential, without its key.
#[utoipa::path(
    get, path = "/devices/{device}/credentials/{credential}", operation_id = "showCredential", tag = "credentials", params(OfCredential),
    security(("admin" = [])),
    responses((status = 200, description = "The credential.", body = Credential), Any)
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Names((tenant, device, credential)): Names<(String, String, String)>,
    _: NoParameters,
) -> Result<Json<Credential>, Fault> {
    find(&api, &DeviceRef { tenant, device }, id(&credential)?).await.map(Json)
}

/// Revokes a credential.
///
/// No session opens by it, and what is open by it ends. An ETag is the device's.
#[utoipa::path(
    post, path = "/devices/{device}/credentials/{credential}/revoke", operation_id = "revokeCredential", tag = "credentials", params(OfCredential, IfThere),
    request_body = RevokeCredential,
    security(("admin" = [])),
    responses((status = 200, description = "It is revoked.", body = Credential), ChangesTo)
)]
pub(crate) async fn revoke(
    State(api): State<Arc<Api>>,
    Names((tenant, device, credential)): Names<(String, String, String)>,
    _: NoParameters,
    ChangeTo(write, body): ChangeTo<RevokeCredential>,
) -> Result<Json<Credential>, Fault> {
    check_text("reason", &body.reason, 255)?;
    let (device, credential) = (DeviceRef { tenant, device }, id(&credential)?);
    let of = device.clone();
    api.change(write, ledger::RevokeCredential { device, credential, reason: body.reason }).await?;
    find(&api, &of, credential).await.map(Json)
}

fn id(text: &str) -> Result<CredentialId, Fault> {
    text.parse().map_err(|_| Fault::not_found("credential", text))
}

async fn find(api: &Api, of: &DeviceRef, id: CredentialId) -> Result<Credential, Fault> {
    let look = |view: &View<'_>| known(view, of).map(|_| view.credential(of, id));
    let found = api.look(look).await??;
    let found = found.ok_or_else(|| Fault::not_found("credential", id))?;
    Ok(described(id, found))
}
