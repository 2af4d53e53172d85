//! `connectors/{name}/psk`: an LwM2M server asks for the key of an identity, when a device with it
//! begins a handshake.
//!
//! It is for servers that take no webhook. The request is signed with the connector's secret, as a
//! webhook is. Whatever there is no key for, unknown, of another connector, superseded, revoked or
//! expired, is answered alike. A server that asks too often is told when to come again.

mod lookups;
mod rate;

pub use lookups::{Lookup, Lookups};

use super::Api;
use super::body::{Names, NoParameters, read};
use super::claim::{Claims, claimed};
use super::openapi::parameters::{Named, Signed};
use super::openapi::problems::Servers;
use super::problem::Fault;
use crate::connectors::SigningSecret;
use axum::Json;
use axum::extract::{Request, State};
use claviger_api::{AskedPsk, Code, PskRequest, Secret, Timestamp};
use claviger_ledger::{ConnectorKind, CredentialId, DeviceRef, View};
use claviger_seal::{Label, TenantKey};
use data_encoding::{BASE64, HEXLOWER};
use rate::Rates;
use std::sync::Arc;

/// What is kept of those who sign while the process runs.
#[derive(Default)]
pub struct Desk {
    rates: Rates,
    pub(super) claims: Claims,
    /// What came of look-ups.
    pub lookups: Arc<Lookups>,
}

/// Gives the key of an identity to the LwM2M server that it is for.
#[utoipa::path(
    post, path = "/connectors/{name}/psk", operation_id = "askPsk", tag = "servers", params(Named, Signed),
    request_body = PskRequest,
    security(("signature" = [])),
    responses((status = 200, description = "The key.", body = AskedPsk), Servers)
)]
pub(super) async fn psk(
    State(api): State<Arc<Api>>,
    Names((tenant, connector)): Names<(String, String)>,
    _: NoParameters,
    request: Request,
) -> Result<Json<AskedPsk>, Fault> {
    let answer = look_up(&api, &tenant, &connector, request).await;
    api.desk.lookups.count(match &answer {
        Ok(_) => Lookup::Found,
        Err(fault) => match fault.code {
            Code::NotFound => Lookup::NotFound,
            Code::Unauthorized => Lookup::Unsigned,
            Code::TooMany => Lookup::Limited,
            _ => Lookup::Failed,
        },
    });
    answer.map(Json)
}

async fn look_up(
    api: &Api,
    tenant: &str,
    connector: &str,
    request: Request,
) -> Result<AskedPsk, Fault> {
    let unsigned = || {
        let words = "the request is not signed with the secret of a pull connector of this name";
        Fault::new(Code::Unauthorized, words)
    };
    let (headers, body) = claimed(api, request).await?.ok_or_else(unsigned)?;
    let asker = asker(api, tenant, connector).await?.ok_or_else(unsigned)?;
    asker.secret.verify(&headers, &body.0, api.clock.now()).map_err(|_| unsigned())?;
    api.desk.rates.take(tenant, connector, api.clock.now()).map_err(|_| {
        Fault::new(Code::TooMany, "the connector's server has asked for too many keys")
    })?;
    let request: PskRequest = read(&body.0)?;
    let identity = identity(&request)?;
    let now = api.now();
    let found = api.look(|view| find(view, tenant, connector, &identity, now)).await?;
    let found = found.ok_or_else(|| Fault::not_found("valid credential", "of that identity"))?;
    let label =
        Label::Credential { tenant, device: &found.of.device, credential: &found.credential.0 };
    let broken = |_| Fault::internal("a key in the ledger does not open under this node's KEK");
    let key = asker.key.open(label, &found.sealed_key).map_err(broken)?;
    tracing::info!(device = %found.of, credential = %found.credential, connector, "key given");
    Ok(AskedPsk {
        device: found.of.device,
        endpoint: found.endpoint,
        credential: found.credential.to_string(),
        identity: request.identity,
        identity_base64: request.identity_base64,
        key: Secret::new(HEXLOWER.encode(&key)),
        not_after: found.not_after.map(Timestamp),
    })
}

/// The identity that is asked for, in the one way or the other.
fn identity(request: &PskRequest) -> Result<Vec<u8>, Fault> {
    match (&request.identity, &request.identity_base64) {
        (Some(text), None) => Ok(text.as_bytes().to_vec()),
        (None, Some(base64)) => BASE64
            .decode(base64.as_bytes())
            .map_err(|_| Fault::invalid("identity_base64", "it must be base64 with its padding")),
        _ => Err(Fault::invalid("identity", "give either identity or identity_base64")),
    }
}

/// Who asks: what it signs with, and what its keys are sealed with.
struct Asker {
    secret: SigningSecret,
    key: TenantKey,
}

async fn asker(api: &Api, tenant: &str, name: &str) -> Result<Option<Asker>, Fault> {
    let look = |view: &View<'_>| Some((view.tenant(tenant)?, view.connector(tenant, name)?));
    let found = api.look(look).await?;
    let pulls =
        |(_, connector): &(_, claviger_ledger::Connector)| connector.kind == ConnectorKind::Pull;
    let Some((owner, connector)) = found.filter(pulls) else { return Ok(None) };
    let key = api.key_of(tenant, &owner)?;
    let label = Label::Connector { tenant, connector: name };
    let broken = |_| Fault::internal("a connector's secret does not open under this node's KEK");
    let secret = key.open(label, &connector.sealed_secret).map_err(broken)?;
    Ok(Some(Asker { secret: SigningSecret::new(&secret), key }))
}

/// A key as it is kept.
struct Found {
    of: DeviceRef,
    endpoint: String,
    credential: CredentialId,
    sealed_key: Vec<u8>,
    not_after: Option<u64>,
}

fn find(
    view: &View<'_>,
    tenant: &str,
    connector: &str,
    identity: &[u8],
    now: u64,
) -> Option<Found> {
    let (of, id) = view.served(tenant, identity)?;
    let credential = view.credential(&of, id)?;
    let good = credential.connector.as_deref() == Some(connector) && credential.is_usable(now);
    good.then_some(())?;
    Some(Found {
        endpoint: view.device(&of)?.endpoint,
        sealed_key: view.material(&of, id)?,
        not_after: credential.not_after,
        credential: id,
        of,
    })
}
