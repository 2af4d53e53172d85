//! `connectors/{name}`: where LwM2M servers are told of credentials.

use crate::connectors::{Authorization, SigningSecret, check_url};
use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::change::{Change, ChangeTo};
use crate::http::names::check_name;
use crate::http::openapi::parameters::{Conditions, Named, OfTenant, Seen};
use crate::http::openapi::problems::{Any, Changes, ChangesTo};
use crate::http::problem::Fault;
use crate::http::version::Versioned;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use claviger_api::{Connector, ConnectorKind, Connectors, PutConnector, Secret};
use claviger_ledger as ledger;
use claviger_machine::Crypto;
use claviger_seal::Label;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Sets a connector.
///
/// Without a secret one is made where messages are signed, and shown in this answer only.
#[utoipa::path(
    put, path = "/connectors/{name}", operation_id = "putConnector", tag = "connectors", params(Named, Conditions),
    request_body = PutConnector,
    security(("admin" = [])),
    responses((status = 200, description = "It is changed.", body = Connector, headers(("ETag" = String, description = "Its version."))), (status = 201, description = "It is made.", body = Connector, headers(("ETag" = String, description = "Its version."))), ChangesTo)
)]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    Names((tenant, name)): Names<(String, String)>,
    _: NoParameters,
    ChangeTo(mut write, body): ChangeTo<PutConnector>,
) -> Result<Versioned<Connector>, Fault> {
    check_name("name", &name)?;
    check_kind(&body)?;
    let (secret, made) = secret(&body, api.crypto.as_ref())?;
    let key = api.key_of(&tenant, &api.tenant(&tenant).await?)?;
    let label = Label::Connector { tenant: &tenant, connector: &name };
    let sealed_secret = key.seal(label, &secret, api.crypto.random());
    let command = ledger::PutConnector {
        tenant: tenant.clone(),
        name: name.clone(),
        url: body.url,
        sealed_secret: sealed_secret.clone(),
        kind: match body.kind {
            ConnectorKind::Webhook => ledger::ConnectorKind::Webhook,
            ConnectorKind::Pull => ledger::ConnectorKind::Pull,
            ConnectorKind::Leshan => ledger::ConnectorKind::Leshan,
        },
        expect: write.expected.take(),
    };
    let is_new = api.change(write, command).await?;
    let (mut connector, kept) = find(&api, &tenant, name).await?;
    // A repetition made another secret, which was not kept: the first answer had the one that was.
    connector.secret = made.filter(|_| kept == sealed_secret);
    Ok(Versioned::put(is_new, connector.version, connector))
}

/// Lists the tenant's connectors, without their secrets.
#[utoipa::path(
    get, path = "/connectors", operation_id = "listConnectors", tag = "connectors", params(OfTenant),
    security(("admin" = [])),
    responses((status = 200, description = "The connectors.", body = Connectors), Any)
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
) -> Result<Json<Connectors>, Fault> {
    let rows = api.look_in(&tenant, |view| view.connectors(&tenant)).await?;
    let connectors = rows.into_iter().map(|(name, row)| shown(name, row)).collect();
    Ok(Json(Connectors { connectors }))
}

/// Deletes a connector that no profile names.
#[utoipa::path(
    delete, path = "/connectors/{name}", operation_id = "deleteConnector", tag = "connectors", params(Named, Conditions),
    security(("admin" = [])),
    responses((status = 204, description = "It is gone."), Changes)
)]
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Names((tenant, name)): Names<(String, String)>,
    _: NoParameters,
    Change(mut write): Change,
) -> Result<StatusCode, Fault> {
    let expect = write.expected.take();
    api.change(write, ledger::DeleteConnector { tenant, name, expect }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows a connector, without its secret.
#[utoipa::path(
    get, path = "/connectors/{name}", operation_id = "showConnector", tag = "connectors", params(Named, Seen),
    security(("admin" = [])),
    responses((status = 200, description = "The connector.", body = Connector, headers(("ETag" = String, description = "Its version."))), (status = 304, description = "It is at the version that was seen.", headers(("ETag" = String, description = "Its version."))), Any)
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Names((tenant, name)): Names<(String, String)>,
    _: NoParameters,
) -> Result<Versioned<Connector>, Fault> {
    let (connector, _) = find(&api, &tenant, name).await?;
    Ok(Versioned(StatusCode::OK, connector.version, connector))
}

/// A connector, and its secret as it is sealed.
async fn find(api: &Api, tenant: &str, name: String) -> Result<(Connector, Vec<u8>), Fault> {
    let found = api.look_in(tenant, |view| view.connector(tenant, &name)).await?;
    let found = found.ok_or_else(|| Fault::not_found("connector", &name))?;
    let sealed_secret = found.sealed_secret.clone();
    Ok((shown(name, found), sealed_secret))
}

pub(super) fn shown(name: String, row: ledger::Connector) -> Connector {
    let kind = match row.kind {
        ledger::ConnectorKind::Webhook => ConnectorKind::Webhook,
        ledger::ConnectorKind::Pull => ConnectorKind::Pull,
        ledger::ConnectorKind::Leshan => ConnectorKind::Leshan,
    };
    let overlap = !row.kind.holds_one();
    Connector { name, kind, url: row.url, overlap, version: row.version, secret: None }
}

fn check_kind(body: &PutConnector) -> Result<(), Fault> {
    let checked = match body.kind {
        ConnectorKind::Webhook => check_url(&body.url),
        ConnectorKind::Leshan if body.url.contains('?') => Err("it must have no query"),
        ConnectorKind::Leshan => check_url(&body.url),
        ConnectorKind::Pull if body.url.is_empty() => Ok(()),
        ConnectorKind::Pull => Err("a server that asks is told nothing"),
    };
    checked.map_err(|rule| Fault::invalid("url", rule))
}

/// The secret to be kept, and the same to be shown if it was made here. Leshan's may be empty.
fn secret(
    body: &PutConnector,
    crypto: &dyn Crypto,
) -> Result<(Zeroizing<Vec<u8>>, Option<Secret>), Fault> {
    let given = body.secret.as_ref().map(Secret::expose);
    let bytes = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
    let invalid = |rule: String| Fault::invalid("secret", rule);
    match (body.kind, given) {
        (ConnectorKind::Leshan, None) => Ok((bytes(&[]), None)),
        (ConnectorKind::Leshan, Some(text)) => {
            let given = Authorization::parse(text).map_err(|rule| invalid(rule.to_owned()))?;
            Ok((bytes(given.expose_bytes()), None))
        }
        (ConnectorKind::Webhook | ConnectorKind::Pull, Some(text)) => {
            let given = SigningSecret::parse(text).map_err(|rule| invalid(rule.to_string()))?;
            Ok((bytes(given.expose_bytes()), None))
        }
        (ConnectorKind::Webhook | ConnectorKind::Pull, None) => {
            let made = SigningSecret::make(crypto);
            Ok((bytes(made.expose_bytes()), Some(Secret::new(made.expose()))))
        }
    }
}
