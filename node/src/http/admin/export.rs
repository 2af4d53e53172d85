//! `export`: the tenant as a whole, a line for each thing it has, streamed.
//!
//! `GET` gives everything but secrets. `POST` names a recipient, and then the keys of devices stand
//! there too, encrypted to it: that is noted in the ledger before the first byte leaves. The
//! devices are read page by page, each page at one index. What changes meanwhile stands in the
//! events behind the place that the head names. Where the ledger does not answer, the body breaks
//! off without its last line, and a further request goes on behind a device.

use super::{connectors, devices, profiles, server_identity, trust_anchors};
use crate::http::Api;
use crate::http::body::{Names, NoParameters, Parameters};
use crate::http::change::ChangeTo;
use crate::http::names::check_text;
use crate::http::openapi::parameters::OfTenant;
use crate::http::openapi::problems::{Any, ChangesTo};
use crate::http::problem::Fault;
use crate::jwk;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use claviger_api::{
    ExportEnd, ExportHead, ExportLine, ExportSecrets, ExportedCredential, ExportedDevice, KeyInput,
    PublicJwk, Timestamp,
};
use claviger_factory::{Binding, PublicKey, Purpose};
use claviger_ledger::{Credential, CredentialId, Device, DeviceRef, NoteExport, Origin, View};
use claviger_machine::Draw;
use claviger_seal::{Label, TenantKey};
use futures::stream::unfold;
use serde::Deserialize;
use std::io;
use std::sync::Arc;
use utoipa::IntoParams;

/// The form's version.
const VERSION: u32 = 1;
/// How many devices are read at one index, and leave at once.
const PAGE: usize = 100;

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// The id of the device to go on behind, where an earlier part broke off.
    #[param(required = false)]
    after: Option<String>,
}

/// Exports the tenant: everything but secrets.
#[utoipa::path(
    get, path = "/export", operation_id = "export", tag = "factory", params(OfTenant, Query),
    security(("admin" = [])),
    responses(
        (status = 200, description = "An ExportLine in JSON on each line; without the last one, of type `end`, it is not whole.",
            body = String, content_type = "application/x-ndjson"),
        Any
    )
)]
pub(crate) async fn plain(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Response, Fault> {
    api.tenant(&tenant).await?;
    Ok(answer(Export { api, tenant, secrets: None, sent: 0, stage: Stage::Head(query.after) }))
}

/// Exports the tenant, with the keys of devices encrypted to a recipient.
///
/// It is noted in the audit log before the first byte leaves, each time.
#[utoipa::path(
    post, path = "/export", operation_id = "exportSecrets", tag = "factory", params(OfTenant),
    request_body = ExportSecrets,
    security(("admin" = [])),
    responses(
        (status = 200, description = "An ExportLine in JSON on each line; without the last one, of type `end`, it is not whole.",
            body = String, content_type = "application/x-ndjson"),
        ChangesTo
    )
)]
pub(crate) async fn with_secrets(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
    ChangeTo(_, asked): ChangeTo<ExportSecrets>,
) -> Result<Response, Fault> {
    let recipient = recipient(&api, asked.recipient)?;
    let key = api.key_of(&tenant, &api.tenant(&tenant).await?)?;
    // Never a repetition, whatever the request's Idempotency-Key: each time secrets leave again.
    let words = words(&recipient, asked.after.is_some());
    api.commit(NoteExport { tenant: tenant.clone(), words }).await?;
    let secrets = Some(Arc::new(Secrets { recipient, key }));
    Ok(answer(Export { api, tenant, secrets, sent: 0, stage: Stage::Head(asked.after) }))
}

fn recipient(api: &Api, jwk: PublicJwk) -> Result<PublicKey, Fault> {
    let bad = |rule: &dyn core::fmt::Display| Fault::invalid("recipient", rule);
    if let Some(tenant) = &jwk.tenant {
        check_text("recipient.tenant", tenant, 255)?;
    }
    // By the key alone: its thumbprint only says the same once more.
    let jwk = PublicJwk { kid: None, ..jwk };
    let key = jwk::read(&jwk).map_err(|why| bad(&why))?;
    // One that nothing can be encrypted to is refused before anything is noted.
    let binding = Binding { purpose: Purpose::Operational, endpoint: "", identity: b"" };
    let tried = key.seal(binding, b"", &mut Draw(api.crypto.clone()));
    tried.map_err(|why| bad(&why)).map(|_| key)
}

fn words(recipient: &PublicKey, goes_on: bool) -> String {
    let (id, tenant) = (recipient.id(), recipient.tenant());
    let whose = if tenant.is_empty() { String::new() } else { format!(" of \"{tenant}\"") };
    let part = if goes_on { " It was a further part." } else { "" };
    format!("The keys of devices were exported, encrypted to the key {id}{whose}.{part}")
}

fn answer(export: Export) -> Response {
    export.api.metrics.exported(export.secrets.is_some(), false);
    let stream = unfold(export, |mut export| async move {
        let piece = export.next().await?;
        if piece.is_err() {
            export.stage = Stage::Over;
        }
        // The detail was told to the log; here only the body breaks off.
        let piece = piece.map_err(|_| io::Error::other("the ledger does not answer"));
        Some((piece, export))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(stream)).into_response()
}

/// To whom keys are encrypted, and what opens them here.
struct Secrets {
    recipient: PublicKey,
    key: TenantKey,
}

/// An export that is under way.
struct Export {
    api: Arc<Api>,
    tenant: String,
    secrets: Option<Arc<Secrets>>,
    /// How many devices have left.
    sent: u64,
    stage: Stage,
}

/// What comes next.
enum Stage {
    /// The head, and what comes before the devices; or the device to go on behind.
    Head(Option<String>),
    /// The devices behind a place.
    Devices(Option<Vec<u8>>),
    End,
    Over,
}

/// A device as it is read: its credentials, each with its sealed key if it is to leave.
type Row = (DeviceRef, Device, Vec<(CredentialId, Credential, Option<Vec<u8>>)>);

impl Export {
    async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        match core::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Head(after) => Some(self.head(after).await),
            Stage::Devices(after) => Some(self.devices(after).await),
            Stage::End => {
                self.api.metrics.exported(self.secrets.is_some(), true);
                Some(Ok(text(&[ExportLine::End(ExportEnd { devices: self.sent })])))
            }
            Stage::Over => None,
        }
    }

    async fn head(&mut self, after: Option<String>) -> Result<Bytes, Fault> {
        let (name, whole) = (self.tenant.clone(), after.is_none());
        let look = |view: &View<'_>| {
            let tenant = view.tenant(&name)?;
            let trust = || (view.server_identity(&name), view.trust_anchors(&name));
            let rest = whole.then(|| (view.profiles(&name), view.connectors(&name), trust()));
            Some((tenant, rest.unwrap_or_default(), view.newest_event(&name)))
        };
        let seen = self.api.look(look).await?;
        let (tenant, (profiles, connectors, (identity, anchors)), event) =
            seen.ok_or_else(|| Fault::not_found("tenant", &name))?;
        let mut lines = vec![ExportLine::Export(ExportHead {
            version: VERSION,
            tenant: name.clone(),
            realm: tenant.realm,
            created_at: Timestamp(tenant.created_at),
            time: Timestamp(self.api.now()),
            events_after: event.map(|(index, n)| format!("{index}-{n}")),
            after: after.clone(),
            secrets_to: self.secrets.as_ref().map(|it| it.recipient.id().to_string()),
        })];
        let profile = |(name, row)| ExportLine::Profile(profiles::shown(name, row));
        lines.extend(profiles.into_iter().map(profile));
        let connector = |(name, row)| ExportLine::Connector(connectors::shown(name, row));
        lines.extend(connectors.into_iter().map(connector));
        let identity = identity.map(server_identity::shown);
        lines.extend(identity.map(ExportLine::ServerIdentity));
        let anchor = |(name, row)| ExportLine::TrustAnchor(trust_anchors::shown(name, row));
        lines.extend(anchors.into_iter().map(anchor));
        let place = after.map(|device| View::place_of(&DeviceRef { tenant: name, device }));
        self.stage = Stage::Devices(place);
        Ok(text(&lines))
    }

    async fn devices(&mut self, after: Option<Vec<u8>>) -> Result<Bytes, Fault> {
        let (tenant, secrets) = (self.tenant.clone(), self.secrets.clone());
        let look = |view: &View<'_>| {
            let page = view.devices(&tenant, after.as_deref(), PAGE);
            let row = |(of, device)| row(view, of, device, secrets.is_some());
            (page.items.into_iter().map(row).collect::<Vec<_>>(), page.next)
        };
        let (rows, next) = self.api.look(look).await?;
        self.sent += rows.len() as u64;
        self.stage = next.map_or(Stage::End, |next| Stage::Devices(Some(next)));
        let Some(secrets) = secrets else {
            return Ok(text(&rows.into_iter().map(line_without_keys).collect::<Vec<_>>()));
        };
        // A page of keys takes the processor for a while.
        let mut rng = Draw(self.api.crypto.clone());
        let sealing = tokio::task::spawn_blocking(move || {
            let line = |row| secrets.line(row, &mut rng);
            rows.into_iter().map(line).collect::<Result<Vec<_>, _>>()
        });
        let broken = |_| Fault::internal("an export has broken");
        Ok(text(&sealing.await.map_err(broken)??))
    }
}

/// A device with its credentials, oldest first.
fn row(view: &View<'_>, of: DeviceRef, device: Device, secrets: bool) -> Row {
    let mut credentials = view.credentials(&of);
    credentials.sort_by_key(|(_, credential)| credential.not_before);
    let with_key = |(id, credential): (CredentialId, Credential)| {
        let leaves = secrets && credential.state.is_live();
        let sealed = leaves.then(|| view.material(&of, id)).flatten();
        (id, credential, sealed)
    };
    let credentials = credentials.into_iter().map(with_key).collect();
    (of, device, credentials)
}

fn line_without_keys((of, device, credentials): Row) -> ExportLine {
    let shown = |(id, credential, _)| ExportedCredential {
        credential: devices::described(id, credential),
        key: None,
    };
    let credentials = credentials.into_iter().map(shown).collect();
    ExportLine::Device(ExportedDevice { device: devices::shown(of.device, device), credentials })
}

impl Secrets {
    fn line(&self, (of, device, credentials): Row, rng: &mut Draw) -> Result<ExportLine, Fault> {
        let mut exported = Vec::with_capacity(credentials.len());
        for (id, credential, sealed) in credentials {
            let purpose = match credential.origin {
                Origin::Manufacturer => Purpose::Manufacturer,
                Origin::Claviger => Purpose::Operational,
            };
            let credential = devices::described(id, credential);
            let identity = credential.identity.as_deref().unwrap_or_default().as_bytes();
            let binding = Binding { purpose, endpoint: &device.endpoint, identity };
            let key = sealed.map(|sealed| self.seal_again(&of, id, binding, &sealed, rng));
            let key = key.transpose()?;
            exported.push(ExportedCredential { credential, key });
        }
        let device = devices::shown(of.device, device);
        Ok(ExportLine::Device(ExportedDevice { device, credentials: exported }))
    }

    /// What is sealed for the ledger, encrypted to the recipient.
    fn seal_again(
        &self,
        of: &DeviceRef,
        id: CredentialId,
        binding: Binding<'_>,
        sealed: &[u8],
        rng: &mut Draw,
    ) -> Result<KeyInput, Fault> {
        let (tenant, device) = (&*of.tenant, &*of.device);
        let label = Label::Credential { tenant, device, credential: &id.0 };
        let secret = self.key.open(label, sealed);
        let secret = secret.map_err(|_| Fault::internal("a key does not open for its export"))?;
        let value = self.recipient.seal(binding, &secret, rng);
        let value =
            value.map_err(|_| Fault::internal("nothing can be encrypted to the recipient"))?;
        Ok(KeyInput::hpke(value.to_string()))
    }
}

fn text(lines: &[ExportLine]) -> Bytes {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line).expect("texts and numbers become JSON");
        text.push(b'\n');
    }
    text.into()
}
