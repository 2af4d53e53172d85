//! Public keys of lists and exports, between the API's form and the one that encrypts.

use claviger_api::PublicJwk;
use claviger_factory::PublicKey;
use data_encoding::BASE64URL_NOPAD;

/// The key as the API shows it.
pub fn of(key: &PublicKey) -> PublicJwk {
    PublicJwk {
        kty: "OKP".to_owned(),
        crv: "X25519".to_owned(),
        x: BASE64URL_NOPAD.encode(key.bytes()),
        kid: Some(key.id().to_string()),
        tenant: Some(key.tenant().to_owned()).filter(|tenant| !tenant.is_empty()),
    }
}

/// The key that the API was given, or has shown.
///
/// # Errors
/// If it is none that can be encrypted to.
pub fn read(jwk: &PublicJwk) -> serde_json::Result<PublicKey> {
    serde_json::to_value(jwk).and_then(serde_json::from_value)
}
