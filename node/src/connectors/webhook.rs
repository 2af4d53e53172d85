//! One message to an LwM2M server: what it says, its signature, and what the server answered.

use super::{SigningSecret, headers, is_loopback};
use crate::telemetry;
use claviger_api::{
    CredentialRevoked, CredentialStaged, EventType, RevokedCredential, RevokedPsk, Secret,
    SecurityMode, StagedCredential, StagedPsk, Timestamp,
};
use claviger_ledger::{Credential, CredentialId, DeviceRef, OutboxItem, State, View, Withdrawal};
use claviger_seal::{Kek, Label};
use core::time::Duration;
use data_encoding::HEXLOWER;
use reqwest::redirect::Policy;
use reqwest::{Client, Url, header};
use zeroize::Zeroizing;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A message ready to be sent.
pub(super) struct Message {
    url: String,
    connector: String,
    id: String,
    secret: SigningSecret,
    body: Zeroizing<Vec<u8>>,
    /// True if the server is to forget the credential.
    pub(super) withdraws: bool,
}

/// What a message is made from, as the ledger has it.
struct Told {
    item: OutboxItem,
    endpoint: String,
    short_server_id: u16,
    credential: Credential,
    replaces: Vec<String>,
    sealed_key: Vec<u8>,
}

/// The way to the server, as the ledger has it.
struct Way {
    url: String,
    sealed_secret: Vec<u8>,
    wrapped_key: Vec<u8>,
}

/// The message about a credential in the outbox; none if nothing must be told of it.
///
/// # Errors
/// Words for the device's timeline: something that the message needs is missing or does not open.
pub(super) fn compose(
    view: &View<'_>,
    kek: &Kek,
    public_url: &str,
    of: &DeviceRef,
    id: CredentialId,
) -> Result<Option<Message>, String> {
    let Some(item) = view.outbox_item(of, id) else {
        return Ok(None);
    };
    let connector = item.connector.clone();
    let missing =
        || format!("the connector \"{connector}\" or what it should tell is missing; set it again");
    let way = way(view, of, &connector).ok_or_else(missing)?;
    let open = |label, sealed: &[u8]| {
        let key = kek.unwrap(&of.tenant, &way.wrapped_key)?;
        key.open(label, sealed)
    };
    let closed = |_| "a secret in the ledger does not open under this node's KEK".to_owned();
    let label = Label::Connector { tenant: &of.tenant, connector: &connector };
    let secret = SigningSecret::new(&open(label, &way.sealed_secret).map_err(closed)?);
    let url = way.url.clone();
    if let Some(withdrawal) = &item.withdrawal {
        let body = revoked(withdrawal, item.created_at, of, id);
        // A message of its own: its id is not that of the one that brought the credential.
        let id = format!("{id}-revoked");
        return Ok(Some(Message { url, connector, id, secret, body, withdraws: true }));
    }
    let told = gather(view, of, id, item).ok_or_else(missing)?;
    let label = Label::Credential { tenant: &of.tenant, device: &of.device, credential: &id.0 };
    let key = open(label, &told.sealed_key).map_err(closed)?;
    let body = body(&told, public_url, of, id, &key);
    Ok(Some(Message { url, connector, id: id.to_string(), secret, body, withdraws: false }))
}

fn way(view: &View<'_>, of: &DeviceRef, connector: &str) -> Option<Way> {
    let connector = view.connector(&of.tenant, connector)?;
    let wrapped_key = view.tenant(&of.tenant)?.wrapped_key;
    Some(Way { url: connector.url, sealed_secret: connector.sealed_secret, wrapped_key })
}

fn gather(view: &View<'_>, of: &DeviceRef, id: CredentialId, item: OutboxItem) -> Option<Told> {
    let credential = view.credential(of, id)?;
    let (profile, _) = credential.profile.as_ref()?;
    let is_replaced = |other: &Credential| {
        let valid = matches!(other.state, State::Delivered | State::Active);
        valid && other.parties == credential.parties
    };
    let others = view.credentials(of).into_iter();
    let replaced = others.filter(|(other, row)| *other != id && is_replaced(row));
    Some(Told {
        endpoint: view.device(of)?.endpoint,
        short_server_id: view.profile(&of.tenant, profile)?.short_server_id,
        replaces: replaced.map(|(id, _)| id.to_string()).collect(),
        sealed_key: view.material(of, id)?,
        item,
        credential,
    })
}

fn revoked(
    withdrawal: &Withdrawal,
    at: u64,
    of: &DeviceRef,
    id: CredentialId,
) -> Zeroizing<Vec<u8>> {
    let message = CredentialRevoked {
        kind: EventType::CredentialRevoked,
        timestamp: Timestamp(at),
        data: RevokedCredential {
            tenant: of.tenant.clone(),
            device: of.device.clone(),
            endpoint: withdrawal.endpoint.clone(),
            credential: id.to_string(),
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

fn body(
    told: &Told,
    public_url: &str,
    of: &DeviceRef,
    id: CredentialId,
    key: &[u8],
) -> Zeroizing<Vec<u8>> {
    let message = CredentialStaged {
        kind: EventType::CredentialStaged,
        timestamp: Timestamp(told.item.created_at),
        data: StagedCredential {
            tenant: of.tenant.clone(),
            device: of.device.clone(),
            endpoint: told.endpoint.clone(),
            credential: id.to_string(),
            server_uri: told.credential.parties.first().cloned().unwrap_or_default(),
            short_server_id: told.short_server_id,
            security_mode: SecurityMode::Psk,
            psk: StagedPsk {
                identity: String::from_utf8_lossy(&told.credential.identity).into_owned(),
                key: Secret::new(HEXLOWER.encode(key)),
            },
            replaces: told.replaces.clone(),
            use_url: use_url(public_url, of, id),
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

/// The two ways out: to this machine never by a proxy, else as the environment says.
pub(super) struct Post {
    near: Client,
    far: Client,
}

impl Post {
    /// A way out.
    pub(super) fn new() -> Self {
        let client = || Client::builder().timeout(PATIENCE).redirect(Policy::none());
        let built = "TLS and DNS of this process can be set up";
        Self {
            near: client().no_proxy().build().expect(built),
            far: client().build().expect(built),
        }
    }

    /// Sends `message` at `time`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// Words for the device's timeline: what the server answered, and what to do.
    pub(super) async fn send(&self, message: &Message, time: u64) -> Result<(), String> {
        let name = &message.connector;
        let url = Url::parse(&message.url)
            .map_err(|_| format!("the URL of the connector \"{name}\" cannot be read"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let client = if is_loopback(&url) { &self.near } else { &self.far };
        let signature = message.secret.sign(&message.id, time, &message.body);
        let mut request = client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(headers::ID, &message.id)
            .header(headers::TIMESTAMP, time.to_string())
            .header(headers::SIGNATURE, signature)
            .body(message.body.to_vec());
        if let Some(parent) = telemetry::current() {
            request = request.header("traceparent", parent);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => {
                let status = answer.status().as_u16();
                let advice = advice(status);
                Err(format!("the LwM2M server ({host}, \"{name}\") answered {status}; {advice}"))
            }
            Err(error) => {
                let what = if error.is_timeout() {
                    "did not answer in time"
                } else if error.is_connect() {
                    "cannot be reached"
                } else {
                    "broke off"
                };
                Err(format!(
                    "the LwM2M server ({host}, \"{name}\") {what}; see that it runs and is reachable"
                ))
            }
        }
    }
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
