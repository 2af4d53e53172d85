//! Resumption: the two steps by which a device goes on from an earlier handshake.
//!
//! What it takes is kept by the ledger under a random handle, sealed. The first step gives an edge
//! our flight and no key. The second is a session of its own, opened as any other: whether its
//! credential is still good is decided when that is applied.

use crate::opening::{self, Checked, Failure, Place};
use crate::proof::{self, KnownBy, Proof};
use crate::propose::millis;
use crate::{EdgeId, Ports};
use claviger_dtls::resume::{self, Declined, LIFETIME, Offer};
use claviger_dtls::schedule::Evidence;
use claviger_front::{Accepted, Resume, Step, WhyNotResumed};
use claviger_ledger::{OpenSession, Rows, View};
use claviger_seal::Label;
use core::time::Duration;

/// What is kept of the session that is to be resumed, and whose it is; nothing if it cannot be
/// resumed in this realm, or not by a credential as it is now.
fn kept(
    view: &View<'_>,
    ports: &Ports,
    resume: &Resume,
    now: Duration,
) -> Option<Result<(resume::Resumable, Proof), Failure>> {
    let row = view.resumption(&resume.handle).filter(|row| row.realm == resume.realm)?;
    let credential = view.credential(&row.device, row.credential)?;
    if !view.is_good(&row.device, &credential, None, millis(now)) {
        // The full handshake is refused, and the refusal is noted.
        return None;
    }
    let known_by = KnownBy(credential.kind, credential.identity);
    let proof = match proof::proof(view, ports, row.device, row.credential, known_by) {
        Ok(proof) => proof,
        Err(failure) => return Some(Err(failure)),
    };
    let label = Label::Resumption { tenant: &proof.device.tenant, handle: &resume.handle };
    let Ok(bytes) = proof.tenant_key.open(label, &row.sealed) else {
        return Some(Err(Failure::Broken("a sealed resumption does not open")));
    };
    // One that this version cannot read is as good as none.
    let kept = resume::Resumable::decode(&bytes)?;
    (now < kept.created + LIFETIME).then_some(Ok((kept, proof)))
}

/// The first step: our flight, or why a full handshake must do.
pub(crate) fn accept(
    rows: &dyn Rows,
    ports: &Ports,
    resume: &Resume,
    now: Duration,
) -> Result<Accepted, WhyNotResumed> {
    let Step::Accept { hello, random, sequence } = &resume.step else {
        return Err(WhyNotResumed::Unavailable);
    };
    let view = View::new(rows);
    let kept = kept(&view, ports, resume, now).ok_or(WhyNotResumed::FullHandshake)?;
    // Something is broken here, which a full handshake may do without, or tell of.
    let (kept, _) = kept.map_err(|_| WhyNotResumed::FullHandshake)?;
    let cid = resume.cid.as_ref().map(|cid| &cid[..]);
    let offer = Offer { hello, random, cid, sequence: *sequence };
    let accepted = resume::accept(&kept, now, &offer).map_err(|declined| match declined {
        Declined::Forbidden => WhyNotResumed::Forbidden,
        Declined::FullHandshake => WhyNotResumed::FullHandshake,
        Declined::Stale | Declined::Malformed => WhyNotResumed::Unavailable,
    })?;
    let resume::Accepted { suite, server_hello, finished } = accepted;
    Ok(Accepted { call: resume.call, suite, server_hello, finished })
}

/// The second step: a session, ready to be proposed.
pub(crate) fn check(
    rows: &dyn Rows,
    ports: &Ports,
    resume: &Resume,
    (edge, now): (EdgeId, Duration),
) -> Result<Checked, Failure> {
    let Step::Open { suite, transcript, finished } = &resume.step else {
        return Err(Failure::Malformed);
    };
    let view = View::new(rows);
    opening::check_incarnation(&view, transcript)?;
    let (kept, proof) = kept(&view, ports, resume, now).ok_or(Failure::Gone)??;
    let evidence = Evidence {
        transcript,
        finished,
        suite: *suite,
        cid: resume.cid.as_ref().map(|cid| &cid[..]),
        peer_cid: resume.peer_cid.as_deref(),
        shared: None,
    };
    let opened = resume::open(&kept, now, &evidence)?;
    let place = Place { edge, listener: &resume.listener, peer: resume.peer, now };
    let command = opening::command(ports, &proof, &opened, &evidence, &place)?;
    let command = OpenSession { resumed: true, ..command };
    Ok(opening::ready(&view, ports, proof, opened, command, now))
}
