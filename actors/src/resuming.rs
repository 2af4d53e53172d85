//! Resumption: the two steps by which a device goes on from an earlier handshake.
//!
//! What it takes is kept by the ledger under a random handle, sealed. The first step gives an edge
//! our flight and no key. The second is a session of its own, opened as any other: whether its
//! credential is still good is decided when that is applied. What the first derives is kept here for
//! the second ([`Begun`]), which makes it again if it is gone.

use crate::opening::{self, Checked, Failure, Place};
use crate::proof::{self, KnownBy, Proof};
use crate::propose::millis;
use crate::{EdgeId, Ports};
use claviger_dtls::resume::{self, Declined, Derived, LIFETIME, Offer, Resumable};
use claviger_dtls::schedule::Evidence;
use claviger_front::{Accepted, Resume, Step, WhyNotResumed};
use claviger_ledger::{CredentialId, OpenSession, Rows, View};
use claviger_seal::Label;
use core::time::Duration;
use std::collections::BTreeMap;

/// What a first step derived, and the credential that its row was of: the second counts only if the
/// row still is.
pub(crate) struct First {
    credential: CredentialId,
    derived: Derived,
}

/// What was derived by first steps whose second has not come: the keys of sessions that may never
/// be. Each is dropped, and wiped, after one to two spans of time, and earlier in a rush. In boxes:
/// the nodes of a map are moved about, and keys that are moved leave copies.
pub(crate) struct Begun<T = First> {
    young: BTreeMap<[u8; 16], Box<T>>,
    old: BTreeMap<[u8; 16], Box<T>>,
    turned_at: Duration,
}

impl<T> Default for Begun<T> {
    fn default() -> Self {
        Self { young: BTreeMap::new(), old: BTreeMap::new(), turned_at: Duration::ZERO }
    }
}

impl<T> Begun<T> {
    /// Handshakes take seconds, and end after a minute.
    const SPAN: Duration = Duration::from_secs(30);
    /// How many begin in a span at most: of more, the older half is made again.
    const MOST: usize = 4096;

    /// Of one handle the newest is kept. Anybody who reads along can name it, and costs its device's
    /// second step what it derives.
    fn keep(&mut self, handle: [u8; 16], derived: Box<T>) {
        if self.young.len() >= Self::MOST {
            self.old = core::mem::take(&mut self.young);
        }
        self.young.insert(handle, derived);
    }

    /// What was derived for the second step about this handle.
    pub(crate) fn take(&mut self, handle: &[u8; 16]) -> Option<Box<T>> {
        self.young.remove(handle).or_else(|| self.old.remove(handle))
    }

    /// Time passes.
    pub(crate) fn turn(&mut self, now: Duration) {
        if now >= self.turned_at + Self::SPAN {
            self.turned_at = now;
            self.old = core::mem::take(&mut self.young);
        }
    }
}

/// Whose session is to be resumed, and what is kept of it, sealed; nothing if it cannot be resumed in
/// this realm, or not by a credential as it is now.
fn found(
    view: &View<'_>,
    ports: &Ports,
    resume: &Resume,
    now: Duration,
) -> Option<Result<(Proof, Vec<u8>), Failure>> {
    let row = view.resumption(&resume.handle).filter(|row| row.realm == resume.realm)?;
    let credential = view.credential(&row.device, row.credential)?;
    if !view.is_good(&row.device, &credential, None, millis(now)) {
        // The full handshake is refused, and the refusal is noted.
        return None;
    }
    let known_by = KnownBy(credential.kind, credential.identity);
    let proof = proof::proof(view, ports, row.device, row.credential, known_by);
    Some(proof.map(|proof| (proof, row.sealed)))
}

/// What is kept, unsealed. One that this version cannot read is as good as none, as is one whose time
/// is over.
fn unsealed(
    (proof, sealed): (&Proof, &[u8]),
    handle: &[u8; 16],
    now: Duration,
) -> Result<Option<Resumable>, Failure> {
    let label = Label::Resumption { tenant: &proof.device.tenant, handle };
    let bytes = proof.tenant_key.open(label, sealed);
    let bytes = bytes.map_err(|_| Failure::Broken("a sealed resumption does not open"))?;
    Ok(Resumable::decode(&bytes).filter(|kept| now < kept.created + LIFETIME))
}

/// The first step: our flight, or why a full handshake must do.
pub(crate) fn accept(
    rows: &dyn Rows,
    ports: &Ports,
    resume: &Resume,
    begun: &mut Begun,
    now: Duration,
) -> Result<Accepted, WhyNotResumed> {
    let Step::Accept { hello, random, sequence } = &resume.step else {
        return Err(WhyNotResumed::Unavailable);
    };
    let view = View::new(rows);
    // Where something is broken here, a full handshake may do without it, or tell of it.
    let found = found(&view, ports, resume, now).and_then(Result::ok);
    let (proof, sealed) = found.ok_or(WhyNotResumed::FullHandshake)?;
    let kept = unsealed((&proof, &sealed), &resume.handle, now).ok().flatten();
    let kept = kept.ok_or(WhyNotResumed::FullHandshake)?;
    let cid = resume.cid.as_ref().map(|cid| &cid[..]);
    let offer = Offer { hello, random, cid, sequence: *sequence };
    let accepted = resume::accept(&kept, now, &offer).map_err(|declined| match declined {
        Declined::Forbidden => WhyNotResumed::Forbidden,
        Declined::FullHandshake => WhyNotResumed::FullHandshake,
        Declined::Stale | Declined::Malformed => WhyNotResumed::Unavailable,
    })?;
    let (resume::Accepted { suite, server_hello, finished }, derived) = accepted;
    begun.keep(resume.handle, Box::new(First { credential: proof.credential, derived }));
    Ok(Accepted { call: resume.call, suite, server_hello, finished })
}

/// The second step: a session, ready to be proposed. `first` is what the first derived, perhaps.
pub(crate) fn check(
    rows: &dyn Rows,
    ports: &Ports,
    resume: &Resume,
    first: Option<&First>,
    (edge, now): (EdgeId, Duration),
) -> Result<Checked, Failure> {
    let Step::Open { suite, transcript, finished } = &resume.step else {
        return Err(Failure::Malformed);
    };
    let view = View::new(rows);
    opening::check_incarnation(&view, transcript)?;
    let (proof, sealed) = found(&view, ports, resume, now).ok_or(Failure::Gone)??;
    let evidence = Evidence {
        transcript,
        finished,
        suite: *suite,
        cid: resume.cid.as_ref().map(|cid| &cid[..]),
        peer_cid: resume.peer_cid.as_deref(),
        shared: None,
    };
    let is_of =
        |first: &&First| first.credential == proof.credential && first.derived.is_of(&evidence);
    let opened = match first.filter(is_of) {
        Some(first) => first.derived.open(now, &evidence)?,
        None => {
            let kept = unsealed((&proof, &sealed), &resume.handle, now)?.ok_or(Failure::Gone)?;
            resume::open(&kept, now, &evidence)?
        }
    };
    let place = Place { edge, listener: &resume.listener, peer: resume.peer, now };
    let command = opening::command(ports, &proof, &opened, &evidence, &place)?;
    let command = OpenSession { resumed: true, ..command };
    Ok(opening::ready(&view, ports, proof, opened, command, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(number: usize) -> [u8; 16] {
        (number as u128).to_be_bytes()
    }

    #[test]
    fn what_was_begun_is_taken_once_and_within_a_minute() {
        let mut begun = Begun::default();
        let at = |seconds: u64| Duration::from_secs(1_800_000_000 + seconds);
        begun.turn(at(0));
        for number in 0..3 {
            begun.keep(handle(number), Box::new(number));
        }

        assert_eq!([begun.take(&handle(0)), begun.take(&handle(0))], [Some(Box::new(0)), None]);
        begun.turn(at(29));
        begun.turn(at(30));
        assert_eq!(begun.take(&handle(1)), Some(Box::new(1)));
        begun.turn(at(59));
        begun.turn(at(60));
        assert_eq!(begun.take(&handle(2)), None);
    }

    #[test]
    fn of_a_handle_the_newest_counts_and_of_a_rush_the_newer_half() {
        let mut begun = Begun::default();
        begun.keep(handle(0), Box::new(usize::MAX));
        for number in 0..3 * Begun::<usize>::MOST {
            begun.keep(handle(number), Box::new(number));
        }

        assert_eq!(begun.take(&handle(0)), None);
        let newest = 3 * Begun::<usize>::MOST - 1;
        assert_eq!(begun.take(&handle(newest)), Some(Box::new(newest)));
        assert!(begun.young.len() + begun.old.len() < 2 * Begun::<usize>::MOST);
        begun.keep(handle(newest), Box::new(1));
        begun.keep(handle(newest), Box::new(2));
        assert_eq!(begun.take(&handle(newest)), Some(Box::new(2)));
    }
}
