//! Credentials that Claviger makes.

use claviger_ledger::{CredentialId, DeviceRef, Fresh};
use claviger_machine::Crypto;
use claviger_seal::{Label, TenantKey};
use zeroize::Zeroizing;

/// The length of a pre-shared key that Claviger makes, in bytes.
const KEY: usize = 16;

/// A pre-shared key for `of` under a random identity, sealed with the tenant's key.
pub(crate) fn make(of: &DeviceRef, key: &TenantKey, crypto: &dyn Crypto) -> Fresh {
    let credential = CredentialId(crypto.random());
    let psk: Zeroizing<[u8; KEY]> = Zeroizing::new(crypto.random());
    let identity = CredentialId(crypto.random()).to_string().into_bytes();
    let (tenant, device) = (&of.tenant, &of.device);
    let label = Label::Credential { tenant, device, credential: &credential.0 };
    let sealed_key = key.seal(label, &*psk, crypto.random());
    Fresh { credential, identity, sealed_key, key_length: KEY as u16 }
}
