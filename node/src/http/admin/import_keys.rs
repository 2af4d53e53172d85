//! `import-keys`: what manufacturers encrypt their lists to, and how those are opened.
//!
//! The private halves are sealed in the ledger and leave this process in no form. The newest key is
//! what lists should be encrypted to; what was encrypted to an older one opens until that is
//! deleted.

use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::change::{Change, Write};
use crate::http::openapi::parameters::{OfImportKey, OfTenant, Repeatable};
use crate::http::openapi::problems::{Any, Changes};
use crate::http::problem::Fault;
use crate::jwk;
use crate::metrics::Import;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use claviger_api::{Code, ImportKey, ImportKeys, KeyFormat, NewPsk, Timestamp};
use claviger_factory::{Binding, KeyId, PrivateKey, PublicKey, Purpose, Sealed};
use claviger_ledger as ledger;
use claviger_machine::Draw;
use claviger_seal::{Label, TenantKey};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Makes an import key, which lists should be encrypted to from now on.
#[utoipa::path(
    post, path = "/import-keys", operation_id = "createImportKey", tag = "factory", params(OfTenant, Repeatable),
    security(("admin" = [])),
    responses((status = 201, description = "It is made.", body = ImportKey), Changes)
)]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
    Change(write): Change,
) -> Result<(StatusCode, Json<ImportKey>), Fault> {
    let write = unconditional(write)?;
    let key = api.key_of(&tenant, &api.tenant(&tenant).await?)?;
    let made = PrivateKey::make(tenant.as_str(), &mut Draw(api.crypto.clone()));
    let public = *made.public().bytes();
    let label = Label::ImportKey { tenant: &tenant, public: &public };
    let sealed_private = key.seal(label, made.expose_bytes(), api.crypto.random());
    let command =
        ledger::PutImportKey { tenant: tenant.clone(), public, sealed_private, expect: None };
    api.change(write, command).await?;
    // Another may have been made since. A repetition has made none: it gets the newest, which is
    // what lists should be encrypted to.
    let (id, mut keys) = (id_of(public), all(&api, &tenant).await?.into_iter());
    let ours = keys.clone().find(|key| key.key.kid.as_ref() == Some(&id)).or_else(|| keys.next());
    ours.map(|key| (StatusCode::CREATED, Json(key))).ok_or_else(|| missing("newest"))
}

/// Lists the tenant's import keys, the newest first.
#[utoipa::path(
    get, path = "/import-keys", operation_id = "listImportKeys", tag = "factory", params(OfTenant),
    security(("admin" = [])),
    responses((status = 200, description = "The keys.", body = ImportKeys), Any)
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
) -> Result<Json<ImportKeys>, Fault> {
    Ok(Json(ImportKeys { import_keys: all(&api, &tenant).await? }))
}

/// Shows an import key, by its public half.
#[utoipa::path(
    get, path = "/import-keys/{key}", operation_id = "showImportKey", tag = "factory", params(OfImportKey),
    security(("admin" = [])),
    responses((status = 200, description = "The key.", body = ImportKey), Any)
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Names((tenant, id)): Names<(String, String)>,
    _: NoParameters,
) -> Result<Json<ImportKey>, Fault> {
    let key = all(&api, &tenant).await?.into_iter().find(|key| key.key.kid.as_ref() == Some(&id));
    key.map(Json).ok_or_else(|| missing(&id))
}

/// Deletes an import key: what is encrypted to it does not open any more.
#[utoipa::path(
    delete, path = "/import-keys/{key}", operation_id = "deleteImportKey", tag = "factory", params(OfImportKey, Repeatable),
    security(("admin" = [])),
    responses((status = 204, description = "It is gone."), Changes)
)]
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Names((tenant, id)): Names<(String, String)>,
    _: NoParameters,
    Change(write): Change,
) -> Result<StatusCode, Fault> {
    let write = unconditional(write)?;
    let (_, rows) = rows(&api, &tenant).await?;
    let public = rows.into_iter().map(|row| row.public).find(|public| id_of(*public) == id);
    // A repetition finds it gone. What it came to, the ledger knows by the request's key alone; of
    // any other request it finds nothing either, for 0 is nobody's public half.
    let public = match (public, write.keyed) {
        (None, None) => return Err(missing(&id)),
        (found, _) => found.unwrap_or_default(),
    };
    let done = api.change(write, ledger::DeleteImportKey { tenant, public, expect: None }).await;
    match done {
        Err(fault) if fault.code == Code::NotFound => Err(missing(&id)),
        done => done.map(|_| StatusCode::NO_CONTENT),
    }
}

fn missing(id: &str) -> Fault {
    Fault::not_found("import key", id)
}

fn id_of(public: [u8; 32]) -> String {
    PublicKey::new(public, "").id().to_string()
}

/// A key never changes, so there is no version to expect.
fn unconditional(write: Write) -> Result<Write, Fault> {
    match write.expected {
        None => Ok(write),
        Some(_) => Err(Fault::new(Code::BadHeader, "an import key has no version to expect")),
    }
}

/// A tenant and its import keys.
async fn rows(api: &Api, tenant: &str) -> Result<(ledger::Tenant, Vec<ledger::ImportKey>), Fault> {
    let look = |view: &ledger::View<'_>| Some((view.tenant(tenant)?, view.import_keys(tenant)));
    api.look(look).await?.ok_or_else(|| Fault::not_found("tenant", tenant))
}

async fn all(api: &Api, tenant: &str) -> Result<Vec<ImportKey>, Fault> {
    let (owner, rows) = rows(api, tenant).await?;
    let newest = owner.import_key.map(|key| key.public);
    let shown = |row: ledger::ImportKey| ImportKey {
        key: jwk::of(&PublicKey::new(row.public, tenant)),
        usage: "enc".to_owned(),
        current: newest == Some(row.public),
        created_at: Timestamp(row.created_at),
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// What opens the keys in a list: a tenant's import keys with their private halves.
pub(in crate::http) struct Opener {
    keys: BTreeMap<KeyId, PrivateKey>,
}

impl Opener {
    /// What opens nothing, for a key in the clear.
    pub(in crate::http) const fn none() -> Self {
        Self { keys: BTreeMap::new() }
    }

    /// What opens keys of `tenant`, whose own key is `key`.
    pub(in crate::http) async fn of(
        api: &Api,
        tenant: &str,
        key: &TenantKey,
    ) -> Result<Self, Fault> {
        let unsealed = |row: ledger::ImportKey| {
            let label = Label::ImportKey { tenant, public: &row.public };
            let half = key.open(label, &row.sealed_private).ok()?;
            let key = PrivateKey::new(half.as_slice().try_into().ok()?, tenant);
            Some((key.public().id(), key))
        };
        let (_, rows) = rows(api, tenant).await?;
        let keys = rows.into_iter().map(unsealed).collect::<Option<_>>();
        let words = "an import key does not open under its tenant's key";
        Ok(Self { keys: keys.ok_or_else(|| Fault::internal(words))? })
    }

    /// The manufacturer's key in `psk`, be it encrypted or in the clear, for the device with this
    /// `endpoint`.
    pub(in crate::http) fn open(
        &self,
        api: &Api,
        endpoint: &str,
        psk: &NewPsk,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        if psk.key.format != KeyFormat::Hpke {
            return psk.key.bytes().map_err(bad);
        }
        let opened = self.decrypt(endpoint, psk);
        api.metrics.imported(match &opened {
            Ok(_) => Import::Opened,
            Err((import, _)) => *import,
        });
        opened.map_err(|(_, fault)| fault)
    }

    fn decrypt(&self, endpoint: &str, psk: &NewPsk) -> Result<Zeroizing<Vec<u8>>, (Import, Fault)> {
        let sealed: Sealed =
            psk.key.value.expose().parse().map_err(|why| (Import::Malformed, bad(why)))?;
        let key = self.keys.get(&sealed.key);
        let words = || format!("its key {} is no import key of the tenant", sealed.key);
        let key = key.ok_or_else(|| (Import::UnknownKey, bad(words())))?;
        let identity = psk.identity.as_bytes();
        let binding = Binding { purpose: Purpose::Manufacturer, endpoint, identity };
        key.open(binding, &sealed).map_err(|why| (Import::DoesNotOpen, bad(why)))
    }
}

fn bad(rule: impl core::fmt::Display) -> Fault {
    Fault::invalid("psk.key.value", rule)
}
