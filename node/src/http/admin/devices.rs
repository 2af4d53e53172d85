//! `devices`: enrolling them, and seeing how they stand.

use crate::http::Api;
use crate::http::body::{Body, Names, NoParameters, Parameters};
use crate::http::names::{check_name, check_text};
use crate::http::problem::Fault;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use claviger_api::{
    Audit, Code, Credential, CredentialType, Device, DeviceDetail, DevicePage, NewDevice,
    TimelineEntry, Timestamp,
};
use claviger_ledger::{self as ledger, CredentialId, DeviceRef, EnrolDevice, Origin, View};
use claviger_seal::Label;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use std::sync::Arc;

/// How many devices a page has, where nothing else is asked for, and at most.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 500;

/// Enrols a device with its manufacturer's key.
pub(crate) async fn enrol(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
    Body(new): Body<NewDevice>,
) -> Result<Response, Fault> {
    let id = new.id.unwrap_or_else(|| new.endpoint.clone());
    check_text("endpoint", &new.endpoint, 255)?;
    check_name("id", &id)?;
    check_name("profile", &new.profile)?;
    check_text("psk.identity", &new.psk.identity, 128)?;
    let key = new.psk.key.bytes().map_err(|rule| Fault::invalid("psk.key.value", rule))?;
    if !(16..=64).contains(&key.len()) {
        return Err(Fault::invalid("psk.key.value", "the key must have 16 to 64 bytes"));
    }
    let owner = api.tenant(&tenant).await?;
    let credential = CredentialId(api.crypto.random());
    let label = Label::Credential { tenant: &tenant, device: &id, credential: &credential.0 };
    let sealed_key = api.key_of(&tenant, &owner)?.seal(label, &key, api.crypto.random());
    let device = DeviceRef { tenant, device: id };
    api.commit(EnrolDevice {
        device: device.clone(),
        endpoint: new.endpoint,
        profile: new.profile,
        credential,
        identity: new.psk.identity.into_bytes(),
        sealed_key,
        key_length: u16::try_from(key.len()).unwrap_or(u16::MAX),
    })
    .await?;
    let mut response = (StatusCode::CREATED, Json(find(&api, &device).await?)).into_response();
    if let Ok(location) = HeaderValue::from_str(&path_of(&device)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// The parameters of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    page_size: Option<usize>,
    page_token: Option<String>,
}

/// A page of the tenant's devices.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<DevicePage>, Fault> {
    let size = paging.page_size.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&size) {
        return Err(Fault::invalid("page_size", format_args!("it must be 1 to {LONGEST_PAGE}")));
    }
    let bad = |_| Fault::new(Code::BadPageToken, "the page token cannot be read");
    let after = paging.page_token.map(|token| BASE64URL_NOPAD.decode(token.as_bytes()));
    let after = after.transpose().map_err(bad)?;
    let page = |view: &View<'_>| {
        view.tenant(&tenant).map(|_| view.devices(&tenant, after.as_deref(), size))
    };
    let page = api.look(page).await?.ok_or_else(|| Fault::not_found("tenant", &tenant))?;
    let devices = page.items.into_iter().map(|(of, device)| shown(of.device, device)).collect();
    let next_page_token = page.next.map(|next| BASE64URL_NOPAD.encode(&next));
    Ok(Json(DevicePage { devices, next_page_token }))
}

/// A device with its credentials and its timeline.
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Names((tenant, device)): Names<(String, String)>,
    _: NoParameters,
) -> Result<Json<DeviceDetail>, Fault> {
    find(&api, &DeviceRef { tenant, device }).await.map(Json)
}

/// A device's audit entries.
pub(crate) async fn audit(
    State(api): State<Arc<Api>>,
    Names((tenant, device)): Names<(String, String)>,
    _: NoParameters,
) -> Result<Json<Audit>, Fault> {
    let of = DeviceRef { tenant, device };
    let entries = api.look(|view| known(view, &of).map(|_| view.audit(&of))).await??;
    let entries = entries.into_iter().map(|audit| told(audit.entry)).collect();
    Ok(Json(Audit { entries }))
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

fn known(view: &View<'_>, of: &DeviceRef) -> Result<ledger::Device, Fault> {
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

fn shown(id: String, device: ledger::Device) -> Device {
    Device {
        id,
        endpoint: device.endpoint,
        profile: device.profile,
        created_at: Timestamp(device.created_at),
        version: device.version,
    }
}

fn described(id: CredentialId, credential: ledger::Credential) -> Credential {
    Credential {
        id: id.to_string(),
        kind: CredentialType::Psk,
        state: credential.state.to_string(),
        identity: String::from_utf8_lossy(&credential.identity).into_owned(),
        key_length: credential.key_length,
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
