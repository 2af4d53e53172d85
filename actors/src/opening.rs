//! The one call that opens a session: the check of a credential, up to the proposal.

use crate::Reason;
use claviger_dtls::schedule::{self, Evidence, OpenError};
use claviger_dtls::{Opened, SessionKeys};
use claviger_front::Open;
use claviger_ledger::{
    Command, CredentialId, DeviceRef, OpenSession, Rows, Session, SessionId, View,
};
use claviger_seal::{Kek, Label, SALT, TenantKey};
use core::time::Duration;

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

/// Checks the handshake in `open` against the rows; `salt` was never used before.
pub(crate) fn check(
    rows: &dyn Rows,
    kek: &Kek,
    open: &Open,
    now: Duration,
    salt: [u8; SALT],
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
    let opened = schedule::open(&psk, now, &evidence(open)).map_err(|error| match error {
        OpenError::BadFinished => Failure::Unproven(Reason::WrongKey),
        OpenError::Stale => Failure::Unproven(Reason::Stale),
        _ => Failure::Malformed,
    })?;
    let session = SessionId(opened.session.0);
    let keys = zeroize::Zeroizing::new(opened.keys.to_bytes());
    let label = Label::Session { tenant: &device.tenant, session: &session.0 };
    let sealed_keys = tenant_key.seal(label, &*keys, salt);
    let command = propose(open, &device, credential, session, sealed_keys);
    Ok(Checked { opened, tenant_key, device, session, command })
}

/// The key of `tenant`, unwrapped.
pub(crate) fn tenant_key(view: &View<'_>, kek: &Kek, tenant: &str) -> Result<TenantKey, Failure> {
    let record = view.tenant(tenant).ok_or(Failure::Broken("no tenant"))?;
    let key = kek.unwrap(tenant, &record.wrapped_key);
    key.map_err(|_| Failure::Broken("the tenant's key does not open under this KEK"))
}

fn evidence(open: &Open) -> Evidence<'_> {
    Evidence {
        transcript: &open.transcript,
        finished: &open.finished,
        suite: open.suite,
        cid: open.cid.as_ref().map(|cid| &cid[..]),
        peer_cid: open.peer_cid.as_deref(),
    }
}

fn propose(
    open: &Open,
    device: &DeviceRef,
    credential: CredentialId,
    session: SessionId,
    sealed_keys: Vec<u8>,
) -> Command {
    let opened = Session {
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
    };
    OpenSession { device: device.clone(), session, opened }.into()
}

/// The key block in the form of a frame.
pub(crate) fn key_bytes(keys: &SessionKeys) -> Vec<u8> {
    keys.to_bytes().to_vec()
}
