//! Devices.

use crate::{Credential, KeyInput, TimelineEntry, Timestamp, pattern};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A device to be enrolled: `POST /api/v1/tenants/{tenant}/devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// Its LwM2M endpoint client name: 1 to 255 bytes without control characters.
    #[schema(value_type = pattern::Text)]
    pub endpoint: String,
    /// Its id within the tenant, a name; the endpoint name where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<pattern::Name>)]
    pub id: Option<String>,
    /// The bootstrap profile that it gets its LwM2M server account by.
    #[schema(value_type = pattern::Name)]
    pub profile: String,
    /// The pre-shared key that its manufacturer put into it. There must be this, or `public_key`,
    /// or `certificate`, and only one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psk: Option<NewPsk>,
    /// The public half of the key that its manufacturer put into it, on P-256 or P-384: a
    /// SubjectPublicKeyInfo, its DER in base64 or in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<pattern::PublicKey>)]
    pub public_key: Option<String>,
    /// By which certificates it proves itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<NewCertificate>,
}

impl NewDevice {
    /// A device that nothing is said of yet by which it proves itself.
    pub fn new(endpoint: impl Into<String>, profile: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            id: None,
            profile: profile.into(),
            psk: None,
            public_key: None,
            certificate: None,
        }
    }
}

/// A manufacturer's certificate, which names the device's endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCertificate {
    /// The trust anchor of the tenant that its chain must lead to.
    #[schema(value_type = pattern::Name)]
    pub trust_anchor: String,
}

/// A manufacturer's pre-shared key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPsk {
    /// The PSK identity: 1 to 128 bytes without control characters.
    #[schema(value_type = pattern::Identity)]
    pub identity: String,
    /// The key: 16 to 64 bytes; in the clear, or encrypted to an import key of the tenant.
    pub key: KeyInput,
}

/// A device as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Its id within the tenant.
    pub id: String,
    /// Its LwM2M endpoint client name.
    pub endpoint: String,
    /// Its bootstrap profile.
    pub profile: String,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// Raised by every change of the device.
    pub version: u64,
}

/// A device with what it holds and what happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceDetail {
    /// The device itself.
    #[serde(flatten)]
    pub device: Device,
    /// Its credentials, oldest first; never their keys.
    pub credentials: Vec<Credential>,
    /// What happened to it, oldest first.
    pub timeline: Vec<TimelineEntry>,
}

/// A page of a tenant's devices, in the ledger's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevicePage {
    /// The devices; with a filter a page may have fewer than asked for, or none.
    pub items: Vec<Device>,
    /// Where the next page begins, if there is one: give it back as `after`. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A change of a device: `PATCH /api/v1/tenants/{tenant}/devices/{device}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateDevice {
    /// The bootstrap profile that holds from its next bootstrap.
    #[schema(value_type = pattern::Name)]
    pub profile: String,
}
