//! `server-identity`: the key that a tenant's devices know Claviger by.
//!
//! The private half is sealed in the ledger and leaves it in no form.

use crate::http::Api;
use crate::http::body::{Names, NoParameters};
use crate::http::change::ChangeTo;
use crate::http::openapi::parameters::{Conditions, OfTenant, Seen};
use crate::http::openapi::problems::{Any, ChangesTo};
use crate::http::problem::Fault;
use crate::http::version::Versioned;
use crate::identity;
use crate::public;
use axum::extract::State;
use axum::http::StatusCode;
use claviger_api::{PutServerIdentity, Secret, ServerIdentity, Timestamp};
use claviger_curves::{Leaf, SigningKey, pem};
use claviger_ledger as ledger;
use data_encoding::BASE64;
use std::sync::Arc;

/// Sets the key that the tenant's devices know Claviger by, or has one made.
#[utoipa::path(
    put, path = "/server-identity", operation_id = "putServerIdentity", tag = "trust", params(OfTenant, Conditions),
    request_body = PutServerIdentity,
    security(("admin" = [])),
    responses((status = 200, description = "It is changed.", body = ServerIdentity, headers(("ETag" = String, description = "Its version."))), (status = 201, description = "It is made.", body = ServerIdentity, headers(("ETag" = String, description = "Its version."))), ChangesTo)
)]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
    ChangeTo(mut write, body): ChangeTo<PutServerIdentity>,
) -> Result<Versioned<ServerIdentity>, Fault> {
    let owner = api.tenant(&tenant).await?;
    let of_owner = api.key_of(&tenant, &owner)?;
    let identity = match read(&body)? {
        Asked::Key(key, chain) => {
            let sealed = identity::seal(&tenant, &of_owner, &key, chain, api.crypto.as_ref());
            sealed.map_err(|why| Fault::invalid("chain", why))?
        }
        Asked::Chain(pem) => {
            let held = api.look(|view| view.server_identity(&tenant)).await?;
            let held = held.ok_or_else(|| Fault::not_found("server identity of", &tenant))?;
            certified(held, pem)?
        }
    };
    let expect = write.expected.take();
    let command = ledger::PutServerIdentity { tenant: tenant.clone(), identity, expect };
    let made = api.change(write, command).await?;
    let identity = find(&api, &tenant).await?;
    Ok(Versioned::put(made, identity.version, identity))
}

/// Shows what the tenant's devices know Claviger by; never the private key.
#[utoipa::path(
    get, path = "/server-identity", operation_id = "showServerIdentity", tag = "trust", params(OfTenant, Seen),
    security(("admin" = [])),
    responses((status = 200, description = "What they know.", body = ServerIdentity, headers(("ETag" = String, description = "Its version."))), (status = 304, description = "It is at the version that was seen.", headers(("ETag" = String, description = "Its version."))), Any)
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    _: NoParameters,
) -> Result<Versioned<ServerIdentity>, Fault> {
    let identity = find(&api, &tenant).await?;
    Ok(Versioned(StatusCode::OK, identity.version, identity))
}

/// What is asked for.
enum Asked<'a> {
    /// A key with its chain.
    Key(SigningKey, Vec<Vec<u8>>),
    /// A chain, in PEM, for the key that is held.
    Chain(&'a str),
}

fn read(body: &PutServerIdentity) -> Result<Asked<'_>, Fault> {
    match (body.generate, &body.private_key, &body.chain) {
        (true, None, None) => {
            let key = SigningKey::generate().and_then(|pkcs8| SigningKey::from_pkcs8(&pkcs8));
            let key = key.map_err(|_| Fault::internal("the system gives no randomness"))?;
            Ok(Asked::Key(key, Vec::new()))
        }
        (true, ..) => Err(Fault::invalid("generate", "a key that is made has no chain yet")),
        (false, None, Some(chain)) => Ok(Asked::Chain(chain)),
        (false, None, None) => {
            let rule =
                "give a key, or a chain for the one that is held, or say `\"generate\": true`";
            Err(Fault::invalid("private_key", rule))
        }
        (false, Some(private), chain) => {
            let key = key(private)?;
            let bad = |rule| Fault::invalid("chain", rule);
            let spki = key.public_key().map_err(|_| Fault::internal("a key has no encoding"))?;
            let chain = chain.as_deref().map(|pem| public::chain_of(&spki, pem).map_err(bad));
            Ok(Asked::Key(key, chain.transpose()?.unwrap_or_default()))
        }
    }
}

/// The identity that is held, with another chain.
fn certified(held: ledger::ServerIdentity, pem: &str) -> Result<ledger::ServerIdentity, Fault> {
    let chain = public::chain_of(&held.public_key, pem);
    let chain = chain.map_err(|rule| Fault::invalid("chain", rule))?;
    let length: usize = chain.iter().map(Vec::len).sum();
    if length + 3 * chain.len() + 3 > ledger::ServerIdentity::BYTES {
        return Err(Fault::invalid("chain", "no message of a handshake can bear it"));
    }
    let chain = chain.into_iter().map(Into::into).collect();
    Ok(ledger::ServerIdentity { chain, version: 0, ..held })
}

fn key(private: &Secret) -> Result<SigningKey, Fault> {
    let rule = "it must be one key on P-256 or P-384 in PEM, not encrypted";
    let bad = || Fault::invalid("private_key", rule);
    let der = pem::private_key(private.expose()).map_err(|_| bad())?;
    SigningKey::from_der(&der).map_err(|_| bad())
}

async fn find(api: &Api, tenant: &str) -> Result<ServerIdentity, Fault> {
    let row = api.look_in(tenant, |view| view.server_identity(tenant)).await?;
    row.map(shown).ok_or_else(|| Fault::not_found("server identity of the tenant", tenant))
}

pub(super) fn shown(row: ledger::ServerIdentity) -> ServerIdentity {
    let chain: Vec<Vec<u8>> = row.chain.into_iter().map(Into::into).collect();
    let read: Vec<_> = chain.iter().filter_map(|der| Leaf::read(der).ok()).collect();
    let end = read.iter().map(|certificate| certificate.validity().1).min();
    ServerIdentity {
        subject: read.first().map(Leaf::subject),
        not_after: end.map(|seconds| Timestamp(seconds.saturating_mul(1000))),
        public_key: BASE64.encode(&row.public_key),
        public_key_pem: pem::encode(pem::PUBLIC_KEY, &row.public_key).unwrap_or_default(),
        fingerprint: public::fingerprint(&row.public_key),
        chain: (!chain.is_empty()).then(|| public::chain_pem(&chain)),
        version: row.version,
    }
}
