//! Incarnations, copies of them, edges and devices, and what may happen to them next.

use super::Fault;
use super::rows::{Came, Change, Rows};
use crate::numbering::Numbering;
use crate::opening;
use crate::pen::{Numbered, Pen};
use claviger_dtls::Sealed;
use claviger_front::Content;
use claviger_ledger::incarnation_begins;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

pub(super) use super::rows::Known;

/// When it begins, in ms since the Unix epoch.
const BEGIN: u64 = 1_800_000_000_000;
/// How long after one restore the next one comes at the earliest.
const HOUR: u64 = 3_600_000;
/// How far apart incarnations began that went by the copy alone.
const STRIDE: u64 = 1 << 40;

/// How often each thing may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// Handshakes that the device begins.
    pub(super) handshakes: u8,
    /// Records that actors send.
    pub(super) words: u8,
    /// What operators write.
    pub(super) writes: u8,
    /// Backups, and nodes that are left.
    pub(super) copies: u8,
    /// Incarnations that begin.
    pub(super) restores: usize,
    /// Changes of a leader.
    pub(super) changes: u8,
    /// Handshakes that come to an incarnation from another one's edge.
    pub(super) strays: u8,
}

/// A step. Incarnations are numbered as they began, and handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The device begins a handshake at the edge of an incarnation.
    Hello(usize),
    /// That edge brings it before its leader.
    Open(u8),
    /// The same comes before the leader of another incarnation, from an edge that was of the old one.
    Stray(u8, usize),
    /// A record of a session comes to the edge of an incarnation that does not hold it.
    Find(u8, usize),
    /// The leader of an incarnation has something to say in a session, and its edge sends it.
    Say(u8, usize),
    /// Another node of an incarnation leads: numbers are lost.
    Change(usize),
    /// An operator writes something, and is told that it is done.
    Write(usize),
    /// A backup is taken.
    Copy(usize),
    /// A node is left whose log ends with something that the others never had.
    Remain(usize),
    /// A copy becomes a new incarnation.
    Restore(usize),
}

/// An incarnation of the cluster: its leader and its edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Incarnation {
    rows: Rows,
    /// The copy that it was made of.
    of: Option<usize>,
    acknowledged: BTreeSet<u8>,
    /// Of each session that the leader knows, by handshake.
    pens: BTreeMap<u8, Pen>,
    /// Sessions that its edge holds.
    held: BTreeMap<u8, Sealed>,
}

/// Rows of some moment, and what the log had behind them that nobody knows to be committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Copied {
    rows: Rows,
    acknowledged: BTreeSet<u8>,
    tail: Option<u8>,
}

/// By whom an entry of the log was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum By {
    /// By an incarnation, or for it at its begin.
    Incarnation(usize),
    /// By who has found it at the end of the log of a node that is left: always the same.
    TailOf(usize),
}

/// A handshake of the device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Handshake {
    /// When its server began it, in ms since the Unix epoch.
    began: u64,
    /// Whose edge has it.
    at: usize,
    /// Where its session was opened, or went on.
    lives: BTreeSet<usize>,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    left: Budget,
    now: u64,
    all: Vec<Incarnation>,
    copies: Vec<Copied>,
    handshakes: Vec<Handshake>,
    /// By whom something was committed, at each index.
    entries: BTreeMap<u64, By>,
    index_reused: bool,
    /// By handshake and number, how often it was sealed, and for whom.
    sealed: BTreeMap<(u8, u64), Vec<usize>>,
}

impl State {
    pub(super) fn new(left: Budget) -> Self {
        let first = Incarnation {
            rows: Rows::enrolled(),
            of: None,
            acknowledged: BTreeSet::new(),
            pens: BTreeMap::new(),
            held: BTreeMap::new(),
        };
        Self {
            left,
            now: BEGIN,
            all: vec![first],
            copies: Vec::new(),
            handshakes: Vec::new(),
            entries: BTreeMap::new(),
            index_reused: false,
            sealed: BTreeMap::new(),
        }
    }

    pub(super) fn possible(&self, fault: Fault, events: &mut Vec<Event>) {
        let left = &self.left;
        for (place, incarnation) in self.all.iter().enumerate() {
            if left.handshakes > 0 {
                events.push(Event::Hello(place));
            }
            if left.changes > 0 && !incarnation.pens.is_empty() {
                events.push(Event::Change(place));
            }
            if left.writes > 0 {
                events.push(Event::Write(place));
            }
            if left.copies > 0 {
                events.push(Event::Copy(place));
                if left.writes > 0 {
                    events.push(Event::Remain(place));
                }
            }
            if left.words > 0 {
                events
                    .extend(incarnation.held.keys().map(|handshake| Event::Say(*handshake, place)));
            }
        }
        for (handshake, known) in (0..).zip(&self.handshakes) {
            if known.lives.is_empty() {
                events.push(Event::Open(handshake));
            }
            for (place, incarnation) in self.all.iter().enumerate() {
                let begun_at = incarnation.rows.seen.begun_at.unwrap_or(0);
                let is_of_before = known.at < place && known.began <= begun_at;
                let may_stray = is_of_before || fault == Fault::TakesHandshakesOver;
                if left.strays > 0 && place != known.at && may_stray {
                    events.push(Event::Stray(handshake, place));
                }
                if !known.lives.is_empty() && !incarnation.held.contains_key(&handshake) {
                    events.push(Event::Find(handshake, place));
                }
            }
        }
        if left.restores > 0 {
            events.extend((0..self.copies.len()).map(Event::Restore));
        }
    }

    pub(super) fn step(&mut self, event: Event, fault: Fault, known: &Known) {
        match event {
            Event::Hello(at) => {
                self.left.handshakes -= 1;
                let handshake = Handshake { began: self.now, at, lives: BTreeSet::new() };
                self.handshakes.push(handshake);
            }
            Event::Open(handshake) => {
                let at = self.handshakes[usize::from(handshake)].at;
                self.open(handshake, at, fault, known);
            }
            Event::Stray(handshake, at) => {
                self.left.strays -= 1;
                self.open(handshake, at, fault, known);
            }
            Event::Find(handshake, at) => {
                if self.all[at].rows.seen.sessions.contains_key(&handshake) {
                    self.all[at].held.insert(handshake, Sealed::ELSEWHERE);
                    self.handshakes[usize::from(handshake)].lives.insert(at);
                }
            }
            Event::Say(handshake, at) => {
                self.left.words -= 1;
                self.say(handshake, at, known);
            }
            Event::Change(at) => {
                self.left.changes -= 1;
                self.all[at].pens.clear();
            }
            Event::Write(at) => {
                self.left.writes -= 1;
                let number = self.left.writes;
                let came = self.commit(at, Change::Write(number), known);
                if came == Came::Done {
                    self.all[at].acknowledged.insert(number);
                }
            }
            Event::Copy(at) => self.copy(at, None, fault),
            Event::Remain(at) => {
                self.left.writes -= 1;
                self.copy(at, Some(self.left.writes), fault);
            }
            Event::Restore(copy) => self.restore(copy, fault, known),
        }
    }

    /// Commits a change at an incarnation's next index.
    fn commit(&mut self, at: usize, change: Change, known: &Known) -> Came {
        let index = self.all[at].rows.seen.index + 1;
        let came = self.all[at].rows.change(index, change, known);
        self.note(index, By::Incarnation(at));
        came
    }

    /// Something was committed at `index`.
    fn note(&mut self, index: u64, by: By) {
        let before = self.entries.insert(index, by);
        let is_same = matches!(by, By::TailOf(_)) && before == Some(by);
        self.index_reused |= before.is_some() && !is_same;
    }

    fn open(&mut self, handshake: u8, at: usize, fault: Fault, known: &Known) {
        let began = Duration::from_millis(self.handshakes[usize::from(handshake)].began);
        let rows = &self.all[at].rows;
        let is_old = rows.incarnation().is_some_and(|it| opening::is_of_before(&it, began));
        if is_old && fault != Fault::TakesOldHandshakes {
            return;
        }
        if let Came::Generation(generation) = self.commit(at, Change::Open(handshake), known) {
            let incarnation = &mut self.all[at];
            incarnation.pens.insert(handshake, Pen::Ready(Numbering::begin(generation)));
            // Its edge gets the keys, and seals the Finished.
            incarnation.held.entry(handshake).or_insert(Sealed::up_to(0));
            self.handshakes[usize::from(handshake)].lives.insert(at);
        }
    }

    /// As a device's actor does it: a session that it does not know has a new generation first.
    fn say(&mut self, handshake: u8, at: usize, known: &Known) {
        if !self.all[at].pens.contains_key(&handshake) {
            let came = self.commit(at, Change::Raise(handshake), known);
            let Came::Generation(generation) = came else { return };
            let mut pen = Pen::raising();
            pen.raised(generation);
            self.all[at].pens.insert(handshake, pen);
        }
        let incarnation = &mut self.all[at];
        let (Some(pen), Some(sealed)) =
            (incarnation.pens.get_mut(&handshake), incarnation.held.get_mut(&handshake))
        else {
            return;
        };
        let said = pen.number(Content::CloseNotify);
        let (Numbered::Send(number, _) | Numbered::Finished(number)) = said else { return };
        if sealed.allows(number) {
            *sealed = Sealed::up_to(number);
            self.sealed.entry((handshake, number)).or_default().push(at);
        }
    }

    fn copy(&mut self, at: usize, tail: Option<u8>, fault: Fault) {
        self.left.copies -= 1;
        let Incarnation { rows, acknowledged, .. } = &self.all[at];
        let (mut rows, acknowledged) = (rows.clone(), acknowledged.clone());
        if fault == Fault::CopiesTooEarly {
            rows = Rows::enrolled();
        }
        self.copies.push(Copied { rows, acknowledged, tail });
    }

    fn restore(&mut self, copy: usize, fault: Fault, known: &Known) {
        self.left.restores -= 1;
        let Copied { mut rows, acknowledged, tail } = self.copies[copy].clone();
        let last = rows.seen.index + u64::from(tail.is_some());
        let mut index = match fault {
            Fault::BeginsByTheCopyAlone => (last / STRIDE + 1) * STRIDE,
            _ => incarnation_begins(last, self.now, self.all.len() as u64),
        };
        if let Some(number) = tail {
            let place = if fault == Fault::ReplaysInPlace { last } else { index };
            rows.change(place, Change::Write(number), known);
            self.note(place, By::TailOf(copy));
            index += 1;
        }
        if fault == Fault::KeepsSessions {
            rows.seen.index = index;
        } else {
            rows.change(index, Change::Begin(self.now), known);
        }
        self.note(index, By::Incarnation(self.all.len()));
        let (pens, held) = (BTreeMap::new(), BTreeMap::new());
        self.all.push(Incarnation { rows, of: Some(copy), acknowledged, pens, held });
        self.now += HOUR;
    }

    pub(super) fn sealed_twice(&self) -> bool {
        self.sealed.values().any(|by| by.len() > 1)
    }

    pub(super) fn lives_twice(&self) -> bool {
        self.handshakes.iter().any(|handshake| handshake.lives.len() > 1)
    }

    pub(super) const fn index_reused(&self) -> bool {
        self.index_reused
    }

    pub(super) fn has_what_it_acknowledged(&self) -> bool {
        self.all.iter().all(|it| it.acknowledged.is_subset(&it.rows.seen.written))
    }

    /// Whether records of two incarnations were sealed.
    pub(super) fn two_speak(&self) -> bool {
        let by: BTreeSet<&usize> = self.sealed.values().flatten().collect();
        by.len() > 1
    }

    /// Whether two that were made of one copy have acknowledged something of their own each.
    pub(super) fn two_of_one_copy_are_written(&self) -> bool {
        let is_own = |it: &&Incarnation| {
            it.of.is_some_and(|copy| it.acknowledged.len() > self.copies[copy].acknowledged.len())
        };
        let written: Vec<_> = self.all.iter().filter(is_own).filter_map(|it| it.of).collect();
        written.iter().any(|copy| written.iter().filter(|other| *other == copy).count() > 1)
    }
}
