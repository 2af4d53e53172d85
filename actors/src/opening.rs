//! The one call that opens a session: the check of a credential, up to the proposal.

use crate::proof::{self, KnownBy, Proof};
use crate::propose::millis;
use crate::{CameFrom, EdgeId, Ports, Reason, fresh};
use claviger_dtls::schedule::{self, Evidence, OpenError};
use claviger_dtls::{Claim, Opened, SessionKeys, SharedSecret, StoredSession};
use claviger_front::Open;
use claviger_ledger::{
    Command, DeviceRef, Incarnation, OpenSession, Resumable, Rows, Session, SessionId, View,
};
use claviger_seal::{Keyring, Label, TenantKey, Wrapped};
use core::net::SocketAddr;
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
    /// What was proven.
    pub(crate) known_by: KnownBy,
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
    /// What was to be resumed is there no more.
    Gone,
    /// The device has opened too many sessions lately.
    TooOften,
    /// A row is missing or does not open.
    Broken(&'static str),
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::BadFinished => Self::Unproven(Reason::WrongKey),
            OpenError::Stale => Self::Unproven(Reason::Stale),
            OpenError::Malformed => Self::Malformed,
        }
    }
}

/// What the client of a handshake claims to be; nothing if the edge says another thing of it than
/// the client itself.
pub(crate) fn claim(open: &Open) -> Option<Claim> {
    let claim = schedule::claim(&open.transcript).ok()?;
    let said: &[u8] = if let Claim::Psk { identity } = &claim { identity } else { &[] };
    (said == open.identity).then_some(claim)
}

/// Checks the handshake in `open` against the rows.
pub(crate) fn check(
    rows: &dyn Rows,
    ports: &Ports,
    (open, origin): (&Open, CameFrom),
    claim: &Claim,
    (edge, now): (EdgeId, Duration),
) -> Result<Checked, Failure> {
    let shared = open.shared.as_ref().map(|shared| Zeroizing::new(shared.0.clone()));
    let shared = shared.and_then(SharedSecret::new);
    let evidence = Evidence {
        transcript: &open.transcript,
        finished: &open.finished,
        suite: open.suite,
        cid: open.cid.as_ref().map(|cid| &cid[..]),
        peer_cid: open.peer_cid.as_deref(),
        shared: shared.as_ref(),
    };
    // A Finished costs less than a signature, and that less than a chain.
    let signed = match claim {
        Claim::Key(presented) => {
            let opened = schedule::open_shared(now, &evidence)?;
            let subject = proof::presented(ports, presented).ok_or(Failure::Malformed)?;
            // An edge that is ours has seen to it: one that asks without a signature is broken, or
            // somebody else's.
            if origin != CameFrom::Here && !proof::is_signed(ports, &subject, &open.transcript) {
                return Err(Failure::Malformed);
            }
            Some((opened, subject))
        }
        Claim::Psk { .. } | Claim::Nothing => None,
    };
    let view = View::new(rows);
    check_incarnation(&view, &open.transcript)?;
    let subject = signed.as_ref().map(|(_, subject)| subject);
    let proof = proof::find(&view, ports, &open.realm, (claim, subject), now)?;
    let (opened, resumable) = match (signed, &proof.psk) {
        (Some((opened, _)), None) => (opened, None),
        (None, Some(psk)) => schedule::open_resumable(psk, now, &evidence)?,
        _ => return Err(Failure::Malformed),
    };
    let place = Place { edge, listener: &open.listener, peer: open.peer, now };
    let command = command(ports, &proof, &opened, &evidence, &place)?;
    let resumable = resumable.map(|kept| {
        let label = Label::Resumption { tenant: &proof.device.tenant, handle: &kept.handle };
        let sealed = proof.tenant_key.seal(label, &kept.encode(), ports.crypto.random());
        Box::new(Resumable { handle: kept.handle, sealed })
    });
    let command = OpenSession { resumable, ..command };
    Ok(ready(&view, ports, proof, opened, command, now))
}

/// Refuses a handshake that began before the ledger's present incarnation: it may have opened a
/// session that is lost, whose numbers nobody knows. When it began is what its edge says: one that
/// lies has the keys of that session anyway.
pub(crate) fn check_incarnation(view: &View<'_>, transcript: &[u8]) -> Result<(), Failure> {
    let Some(incarnation) = view.incarnation() else { return Ok(()) };
    let began = schedule::began(transcript).ok_or(Failure::Malformed)?;
    match is_of_before(&incarnation, began) {
        true => Err(Failure::Unproven(Reason::Stale)),
        false => Ok(()),
    }
}

/// Whether a handshake may have begun before this incarnation did.
pub(crate) fn is_of_before(incarnation: &Incarnation, began: Duration) -> bool {
    millis(began) <= incarnation.begun_at
}

/// Completes the proposal by what its device may want besides.
pub(crate) fn ready(
    view: &View<'_>,
    ports: &Ports,
    proof: Proof,
    opened: Opened,
    command: OpenSession,
    now: Duration,
) -> Checked {
    let Proof { device, tenant_key, known_by, anchor, enrol, .. } = proof;
    // Most devices open a session to be bootstrapped.
    let wanted = enrol.is_some() || view.wants_fresh(&device, millis(now));
    let fresh = wanted.then(|| Box::new(fresh::make(&device, &tenant_key, ports.crypto.as_ref())));
    let session = command.session;
    let command = OpenSession { fresh, anchor, enrol, ..command }.into();
    Checked { opened, tenant_key, device, session, known_by, command }
}

/// Where and when a session is opened.
pub(crate) struct Place<'a> {
    pub(crate) edge: EdgeId,
    pub(crate) listener: &'a str,
    pub(crate) peer: SocketAddr,
    pub(crate) now: Duration,
}

/// The proposal for a session.
pub(crate) fn command(
    ports: &Ports,
    proof: &Proof,
    opened: &Opened,
    evidence: &Evidence<'_>,
    place: &Place<'_>,
) -> Result<OpenSession, Failure> {
    let session = SessionId(opened.session.0);
    let stored = StoredSession::at_open(evidence, opened, place.peer, place.now);
    let stored = stored.and_then(|stored| stored.encode()).ok_or(Failure::Malformed)?;
    let label = Label::Session { tenant: &proof.device.tenant, session: &session.0 };
    let row = Session {
        credential: proof.credential,
        suite: evidence.suite,
        sealed: proof.tenant_key.seal(label, &stored, ports.crypto.random()),
        cid: evidence.cid.unwrap_or_default().to_vec(),
        peer_cid: evidence.peer_cid.unwrap_or_default().to_vec(),
        listener: place.listener.to_owned(),
        peer: place.peer.to_string(),
        generation: 0,
        highest_read: 0,
        opened_at: 0,
        restorable: true,
        anchor: None,
        edge: Some(place.edge.0),
    };
    Ok(OpenSession::new(proof.device.clone(), session, row))
}

/// The key of `tenant`.
pub(crate) fn tenant_key(
    view: &View<'_>,
    keys: &Keyring,
    tenant: &str,
) -> Result<TenantKey, Failure> {
    let record = view.tenant(tenant).ok_or(Failure::Broken("no tenant"))?;
    let wrapped = |(version, root, bytes)| Wrapped { version, root, bytes };
    let key = keys.tenant(tenant, &record.keys().map(wrapped).collect::<Vec<_>>());
    key.map_err(|_| Failure::Broken("the tenant's key does not open by this node's root key"))
}

/// The key block in the form of a frame.
pub(crate) fn key_bytes(keys: &SessionKeys) -> Vec<u8> {
    keys.to_bytes().to_vec()
}
