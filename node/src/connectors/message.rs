//! What an LwM2M server is to be told of one credential, for whichever kind of connector.
//!
//! [`aim`] says whom it concerns, [`Message::compose`] makes the message, [`Message::send`] sends
//! it. What a kind makes of the same news stands in a file of its own.

use super::gates::Gate;
use super::way::Ways;
use super::{leshan, webhook};
use crate::keys::key_of;
use claviger_ledger::{
    ConnectorKind, Credential, CredentialId, DeviceRef, OutboxItem, State, View, Withdrawal,
};
use claviger_seal::{Keyring, Label};
use zeroize::Zeroizing;

/// A message ready to be sent.
pub(super) struct Message {
    /// True if the server is to forget the credential.
    pub(super) withdraws: bool,
    to: To,
}

enum To {
    Webhook(webhook::Message),
    Leshan(leshan::Message),
}

/// Whom an item of the outbox concerns.
pub(super) struct Aim {
    /// The connector by which its server is told.
    pub(super) connector: String,
    /// How the server is told.
    pub(super) kind: ConnectorKind,
    /// The device's endpoint name, where the server holds one credential an endpoint: what is done
    /// to one must not overtake what is done to another.
    pub(super) endpoint: Option<String>,
}

/// The connector that a message goes by.
pub(super) struct Way {
    /// Its name.
    pub(super) name: String,
    /// Its URL.
    pub(super) url: String,
    /// Its secret.
    pub(super) secret: Zeroizing<Vec<u8>>,
}

/// Which credential a message is about.
pub(super) struct About<'a> {
    pub(super) of: &'a DeviceRef,
    pub(super) id: CredentialId,
    /// Where LwM2M servers reach this API.
    pub(super) public_url: &'a str,
}

/// What is to be told.
pub(super) enum News {
    /// The server must learn of a credential.
    Staged(Staged),
    /// It must forget one, since this time in ms.
    Withdrawn(Withdrawal, u64),
}

/// A credential that a server must learn of.
pub(super) struct Staged {
    pub(super) created_at: u64,
    pub(super) endpoint: String,
    pub(super) short_server_id: u16,
    pub(super) server_uri: String,
    pub(super) identity: String,
    pub(super) key: Zeroizing<Vec<u8>>,
    /// The ids of those that it replaces.
    pub(super) replaces: Vec<String>,
}

/// Whom the credential's item in the outbox concerns; none if there is no item.
pub(super) fn aim(view: &View<'_>, of: &DeviceRef, id: CredentialId) -> Option<Aim> {
    let item = view.outbox_item(of, id)?;
    let kind = view.connector(&of.tenant, &item.connector).map(|it| it.kind).unwrap_or_default();
    let told = item.withdrawal.map(|withdrawal| withdrawal.endpoint);
    // Only where an endpoint has a lane does it matter which it is.
    let endpoint =
        if kind.holds_one() { told.or_else(|| Some(view.device(of)?.endpoint)) } else { None };
    Some(Aim { connector: item.connector, kind, endpoint })
}

impl Message {
    /// The message about a credential in the outbox; none if nothing must be told of it.
    ///
    /// # Errors
    /// Words for the device's timeline: something that it needs is missing or does not open.
    pub(super) fn compose(
        view: &View<'_>,
        keys: &Keyring,
        about: &About<'_>,
    ) -> Result<Option<Self>, String> {
        let (of, id) = (about.of, about.id);
        let Some(item) = view.outbox_item(of, id) else {
            return Ok(None);
        };
        let name = item.connector.clone();
        let missing =
            || format!("the connector \"{name}\" or what it should tell is missing; set it again");
        let connector = view.connector(&of.tenant, &name).ok_or_else(missing)?;
        let tenant = view.tenant(&of.tenant).ok_or_else(missing)?;
        let open = |label, sealed: &[u8]| {
            let key = key_of(keys, &of.tenant, &tenant).and_then(|key| key.open(label, sealed));
            key.map_err(|_| "a secret in the ledger does not open by this node's keys".to_owned())
        };
        let label = Label::Connector { tenant: &of.tenant, connector: &name };
        let secret = open(label, &connector.sealed_secret)?;
        let news = if let Some(withdrawal) = item.withdrawal {
            News::Withdrawn(withdrawal, item.created_at)
        } else {
            let label =
                Label::Credential { tenant: &of.tenant, device: &of.device, credential: &id.0 };
            let key = open(label, &view.material(of, id).ok_or_else(missing)?)?;
            News::Staged(gather(view, of, id, item, key).ok_or_else(missing)?)
        };
        let withdraws = matches!(news, News::Withdrawn(..));
        let way = Way { name: name.clone(), url: connector.url, secret };
        let to = match connector.kind {
            ConnectorKind::Webhook => To::Webhook(webhook::Message::new(way, &news, about)),
            ConnectorKind::Leshan => To::Leshan(leshan::Message::new(way, news)),
            // Nothing is put into the outbox for a server that asks.
            ConnectorKind::Pull => return Ok(None),
        };
        Ok(Some(Self { withdraws, to }))
    }

    /// Sends it at `time`, in seconds since the Unix epoch, behind its connector's `gate`.
    ///
    /// # Errors
    /// Words for the device's timeline: what the server answered, and what to do.
    pub(super) async fn send(&self, ways: &Ways, gate: &Gate, time: u64) -> Result<(), String> {
        match &self.to {
            To::Webhook(message) => message.send(ways, time).await,
            To::Leshan(message) => message.send(ways, gate).await,
        }
    }
}

fn gather(
    view: &View<'_>,
    of: &DeviceRef,
    id: CredentialId,
    item: OutboxItem,
    key: Zeroizing<Vec<u8>>,
) -> Option<Staged> {
    let credential = view.credential(of, id)?;
    let (profile, _) = credential.profile.as_ref()?;
    let is_replaced = |other: &Credential| {
        let valid = matches!(other.state, State::Delivered | State::Active);
        valid && other.parties == credential.parties
    };
    let others = view.credentials(of).into_iter();
    let replaced = others.filter(|(other, row)| *other != id && is_replaced(row));
    Some(Staged {
        created_at: item.created_at,
        endpoint: view.device(of)?.endpoint,
        short_server_id: view.profile(&of.tenant, profile)?.short_server_id,
        server_uri: credential.parties.first().cloned().unwrap_or_default(),
        identity: String::from_utf8_lossy(&credential.identity).into_owned(),
        key,
        replaces: replaced.map(|(id, _)| id.to_string()).collect(),
    })
}
