//! The bodies of the webhook to an LwM2M server.

use crate::{Secret, SecurityMode, Timestamp};
use serde::{Deserialize, Serialize};

/// What an LwM2M server is told in a Standard Webhooks message: a credential that it must accept.
///
/// It is sent at least once, under the credential's id as `webhook-id`, before the device is given
/// the credential. Any 2xx means: the server holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialStaged {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When the credential was made.
    pub timestamp: Timestamp,
    /// The credential.
    pub data: StagedCredential,
}

/// The kinds of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventType {
    /// A credential is made and will be given to the device.
    #[serde(rename = "credential.staged")]
    CredentialStaged,
    /// A credential has ended before its time, or its time is over.
    #[serde(rename = "credential.revoked")]
    CredentialRevoked,
}

/// A credential as the LwM2M server needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedCredential {
    /// The device's tenant.
    pub tenant: String,
    /// The device's id.
    pub device: String,
    /// The device's endpoint client name, as it will register.
    pub endpoint: String,
    /// The credential's id: 32 hexadecimal digits.
    pub credential: String,
    /// The LwM2M server that it is for.
    pub server_uri: String,
    /// The Short Server ID that the device is told.
    pub short_server_id: u16,
    /// The kind of credential: `psk`.
    pub security_mode: SecurityMode,
    /// The pre-shared key.
    pub psk: StagedPsk,
    /// Ids of credentials of this device that stay valid until this one is seen in use.
    pub replaces: Vec<String>,
    /// Where its first use is to be reported, by a POST signed as this message is.
    pub use_url: String,
}

/// A pre-shared key as the LwM2M server needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedPsk {
    /// The PSK identity.
    pub identity: String,
    /// The key in lower-case hexadecimal digits.
    pub key: Secret,
}

/// What an LwM2M server is told in a Standard Webhooks message: a credential that it must not
/// accept any more. Any 2xx means: the server does not; also if it never knew it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRevoked {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When the credential ended.
    pub timestamp: Timestamp,
    /// The credential.
    pub data: RevokedCredential,
}

/// A credential as the LwM2M server needs it to forget it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedCredential {
    /// The device's tenant.
    pub tenant: String,
    /// The device's id; it may be deleted.
    pub device: String,
    /// The device's endpoint client name.
    pub endpoint: String,
    /// The credential's id: 32 hexadecimal digits.
    pub credential: String,
    /// The LwM2M server that it was for.
    pub server_uri: String,
    /// The pre-shared key, by its identity.
    pub psk: RevokedPsk,
    /// How it ended: superseded, revoked or expired.
    pub state: String,
    /// Why, in words.
    pub reason: String,
}

/// A pre-shared key that is not to be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedPsk {
    /// The PSK identity.
    pub identity: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_written_as_documented() {
        let body = CredentialRevoked {
            kind: EventType::CredentialRevoked,
            timestamp: Timestamp(1_795_543_200_000),
            data: RevokedCredential {
                tenant: "default".into(),
                device: "d".into(),
                endpoint: "e".into(),
                credential: "00".into(),
                server_uri: "coaps://127.0.0.1:5685".into(),
                psk: RevokedPsk { identity: "i".into() },
                state: "expired".into(),
                reason: "Its time is over.".into(),
            },
        };

        let json = serde_json::to_string(&body).unwrap();

        assert_eq!(
            json,
            r#"{"type":"credential.revoked","timestamp":"2026-11-24T18:00:00Z","data":{"tenant":"default","device":"d","endpoint":"e","credential":"00","server_uri":"coaps://127.0.0.1:5685","psk":{"identity":"i"},"state":"expired","reason":"Its time is over."}}"#
        );
        assert_eq!(serde_json::from_str::<CredentialRevoked>(&json).unwrap(), body);
    }

    #[test]
    fn is_written_as_documented() {
        let body = CredentialStaged {
            kind: EventType::CredentialStaged,
            timestamp: Timestamp(1_795_543_200_000),
            data: StagedCredential {
                tenant: "default".into(),
                device: "d".into(),
                endpoint: "e".into(),
                credential: "00".into(),
                server_uri: "coaps://127.0.0.1:5685".into(),
                short_server_id: 123,
                security_mode: SecurityMode::Psk,
                psk: StagedPsk { identity: "i".into(), key: Secret::new("ff".into()) },
                replaces: vec!["11".into()],
                use_url: "u".into(),
            },
        };

        let json = serde_json::to_string(&body).unwrap();

        assert_eq!(
            json,
            r#"{"type":"credential.staged","timestamp":"2026-11-24T18:00:00Z","data":{"tenant":"default","device":"d","endpoint":"e","credential":"00","server_uri":"coaps://127.0.0.1:5685","short_server_id":123,"security_mode":"psk","psk":{"identity":"i","key":"ff"},"replaces":["11"],"use_url":"u"}}"#
        );
        assert_eq!(serde_json::from_str::<CredentialStaged>(&json).unwrap(), body);
        assert!(!format!("{body:?}").contains("ff"));
    }
}
