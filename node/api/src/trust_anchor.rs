//! Trust anchors: whose certificates devices may prove themselves by.

use crate::{Timestamp, pattern};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A trust anchor to be set: `PUT /api/v1/tenants/{tenant}/trust-anchors/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutTrustAnchor {
    /// Certificates of the authority in PEM: one, or several where it has several keys.
    #[schema(value_type = pattern::Pem)]
    pub certificates: String,
    /// Where the endpoint name stands in a device's certificate; the common name where it is absent.
    #[serde(default)]
    pub endpoint_in: EndpointIn,
    /// The profile that an unknown device is enrolled with when it comes with a valid chain. Where
    /// it is absent, only devices that are enrolled may come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<pattern::Name>)]
    pub enrol_with_profile: Option<String>,
}

/// Where the endpoint name stands in a device's certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointIn {
    /// The common name of its subject.
    #[default]
    CommonName,
    /// A dNSName of its subjectAltName.
    DnsName,
    /// A uniformResourceIdentifier of its subjectAltName, as `urn:dev:...`.
    Uri,
}

/// A trust anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrustAnchor {
    /// Its name.
    pub name: String,
    /// What its certificates say, in their order.
    pub authorities: Vec<Authority>,
    /// Its certificates in PEM.
    pub certificates: String,
    /// Where the endpoint name stands in a device's certificate.
    pub endpoint_in: EndpointIn,
    /// The profile that an unknown device is enrolled with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrol_with_profile: Option<String>,
    /// Raised by each change, and never what it was before.
    pub version: u64,
}

/// What the certificate of an authority says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Authority {
    /// Its subject (RFC 4514).
    pub subject: String,
    /// Its key's fingerprint: SHA-256 over its SubjectPublicKeyInfo, in hexadecimal digits.
    pub fingerprint: String,
    /// When it ceases to be valid. An anchor is trusted beyond that, until it is deleted.
    pub not_after: Timestamp,
}

/// A tenant's trust anchors, in the order of the length of their names, then of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrustAnchors {
    /// The trust anchors.
    pub trust_anchors: Vec<TrustAnchor>,
}
