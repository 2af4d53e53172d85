//! `devices`: enrolling them, seeing how they stand, changing and deleting them.

pub(in crate::http) mod bulk;
mod enrolment;
pub(in crate::http) mod list;

use super::import_keys::Opener;
use crate::http::Api;
use crate::http::body::{Names, NoParameters, Parameters};
use crate::http::change::{Change, ChangeTo};
use crate::http::names::check_name;
use crate::http::openapi::parameters::{IfThere, OfDevice, OfTenant, Repeatable, Seen};
use crate::http::openapi::problems::{Any, Changes, ChangesTo, Pages};
use crate::http::paging::{self, Paging};
use crate::http::problem::Fault;
use crate::http::version::Versioned;
use crate::public;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use claviger_api::{
    Audit, Code, Credential, CredentialType, Device, DeviceDetail, KeyFormat, NewDevice, Timeline,
    TimelineEntry, Timestamp, UpdateDevice,
};
use claviger_ledger::{
    self as ledger, CredentialId, CredentialKind, DeleteDevice, DeviceRef, Origin,
    RotateCredential, View,
};
use data_encoding::BASE64;
use enrolment::Enrolment;
use std::sync::Arc;

/// Enrols a device with what its manufacturer gave it to prove itself by.
#[utoipa::path(
    post, path = "/devices", operation_id = "enrolDevice", tag = "devices", params(OfTenant, Repeatable),
    request_body = NewDevice,
    security(("admin" = [])),
    responses(
        (status = 201, description = "It is enrolled.", body = DeviceDetail, headers(
            ("ETag" = String, description = "Its version."),
            ("Location" = String, description = "Its path."),
        )),
        ChangesTo)
)]
pub(crate) async fn enrol(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
    ChangeTo(mut write, new): ChangeTo<NewDevice>,
) -> Result<Response, Fault> {
    // A device that is there is refused in any case.
    if write.expected.take().is_some_and(|version| version > 0) {
        let words = "If-Match names what is to be changed, and this makes a device";
        return Err(Fault::new(Code::BadHeader, words));
    }
    let owner = api.tenant(&tenant).await?;
    let key = api.key_of(&tenant, &owner)?;
    let opener = match new.psk.as_ref().map(|psk| psk.key.format) {
        Some(KeyFormat::Hpke) => Opener::of(&api, &tenant, &key).await?,
        Some(KeyFormat::Hex | KeyFormat::Base64url) | None => Opener::none(),
    };
    let enrolment = Enrolment::read(&api, &opener, &tenant, new)?;
    let device = enrolment.device.clone();
    api.change(write, enrolment.seal(&key, api.crypto.as_ref())).await?;
    let found = find(&api, &device).await?;
    let mut response = Versioned(StatusCode::CREATED, found.device.version, found).into_response();
    if let Ok(location) = HeaderValue::from_str(&path_of(&device)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Gives a device another profile.
#[utoipa::path(
    patch, path = "/devices/{device}", operation_id = "updateDevice", tag = "devices", params(OfDevice, IfThere),
    request_body = UpdateDevice,
    security(("admin" = [])),
    responses((status = 200, description = "It has the profile.", body = DeviceDetail, headers(("ETag" = String, description = "Its version."))), ChangesTo)
)]
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Names((tenant, device)): Names<(String, String)>,
    _: NoParameters,
    ChangeTo(write, body): ChangeTo<UpdateDevice>,
) -> Result<Versioned<DeviceDetail>, Fault> {
    check_name("profile", &body.profile)?;
    let device = DeviceRef { tenant, device };
    let command = ledger::UpdateDevice { device: device.clone(), profile: body.profile };
    api.change(write, command).await?;
    versioned(&api, &device).await
}

/// Makes the next bootstrap bring a fresh credential.
#[utoipa::path(
    post, path = "/devices/{device}/rotate", operation_id = "rotateDevice", tag = "devices", params(OfDevice, IfThere),
    security(("admin" = [])),
    responses((status = 200, description = "It will.", body = DeviceDetail, headers(("ETag" = String, description = "Its version."))), Changes)
)]
pub(crate) async fn rotate(
    State(api): State<Arc<Api>>,
    Names((tenant, device)): Names<(String, String)>,
    _: NoParameters,
    Change(write): Change,
) -> Result<Versioned<DeviceDetail>, Fault> {
    let device = DeviceRef { tenant, device };
    api.change(write, RotateCredential { device: device.clone() }).await?;
    versioned(&api, &device).await
}

/// Deletes a device with its credentials; its audit entries stay.
#[utoipa::path(
    delete, path = "/devices/{device}", operation_id = "deleteDevice", tag = "devices", params(OfDevice, IfThere),
    security(("admin" = [])),
    responses((status = 204, description = "It is gone."), Changes)
)]
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Names((tenant, device)): Names<(String, String)>,
    _: NoParameters,
    Change(write): Change,
) -> Result<StatusCode, Fault> {
    api.tenant(&tenant).await?;
    api.change(write, DeleteDevice { device: DeviceRef { tenant, device } }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows a device with its credentials and its timeline.
#[utoipa::path(
    get, path = "/devices/{device}", operation_id = "showDevice", tag = "devices", params(OfDevice, Seen),
    security(("admin" = [])),
    responses((status = 200, description = "The device.", body = DeviceDetail, headers(("ETag" = String, description = "Its version."))), (status = 304, description = "It is at the version that was seen.", headers(("ETag" = String, description = "Its version."))), Any)
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Names((tenant, device)): Names<(String, String)>,
    _: NoParameters,
) -> Result<Versioned<DeviceDetail>, Fault> {
    versioned(&api, &DeviceRef { tenant, device }).await
}

async fn versioned(api: &Api, of: &DeviceRef) -> Result<Versioned<DeviceDetail>, Fault> {
    let found = find(api, of).await?;
    Ok(Versioned(StatusCode::OK, found.device.version, found))
}

/// Lists what happened to a device; its newest 64 entries are kept.
#[utoipa::path(
    get, path = "/devices/{device}/timeline", operation_id = "showTimeline", tag = "devices", params(OfDevice, Paging),
    security(("admin" = [])),
    responses((status = 200, description = "A page of the entries, oldest first.", body = Timeline), Pages)
)]
pub(crate) async fn timeline(
    State(api): State<Arc<Api>>,
    Names((tenant, device)): Names<(String, String)>,
    Parameters(page): Parameters<Paging>,
) -> Result<Json<Timeline>, Fault> {
    let of = DeviceRef { tenant, device };
    let (limit, after) = page.read()?;
    let look = |view: &View<'_>| {
        known(view, &of).map(|_| view.timeline_page(&of, after.as_deref(), limit))
    };
    let page = api.look(look).await??;
    let entries = page.items.into_iter().map(told).collect();
    Ok(Json(Timeline { entries, next: paging::next(page.next) }))
}

/// Lists a device's audit entries; they stay when it is deleted.
#[utoipa::path(
    get, path = "/devices/{device}/audit", operation_id = "showAudit", tag = "devices", params(OfDevice, Paging),
    security(("admin" = [])),
    responses((status = 200, description = "A page of the entries, oldest first.", body = Audit), Pages)
)]
pub(crate) async fn audit(
    State(api): State<Arc<Api>>,
    Names((tenant, device)): Names<(String, String)>,
    Parameters(page): Parameters<Paging>,
) -> Result<Json<Audit>, Fault> {
    let of = DeviceRef { tenant, device };
    let (limit, after) = page.read()?;
    let look = |view: &View<'_>| {
        let page = view.audit_page(&of, after.as_deref(), limit);
        // Those of a device that was deleted stay.
        if page.items.is_empty() && view.audit_page(&of, None, 1).items.is_empty() {
            known(view, &of)?;
        }
        Ok::<_, Fault>(page)
    };
    let page = api.look(look).await??;
    let entries = page.items.into_iter().map(|audit| told(audit.entry)).collect();
    Ok(Json(Audit { entries, next: paging::next(page.next) }))
}

/// The path of a device, as `Location` has it.
pub(crate) fn path_of(device: &DeviceRef) -> String {
    let mut url = reqwest::Url::parse("http://x/api/v1/tenants").expect("it is a URL");
    url.path_segments_mut().expect("it has a host").extend([
        device.tenant.as_str(),
        "devices",
        &device.device,
    ]);
    url.path().to_owned()
}

pub(super) fn known(view: &View<'_>, of: &DeviceRef) -> Result<ledger::Device, Fault> {
    view.tenant(&of.tenant).ok_or_else(|| Fault::not_found("tenant", &of.tenant))?;
    view.device(of).ok_or_else(|| Fault::not_found("device", &of.device))
}

async fn find(api: &Api, of: &DeviceRef) -> Result<DeviceDetail, Fault> {
    let look = |view: &View<'_>| {
        known(view, of).map(|device| (device, view.credentials(of), view.timeline(of)))
    };
    let (device, mut credentials, timeline) = api.look(look).await??;
    credentials.sort_by_key(|(_, credential)| credential.not_before);
    Ok(DeviceDetail {
        device: shown(of.device.clone(), device),
        credentials: credentials.into_iter().map(|(id, row)| described(id, row)).collect(),
        timeline: timeline.into_iter().map(told).collect(),
    })
}

pub(super) fn shown(id: String, device: ledger::Device) -> Device {
    Device {
        id,
        endpoint: device.endpoint,
        profile: device.profile,
        created_at: Timestamp(device.created_at),
        version: device.version,
    }
}

pub(super) fn described(id: CredentialId, credential: ledger::Credential) -> Credential {
    let (identity, text) = (&credential.identity, String::from_utf8_lossy(&credential.identity));
    let of = |kind| (credential.kind == kind).then_some(());
    let (psk, key) = (of(CredentialKind::Psk), of(CredentialKind::PublicKey));
    Credential {
        id: id.to_string(),
        kind: match credential.kind {
            CredentialKind::Psk => CredentialType::Psk,
            CredentialKind::PublicKey => CredentialType::PublicKey,
            CredentialKind::Certificate => CredentialType::Certificate,
        },
        state: credential.state.to_string(),
        identity: psk.map(|()| text.to_string()),
        key_length: psk.map(|()| credential.key_length),
        public_key: key.map(|()| BASE64.encode(identity)),
        fingerprint: key.map(|()| public::fingerprint(identity)),
        trust_anchor: of(CredentialKind::Certificate).map(|()| text.to_string()),
        origin: match credential.origin {
            Origin::Manufacturer => "manufacturer".to_owned(),
            Origin::Claviger => "claviger".to_owned(),
        },
        parties: credential.parties,
        not_before: Timestamp(credential.not_before),
        not_after: credential.not_after.map(Timestamp),
        confirmed_at: credential.confirmed_at.map(Timestamp),
        profile: credential.profile.map(|(name, _)| name),
    }
}

fn told(entry: ledger::TimelineEntry) -> TimelineEntry {
    TimelineEntry {
        time: Timestamp(entry.at),
        index: entry.index,
        code: entry.code.to_string(),
        credential: entry.credential.map(|id| id.to_string()),
        words: entry.words,
    }
}
