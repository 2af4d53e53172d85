//! Connectors: how LwM2M servers learn of credentials.

use crate::Secret;
use serde::{Deserialize, Serialize};

/// A connector to be set: `PUT /api/v1/tenants/{tenant}/connectors/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutConnector {
    /// Where the webhook is sent: an `https` URL, or an `http` one at a loopback address.
    pub url: String,
    /// The signing secret as `whsec_` and 24 to 64 bytes in base64; made where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

/// A connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connector {
    /// Its name.
    pub name: String,
    /// Where the webhook is sent.
    pub url: String,
    /// Raised by each change, from 1.
    pub version: u64,
    /// The signing secret, in the one answer to the request that had it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}
