//! The links between edges and nodes of the ledger: each in order, none lossless once it is cut.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// An edge, by its place among them.
    Edge(usize),
    /// A node of the ledger, by its place among them.
    Node(usize),
}

/// What an edge and a node say to each other.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// An edge has come, under this id.
    Hello(u64),
    /// The node leads, in this term: frames pass.
    Welcome(u64),
    /// The node leads no more, or never did.
    Standby,
    /// A frame of either.
    Frame(u64, Zeroizing<Vec<u8>>),
}

/// All links.
#[derive(Debug)]
pub(crate) struct Wires {
    delay: Duration,
    cut: BTreeSet<(Place, Place)>,
    /// Processes that do not run: what is for them waits.
    stopped: BTreeSet<Place>,
    under_way: BTreeMap<(Duration, u64), (Place, Place, Said)>,
    waiting: Vec<(Place, Place, Said)>,
    sent: u64,
}

impl Wires {
    pub(crate) const fn new(delay: Duration) -> Self {
        Self {
            delay,
            cut: BTreeSet::new(),
            stopped: BTreeSet::new(),
            under_way: BTreeMap::new(),
            waiting: Vec::new(),
            sent: 0,
        }
    }

    /// Sends; it arrives in the order of its sending, unless the link is cut by then.
    pub(crate) fn send(&mut self, now: Duration, from: Place, to: Place, said: Said) {
        self.under_way.insert((now + self.delay, self.sent), (from, to, said));
        self.sent += 1;
    }

    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// What has arrived by `now`.
    pub(crate) fn arrived(&mut self, now: Duration) -> Option<(Place, Place, Said)> {
        while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= now) {
            let (from, to, said) = entry.remove();
            if self.cut.contains(&(from, to)) {
                continue;
            }
            if self.stopped.contains(&to) {
                self.waiting.push((from, to, said));
                continue;
            }
            return Some((from, to, said));
        }
        None
    }

    /// Cuts the link in this direction.
    pub(crate) fn cut(&mut self, from: Place, to: Place) {
        self.cut.insert((from, to));
    }

    pub(crate) fn mend(&mut self) {
        self.cut.clear();
    }

    /// From now on what is for `place` waits.
    pub(crate) fn stop(&mut self, place: Place) {
        self.stopped.insert(place);
    }

    /// What has waited for `place` arrives.
    pub(crate) fn go_on(&mut self, now: Duration, place: Place) {
        self.stopped.remove(&place);
        let waiting = core::mem::take(&mut self.waiting);
        let (theirs, rest) = waiting.into_iter().partition(|(_, to, _)| *to == place);
        self.waiting = rest;
        let theirs: Vec<_> = theirs;
        for (from, to, said) in theirs {
            self.send(now, from, to, said);
        }
    }

    /// What is on its way to or from a process that has died is lost.
    pub(crate) fn lose(&mut self, place: Place) {
        let concerns = |from: &Place, to: &Place| *from == place || *to == place;
        self.under_way.retain(|_, (from, to, _)| !concerns(from, to));
        self.waiting.retain(|(from, to, _)| !concerns(from, to));
        self.stopped.remove(&place);
    }
}
