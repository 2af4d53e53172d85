//! `profiles`: what bootstraps write.

use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::change::{Change, ChangeTo};
use crate::http::names::{check_name, check_text};
use crate::http::openapi::parameters::{Conditions, Named, OfTenant, Seen};
use crate::http::openapi::problems::{Any, Changes, ChangesTo};
use crate::http::problem::Fault;
use crate::http::version::Versioned;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use claviger_api::{Profile, Profiles, PutProfile, SecurityMode};
use claviger_ledger as ledger;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// The longest credential lifetime: a hundred years.
const LIFETIME: u64 = 100 * 365 * 86_400;

/// Sets a profile.
#[utoipa::path(
    put, path = "/profiles/{name}", operation_id = "putProfile", tag = "profiles", params(Named, Conditions),
    request_body = PutProfile,
    security(("admin" = [])),
    responses((status = 200, description = "It is changed.", body = Profile, headers(("ETag" = String, description = "Its version."))), (status = 201, description = "It is made.", body = Profile, headers(("ETag" = String, description = "Its version."))), ChangesTo)
)]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    Names((tenant, name)): Names<(String, String)>,
    _: NoParameters,
    ChangeTo(mut write, body): ChangeTo<PutProfile>,
) -> Result<Versioned<Profile>, Fault> {
    check_name("name", &name)?;
    check(&body)?;
    api.tenant(&tenant).await?;
    let profile = ledger::Profile {
        server_uri: body.server_uri,
        short_server_id: body.short_server_id,
        registration_lifetime: body.registration_lifetime,
        credential_lifetime: body.credential_lifetime,
        binding: body.binding,
        security_mode: match body.security_mode {
            SecurityMode::Psk => 0,
        },
        connector: body.connector,
        version: 0,
    };
    let command = ledger::PutProfile {
        tenant: tenant.clone(),
        name: name.clone(),
        profile,
        expect: write.expected.take(),
    };
    let made = api.change(write, command).await?;
    let profile = find(&api, &tenant, &name).await?;
    Ok(Versioned::put(made, profile.version, profile))
}

/// Deletes a profile that no device has.
#[utoipa::path(
    delete, path = "/profiles/{name}", operation_id = "deleteProfile", tag = "profiles", params(Named, Conditions),
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
    api.change(write, ledger::DeleteProfile { tenant, name, expect }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows a profile.
#[utoipa::path(
    get, path = "/profiles/{name}", operation_id = "showProfile", tag = "profiles", params(Named, Seen),
    security(("admin" = [])),
    responses((status = 200, description = "The profile.", body = Profile, headers(("ETag" = String, description = "Its version."))), (status = 304, description = "It is at the version that was seen.", headers(("ETag" = String, description = "Its version."))), Any)
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Names((tenant, name)): Names<(String, String)>,
    _: NoParameters,
) -> Result<Versioned<Profile>, Fault> {
    let profile = find(&api, &tenant, &name).await?;
    Ok(Versioned(StatusCode::OK, profile.version, profile))
}

/// Lists the tenant's profiles.
#[utoipa::path(
    get, path = "/profiles", operation_id = "listProfiles", tag = "profiles", params(OfTenant),
    security(("admin" = [])),
    responses((status = 200, description = "The profiles.", body = Profiles), Any)
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
) -> Result<Json<Profiles>, Fault> {
    let rows = api.look_in(&tenant, |view| view.profiles(&tenant)).await?;
    let profiles = rows.into_iter().map(|(name, row)| shown(name, row)).collect();
    Ok(Json(Profiles { profiles }))
}

async fn find(api: &Api, tenant: &str, name: &str) -> Result<Profile, Fault> {
    let row = api.look_in(tenant, |view| view.profile(tenant, name)).await?;
    let row = row.ok_or_else(|| Fault::not_found("profile", name))?;
    Ok(shown(name.to_owned(), row))
}

pub(super) fn shown(name: String, row: ledger::Profile) -> Profile {
    Profile {
        name,
        server_uri: row.server_uri,
        short_server_id: row.short_server_id,
        registration_lifetime: row.registration_lifetime,
        credential_lifetime: row.credential_lifetime,
        binding: row.binding,
        security_mode: SecurityMode::Psk,
        connector: row.connector,
        version: row.version,
    }
}

fn check(profile: &PutProfile) -> Result<(), Fault> {
    check_server_uri(&profile.server_uri)?;
    if !(1..=65_534).contains(&profile.short_server_id) {
        return Err(Fault::invalid("short_server_id", "it must be 1 to 65534"));
    }
    // A resource of type Integer holds at most what is positive in 32 bits at every client.
    if !(1..=i32::MAX as u32).contains(&profile.registration_lifetime) {
        return Err(Fault::invalid("registration_lifetime", "it must be 1 to 2147483647 seconds"));
    }
    if !(1..=LIFETIME).contains(&profile.credential_lifetime) {
        return Err(Fault::invalid(
            "credential_lifetime",
            "it must be above 0 and below 100 years",
        ));
    }
    if profile.binding != "U" {
        return Err(Fault::invalid("binding", "only \"U\" is supported"));
    }
    check_name("connector", &profile.connector)
}

/// True for what [`PutProfile::server_uri`] takes.
pub fn is_server_uri(uri: &str) -> bool {
    check_server_uri(uri).is_ok()
}

/// `coaps://host[:port]`, as resource `/0/x/0` takes it.
fn check_server_uri(uri: &str) -> Result<(), Fault> {
    let rule = "it must be coaps://host or coaps://host:port";
    let bad = || Fault::invalid("server_uri", rule);
    check_text("server_uri", uri, 255)?;
    let authority = uri.strip_prefix("coaps://").ok_or_else(bad)?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (is_host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let (host, _) = authority.split_once(':').unwrap_or((authority, ""));
            (is_host(host), &authority[host.len()..])
        }
    };
    if is_host && is_port(port) { Ok(()) } else { Err(bad()) }
}

/// True for a name or an address of IPv4, as devices look them up.
fn is_host(host: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let ends = [host.as_bytes().first(), host.as_bytes().last()];
    host.bytes().all(part) && ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
}

/// True for nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    port.starts_with(|digit| matches!(digit, '1'..='9')) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_a_device_can_dial() {
        for uri in ["coaps://lwm2m.example", "coaps://127.0.0.1:5684", "coaps://[::1]:1"] {
            assert_eq!(check_server_uri(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn refuses_every_other_uri() {
        let uris = [
            "",
            "coaps://",
            "coap://host",
            "https://host",
            "coaps://host:0",
            "coaps://host:99999",
            "coaps://user@host",
            "coaps://host/path",
            "coaps://host?x",
            "coaps://host#x",
            "host:5684",
            "COAPS://host",
            "coaps://host ",
            "coaps://a host",
            "coaps://host:",
            "coaps://host:080",
            "coaps://[::1]x",
            "coaps://[x]",
            "coaps://.",
        ];
        for uri in uris {
            assert!(check_server_uri(uri).is_err(), "{uri}");
        }
    }
}
