//! A tenant as a whole, on its way out: `GET` and `POST /api/v1/tenants/{tenant}/export`.
//!
//! An export is NDJSON. Its first line is an [`ExportHead`], its last an [`ExportEnd`]: without
//! that it is not whole. Between them stand the profiles, the connectors, what devices know the
//! server by, the trust anchors and the devices, these in the ledger's order. A reader passes over lines of a type, and fields, that it does not know.
//! Parts of one export may stand behind each other in one file, each with its head.

use crate::{
    Connector, Credential, Device, KeyInput, Profile, PublicJwk, ServerIdentity, Timestamp,
    TrustAnchor,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ExportLine {
    /// The first line.
    Export(ExportHead),
    /// A bootstrap profile.
    Profile(Profile),
    /// A connector, without its secret.
    Connector(Connector),
    /// What devices know the server by; never its private key.
    ServerIdentity(ServerIdentity),
    /// A trust anchor.
    TrustAnchor(TrustAnchor),
    /// A device and its credentials.
    Device(ExportedDevice),
    /// The last line.
    End(ExportEnd),
    /// What a later version has.
    #[serde(other)]
    Unknown,
}

/// What an export is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportHead {
    /// The form's version: 1. What a reader may pass over does not raise it.
    pub version: u32,
    /// The tenant.
    pub tenant: String,
    /// The realm that its devices prove themselves in.
    pub realm: String,
    /// When the tenant was made.
    pub created_at: Timestamp,
    /// When the export began.
    pub time: Timestamp,
    /// The id of the last event before it. Every device was read behind that event, and what has
    /// changed since a device was read stands in `GET .../events?after=` it. Absent if none is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_after: Option<String>,
    /// The device that it goes on behind, where an earlier part broke off: then it has no profiles
    /// and connectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The thumbprint of the key that secrets are encrypted to; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_to: Option<String>,
}

/// A device in an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportedDevice {
    /// The device itself.
    #[serde(flatten)]
    pub device: Device,
    /// Its credentials, oldest first.
    pub credentials: Vec<ExportedCredential>,
}

/// A credential in an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportedCredential {
    /// The credential itself.
    #[serde(flatten)]
    pub credential: Credential,
    /// Its key, encrypted to the recipient; only where secrets are exported, and the credential
    /// has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyInput>,
}

/// The end of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportEnd {
    /// How many devices stand between the head and this line.
    pub devices: u64,
}

/// What is asked for by `POST /api/v1/tenants/{tenant}/export`: an export with secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportSecrets {
    /// The key that they are encrypted to.
    pub recipient: PublicJwk,
    /// The device to go on behind, where an earlier part broke off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_its_type_and_one_that_is_not_known_is_read_as_such() {
        let end = ExportLine::End(ExportEnd { devices: 7 });
        assert_eq!(serde_json::to_value(&end).unwrap(), json!({ "type": "end", "devices": 7 }));
        let later = json!({ "type": "later", "x": 1 });
        assert_eq!(serde_json::from_value::<ExportLine>(later).unwrap(), ExportLine::Unknown);
    }

    #[test]
    fn a_device_reads_back_as_written() {
        let line = json!({
            "type": "device", "id": "d", "endpoint": "e", "profile": "p", "version": 3,
            "created_at": "2026-11-24T18:00:00Z",
            "credentials": [{
                "id": "00", "type": "psk", "state": "active", "identity": "i", "key_length": 16,
                "origin": "manufacturer", "parties": [], "not_before": "1970-01-01T00:00:00Z",
                "not_after": null, "confirmed_at": null, "profile": null,
                "key": { "format": "hpke", "value": "1.x.y" },
            }],
        });

        let read: ExportLine = serde_json::from_value(line.clone()).unwrap();

        assert!(matches!(&read, ExportLine::Device(of) if of.credentials[0].key.is_some()));
        assert_eq!(serde_json::to_value(&read).unwrap(), line);
    }
}
