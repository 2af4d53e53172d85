//! Import keys: what manufacturers encrypt their lists of devices to.

use crate::{Timestamp, pattern};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A public key of X25519 as a JWK (RFC 8037 §2).
///
/// What comes in may have more members, which are passed over (RFC 7517 §4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicJwk {
    /// `OKP`.
    #[schema(pattern = "^OKP$")]
    pub kty: String,
    /// `X25519`.
    #[schema(pattern = "^X25519$")]
    pub crv: String,
    /// The key: 32 bytes in base64url without padding.
    #[schema(value_type = pattern::Bytes32)]
    pub x: String,
    /// Its thumbprint (RFC 7638), by which it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The tenant that what is encrypted to it is for; absent for a recipient that is no tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<pattern::Text>)]
    pub tenant: Option<String>,
}

/// An import key, by its public half. It serves as the file for `claviger factory encrypt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportKey {
    /// The key; `kid` and `tenant` are there.
    #[serde(flatten)]
    pub key: PublicJwk,
    /// `enc`.
    #[serde(rename = "use")]
    pub usage: String,
    /// True for the newest one: lists should be encrypted to it. What is encrypted to an older one
    /// is read until that is deleted.
    pub current: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A tenant's import keys, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportKeys {
    /// The keys.
    pub import_keys: Vec<ImportKey>,
}
