//! A signed webhook (Standard Webhooks): what it says, and what the server answered.

use super::message::{About, News, Staged, Way};
use super::way::{self, Ways};
use super::{SigningSecret, headers};
use crate::telemetry;
use claviger_api::{
    CredentialRevoked, CredentialStaged, EventType, RevokedCredential, RevokedPsk, Secret,
    SecurityMode, StagedCredential, StagedPsk, Timestamp,
};
use claviger_ledger::{CredentialId, DeviceRef, Withdrawal};
use data_encoding::HEXLOWER;
use reqwest::{Url, header};
use zeroize::Zeroizing;

/// A message ready to be sent.
pub(super) struct Message {
    url: String,
    connector: String,
    id: String,
    secret: SigningSecret,
    body: Zeroizing<Vec<u8>>,
}

impl Message {
    /// The message that brings `news` by `way`.
    pub(super) fn new(way: Way, news: &News, about: &About<'_>) -> Self {
        let (id, body) = match news {
            News::Staged(staged) => (about.id.to_string(), told(staged, about)),
            // A message of its own: its id is not that of the one that brought the credential.
            News::Withdrawn(withdrawal, at) => {
                (format!("{}-revoked", about.id), revoked(withdrawal, *at, about))
            }
        };
        let secret = SigningSecret::new(&way.secret);
        Self { url: way.url, connector: way.name, id, secret, body }
    }

    /// Sends it at `time`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// Words for the device's timeline: what the server answered, and what to do.
    pub(super) async fn send(&self, ways: &Ways, time: u64) -> Result<(), String> {
        let name = &self.connector;
        let url = way::read(&self.url, name)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let signature = self.secret.sign(&self.id, time, &self.body);
        let mut request = ways
            .to(&url)
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(headers::ID, &self.id)
            .header(headers::TIMESTAMP, time.to_string())
            .header(headers::SIGNATURE, signature)
            .body(self.body.to_vec());
        if let Some(parent) = telemetry::current() {
            request = request.header("traceparent", parent);
        }
        let server = format!("the LwM2M server ({host}, \"{name}\")");
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => {
                let status = answer.status().as_u16();
                Err(format!("{server} answered {status}; {}", advice(status)))
            }
            Err(error) => Err(way::silence(&server, &error)),
        }
    }
}

fn revoked(withdrawal: &Withdrawal, at: u64, about: &About<'_>) -> Zeroizing<Vec<u8>> {
    let message = CredentialRevoked {
        kind: EventType::CredentialRevoked,
        timestamp: Timestamp(at),
        data: RevokedCredential {
            tenant: about.of.tenant.clone(),
            device: about.of.device.clone(),
            endpoint: withdrawal.endpoint.clone(),
            credential: about.id.to_string(),
            server_uri: withdrawal.parties.first().cloned().unwrap_or_default(),
            psk: RevokedPsk {
                identity: String::from_utf8_lossy(&withdrawal.identity).into_owned(),
            },
            state: withdrawal.state.to_string(),
            reason: withdrawal.reason.clone(),
        },
    };
    Zeroizing::new(serde_json::to_vec(&message).expect("texts and numbers become JSON"))
}

fn told(staged: &Staged, about: &About<'_>) -> Zeroizing<Vec<u8>> {
    let message = CredentialStaged {
        kind: EventType::CredentialStaged,
        timestamp: Timestamp(staged.created_at),
        data: StagedCredential {
            tenant: about.of.tenant.clone(),
            device: about.of.device.clone(),
            endpoint: staged.endpoint.clone(),
            credential: about.id.to_string(),
            server_uri: staged.server_uri.clone(),
            short_server_id: staged.short_server_id,
            security_mode: SecurityMode::Psk,
            psk: StagedPsk {
                identity: staged.identity.clone(),
                key: Secret::new(HEXLOWER.encode(&staged.key)),
            },
            replaces: staged.replaces.clone(),
            use_url: use_url(about.public_url, about.of, about.id),
        },
    };
    Zeroizing::new(serde_json::to_vec(&message).expect("texts and numbers become JSON"))
}

/// Where the use of a credential is reported.
fn use_url(public_url: &str, of: &DeviceRef, id: CredentialId) -> String {
    let mut url = Url::parse(public_url).expect("the process knows its own URL");
    let id = id.to_string();
    let path = ["api", "v1", "tenants", &of.tenant, "devices", &of.device, "credentials", &id];
    url.path_segments_mut()
        .expect("an http URL has segments")
        .pop_if_empty()
        .extend(path)
        .push("use");
    url.into()
}

const fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "compare the connector's secret and the clocks",
        404 | 405 | 410 => "look at the connector's URL",
        300..=399 => "redirects are not followed: set the connector's URL to where it leads",
        400..=499 => "look at the LwM2M server's log for what it refuses",
        _ => "look at the LwM2M server's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_url_holds_any_device_id() {
        let of = DeviceRef { tenant: "t".into(), device: "urn:a/b ?%ü".into() };

        let url = use_url("http://127.0.0.1:8080", &of, CredentialId([1; 16]));

        assert_eq!(
            url,
            "http://127.0.0.1:8080/api/v1/tenants/t/devices/urn:a%2Fb%20%3F%25%C3%BC/credentials/01010101010101010101010101010101/use"
        );
    }

    #[test]
    fn a_public_url_below_a_path_is_kept() {
        let of = DeviceRef { tenant: "t".into(), device: "d".into() };
        let url = use_url("https://a.example/kdc/", &of, CredentialId([1; 16]));
        assert!(url.starts_with("https://a.example/kdc/api/v1/tenants/t/devices/d/"), "{url}");
    }
}
