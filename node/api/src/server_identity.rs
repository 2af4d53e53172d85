//! The server's own key: what devices know Claviger by.

use crate::{Secret, Timestamp, pattern};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The key to be presented to a tenant's devices: `PUT /api/v1/tenants/{tenant}/server-identity`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutServerIdentity {
    /// True to have a new key made, on P-256, without a certificate. Then nothing else stands here.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub generate: bool,
    /// The private key in PEM, on P-256 or P-384. Where it is absent, `chain` is for the key that
    /// is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, write_only)]
    pub private_key: Option<Secret>,
    /// The certificate of that key in PEM, and behind it those that lead to its root. Where it is
    /// absent, devices must know the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<pattern::Pem>)]
    pub chain: Option<String>,
}

/// What a tenant's devices are presented; never the private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerIdentity {
    /// The public key as SubjectPublicKeyInfo: its DER in base64.
    pub public_key: String,
    /// The same in PEM.
    pub public_key_pem: String,
    /// Its fingerprint: SHA-256 over the SubjectPublicKeyInfo, in hexadecimal digits.
    pub fingerprint: String,
    /// Its certificate and those that lead to the root, in PEM; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The subject of its certificate (RFC 4514), if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the first of its certificates ceases to be valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Raised by each change, and never what it was before.
    pub version: u64,
}
