//! `credentials`: how a device's credentials stand, and their end.

use super::devices::{described, known};
use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::change::ChangeTo;
use crate::http::names::check_text;
use crate::http::problem::Fault;
use axum::Json;
use axum::extract::State;
use claviger_api::{Credential, Credentials, RevokeCredential};
use claviger_ledger::{self as ledger, CredentialId, DeviceRef, View};
use std::sync::Arc;

/// A device's credentials.
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

/// One credential, without its key.
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Names((tenant, device, credential)): Names<(String, String, String)>,
    _: NoParameters,
) -> Result<Json<Credential>, Fault> {
    find(&api, &DeviceRef { tenant, device }, id(&credential)?).await.map(Json)
}

/// Revokes a credential: no session opens by it, and what is open by it ends.
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
