//! `connectors/{name}`: where LwM2M servers are told of credentials.

use crate::connectors::{SigningSecret, check_url};
use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::change::{Change, ChangeTo};
use crate::http::names::check_name;
use crate::http::problem::Fault;
use crate::http::version::Versioned;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use claviger_api::{Connector, ConnectorKind, Connectors, PutConnector, Secret};
use claviger_ledger as ledger;
use claviger_seal::Label;
use std::sync::Arc;

/// Sets a connector. Without a secret one is made, and shown in this answer only.
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    Names((tenant, name)): Names<(String, String)>,
    _: NoParameters,
    ChangeTo(mut write, body): ChangeTo<PutConnector>,
) -> Result<Versioned<Connector>, Fault> {
    check_name("name", &name)?;
    check_kind(&body)?;
    let (secret, made) = match &body.secret {
        Some(given) => {
            let secret = SigningSecret::parse(given.expose());
            (secret.map_err(|rule| Fault::invalid("secret", rule))?, None)
        }
        None => {
            let secret = SigningSecret::make(api.crypto.as_ref());
            let shown = Secret::new(secret.expose());
            (secret, Some(shown))
        }
    };
    let key = api.key_of(&tenant, &api.tenant(&tenant).await?)?;
    let label = Label::Connector { tenant: &tenant, connector: &name };
    let sealed_secret = key.seal(label, secret.expose_bytes(), api.crypto.random());
    let command = ledger::PutConnector {
        tenant: tenant.clone(),
        name: name.clone(),
        url: body.url,
        sealed_secret: sealed_secret.clone(),
        kind: match body.kind {
            ConnectorKind::Webhook => ledger::ConnectorKind::Webhook,
            ConnectorKind::Pull => ledger::ConnectorKind::Pull,
        },
        expect: write.expected.take(),
    };
    api.change(write, command).await?;
    let (mut connector, kept) = find(&api, &tenant, name).await?;
    // A repetition made another secret, which was not kept: the first answer had the one that was.
    connector.secret = made.filter(|_| kept == sealed_secret);
    let status = if connector.version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Versioned(status, connector.version, connector))
}

/// All connectors of the tenant, without their secrets.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
) -> Result<Json<Connectors>, Fault> {
    let (owner, rows) = api.look(|view| (view.tenant(&tenant), view.connectors(&tenant))).await?;
    owner.ok_or_else(|| Fault::not_found("tenant", &tenant))?;
    let connectors = rows.into_iter().map(|(name, row)| shown(name, row)).collect();
    Ok(Json(Connectors { connectors }))
}

/// Deletes a connector that no profile names.
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

/// A connector, without its secret.
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
    let (owner, found) =
        api.look(|view| (view.tenant(tenant), view.connector(tenant, &name))).await?;
    owner.ok_or_else(|| Fault::not_found("tenant", tenant))?;
    let found = found.ok_or_else(|| Fault::not_found("connector", &name))?;
    let sealed_secret = found.sealed_secret.clone();
    Ok((shown(name, found), sealed_secret))
}

fn shown(name: String, row: ledger::Connector) -> Connector {
    let kind = match row.kind {
        ledger::ConnectorKind::Pull => ConnectorKind::Pull,
        ledger::ConnectorKind::Webhook | ledger::ConnectorKind::Leshan => ConnectorKind::Webhook,
    };
    Connector { name, kind, url: row.url, version: row.version, secret: None }
}

fn check_kind(body: &PutConnector) -> Result<(), Fault> {
    match body.kind {
        ConnectorKind::Webhook => check_url(&body.url).map_err(|rule| Fault::invalid("url", rule)),
        ConnectorKind::Pull if body.url.is_empty() => Ok(()),
        ConnectorKind::Pull => Err(Fault::invalid("url", "a server that asks is told nothing")),
    }
}
