//! The one call that opens a session: the check of a credential, up to the proposal.

use crate::propose::millis;
use crate::{Reason, fresh};
use claviger_dtls::schedule::{self, Evidence, OpenError};
use claviger_dtls::{Opened, SessionKeys, SharedSecret};
use claviger_front::Open;
use claviger_ledger::{
    Command, CredentialId, DeviceRef, OpenSession, Rows, Session, SessionId, View,
};
use claviger_machine::Crypto;
use claviger_seal::{Kek, Label, TenantKey};
use core::time::Duration;
use zeroize::Zeroizing;

/// A checked handshake, ready to be proposed.
pub(crate) struct Checked {
    /// Record keys and the server's Finished, for the edge, after the commit.
    pub(crate) opened: Opened,
    /// The tenant's key, for the actor.
    pub(crate) tenant_key: TenantKey,
    /// Whose session it will be, and which.
    pub(crate) device: DeviceRef,
    pub(crate) session: SessionId,
    /// What to propose.
    pub(crate) command: Command,
}

/// Why a handshake is not proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The peer has proven nothing.
    Unproven(Reason),
    /// The call's bytes are no handshake of ours: a broken or hostile edge.
    Malformed,
    /// A row is missing or does not open.
    Broken(&'static str),
}

/// Checks the handshake in `open` against the rows.
pub(crate) fn check(
    rows: &dyn Rows,
    kek: &Kek,
    open: &Open,
    now: Duration,
    crypto: &dyn Crypto,
) -> Result<Checked, Failure> {
    // What the device itself sent counts, not what the edge says of it.
    if schedule::identity(&open.transcript) != Ok(open.identity.as_slice()) {
        return Err(Failure::Malformed);
    }
    let view = View::new(rows);
    let found = view.psk_identity(&open.realm, &open.identity);
    let (device, credential) = found.ok_or(Failure::Unproven(Reason::UnknownIdentity))?;
    let tenant_key = tenant_key(&view, kek, &device.tenant)?;
    let label = Label::Credential {
        tenant: &device.tenant,
        device: &device.device,
        credential: &credential.0,
    };
    let sealed = view.material(&device, credential).ok_or(Failure::Broken("no sealed key"))?;
    let psk = tenant_key.open(label, &sealed);
    let psk = psk.map_err(|_| Failure::Broken("a sealed key does not open"))?;
    let shared = open.shared.as_ref().map(|shared| Zeroizing::new(shared.0.clone()));
    let shared = shared.and_then(SharedSecret::new);
    let opened =
        schedule::open(&psk, now, &evidence(open, shared.as_ref())).map_err(
            |error| match error {
                OpenError::BadFinished => Failure::Unproven(Reason::WrongKey),
                OpenError::Stale => Failure::Unproven(Reason::Stale),
                _ => Failure::Malformed,
            },
        )?;
    let session = SessionId(opened.session.0);
    let keys = opened.keys.to_bytes();
    let label = Label::Session { tenant: &device.tenant, session: &session.0 };
    let sealed_keys = tenant_key.seal(label, &keys, crypto.random());
    let opened_with = session_of(open, credential, sealed_keys);
    // Most devices open a session to be bootstrapped.
    let at = millis(now);
    let wanted = view.wants_fresh(&device, at);
    let fresh = wanted.then(|| Box::new(fresh::make(&device, &tenant_key, crypto)));
    let command = OpenSession { device: device.clone(), session, opened: opened_with, fresh };
    let command = command.into();
    Ok(Checked { opened, tenant_key, device, session, command })
}

/// The key of `tenant`, unwrapped.
pub(crate) fn tenant_key(view: &View<'_>, kek: &Kek, tenant: &str) -> Result<TenantKey, Failure> {
    let record = view.tenant(tenant).ok_or(Failure::Broken("no tenant"))?;
    let key = kek.unwrap(tenant, &record.wrapped_key);
    key.map_err(|_| Failure::Broken("the tenant's key does not open under this KEK"))
}

fn evidence<'a>(open: &'a Open, shared: Option<&'a SharedSecret>) -> Evidence<'a> {
    Evidence {
        transcript: &open.transcript,
        finished: &open.finished,
        suite: open.suite,
        cid: open.cid.as_ref().map(|cid| &cid[..]),
        peer_cid: open.peer_cid.as_deref(),
        shared,
    }
}

fn session_of(open: &Open, credential: CredentialId, sealed_keys: Vec<u8>) -> Session {
    Session {
        credential,
        suite: open.suite,
        sealed_keys,
        cid: open.cid.map(Vec::from).unwrap_or_default(),
        peer_cid: open.peer_cid.clone().unwrap_or_default(),
        listener: open.listener.clone(),
        peer: open.peer.to_string(),
        generation: 0,
        highest_read: 0,
        opened_at: 0,
    }
}

/// The key block in the form of a frame.
pub(crate) fn key_bytes(keys: &SessionKeys) -> Vec<u8> {
    keys.to_bytes().to_vec()
}
