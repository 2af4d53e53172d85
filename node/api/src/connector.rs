//! Connectors: how LwM2M servers come to the keys of their devices.

use crate::{Secret, Timestamp, pattern};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A connector to be set: `PUT /api/v1/tenants/{tenant}/connectors/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutConnector {
    /// How it reaches its server; by webhook where it is absent.
    #[serde(default)]
    pub kind: ConnectorKind,
    /// Where the webhook is sent, or the first page of a Leshan server demo: an `https` URL, or an
    /// `http` one at a loopback address. Absent where the server asks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(value_type = pattern::WebhookUrl)]
    pub url: String,
    /// The signing secret as `whsec_` and 24 to 64 bytes in base64; made where it is absent. For
    /// Leshan the value of the header Authorization that a proxy before it wants; none where it is
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, write_only)]
    pub secret: Option<Secret>,
}

/// A connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Connector {
    /// Its name.
    pub name: String,
    /// How it reaches its server.
    pub kind: ConnectorKind,
    /// Where the server is reached; absent where it asks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// True if the server can hold the old and the new credential of a device at once. Otherwise
    /// the old one is gone when the new one is put there, and a device whose bootstrap then fails
    /// cannot register.
    pub overlap: bool,
    /// Raised by each change, and never what it was before.
    pub version: u64,
    /// The signing secret, in the one answer to the request that had it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

/// A tenant's connectors, in the order of the length of their names, then of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Connectors {
    /// The connectors; never their secrets.
    pub connectors: Vec<Connector>,
}

/// How an LwM2M server comes to its devices' keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConnectorKind {
    /// Claviger posts a signed webhook before a device is given a key.
    #[default]
    Webhook,
    /// The server asks for the key of an identity when a device comes with it.
    Pull,
    /// Claviger puts the key into the security store of a Leshan server demo.
    Leshan,
}

impl ConnectorKind {
    /// The kind, as JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Pull => "pull",
            Self::Leshan => "leshan",
        }
    }
}

/// An LwM2M server asks for a key: `POST .../connectors/{name}/psk`, signed with the connector's
/// secret as a webhook is (Standard Webhooks, symmetric).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PskRequest {
    /// The PSK identity that a device names in its handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(examples("c2b6d1f4a97e4d0c8b15e3f0a6d29b74"))]
    pub identity: Option<String>,
    /// The same in base64 (RFC 4648 §4), for an identity that need not be UTF-8: give one of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_base64: Option<String>,
}

/// The key that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AskedPsk {
    /// The device's id.
    pub device: String,
    /// Its LwM2M endpoint client name.
    pub endpoint: String,
    /// The credential's id.
    pub credential: String,
    /// The PSK identity, if it was asked for as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The PSK identity in base64, if it was asked for so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_base64: Option<String>,
    /// The key in hexadecimal digits.
    pub key: Secret,
    /// From when it is not valid any more: ask again then, and sooner if it may be revoked.
    pub not_after: Option<Timestamp>,
}
