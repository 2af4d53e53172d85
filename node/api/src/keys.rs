//! The keys of the cluster: `/api/v1/cluster/keys`. What is shown are names and versions; a key
//! leaves in one form only, encrypted to a recipient ([`EscrowedKey`]).

use crate::{PublicJwk, Timestamp, pattern};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the keys stand, as the node that answers sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyStatus {
    /// True if this node has not opened the root key: it replicates, and serves nothing.
    pub sealed: bool,
    /// Why it is sealed, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The KEK that this node wraps by from the next rotation on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kek: Option<String>,
    /// Why its provider does not answer; what is open stays open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_error: Option<String>,
    /// The root key; absent before one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootKey>,
    /// The generation of the keys that edges are handed.
    #[serde(default)]
    pub edges: u32,
    /// The keys of tenants.
    pub tenants: Vec<TenantKey>,
}

/// The root key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RootKey {
    /// Its version.
    pub version: u32,
    /// When it was made.
    pub since: Timestamp,
    /// The KEKs that it is wrapped by; any of them opens it.
    pub keks: Vec<RootKek>,
    /// The version that it replaces, while that still wraps something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retiring: Option<u32>,
}

/// A KEK that wraps the root key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RootKek {
    /// Its name.
    pub name: String,
    /// True if a provider of the node that answers has it.
    pub here: bool,
}

/// The key of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantKey {
    /// The tenant.
    pub tenant: String,
    /// Its version.
    pub version: u32,
    /// The version of the root key that wraps it; 0 for a KEK itself, as it was before there were
    /// root keys.
    pub root: u32,
    /// The version that it replaces, while something is still sealed by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retiring: Option<RetiringTenantKey>,
}

/// A tenant's key that is on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetiringTenantKey {
    /// Its version.
    pub version: u32,
    /// When it was replaced.
    pub since: Timestamp,
    /// How many secrets were sealed anew.
    pub resealed: u64,
    /// How far the present look for more has come.
    pub percent: u8,
}

/// A key that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplacedKey {
    /// The version of the new one.
    pub version: u32,
}

/// What wraps the root key now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WrappedBy {
    /// The name of the KEK.
    pub kek: String,
}

/// Whom a copy of the root key is to be encrypted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EscrowKey {
    /// The recipient's public key.
    pub recipient: PublicJwk,
}

/// A copy of the root key, encrypted: in escrow, or to a sealed node that it is to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EscrowedKey {
    /// The cluster's id.
    #[schema(value_type = pattern::ClusterId)]
    pub cluster: String,
    /// The version of the root key.
    pub version: u32,
    /// The key, encrypted: `1.<thumbprint of the recipient>.<base64url>`, by HPKE.
    #[schema(value_type = pattern::Text)]
    pub key: String,
}

/// That somebody has the root key, without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProveKey {
    /// The version of the root key.
    pub version: u32,
    /// 32 bytes at random, in base64url without padding.
    #[schema(value_type = pattern::Bytes32)]
    pub challenge: String,
    /// The proof: 32 bytes that only the root key gives for that, in base64url without padding.
    #[schema(value_type = pattern::Bytes32)]
    pub proof: String,
}
