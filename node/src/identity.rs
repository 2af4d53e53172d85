//! The key that a tenant's listeners prove themselves by, on its way into the ledger.

use claviger_curves::{BadIdentity, SigningKey};
use claviger_ledger::{ServerIdentity, fingerprint};
use claviger_machine::Crypto;
use claviger_seal::{Label, TenantKey};

/// Seals `key` for the ledger. `chain` certifies it, or is empty.
///
/// # Errors
/// If no handshake could bear the chain, or the key has no encoding.
pub fn seal(
    tenant: &str,
    tenant_key: &TenantKey,
    key: &SigningKey,
    chain: Vec<Vec<u8>>,
    crypto: &dyn Crypto,
) -> Result<ServerIdentity, BadIdentity> {
    // Only to see that it can be presented.
    key.identity(chain.clone())?;
    let public_key = key.public_key().map_err(|_| BadIdentity::Key)?;
    let pkcs8 = key.to_pkcs8().map_err(|_| BadIdentity::Key)?;
    let fingerprint = fingerprint(&public_key);
    let label = Label::ServerKey { tenant, fingerprint: &fingerprint };
    let sealed_key = tenant_key.seal(label, &pkcs8, crypto.random());
    Ok(ServerIdentity {
        chain: chain.into_iter().map(Into::into).collect(),
        public_key,
        group: key.group() as u16,
        scheme: key.scheme() as u16,
        sealed_key,
        version: 0,
    })
}
