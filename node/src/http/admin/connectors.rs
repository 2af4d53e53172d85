//! `connectors/{name}`: where LwM2M servers are told of credentials.

use crate::connectors::{SigningSecret, check_url};
use crate::http::Api;
use crate::http::body::{Body, Names, NoParameters};
use crate::http::names::check_name;
use crate::http::problem::Fault;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use claviger_api::{Connector, PutConnector, Secret};
use claviger_ledger as ledger;
use claviger_seal::Label;
use std::sync::Arc;

/// Sets a connector. Without a secret one is made, and shown in this answer only.
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    Names((tenant, name)): Names<(String, String)>,
    _: NoParameters,
    Body(body): Body<PutConnector>,
) -> Result<(StatusCode, Json<Connector>), Fault> {
    check_name("name", &name)?;
    check_url(&body.url).map_err(|rule| Fault::invalid("url", rule))?;
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
    api.commit(ledger::PutConnector {
        tenant: tenant.clone(),
        name: name.clone(),
        url: body.url,
        sealed_secret,
    })
    .await?;
    let mut connector = find(&api, &tenant, name).await?;
    connector.secret = made;
    let status = if connector.version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(connector)))
}

/// A connector, without its secret.
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Names((tenant, name)): Names<(String, String)>,
    _: NoParameters,
) -> Result<Json<Connector>, Fault> {
    find(&api, &tenant, name).await.map(Json)
}

async fn find(api: &Api, tenant: &str, name: String) -> Result<Connector, Fault> {
    let (owner, found) =
        api.look(|view| (view.tenant(tenant), view.connector(tenant, &name))).await?;
    owner.ok_or_else(|| Fault::not_found("tenant", tenant))?;
    let found = found.ok_or_else(|| Fault::not_found("connector", &name))?;
    Ok(Connector { name, url: found.url, version: found.version, secret: None })
}
