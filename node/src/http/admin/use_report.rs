//! `credentials/{credential}/use`: an LwM2M server saw a credential in use.

use crate::connectors::SigningSecret;
use crate::http::Api;
use crate::http::body::{Names, NoParameters, Raw, read};
use crate::http::claim::claimed;
use crate::http::openapi::parameters::{OfCredential, Signed};
use crate::http::openapi::problems::Servers;
use crate::http::problem::Fault;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use claviger_api::{Code, UseReport};
use claviger_ledger::{ConnectorKind, CredentialId, DeviceRef, ReportUse, View};
use claviger_seal::Label;
use std::sync::Arc;

/// Takes a report that a credential was used.
///
/// It is signed with the secret of the credential's connector, or that the
/// administrator makes. A report may come again.
#[utoipa::path(
    post, path = "/devices/{device}/credentials/{credential}/use", operation_id = "reportUse", tag = "servers", params(OfCredential, Signed),
    request_body = UseReport,
    security(("signature" = []), ("admin" = [])),
    responses((status = 204, description = "It is noted."), Servers)
)]
pub(crate) async fn take(
    State(api): State<Arc<Api>>,
    Names((tenant, device, credential)): Names<(String, String, String)>,
    _: NoParameters,
    request: Request,
) -> Result<StatusCode, Fault> {
    let device = DeviceRef { tenant, device };
    let credential = credential.parse::<CredentialId>().ok();
    let body = if api.admin_token.is_borne_by(request.headers()) {
        Raw::from_request(request, &api).await?
    } else {
        let unsigned = || {
            let words = "the report is not signed with the secret of the credential's connector";
            Fault::new(Code::Unauthorized, words)
        };
        let (headers, body) = claimed(&api, request).await?.ok_or_else(unsigned)?;
        // Whoever cannot sign learns nothing, also not which devices there are.
        let secret = match credential {
            Some(id) => secret_of(&api, &device, id).await?,
            None => None,
        };
        let signed = secret.is_some_and(|s| s.verify(&headers, &body.0, api.clock.now()).is_ok());
        if !signed {
            return Err(unsigned());
        }
        body
    };
    let report: UseReport = read(&body.0)?;
    let words = || Fault::not_found("credential", "of that id");
    let credential = credential.ok_or_else(words)?;
    let name = &device.tenant;
    api.tenant(name).await?;
    tracing::debug!(%credential, used_at = %report.used_at, "a credential was used");
    api.commit(ReportUse { device, credential }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The secret of the connector by which its server learned of the credential, if there is one.
async fn secret_of(
    api: &Api,
    of: &DeviceRef,
    id: CredentialId,
) -> Result<Option<SigningSecret>, Fault> {
    let look = |view: &View<'_>| {
        let credential = view.credential(of, id)?;
        // One that was made before credentials knew their connector has that of its profile.
        let of_profile = || {
            let (profile, _) = credential.profile.as_ref()?;
            Some(view.profile(&of.tenant, profile)?.connector)
        };
        let name = credential.connector.clone().or_else(of_profile)?;
        let connector = view.connector(&of.tenant, &name)?;
        // Leshan signs nothing: its secret may be empty, and whoever likes could sign with that.
        let signs = connector.kind != ConnectorKind::Leshan;
        signs.then_some(())?;
        Some((view.tenant(&of.tenant)?, name, connector))
    };
    let Some((tenant, name, connector)) = api.look(look).await? else {
        return Ok(None);
    };
    let label = Label::Connector { tenant: &of.tenant, connector: &name };
    let secret = api.key_of(&of.tenant, &tenant)?.open(label, &connector.sealed_secret);
    match secret {
        Ok(secret) => Ok(Some(SigningSecret::new(&secret))),
        Err(_) => Err(Fault::internal("a connector's secret does not open under its tenant's key")),
    }
}
