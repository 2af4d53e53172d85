//! `trust-anchors`: whose certificates devices may prove themselves by.

use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::change::{Change, ChangeTo};
use crate::http::names::check_name;
use crate::http::openapi::parameters::{Conditions, Named, OfTenant, Seen};
use crate::http::openapi::problems::{Any, Changes, ChangesTo};
use crate::http::problem::Fault;
use crate::http::version::Versioned;
use crate::public::{self, Certificates};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use claviger_api::{Authority, EndpointIn, PutTrustAnchor, Timestamp, TrustAnchor, TrustAnchors};
use claviger_curves::Leaf;
use claviger_ledger::{self as ledger, NamePlace};
use std::sync::Arc;

/// Sets a trust anchor.
#[utoipa::path(
    put, path = "/trust-anchors/{name}", operation_id = "putTrustAnchor", tag = "trust", params(Named, Conditions),
    request_body = PutTrustAnchor,
    security(("admin" = [])),
    responses((status = 200, description = "It is changed.", body = TrustAnchor, headers(("ETag" = String, description = "Its version."))), (status = 201, description = "It is made.", body = TrustAnchor, headers(("ETag" = String, description = "Its version."))), ChangesTo)
)]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    Names((tenant, name)): Names<(String, String)>,
    _: NoParameters,
    ChangeTo(mut write, body): ChangeTo<PutTrustAnchor>,
) -> Result<Versioned<TrustAnchor>, Fault> {
    check_name("name", &name)?;
    if let Some(profile) = &body.enrol_with_profile {
        check_name("enrol_with_profile", profile)?;
    }
    let bad = |rule| Fault::invalid("certificates", rule);
    let certificates = public::authorities(&body.certificates).map_err(bad)?;
    api.tenant(&tenant).await?;
    let anchor = ledger::TrustAnchor {
        certificates: certificates.into_iter().map(Into::into).collect(),
        endpoint_in: place(body.endpoint_in),
        enrol_with: body.enrol_with_profile,
        version: 0,
    };
    let command = ledger::PutTrustAnchor {
        tenant: tenant.clone(),
        name: name.clone(),
        anchor,
        expect: write.expected.take(),
    };
    let made = api.change(write, command).await?;
    let anchor = find(&api, &tenant, &name).await?;
    Ok(Versioned::put(made, anchor.version, anchor))
}

/// Deletes a trust anchor.
///
/// No session opens by a certificate under it any more.
#[utoipa::path(
    delete, path = "/trust-anchors/{name}", operation_id = "deleteTrustAnchor", tag = "trust", params(Named, Conditions),
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
    api.change(write, ledger::DeleteTrustAnchor { tenant, name, expect }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows a trust anchor.
#[utoipa::path(
    get, path = "/trust-anchors/{name}", operation_id = "showTrustAnchor", tag = "trust", params(Named, Seen),
    security(("admin" = [])),
    responses((status = 200, description = "The trust anchor.", body = TrustAnchor, headers(("ETag" = String, description = "Its version."))), (status = 304, description = "It is at the version that was seen.", headers(("ETag" = String, description = "Its version."))), Any)
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Names((tenant, name)): Names<(String, String)>,
    _: NoParameters,
) -> Result<Versioned<TrustAnchor>, Fault> {
    let anchor = find(&api, &tenant, &name).await?;
    Ok(Versioned(StatusCode::OK, anchor.version, anchor))
}

/// Lists the tenant's trust anchors.
#[utoipa::path(
    get, path = "/trust-anchors", operation_id = "listTrustAnchors", tag = "trust", params(OfTenant),
    security(("admin" = [])),
    responses((status = 200, description = "The trust anchors.", body = TrustAnchors), Any)
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
) -> Result<Json<TrustAnchors>, Fault> {
    let rows = api.look_in(&tenant, |view| view.trust_anchors(&tenant)).await?;
    let trust_anchors = rows.into_iter().map(|(name, row)| shown(name, row));
    Ok(Json(TrustAnchors { trust_anchors: trust_anchors.collect() }))
}

async fn find(api: &Api, tenant: &str, name: &str) -> Result<TrustAnchor, Fault> {
    let row = api.look_in(tenant, |view| view.trust_anchor(tenant, name)).await?;
    let row = row.ok_or_else(|| Fault::not_found("trust anchor", name))?;
    Ok(shown(name.to_owned(), row))
}

pub(super) fn shown(name: String, row: ledger::TrustAnchor) -> TrustAnchor {
    let certificates: Certificates = row.certificates.into_iter().map(Into::into).collect();
    TrustAnchor {
        name,
        authorities: certificates.iter().filter_map(|der| authority(der)).collect(),
        certificates: public::chain_pem(&certificates),
        endpoint_in: match row.endpoint_in {
            NamePlace::CommonName => EndpointIn::CommonName,
            NamePlace::DnsName => EndpointIn::DnsName,
            NamePlace::Uri => EndpointIn::Uri,
        },
        enrol_with_profile: row.enrol_with,
        version: row.version,
    }
}

/// What the certificate of an authority says. What stands in the ledger was read before.
fn authority(der: &[u8]) -> Option<Authority> {
    let certificate = Leaf::read(der).ok()?;
    let (_, not_after) = certificate.validity();
    Some(Authority {
        subject: certificate.subject(),
        fingerprint: public::fingerprint(&certificate.public_key().ok()?),
        not_after: Timestamp(not_after.saturating_mul(1000)),
    })
}

const fn place(place: EndpointIn) -> NamePlace {
    match place {
        EndpointIn::CommonName => NamePlace::CommonName,
        EndpointIn::DnsName => NamePlace::DnsName,
        EndpointIn::Uri => NamePlace::Uri,
    }
}
