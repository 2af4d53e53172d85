//! Bootstrap profiles.

use crate::{integer, pattern};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A profile to be set: `PUT /api/v1/tenants/{tenant}/profiles/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutProfile {
    /// The LwM2M server that its devices are to use: `coaps://host[:port]`, at most 255 bytes.
    #[schema(value_type = pattern::ServerUri)]
    pub server_uri: String,
    /// That server's Short Server ID: 1 to 65534. 1 where it is absent.
    #[serde(default = "PutProfile::short_server_id", deserialize_with = "integer::read")]
    #[schema(default = 1, minimum = 1, maximum = 65_534)]
    pub short_server_id: u16,
    /// For how long a registration holds, in seconds, above 0. A day where it is absent.
    #[serde(default = "PutProfile::registration_lifetime", deserialize_with = "integer::read")]
    #[schema(default = 86_400, minimum = 1, maximum = 2_147_483_647)]
    pub registration_lifetime: u32,
    /// For how long a credential is valid, in seconds, above 0, at most a hundred years. A year where it is absent.
    #[serde(default = "PutProfile::credential_lifetime", deserialize_with = "integer::read")]
    #[schema(default = 31_536_000, minimum = 1, maximum = 3_153_600_000_i64)]
    pub credential_lifetime: u64,
    /// The binding; only `U` (UDP) so far, and `U` where it is absent.
    #[serde(default = "PutProfile::binding")]
    #[schema(default = "U", pattern = "^U$")]
    pub binding: String,
    /// How the devices secure the way to that server; `psk` where it is absent.
    #[serde(default)]
    pub security_mode: SecurityMode,
    /// The connector by which that server learns of credentials.
    #[schema(value_type = pattern::Name)]
    pub connector: String,
}

impl PutProfile {
    const fn short_server_id() -> u16 {
        1
    }

    const fn registration_lifetime() -> u32 {
        86_400
    }

    const fn credential_lifetime() -> u64 {
        365 * 86_400
    }

    fn binding() -> String {
        "U".to_owned()
    }

    /// A profile with everything that has a default left to it.
    pub fn new(server_uri: impl Into<String>, connector: impl Into<String>) -> Self {
        Self {
            server_uri: server_uri.into(),
            short_server_id: Self::short_server_id(),
            registration_lifetime: Self::registration_lifetime(),
            credential_lifetime: Self::credential_lifetime(),
            binding: Self::binding(),
            security_mode: SecurityMode::default(),
            connector: connector.into(),
        }
    }
}

/// How a device secures the way to its LwM2M server (resource `/0/x/2`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecurityMode {
    /// A pre-shared key: mode 0.
    #[default]
    Psk,
}

/// A bootstrap profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The LwM2M server's URI.
    pub server_uri: String,
    /// The LwM2M server's Short Server ID.
    pub short_server_id: u16,
    /// For how long a registration holds, in seconds.
    pub registration_lifetime: u32,
    /// For how long a credential is valid, in seconds.
    pub credential_lifetime: u64,
    /// The binding.
    pub binding: String,
    /// How its devices secure the way to the LwM2M server.
    pub security_mode: SecurityMode,
    /// The connector by which the LwM2M server learns of credentials.
    pub connector: String,
    /// Raised by each change, and never what it was before.
    pub version: u64,
}

/// A tenant's profiles, in the order of the length of their names, then of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profiles {
    /// The profiles.
    pub profiles: Vec<Profile>,
}
