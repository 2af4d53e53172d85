//! What stands between the ledger, the incarnations of the actor and the edges, and what may happen
//! to it next.

use super::Fault;
use super::ledger::{self, Ledger};
use crate::finding;
use crate::numbering::Numbering;
use crate::pen::{Numbered, Pen};
use claviger_dtls::{ReplayWindow, Sealed};
use claviger_front::Content;
use claviger_ledger::{Command, CredentialId, Outcome, RaiseGeneration, RequestId};
use std::collections::{BTreeMap, BTreeSet};

/// How many numbers of each generation are left to the model: the others are spent at once, so that
/// a generation is used up within its bounds.
const LEFT: u32 = 1;

/// How often each thing may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// Records that the device sends.
    pub(super) records: u64,
    /// Records that the actor wants to send.
    pub(super) words: u8,
    /// Changes of the leader.
    pub(super) changes: usize,
    /// Crashes of an edge.
    pub(super) crashes: u8,
    /// Calls that open the session: the first, and its repetitions.
    pub(super) calls: u8,
    /// Answers of the ledger that are lost.
    pub(super) losses: u8,
    /// Frames that are carried out twice.
    pub(super) doubles: u8,
}

/// The edges; the first has the handshake.
const EDGES: [usize; 2] = [0, 1];

/// What an incarnation wants committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Wish {
    /// The session.
    Open,
    /// A generation, for one who has read up to here.
    Raise(u64),
    /// What this record asks for, by one who has read up to there.
    Act(u64, u64),
}

/// A proposal: whose, its number, what.
type Proposal = (usize, u8, Wish);

/// What comes back of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reply {
    Generation(Option<u32>),
    Opened(Option<u32>),
    Acted,
}

/// One session at one incarnation of the actor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Talk {
    pen: Pen,
    window: ReplayWindow,
    edge: usize,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The first edge asks an incarnation for the session.
    Call(usize),
    /// The device sends its next record; it may come anywhere, at any time, ever so often.
    Send,
    /// A record comes by an edge to an incarnation.
    Read(u64, usize, usize),
    /// An incarnation has something to say.
    Say(usize),
    /// A proposal is committed and applied.
    Commit(Proposal),
    /// Its outcome is learned.
    Learn(Proposal, Reply),
    /// Its outcome is lost, and it is proposed again.
    Repeat(Proposal, Reply),
    /// Its outcome is lost, and not asked for again.
    Forget(Proposal, Reply),
    /// A frame is carried out.
    CarryOut(usize, u64),
    /// A frame is carried out and comes again.
    Double(usize, u64),
    /// An edge that does not hold the session is given it for a record.
    Find(usize, u64),
    /// An edge loses what it holds, and what is on its way to it.
    Crash(usize),
    /// Another incarnation leads.
    Change,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    ledger: Ledger,
    left: Budget,
    records: u64,
    /// Whether the first edge waits for an answer to its call.
    calling: bool,
    /// The incarnations; the last one leads, and the others may not know.
    actors: Vec<Option<Talk>>,
    edges: [Option<Sealed>; 2],
    proposals: BTreeSet<Proposal>,
    replies: BTreeSet<(Proposal, Reply)>,
    proposed: u8,
    /// Records that wait to be sealed: at which edge, under which number.
    frames: BTreeSet<(usize, u64)>,
    /// How often each number was sealed, and where.
    sealed: BTreeMap<u64, Vec<usize>>,
    /// How often each record has changed the ledger.
    acted: BTreeMap<u64, u8>,
}

impl State {
    pub(super) fn new(ledger: Ledger, left: Budget) -> Self {
        Self {
            ledger,
            left,
            records: 0,
            calling: false,
            actors: vec![None],
            edges: [None; 2],
            proposals: BTreeSet::new(),
            replies: BTreeSet::new(),
            proposed: 0,
            frames: BTreeSet::new(),
            sealed: BTreeMap::new(),
            acted: BTreeMap::new(),
        }
    }

    fn leader(&self) -> usize {
        self.actors.len() - 1
    }

    pub(super) fn possible(&self, fault: Fault, events: &mut Vec<Event>) {
        let actors = 0..self.actors.len();
        let is_at_edge = self.edges[0].is_some();
        if self.left.calls > 0 && !is_at_edge {
            events.extend(actors.clone().map(Event::Call));
        }
        if self.left.records > 0 && (is_at_edge || self.records > 0) {
            events.push(Event::Send);
        }
        let holders = EDGES.into_iter().filter(|edge| self.edges[*edge].is_some());
        for edge in holders {
            for record in 1..=self.records {
                events.extend(actors.clone().map(|actor| Event::Read(record, edge, actor)));
            }
            if self.left.crashes > 0 {
                events.push(Event::Crash(edge));
            }
        }
        if self.left.words > 0 {
            let talking = actors.filter(|actor| self.actors[*actor].is_some());
            events.extend(talking.map(Event::Say));
        }
        let may_commit = |proposal: &&Proposal| {
            proposal.0 == self.leader() || fault == Fault::CommitsWithoutLeading
        };
        events.extend(self.proposals.iter().filter(may_commit).map(|it| Event::Commit(*it)));
        for (proposal, reply) in &self.replies {
            events.push(Event::Learn(*proposal, *reply));
            if self.left.losses > 0 {
                events.push(Event::Repeat(*proposal, *reply));
                events.push(Event::Forget(*proposal, *reply));
            }
        }
        for (edge, number) in &self.frames {
            events.push(Event::CarryOut(*edge, *number));
            if self.left.doubles > 0 {
                events.push(Event::Double(*edge, *number));
            }
        }
        for edge in EDGES.into_iter().filter(|edge| self.edges[*edge].is_none()) {
            events.extend((1..=self.records).map(|record| Event::Find(edge, record)));
        }
        if self.left.changes > 0 {
            events.push(Event::Change);
        }
    }

    pub(super) fn step(&mut self, event: Event, fault: Fault) {
        match event {
            Event::Call(actor) => {
                self.left.calls -= 1;
                self.calling = true;
                self.propose(actor, Wish::Open);
            }
            Event::Send => {
                self.left.records -= 1;
                self.records += 1;
            }
            Event::Read(record, edge, actor) => self.read(record, edge, actor, fault),
            Event::Say(actor) => {
                self.left.words -= 1;
                self.say(actor, Content::Application(vec![self.left.words]));
            }
            Event::Commit(proposal) => self.commit(proposal),
            Event::Learn(proposal, reply) => {
                self.replies.remove(&(proposal, reply));
                self.learn(proposal.0, reply);
            }
            Event::Repeat(proposal, reply) => {
                self.left.losses -= 1;
                self.replies.remove(&(proposal, reply));
                self.proposals.insert(proposal);
            }
            Event::Forget(proposal, reply) => {
                self.left.losses -= 1;
                self.replies.remove(&(proposal, reply));
                if let (Wish::Raise(_), Some(talk)) = (proposal.2, &mut self.actors[proposal.0]) {
                    talk.pen.not_raised();
                }
            }
            Event::CarryOut(edge, number) => {
                self.frames.remove(&(edge, number));
                self.seal(edge, number, fault);
            }
            Event::Double(edge, number) => {
                self.left.doubles -= 1;
                self.seal(edge, number, fault);
            }
            Event::Find(edge, record) => {
                let highest_read = self.ledger.session().map(|(_, read)| read);
                if highest_read.is_some_and(|read| finding::is_news(record, read)) {
                    self.edges[edge] = Some(Sealed::ELSEWHERE);
                }
            }
            Event::Crash(edge) => {
                self.left.crashes -= 1;
                self.edges[edge] = None;
                self.calling &= edge != 0;
                self.frames.retain(|(to, _)| *to != edge);
            }
            Event::Change => {
                self.left.changes -= 1;
                self.actors.push(None);
            }
        }
    }

    fn propose(&mut self, actor: usize, wish: Wish) {
        self.proposals.insert((actor, self.proposed, wish));
        self.proposed += 1;
    }

    /// As a device's actor does it: an unknown session is met by what the ledger says, and a record
    /// that is new asks for something.
    fn read(&mut self, record: u64, edge: usize, actor: usize, fault: Fault) {
        if self.actors[actor].is_none() {
            let Some((generation, read)) = self.ledger.session() else { return };
            let read = if fault == Fault::ForgetsWhatWasRead { 0 } else { read };
            let pen = if fault == Fault::NumbersWithoutCommit {
                spent(Pen::Ready(Numbering::begin(generation)))
            } else {
                self.propose(actor, Wish::Raise(read));
                Pen::raising()
            };
            self.actors[actor] = Some(Talk { pen, window: ReplayWindow::above(read), edge });
        }
        let Some(talk) = &mut self.actors[actor] else { return };
        if talk.window.accept(record).is_some() {
            talk.edge = edge;
            let highest = talk.window.highest();
            self.propose(actor, Wish::Act(record, highest));
        }
    }

    fn say(&mut self, actor: usize, content: Content) {
        let Some(talk) = &mut self.actors[actor] else { return };
        match talk.pen.number(content) {
            Numbered::Send(number, _) | Numbered::Finished(number) => {
                self.frames.insert((talk.edge, number));
            }
            Numbered::Raise => {
                let highest = talk.window.highest();
                self.propose(actor, Wish::Raise(highest));
            }
            Numbered::Waits | Numbered::Dropped => {}
        }
    }

    fn commit(&mut self, proposal: Proposal) {
        self.proposals.remove(&proposal);
        let (_, number, wish) = proposal;
        let device = ledger::device();
        let command: Command = match wish {
            Wish::Open => ledger::opening(ledger::SESSION),
            Wish::Raise(highest_read) => {
                RaiseGeneration { device, session: ledger::SESSION, highest_read }.into()
            }
            Wish::Act(_, read) => ledger::staging(read, CredentialId([0x80 + number; 16])),
        };
        let before = self.ledger.told();
        let outcome = self.ledger.apply(RequestId([0x80 + number; 16]), command);
        let reply = match (wish, outcome) {
            (Wish::Open, Outcome::Opened { generation, .. }) => Reply::Opened(Some(generation)),
            (Wish::Open, _) => Reply::Opened(None),
            (Wish::Raise(_), Outcome::Generation(generation)) => {
                Reply::Generation(Some(generation))
            }
            (Wish::Raise(_), _) => Reply::Generation(None),
            (Wish::Act(record, _), _) => {
                if self.ledger.told() > before {
                    *self.acted.entry(record).or_default() += 1;
                }
                Reply::Acted
            }
        };
        self.replies.insert((proposal, reply));
    }

    fn learn(&mut self, actor: usize, reply: Reply) {
        match reply {
            Reply::Opened(Some(generation)) => {
                if self.actors[actor].is_none() {
                    let pen = spent(Pen::Ready(Numbering::begin(generation)));
                    let talk = Talk { pen, window: ReplayWindow::above(0), edge: 0 };
                    self.actors[actor] = Some(talk);
                }
                // The edge gets its keys, and seals the Finished.
                if core::mem::take(&mut self.calling) {
                    self.edges[0].get_or_insert(Sealed::up_to(0));
                }
            }
            Reply::Generation(Some(generation)) => {
                let Some(talk) = &mut self.actors[actor] else { return };
                let raising = matches!(talk.pen, Pen::Raising(_));
                let waiting = talk.pen.raised(generation);
                if raising {
                    talk.pen = spent(talk.pen.clone());
                }
                for content in waiting {
                    self.say(actor, content);
                }
            }
            Reply::Opened(None) | Reply::Generation(None) | Reply::Acted => {}
        }
    }

    fn seal(&mut self, edge: usize, number: u64, fault: Fault) {
        let Some(sealed) = &mut self.edges[edge] else { return };
        if sealed.allows(number) || fault == Fault::SealsAnything {
            *sealed = Sealed::up_to(number).max(*sealed);
            self.sealed.entry(number).or_default().push(edge);
        }
    }

    pub(super) fn sealed_twice(&self) -> bool {
        self.sealed.values().any(|edges| edges.len() > 1)
    }

    pub(super) fn acted_twice(&self) -> bool {
        self.acted.values().any(|times| *times > 1)
    }

    /// Whether both edges have sealed, for two incarnations.
    pub(super) fn went_on_elsewhere(&self) -> bool {
        let by = |edge| self.sealed.values().any(|edges| edges.contains(&edge));
        EDGES.into_iter().all(by) && self.generations() > 1 && self.actors.len() > 1
    }

    /// Whether one incarnation has used numbers of two generations.
    pub(super) fn used_up_one(&self) -> bool {
        self.actors.len() == 1 && self.generations() > 1
    }

    fn generations(&self) -> usize {
        let generations: BTreeSet<u64> = self.sealed.keys().map(|number| number >> 24).collect();
        generations.len()
    }
}

/// The same pen with few numbers left in its generation.
fn spent(mut pen: Pen) -> Pen {
    for _ in LEFT..Numbering::RECORDS {
        let numbered = pen.number(Content::CloseNotify);
        assert!(matches!(numbered, Numbered::Send(..)), "{numbered:?}");
    }
    pen
}
