//! Credentials, without their keys.

use crate::{Timestamp, pattern};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A credential of a device; its key is nowhere in the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// 32 hexadecimal digits.
    #[schema(value_type = pattern::CredentialId)]
    pub id: String,
    /// What kind of credential it is.
    #[serde(rename = "type")]
    pub kind: CredentialType,
    /// `staged`, `delivered`, `active`, `superseded`, `revoked` or `expired`.
    pub state: String,
    /// The PSK identity, of a pre-shared key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The length of its key in bytes, of a pre-shared key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_length: Option<u16>,
    /// The public key, as SubjectPublicKeyInfo: its DER in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The public key's fingerprint: SHA-256 over its SubjectPublicKeyInfo, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The trust anchor that a certificate's chain must lead to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_anchor: Option<String>,
    /// Who made it: `manufacturer` or `claviger`.
    pub origin: String,
    /// The services that it is for, as URIs; empty for Claviger itself.
    pub parties: Vec<String>,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// From when it is not valid any more, if ever.
    pub not_after: Option<Timestamp>,
    /// When the LwM2M server confirmed that it holds it.
    pub confirmed_at: Option<Timestamp>,
    /// The profile that it was made by.
    pub profile: Option<String>,
}

/// The kinds of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialType {
    /// A pre-shared key.
    Psk,
    /// A raw public key (RFC 7250).
    PublicKey,
    /// A certificate that leads to a trust anchor.
    Certificate,
}

/// An LwM2M server's report that it saw a credential in use:
/// `POST /api/v1/tenants/{tenant}/devices/{device}/credentials/{credential}/use`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UseReport {
    /// When it was used, by the server's clock.
    pub used_at: Timestamp,
}

/// A device's credentials, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credentials {
    /// The credentials.
    pub credentials: Vec<Credential>,
}

/// A revocation: `POST .../credentials/{credential}/revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeCredential {
    /// Why, for the timeline and the audit log: 1 to 255 bytes without control characters.
    #[schema(value_type = pattern::Text)]
    pub reason: String,
}
