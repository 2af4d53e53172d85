//! One device: its sessions and its bootstrap. Pure: input in, effects out.
//!
//! It has no socket, clock or ledger of its own: [`World`] brings the time, randomness and what
//! the ledger remembers, and takes the effects. Own state is changed directly; an effect is only
//! what leaves the actor.

use crate::EdgeId;
use crate::conversation::{Conversation, Numbered, Numbers};
use crate::counters::{Counters, count};
use crate::lwm2m::Bootstrapping;
use crate::path::Path;
use claviger_coap::Output;
use claviger_front::{Close, Content, Deliver, ToEdge, Transmit};
use claviger_ledger::{
    CloseSession, Command, CredentialId, DeviceRef, Outcome, RaiseGeneration, SessionId,
    Unavailable,
};
use claviger_machine::{Crypto, Draw};
use claviger_seal::TenantKey;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

/// How long a record is worth sending.
const WORTH: Duration = Duration::from_secs(5);
/// How many sessions one actor holds in memory; the ledger allows a credential four.
const SESSIONS: usize = 8;

/// What comes in.
pub(crate) enum Input {
    /// The device has opened a session.
    Opened {
        edge: EdgeId,
        session: SessionId,
        generation: u32,
        peer: SocketAddr,
        closed: Vec<SessionId>,
    },
    /// A session of the ledger that this incarnation did not know.
    Recovered {
        edge: EdgeId,
        session: SessionId,
        highest_read: u64,
        peer: SocketAddr,
        numbers: Option<Numbers>,
    },
    /// A record of a session that is known.
    Deliver { edge: EdgeId, frame: Box<Deliver> },
    /// The last flight of a session's handshake must be sent again.
    Repeat { edge: EdgeId, session: SessionId },
    /// What became of a proposal.
    Outcome { about: About, result: Result<Outcome, Unavailable> },
    /// The LwM2M server has answered.
    ServerAnswered { credential: CredentialId, result: Result<(), String> },
    /// Time has passed.
    Tick,
}

/// What a proposal was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A credential for the bootstrap of this session; the fresh one of the proposal.
    Stage(SessionId, CredentialId),
    /// The delivery of the bootstrap's credential.
    Delivery(SessionId, CredentialId),
    /// A new generation of a session's numbers.
    Generation(SessionId),
    /// A note that nobody waits for.
    Note,
}

/// What goes out.
pub(crate) enum Effect {
    /// Send a frame to an edge.
    Send { edge: EdgeId, frame: ToEdge },
    /// Propose a command; an [`Input::Outcome`] follows.
    Propose { about: About, command: Command },
    /// There is something to tell the LwM2M server.
    Wake(CredentialId),
}

/// What a step sees of the world, and what it does to it.
pub(crate) struct World<'a> {
    pub(crate) now: Duration,
    pub(crate) crypto: &'a dyn Crypto,
    pub(crate) draw: Draw,
    /// The sealed response to a request that changed the ledger, while it is remembered.
    pub(crate) recall: &'a dyn Fn(SessionId, [u8; 16]) -> Option<Vec<u8>>,
    pub(crate) counters: &'a Counters,
    pub(crate) effects: Vec<Effect>,
}

impl World<'_> {
    pub(crate) fn propose(&mut self, about: About, command: impl Into<Command>) {
        self.effects.push(Effect::Propose { about, command: command.into() });
    }
}

/// A session and the way to its peer.
pub(crate) struct Line {
    pub(crate) talk: Conversation,
    pub(crate) path: Path,
    /// Where its last record came from.
    heard: SocketAddr,
}

/// One device.
pub(crate) struct Device {
    of: DeviceRef,
    endpoint: String,
    tenant_key: TenantKey,
    lines: BTreeMap<SessionId, Line>,
    bootstrapping: Option<Bootstrapping>,
}

impl Device {
    pub(crate) fn new(of: DeviceRef, endpoint: String, tenant_key: TenantKey) -> Self {
        Self { of, endpoint, tenant_key, lines: BTreeMap::new(), bootstrapping: None }
    }

    pub(crate) fn of(&self) -> &DeviceRef {
        &self.of
    }

    pub(crate) fn knows(&self, session: SessionId) -> bool {
        self.lines.contains_key(&session)
    }

    /// True if nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.bootstrapping.is_none() && self.lines.values().all(|line| line.talk.is_idle())
    }

    /// The numbers of its sessions, to be kept while it sleeps.
    pub(crate) fn numbers(&self) -> Vec<(SessionId, Numbers)> {
        let lines = self.lines.iter();
        lines.filter_map(|(id, line)| Some((*id, line.talk.numbers()?))).collect()
    }

    /// When [`Input::Tick`] is due.
    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        let lines = self.lines.values().filter_map(|line| line.talk.association.next_timeout());
        let bootstrap = self.bootstrapping.as_ref().and_then(Bootstrapping::deadline);
        lines.chain(bootstrap).min()
    }

    /// Takes one input and gives its effects to `world`.
    pub(crate) fn step(&mut self, world: &mut World<'_>, input: Input) {
        match input {
            Input::Opened { edge, session, generation, peer, closed } => {
                self.drop_lines(world, &closed);
                if !self.knows(session) {
                    let id = u16::from_ne_bytes(world.crypto.random());
                    let talk = Conversation::opened(edge, generation, id);
                    self.meet(session, talk, peer);
                }
            }
            Input::Recovered { edge, session, highest_read, peer, numbers } => {
                let id = u16::from_ne_bytes(world.crypto.random());
                let talk = match numbers {
                    Some(numbers) => Conversation::resumed(edge, numbers, id),
                    None => {
                        self.raise(world, session, highest_read);
                        Conversation::recovered(edge, highest_read, id)
                    }
                };
                self.meet(session, talk, peer);
            }
            Input::Deliver { edge, frame } => self.deliver(world, edge, &frame),
            Input::Repeat { edge, session } => {
                if let Some(line) = self.lines.get_mut(&session) {
                    line.talk.edge = edge;
                    self.send(world, session, Content::Finished);
                }
            }
            Input::Outcome { about, result } => self.outcome(world, about, result),
            Input::ServerAnswered { credential, result } => {
                self.with_bootstrap(world, |bootstrap, line, world| {
                    bootstrap.server_answered(line, world, credential, result);
                });
            }
            Input::Tick => self.tick(world),
        }
        self.drain(world);
    }

    /// The ledger has closed these sessions to make room for another.
    fn drop_lines(&mut self, world: &mut World<'_>, closed: &[SessionId]) {
        for session in closed {
            if self.bootstrapping.as_ref().is_some_and(|b| b.session() == *session) {
                self.with_bootstrap(world, Bootstrapping::abandon);
                self.bootstrapping = None;
            }
            self.lines.remove(session);
        }
    }

    fn meet(&mut self, session: SessionId, talk: Conversation, peer: SocketAddr) {
        if self.lines.len() >= SESSIONS {
            let bootstrapping = self.bootstrapping.as_ref().map(Bootstrapping::session);
            let oldest = self
                .lines
                .iter()
                .find(|(id, line)| Some(**id) != bootstrapping && line.talk.is_idle());
            let oldest = oldest.map(|(id, _)| *id);
            oldest.map(|id| self.lines.remove(&id));
        }
        self.lines.insert(session, Line { talk, path: Path::proven(peer), heard: peer });
    }

    fn raise(&self, world: &mut World<'_>, session: SessionId, highest_read: u64) {
        let command = RaiseGeneration { device: self.of.clone(), session, highest_read };
        world.propose(About::Generation(session), command);
    }

    fn deliver(&mut self, world: &mut World<'_>, edge: EdgeId, frame: &Deliver) {
        let session = SessionId(frame.session);
        let Some(line) = self.lines.get_mut(&session) else { return };
        let Some(newest) = line.talk.window.accept(frame.sequence) else {
            return count(&world.counters.replays);
        };
        line.talk.edge = edge;
        line.path.received(frame.from, newest, frame.payload.len());
        line.heard = frame.from;
        if frame.alert {
            return self.alert(world, session, &frame.payload, newest);
        }
        let before = *line.talk.association.counters();
        line.talk.association.receive(world.now, &frame.payload, &mut world.draw);
        world.counters.add_coap(&before, line.talk.association.counters());
    }

    /// A close_notify or a fatal alert ends the session, if it is newer than all else.
    fn alert(&mut self, world: &mut World<'_>, session: SessionId, alert: &[u8], newest: bool) {
        const FATAL: u8 = 2;
        const CLOSE_NOTIFY: u8 = 0;
        if newest && matches!(alert, [FATAL, _] | [_, CLOSE_NOTIFY]) {
            self.close(world, session, "The device ended the DTLS session.");
        }
    }

    fn close(&mut self, world: &mut World<'_>, session: SessionId, words: &str) {
        if self.bootstrapping.as_ref().is_some_and(|b| b.session() == session) {
            self.with_bootstrap(world, Bootstrapping::abandon);
        }
        if let Some(line) = self.lines.remove(&session) {
            let frame = ToEdge::Close(Close { session: session.0 });
            world.effects.push(Effect::Send { edge: line.talk.edge, frame });
            let (device, words) = (self.of.clone(), words.to_owned());
            world.propose(About::Note, CloseSession { device, session, words });
        }
    }

    fn outcome(
        &mut self,
        world: &mut World<'_>,
        about: About,
        result: Result<Outcome, Unavailable>,
    ) {
        match about {
            About::Note => {}
            About::Generation(session) => self.raised(world, session, result),
            About::Delivery(session, _) if !self.knows(session) => {
                // The device ended its session after Finish; the delivery counts all the same.
                self.bootstrapping.take_if(|bootstrap| bootstrap.session() == session);
                if matches!(result, Ok(Outcome::Done)) {
                    count(&world.counters.bootstraps_finished[0]);
                }
            }
            About::Stage(session, credential) => {
                self.with_bootstrap(world, |bootstrap, line, world| {
                    if bootstrap.session() == session {
                        bootstrap.staged(line, world, credential, result);
                    }
                });
            }
            About::Delivery(session, credential) => {
                self.with_bootstrap(world, |bootstrap, line, world| {
                    if bootstrap.session() == session {
                        bootstrap.delivered(line, world, credential, result);
                    }
                });
            }
        }
    }

    fn raised(
        &mut self,
        world: &mut World<'_>,
        session: SessionId,
        result: Result<Outcome, Unavailable>,
    ) {
        match result {
            Ok(Outcome::Generation(generation)) => {
                let Some(line) = self.lines.get_mut(&session) else { return };
                for content in line.talk.raised(generation) {
                    self.send(world, session, content);
                }
            }
            // Without a generation nothing may be sent; the next record of the device recovers
            // the session again.
            Ok(_) | Err(_) => {
                self.lines.remove(&session);
                if self.bootstrapping.as_ref().is_some_and(|b| b.session() == session) {
                    self.bootstrapping = None;
                }
            }
        }
    }

    fn tick(&mut self, world: &mut World<'_>) {
        for line in self.lines.values_mut() {
            let before = *line.talk.association.counters();
            line.talk.association.handle_timeout(world.now);
            world.counters.add_coap(&before, line.talk.association.counters());
        }
        let due = self.bootstrapping.as_ref().and_then(Bootstrapping::deadline);
        if due.is_some_and(|due| due <= world.now) {
            self.with_bootstrap(world, Bootstrapping::timed_out);
        }
    }

    /// Takes everything out of the associations until they have no more.
    fn drain(&mut self, world: &mut World<'_>) {
        let sessions: Vec<SessionId> = self.lines.keys().copied().collect();
        for session in sessions {
            while let Some(output) =
                self.lines.get_mut(&session).and_then(|line| line.talk.association.poll())
            {
                self.output(world, session, output);
            }
        }
    }

    fn output(&mut self, world: &mut World<'_>, session: SessionId, output: Output) {
        match output {
            Output::Send(bytes) => self.send(world, session, Content::Application(bytes)),
            Output::Request { exchange, identity, request } => {
                count(&world.counters.coap_requests);
                if !Bootstrapping::is_for(&request) {
                    if let Some(line) = self.lines.get_mut(&session) {
                        let refusal = claviger_lwm2m::request::unsupported(&request);
                        line.talk.association.respond(world.now, exchange, refusal);
                    }
                    return;
                }
                self.begin(world, session);
                self.with_bootstrap(world, |bootstrap, line, world| {
                    bootstrap.requested(line, world, exchange, &identity, &request);
                });
            }
            Output::Response { request, result } => {
                if let (Ok(_), Some(line)) = (&result, self.lines.get_mut(&session)) {
                    line.path.proved(line.heard, request);
                }
                self.with_bootstrap(world, |bootstrap, line, world| {
                    if bootstrap.session() == session {
                        bootstrap.answered(line, world, request, result);
                    }
                });
            }
        }
    }

    /// Sees to it that a bootstrap runs in `session`; one in another session is abandoned.
    fn begin(&mut self, world: &mut World<'_>, session: SessionId) {
        if self.bootstrapping.as_ref().is_some_and(|b| b.session() != session) {
            self.with_bootstrap(world, Bootstrapping::abandon);
            // One that is being delivered goes on in the ledger, not here.
            self.bootstrapping = None;
        }
        let (of, key, endpoint) = (&self.of, &self.tenant_key, &self.endpoint);
        self.bootstrapping
            .get_or_insert_with(|| Bootstrapping::new(of.clone(), key.clone(), endpoint, session));
    }

    /// Runs `step` on the bootstrap, if there is one and its session is known; drops it at its end.
    fn with_bootstrap(
        &mut self,
        world: &mut World<'_>,
        step: impl FnOnce(&mut Bootstrapping, &mut Line, &mut World<'_>),
    ) {
        let Some(mut bootstrap) = self.bootstrapping.take() else { return };
        let Some(line) = self.lines.get_mut(&bootstrap.session()) else { return };
        step(&mut bootstrap, line, world);
        if !bootstrap.is_over() {
            self.bootstrapping = Some(bootstrap);
        }
    }

    /// Numbers one record and sends it, or lets it wait for a generation.
    fn send(&mut self, world: &mut World<'_>, session: SessionId, content: Content) {
        let Some(line) = self.lines.get_mut(&session) else { return };
        match line.talk.number(content) {
            Numbered::Send(sequence, content) => {
                let length = match &content {
                    Content::Application(bytes) => bytes.len(),
                    Content::CloseNotify | Content::Finished => 0,
                };
                let deadline = world.now + WORTH;
                let frame = ToEdge::Transmit(Transmit {
                    session: session.0,
                    sequence,
                    deadline: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
                    to: Some(line.path.target(length)),
                    content,
                });
                world.effects.push(Effect::Send { edge: line.talk.edge, frame });
            }
            Numbered::Raise => {
                let highest = line.talk.window.highest();
                self.raise(world, session, highest);
            }
            Numbered::Finished => {
                self.close(world, session, "The session used all its record numbers.");
            }
            Numbered::Waits | Numbered::Dropped => {}
        }
    }
}
