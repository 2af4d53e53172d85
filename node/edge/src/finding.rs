//! Datagrams of sessions that this edge does not hold, and what is asked about them.
//!
//! Whoever sends them has proven nothing, so it is bounded what they cost: a bucket for the edge and
//! one for each prefix, one question a session at a time, and for a second no further one about a
//! session that nobody holds. What this edge held until it rested it knows by a mark of 8 bytes, and
//! asks about from a bucket of its own: no flood of strangers keeps a device from going on.

use claviger_dtls::{PrefixLimits, SessionName};
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::DefaultHasher;

/// How long an answer is waited for. A frame may be lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long nobody holds a key that nobody held.
const NOBODY: Duration = Duration::from_secs(1);
/// How many sessions are marked that rest.
const MARKS: usize = 1 << 21;

/// What may be asked about keys of one kind: an id has check bytes that few guess, an address anybody
/// can forge. What comes of the one takes nothing from the other.
#[derive(Debug)]
struct Share {
    /// By prefix, where many may have made them up.
    prefixes: Option<PrefixLimits>,
    /// By the whole edge, which is one prefix.
    edge: PrefixLimits,
    /// How many questions may be out at once: each holds a datagram.
    most: usize,
    out: usize,
    /// Sessions that nobody holds, of which as many are remembered as questions may be out.
    nobody: BTreeSet<SessionName>,
}

impl Share {
    /// `burst` questions of the edge at once, and one more each time that `refill` has passed; a
    /// sixteenth of that for a prefix.
    const fn new(burst: u32, refill: Duration, most: usize) -> Self {
        let of_prefix = refill.saturating_mul(32);
        let prefixes = Some(PrefixLimits::new(burst / 16, of_prefix));
        let edge = PrefixLimits::new(burst, refill);
        Self { prefixes, edge, most, out: 0, nobody: BTreeSet::new() }
    }

    /// The same for what is known, wherever it comes from.
    const fn of_known(burst: u32, refill: Duration, most: usize) -> Self {
        let edge = PrefixLimits::new(burst, refill);
        Self { prefixes: None, edge, most, out: 0, nobody: BTreeSet::new() }
    }

    fn allows(&mut self, now: Duration, from: IpAddr) -> bool {
        // The prefix's own comes first: what is too much from one takes nothing from the others.
        let anybody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        self.out < self.most
            && self.prefixes.as_mut().is_none_or(|prefixes| prefixes.allow(now, from))
            && self.edge.allow(now, anybody)
    }
}

/// What the session of a datagram is looked for by, from its first record.
fn name(from: SocketAddr, datagram: &[u8]) -> SessionName {
    // tls12_cid: the id stands behind type, version, epoch and sequence (RFC 9146 §4).
    let cid = datagram.strip_prefix(&[25]).and_then(|rest| rest.get(10..)?.first_chunk());
    cid.map_or(SessionName::Home(from), |cid| SessionName::Cid(*cid))
}

/// What is remembered of a session that rests. Two may have the same, which does not matter.
fn mark(name: &SessionName) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// A datagram that waits for its session.
#[derive(Debug)]
pub(crate) struct Stray {
    pub(crate) from: SocketAddr,
    pub(crate) datagram: Vec<u8>,
    name: SessionName,
    rested: bool,
    asked: Duration,
}

/// What is out, and what came of it.
#[derive(Debug)]
pub(crate) struct Finding {
    out: BTreeMap<u64, Stray>,
    names: BTreeSet<SessionName>,
    forgetting: VecDeque<(Duration, SessionName)>,
    cids: Share,
    addresses: Share,
    /// Of sessions that rest, whatever they are known by.
    rested: Share,
    /// These.
    marks: BTreeSet<u64>,
    calls: u64,
}

impl Finding {
    pub(crate) const fn new() -> Self {
        Self {
            out: BTreeMap::new(),
            names: BTreeSet::new(),
            forgetting: VecDeque::new(),
            cids: Share::new(8192, Duration::from_micros(250), 1024),
            addresses: Share::new(4096, Duration::from_micros(500), 512),
            rested: Share::of_known(8192, Duration::from_micros(125), 1024),
            marks: BTreeSet::new(),
            calls: 0,
        }
    }

    /// This session rests from now on.
    pub(crate) fn rests(&mut self, name: &SessionName) {
        let mark = mark(name);
        if self.marks.len() >= MARKS {
            // Any other one gives way, and is asked about as a stranger's.
            let next = self.marks.range(mark..).next().or(self.marks.first()).copied();
            next.map(|next| self.marks.remove(&next));
        }
        self.marks.insert(mark);
    }

    const fn share(&mut self, name: &SessionName, rested: bool) -> &mut Share {
        match name {
            _ if rested => &mut self.rested,
            SessionName::Cid(_) => &mut self.cids,
            SessionName::Home(_) => &mut self.addresses,
        }
    }

    /// The number of the question to ask about this datagram; none if it is not to be asked.
    pub(crate) fn ask(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) -> Option<u64> {
        self.forget(now);
        let name = name(from, datagram);
        if self.names.contains(&name) {
            return None;
        }
        let mark = mark(&name);
        let rested = self.marks.contains(&mark);
        let share = self.share(&name, rested);
        if share.nobody.contains(&name) || !share.allows(now, from.ip()) {
            return None;
        }
        share.out += 1;
        self.calls += 1;
        // Once: whoever says that he is one that rests, and is not, is a stranger from then on.
        self.marks.remove(&mark);
        self.names.insert(name);
        let stray = Stray { from, datagram: datagram.to_vec(), name, rested, asked: now };
        self.out.insert(self.calls, stray);
        Some(self.calls)
    }

    /// What is asked and not answered.
    pub(crate) fn out(&self) -> impl Iterator<Item = (u64, &Stray)> {
        self.out.iter().map(|(call, stray)| (*call, stray))
    }

    /// The datagram that an answer is about; none if it comes too late.
    pub(crate) fn answered(&mut self, call: u64) -> Option<Stray> {
        let stray = self.out.remove(&call)?;
        self.ended(&stray);
        Some(stray)
    }

    fn ended(&mut self, stray: &Stray) {
        self.names.remove(&stray.name);
        self.share(&stray.name, stray.rested).out -= 1;
    }

    /// Nobody holds what this datagram is of.
    pub(crate) fn nobody(&mut self, now: Duration, stray: &Stray) {
        let share = self.share(&stray.name, false);
        if share.nobody.len() < share.most && share.nobody.insert(stray.name) {
            self.forgetting.push_back((now + NOBODY, stray.name));
        }
    }

    fn forget(&mut self, now: Duration) {
        while let Some((_, name)) = self.forgetting.pop_front_if(|(at, _)| *at <= now) {
            self.share(&name, false).nobody.remove(&name);
        }
        while let Some(oldest) = self.out.first_entry() {
            if now < oldest.get().asked + PATIENCE {
                return;
            }
            let stray = oldest.remove();
            self.ended(&stray);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn at(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    /// A record with a connection id.
    fn record(cid: u64) -> Vec<u8> {
        let header = [&[25, 0xFE, 0xFD, 0, 1][..], &[0; 6], &cid.to_be_bytes(), &[0, 1, 7]];
        header.concat()
    }

    #[test]
    fn one_question_a_session_is_out_at_a_time() {
        let mut finding = Finding::new();

        let first = finding.ask(NOW, at(1, 1), &record(7)).expect("it is asked");
        assert_eq!(finding.ask(NOW, at(9, 9), &record(7)), None);
        assert!(finding.ask(NOW, at(1, 1), &record(8)).is_some());
        assert!(finding.ask(NOW, at(1, 1), &[23, 0xFE, 0xFD]).is_some());
        assert_eq!(finding.ask(NOW, at(1, 1), &[22, 0xFE, 0xFD]), None);

        assert_eq!(finding.answered(first).expect("it is out").from, at(1, 1));
        assert!(finding.ask(NOW, at(9, 9), &record(7)).is_some());
        assert!(finding.answered(first).is_none());
    }

    #[test]
    fn what_nobody_holds_is_not_asked_for_again_within_a_second() {
        let mut finding = Finding::new();
        let call = finding.ask(NOW, at(1, 1), &record(7)).expect("it is asked");
        let stray = finding.answered(call).expect("it is out");

        finding.nobody(NOW, &stray);

        assert_eq!(finding.ask(NOW + NOBODY / 2, at(1, 1), &record(7)), None);
        assert!(finding.ask(NOW + NOBODY, at(1, 1), &record(7)).is_some());
    }

    #[test]
    fn an_answer_that_is_lost_keeps_no_session_for_ever() {
        let mut finding = Finding::new();
        assert!(finding.ask(NOW, at(1, 1), &record(7)).is_some());

        assert!(finding.ask(NOW + PATIENCE, at(1, 1), &record(7)).is_some());

        assert_eq!((finding.out.len(), finding.names.len()), (1, 1));
    }

    #[test]
    fn what_rests_is_asked_about_once_in_the_middle_of_a_flood() {
        let mut finding = Finding::new();
        let rests = |port| at(1, port);
        (0..200).for_each(|port| finding.rests(&SessionName::Home(rests(port))));
        let asked = (1000..5000).filter(|port| finding.ask(NOW, rests(*port), &[23]).is_some());
        assert_eq!(asked.count(), 4096 / 16);

        let calls = (0..200).map(|port| finding.ask(NOW, rests(port), &[23]).expect("it rests"));
        let calls: Vec<u64> = calls.collect();

        // An answer that nobody has it makes whoever sent it a stranger.
        calls.iter().for_each(|call| drop(finding.answered(*call)));
        assert!((0..200).all(|port| finding.ask(NOW, rests(port), &[23]).is_none()));
        assert_eq!((finding.marks.len(), finding.rested.out), (0, 0));
    }

    #[test]
    fn marks_do_not_pile_up() {
        let mut finding = Finding::new();
        let cid = |number: usize| SessionName::Cid(number.to_be_bytes());

        (0..MARKS + 1000).for_each(|number| finding.rests(&cid(number)));

        assert_eq!(finding.marks.len(), MARKS);
        assert!(finding.marks.contains(&mark(&cid(MARKS + 999))));
    }

    #[test]
    fn a_flood_is_bounded_by_its_prefix_and_takes_nothing_from_the_other_kind() {
        let mut finding = Finding::new();

        // From many ports of one prefix, then from many prefixes.
        let asked = (1..5000).filter(|port| finding.ask(NOW, at(1, *port), &[23]).is_some());
        assert_eq!(asked.count(), 4096 / 16);
        for host in 0..=255 {
            for port in 1..100 {
                let from = SocketAddr::from(([10, host, 0, 1], port));
                finding.ask(NOW, from, &[23]);
            }
        }

        assert_eq!((finding.addresses.out, finding.out.len()), (512, 512));
        assert!(finding.ask(NOW, at(1, 1), &record(7)).is_some());
    }
}
