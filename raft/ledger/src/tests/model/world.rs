//! What stands around the ledger: one bootstrap, the outbox, the LwM2M server, the device and its
//! operator.

use super::super::*;
use super::Fault;
use core::hash::{Hash, Hasher};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// The number of the first credential that is made.
const FIRST: u8 = 10;

/// How often each thing may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// Bootstraps that the device begins.
    pub(super) attempts: u8,
    /// Credentials that are made for it.
    pub(super) fresh: u8,
    pub(super) rotations: u8,
    pub(super) revocations: u8,
    /// Crashes of the node: what is in memory is lost, and what is proposed.
    pub(super) crashes: u8,
    /// Answers of the ledger that are lost: the same is proposed again.
    pub(super) losses: u8,
    /// Uses of a credential that the server reports.
    pub(super) reports: u8,
}

/// What somebody wants committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Wish {
    /// A credential for the bootstrap; this one, if none waits.
    Stage(u8),
    Deliver(u8),
    Told(u8),
    Forgotten(u8),
    Used(u8),
    Rotate,
    Revoke(u8),
}

/// A wish under its request's number.
pub(super) type Proposal = (u64, Wish);

/// How far a bootstrap has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Attempt {
    /// It waits for what the ledger stages.
    Asking,
    /// It waits for the LwM2M server.
    Waiting(u8),
    /// It writes the device.
    Writing(u8),
    /// The device has answered Finish.
    Finished(u8),
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The device asks; a bootstrap that was under way is forgotten.
    Ask,
    /// The device takes what is written, and answers Finish.
    Finish,
    /// The outbox tells the server of an item.
    Tell(u8),
    /// The server has seen a credential in use.
    Use(u8),
    Rotate,
    Revoke(u8),
    /// A proposal is committed, and its outcome learned.
    Commit(Proposal),
    /// A proposal is committed, and its outcome lost.
    Lose(Proposal),
    Crash,
}

/// The whole.
#[derive(Clone)]
pub(super) struct World {
    rig: Arc<Rig>,
    seen: Seen,
    left: Budget,
    attempt: Option<Attempt>,
    proposals: BTreeSet<Proposal>,
    proposed: u64,
    /// What the device holds.
    held: Option<u8>,
    /// What the server holds.
    server: BTreeSet<u8>,
    /// What the operator has put an end to, or to what waited then.
    ended_by_operator: BTreeSet<u8>,
    /// What has been seen to have ended.
    ended: BTreeSet<u8>,
    came_back: bool,
}

/// What of the rows matters. Rows that differ in times, indices and words only are one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Seen {
    states: BTreeMap<u8, &'static str>,
    /// Items of the outbox; true for a withdrawal.
    outbox: BTreeMap<u8, bool>,
    staged: Option<u8>,
    confirmed: BTreeSet<u8>,
    audited_once: bool,
    /// In the order of their making.
    made: Vec<u8>,
    /// Requests that were committed, which the ledger remembers.
    done: BTreeSet<u64>,
}

impl Seen {
    /// What a rig shows when these requests were committed.
    fn of(rig: &Rig, done: BTreeSet<u64>) -> Self {
        let view = rig.view();
        let made = view.credentials(&device(1)).into_iter();
        let made = made.filter(|(_, credential)| credential.origin == Origin::Claviger);
        let mut seen = Self { done, ..Self::default() };
        for (id, credential) in made {
            seen.states.insert(id.0[0], credential.state.as_str());
            if credential.confirmed_at.is_some() {
                seen.confirmed.insert(id.0[0]);
            }
        }
        for (_, id, item) in view.outbox() {
            seen.outbox.insert(id.0[0], item.withdrawal.is_some());
        }
        let record = view.device(&device(1)).unwrap();
        seen.staged = record.staged.map(|id| id.0[0]);
        seen.made = record.made.iter().map(|id| id.0[0]).collect();
        let (mut entries, audit) = (BTreeSet::new(), view.audit(&device(1)));
        seen.audited_once = audit.iter().all(|it| {
            let entry = &it.entry;
            entry.credential.is_none_or(|id| entries.insert((id.0, entry.code.as_str())))
        });
        seen
    }
}

/// What commits have come to: rows that differ in what does not matter come to the same.
pub(super) type Known = Mutex<BTreeMap<(Seen, Proposal), (Arc<Rig>, Seen, Outcome)>>;

impl World {
    /// The device has a session by its manufacturer's credential.
    pub(super) fn new(left: Budget) -> Self {
        let mut world = Self {
            rig: Arc::new(Rig::in_session()),
            seen: Seen::default(),
            left,
            attempt: None,
            proposals: BTreeSet::new(),
            proposed: 0,
            held: None,
            server: BTreeSet::new(),
            ended_by_operator: BTreeSet::new(),
            ended: BTreeSet::new(),
            came_back: false,
        };
        let seen = Seen::of(&world.rig, BTreeSet::new());
        world.look(seen);
        world
    }

    /// Notes what the rows show.
    fn look(&mut self, seen: Seen) {
        for (number, state) in &seen.states {
            let is_live = State::ALL.iter().any(|it| it.is_live() && it.as_str() == *state);
            if !is_live {
                self.ended.insert(*number);
            } else if self.ended.contains(number) {
                self.came_back = true;
            }
        }
        self.seen = seen;
    }

    pub(super) fn possible(&self, events: &mut Vec<Event>) {
        let left = &self.left;
        if left.attempts > 0 && left.fresh > 0 {
            events.push(Event::Ask);
        }
        if matches!(self.attempt, Some(Attempt::Writing(_))) {
            events.push(Event::Finish);
        }
        let untold = self.seen.outbox.keys().filter(|id| !self.is_told(**id));
        events.extend(untold.map(|id| Event::Tell(*id)));
        if let Some(held) = self.held.filter(|held| self.server.contains(held))
            && left.reports > 0
        {
            events.push(Event::Use(held));
        }
        if left.rotations > 0 {
            events.push(Event::Rotate);
        }
        if left.revocations > 0 {
            events.extend(self.seen.states.keys().map(|id| Event::Revoke(*id)));
        }
        for proposal in &self.proposals {
            events.push(Event::Commit(*proposal));
            if left.losses > 0 {
                events.push(Event::Lose(*proposal));
            }
        }
        if left.crashes > 0 {
            events.push(Event::Crash);
        }
    }

    /// Whether what the server said of an item is on its way to the ledger.
    fn is_told(&self, id: u8) -> bool {
        let about = |wish: &Wish| matches!(wish, Wish::Told(it) | Wish::Forgotten(it) if *it == id);
        self.proposals.iter().any(|(_, wish)| about(wish))
    }

    pub(super) fn step(&mut self, event: Event, fault: Fault, known: &Known) {
        match event {
            Event::Ask => {
                self.left.attempts -= 1;
                self.left.fresh -= 1;
                self.attempt = Some(Attempt::Asking);
                // Each attempt brings a credential that it has made.
                self.propose(Wish::Stage(FIRST + self.left.fresh));
            }
            Event::Finish => {
                if let Some(Attempt::Writing(id)) = self.attempt {
                    self.attempt = Some(Attempt::Finished(id));
                    self.held = Some(id);
                    self.propose(Wish::Deliver(id));
                }
            }
            Event::Tell(id) => {
                let withdrawal = self.seen.outbox.get(&id).copied().unwrap_or_default();
                if withdrawal {
                    self.server.remove(&id);
                    self.propose(Wish::Forgotten(id));
                } else {
                    if fault != Fault::TellsNobody {
                        self.server.insert(id);
                    }
                    self.propose(Wish::Told(id));
                }
            }
            Event::Use(id) => {
                self.left.reports -= 1;
                self.propose(Wish::Used(id));
            }
            Event::Rotate => {
                self.left.rotations -= 1;
                self.propose(Wish::Rotate);
            }
            Event::Revoke(id) => {
                self.left.revocations -= 1;
                self.propose(Wish::Revoke(id));
            }
            Event::Commit(proposal) => {
                self.proposals.remove(&proposal);
                let outcome = self.commit(proposal, fault, known);
                self.learn(proposal.1, &outcome, fault);
            }
            Event::Lose(proposal) => {
                // It stays: whoever asked proposes it again, under the same number.
                self.left.losses -= 1;
                self.commit(proposal, fault, known);
            }
            Event::Crash => {
                self.left.crashes -= 1;
                self.proposals.clear();
                self.attempt = None;
            }
        }
    }

    fn propose(&mut self, wish: Wish) {
        self.proposals.insert((self.proposed, wish));
        self.proposed += 1;
    }

    fn commit(&mut self, proposal: Proposal, fault: Fault, known: &Known) -> Outcome {
        match proposal.1 {
            Wish::Rotate => self.ended_by_operator.extend(self.seen.staged),
            Wish::Revoke(id) => {
                self.ended_by_operator.insert(id);
            }
            _ => {}
        }
        let place = (self.seen.clone(), proposal);
        let before = known.lock().unwrap().get(&place).cloned();
        let (rig, seen, outcome) = before.unwrap_or_else(|| {
            let found = self.applied(proposal, fault);
            known.lock().unwrap().insert(place, found.clone());
            found
        });
        self.rig = rig;
        if let (Fault::LosesARevocation, Wish::Revoke(id), Outcome::Ended(_)) =
            (fault, proposal.1, &outcome)
        {
            self.ended.insert(id);
        }
        self.look(seen);
        outcome
    }

    /// What the rows become by a proposal.
    fn applied(&self, (number, wish): Proposal, fault: Fault) -> (Arc<Rig>, Seen, Outcome) {
        let command: Command = match wish {
            Wish::Stage(id) => stage(id).into(),
            Wish::Deliver(id) => deliver(id).into(),
            Wish::Told(id) => confirm(id).into(),
            Wish::Forgotten(id) => forgotten(id).into(),
            Wish::Used(id) => report(id).into(),
            Wish::Rotate => rotate().into(),
            Wish::Revoke(id) => revoke(id).into(),
        };
        let mut rig = Rig::clone(&self.rig);
        // Time passes: which of two credentials is the older one is seen by it.
        rig.now += 1;
        let envelope = Envelope::new(rig.now, request(0xF000 + number), command);
        let outcome = rig.submit(&envelope);
        match (fault, wish, &outcome) {
            (Fault::SupersedesTooSoon, Wish::Stage(_), Outcome::Staged { credential, .. }) => {
                rig.run(report(credential.0[0]));
            }
            (Fault::LosesARevocation, Wish::Revoke(_), Outcome::Ended(_)) => {
                rig = Rig::clone(&self.rig);
            }
            _ => {}
        }
        let mut done = self.seen.done.clone();
        done.insert(number);
        let seen = Seen::of(&rig, done);
        (Arc::new(rig), seen, outcome)
    }

    fn learn(&mut self, wish: Wish, outcome: &Outcome, fault: Fault) {
        match (wish, outcome) {
            (Wish::Stage(_), Outcome::Staged { credential, confirmed, .. })
                if self.attempt == Some(Attempt::Asking) =>
            {
                let id = credential.0[0];
                let ready = *confirmed || fault == Fault::WritesTooSoon;
                let next = if ready { Attempt::Writing } else { Attempt::Waiting };
                self.attempt = Some(next(id));
            }
            (Wish::Told(id), Outcome::Done) if self.attempt == Some(Attempt::Waiting(id)) => {
                self.attempt = Some(Attempt::Writing(id));
            }
            (Wish::Deliver(_), _) => self.attempt = None,
            // A bootstrap that rests on what has ended stops.
            (Wish::Rotate | Wish::Revoke(_), Outcome::Ended(ended)) => {
                let of = |id: u8| ended.withdrawn.iter().any(|(_, it)| it.0[0] == id);
                let rests = |attempt: &mut Attempt| match *attempt {
                    Attempt::Waiting(id) | Attempt::Writing(id) => of(id),
                    Attempt::Asking | Attempt::Finished(_) => false,
                };
                self.attempt.take_if(rests);
            }
            _ => {}
        }
    }

    fn lives(&self, id: u8) -> bool {
        !self.ended.contains(&id) && self.seen.states.contains_key(&id)
    }

    pub(super) fn server_holds_what_the_device_does(&self) -> bool {
        self.held.is_none_or(|id| !self.lives(id) || self.server.contains(&id))
    }

    pub(super) fn device_is_not_stranded(&self) -> bool {
        self.held.is_none_or(|id| self.lives(id) || self.ended_by_operator.contains(&id))
    }

    pub(super) const fn came_back(&self) -> bool {
        self.came_back
    }

    pub(super) fn staged(&self) -> usize {
        self.seen.states.values().filter(|state| **state == State::Staged.as_str()).count()
    }

    pub(super) const fn is_audited_once(&self) -> bool {
        self.seen.audited_once
    }

    /// Where the outbox is empty, the server holds what lives, and nothing that was revoked or whose
    /// time is over. What a newer one has replaced it forgets when it sees that in use.
    pub(super) fn server_is_right_at_rest(&self) -> bool {
        let is_right = |(id, state): (&u8, &&str)| {
            let replaced = *state == State::Superseded.as_str();
            replaced || self.server.contains(id) == self.lives(*id)
        };
        !self.seen.outbox.is_empty() || self.seen.states.iter().all(is_right)
    }

    pub(super) fn replaced(&self) -> bool {
        let in_state = |state: State| self.seen.states.values().any(|it| *it == state.as_str());
        in_state(State::Active) && in_state(State::Superseded)
    }

    pub(super) fn withdrawn(&self) -> bool {
        let revoked = |id: &u8| self.seen.states.get(id) == Some(&State::Revoked.as_str());
        self.seen.outbox.is_empty() && self.seen.states.keys().any(revoked)
    }

    /// All that tells two worlds apart.
    fn essence(&self) -> impl PartialEq + Hash + core::fmt::Debug + '_ {
        (
            (&self.seen, self.left, self.attempt, &self.proposals, self.proposed),
            (self.held, &self.server, &self.ended_by_operator, &self.ended, self.came_back),
        )
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.essence() == other.essence()
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.essence().hash(state);
    }
}

impl core::fmt::Debug for World {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.essence().fmt(f)
    }
}
