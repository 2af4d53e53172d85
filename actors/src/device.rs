//! One device: its sessions and its bootstrap. Pure: input in, effects out.
//!
//! It has no socket, clock or ledger of its own: [`World`] brings the time, randomness and what
//! the ledger remembers, and takes the effects. Own state is changed directly; an effect is only
//! what leaves the actor.

use crate::EdgeId;
use crate::conversation::{Conversation, Numbers};
use crate::counters::count;
use crate::line::{Line, Lines};
use crate::lwm2m::{self, Bootstrapping};
use crate::pace::TooOften;
use crate::pen::Numbered;
use crate::step::{About, Effect, Input, World};
use claviger_coap::{Association, ExchangeId, Output, Refusal};
use claviger_dtls::PathMessage;
use claviger_front::{Check, Close, Content, Deliver, ToEdge, Trace};
use claviger_ledger::{
    CloseSession, CredentialId, DeviceRef, NoteFailure, Outcome, RaiseGeneration, SessionId,
    Unavailable,
};
use claviger_lwm2m::{Plan, Reason};
use claviger_machine::{Code, Request, Response};
use claviger_seal::TenantKey;
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;
use tracing::Span;

/// How many sessions one actor holds in memory; the ledger allows a credential four.
const SESSIONS: usize = 8;

/// The bit in [`Line::noted`] behind those of [`Refusal`].
const NOT_SERVED: usize = Refusal::LABELS.len();
const _: () = assert!(NOT_SERVED < u8::BITS as usize, "`noted` has a bit for each");

/// One device.
pub(crate) struct Device {
    /// Shared with whoever finds its actor by it.
    of: Arc<DeviceRef>,
    /// What only a bootstrap needs. Boxed: with it an actor's task is too long for its block.
    known: Box<Known>,
    lines: Lines,
    /// Boxed: most devices that are awake have none, and it is taken out for each of its steps.
    bootstrapping: Option<Box<Bootstrapping>>,
}

/// What a bootstrap needs of its device.
struct Known {
    /// Its endpoint, where that is not its id.
    endpoint: Option<Box<str>>,
    tenant_key: TenantKey,
}

impl Device {
    pub(crate) fn new(of: Arc<DeviceRef>, endpoint: String, tenant_key: TenantKey) -> Self {
        let endpoint = (endpoint != of.device).then(|| endpoint.into());
        let known = Box::new(Known { endpoint, tenant_key });
        Self { of, known, lines: Lines::default(), bootstrapping: None }
    }

    pub(crate) fn of(&self) -> &Arc<DeviceRef> {
        &self.of
    }

    /// Its name, for a command.
    fn device(&self) -> DeviceRef {
        (*self.of).clone()
    }

    pub(crate) fn knows(&self, session: SessionId) -> bool {
        self.lines.has(session)
    }

    /// The span of what is under way.
    pub(crate) fn span(&self) -> Span {
        let bootstrap = self.bootstrapping.as_deref().map(Bootstrapping::span);
        bootstrap.cloned().unwrap_or_else(Span::none)
    }

    /// True if nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.bootstrapping.is_none() && self.lines.all().all(|(_, line)| line.talk.is_idle())
    }

    /// Gives back the room that what is over has left: a device that is awake mostly waits.
    pub(crate) fn shrink(&mut self) {
        self.lines.all_mut().for_each(|line| line.talk.association.shrink());
    }

    /// The numbers of its sessions, to be kept while it sleeps.
    pub(crate) fn numbers(&self) -> Vec<(SessionId, Numbers)> {
        let lines = self.lines.all();
        lines.filter_map(|(id, line)| Some((id, line.talk.numbers()?))).collect()
    }

    /// When [`Input::Tick`] is due.
    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        let lines = self.lines.all().filter_map(|(_, line)| line.talk.association.next_timeout());
        let bootstrap = self.bootstrapping.as_deref().and_then(Bootstrapping::deadline);
        lines.chain(bootstrap).min()
    }

    /// When it is due though nothing is under way: bodies that were left half-way take room.
    pub(crate) fn next_stale(&self) -> Option<Duration> {
        self.lines.all().filter_map(|(_, line)| line.talk.association.next_stale()).min()
    }

    /// Takes one input and gives its effects to `world`.
    pub(crate) fn step(&mut self, world: &mut World<'_>, input: Input) {
        match input {
            Input::Opened { edge, session, generation, peer, named, closed, prepared } => {
                self.drop_lines(world, &closed);
                if !self.knows(session) {
                    let id = u16::from_ne_bytes(world.crypto.random());
                    let talk = Conversation::opened(edge, generation, id);
                    self.meet(session, talk, peer, named, prepared);
                }
            }
            Input::Recovered { edge, session, highest_read, peer, named, numbers } => {
                let id = u16::from_ne_bytes(world.crypto.random());
                let talk = match numbers {
                    Some(numbers) => Conversation::resumed(edge, numbers, id),
                    None => {
                        self.raise(world, session, highest_read);
                        Conversation::recovered(edge, highest_read, id)
                    }
                };
                self.meet(session, talk, peer, named, None);
            }
            Input::Deliver { edge, frame } => self.deliver(world, edge, &frame),
            Input::TurnAway { edge, frame } => self.turn_away(world, edge, &frame),
            Input::Repeat { edge, session } => {
                if let Some(line) = self.lines.line_mut(session) {
                    line.talk.edge = edge;
                    self.send(world, session, Content::Finished);
                }
            }
            Input::Moved { session, from, to, contents } => {
                if let Some(line) = self.lines.line_mut(session) {
                    // Perhaps the device has shown another way meanwhile.
                    if line.talk.edge == from {
                        line.talk.edge = to;
                    }
                    for content in contents {
                        self.send(world, session, content);
                    }
                }
            }
            Input::Revive { session, credential, since } => {
                self.revive(world, session, credential, Some(since));
            }
            Input::Offered { session, credential, outcome } => {
                self.with_bootstrap(world, |bootstrap, line, world| {
                    if bootstrap.session() == session {
                        bootstrap.offered(line, world, credential, outcome);
                    }
                });
            }
            Input::Outcome { about, result } => self.outcome(world, about, result),
            Input::ServerAnswered { credential, result } => {
                self.with_bootstrap(world, |bootstrap, line, world| {
                    bootstrap.server_answered(line, world, credential, result);
                });
            }
            Input::Ended { closed, withdrawn } => self.ended(world, &closed, &withdrawn),
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
            self.lines.remove(*session);
        }
    }

    /// Nothing more is said in sessions that the ledger has closed with their credential, and
    /// nothing more is done to bring a credential that it has ended.
    fn ended(&mut self, world: &mut World<'_>, closed: &[SessionId], withdrawn: &[CredentialId]) {
        for session in closed {
            if self.bootstrapping.as_ref().is_some_and(|b| b.session() == *session) {
                let why = "the credential that the device had proven was revoked, or its time is \
                           over";
                self.with_bootstrap(world, |bootstrap, line, world| {
                    bootstrap.stop(line, world, why);
                });
                // One that is being delivered goes on in the ledger, not here.
                self.bootstrapping = None;
            }
            if let Some(line) = self.lines.remove(*session) {
                let frame = ToEdge::Close(Close { session: session.0 });
                world.effects.push(Effect::Send { edge: line.talk.edge, frame });
            }
        }
        self.with_bootstrap(world, |bootstrap, line, world| {
            if bootstrap.credential().is_some_and(|id| withdrawn.contains(&id)) {
                let why = "the credential that it was to bring was withdrawn; the next attempt \
                           brings a fresh one";
                bootstrap.stop(line, world, why);
            }
        });
    }

    fn meet(
        &mut self,
        session: SessionId,
        talk: Conversation,
        peer: SocketAddr,
        named_by_identity: bool,
        prepared: Option<CredentialId>,
    ) {
        if self.lines.len() >= SESSIONS {
            let bootstrapping = self.bootstrapping.as_deref().map(Bootstrapping::session);
            let is_free =
                |(id, line): &(SessionId, &Line)| Some(*id) != bootstrapping && line.talk.is_idle();
            let oldest = self.lines.all().find(is_free).map(|(id, _)| id);
            oldest.map(|id| self.lines.remove(id));
        }
        self.lines.add(session, Line::new(talk, peer, named_by_identity, prepared));
    }

    fn raise(&self, world: &mut World<'_>, session: SessionId, highest_read: u64) {
        let command = RaiseGeneration { device: self.device(), session, highest_read };
        world.propose(About::Generation(session), command);
    }

    fn deliver(&mut self, world: &mut World<'_>, edge: EdgeId, frame: &Deliver) {
        let session = SessionId(frame.session);
        let Some(newest) = self.accept(world, edge, frame) else { return };
        match frame.check {
            Some(Check::Message) => return self.check(world, session, &frame.payload),
            Some(Check::Answered) => self.challenge(world, session),
            None => {}
        }
        let Some(line) = self.lines.line_mut(session) else { return };
        if frame.alert {
            return self.alert(world, session, &frame.payload, newest);
        }
        line.talk.association.receive(world.now, &frame.payload, &mut world.draw);
        world.counters.add_coap(line.talk.association.take_counters());
    }

    /// Takes in what a record says by itself, once: whether it is newer than all before.
    fn accept(&mut self, world: &World<'_>, edge: EdgeId, frame: &Deliver) -> Option<bool> {
        let line = self.lines.line_mut(SessionId(frame.session))?;
        let Some(newest) = line.talk.window.accept(frame.sequence) else {
            count(&world.counters.replays);
            return None;
        };
        line.talk.edge = edge;
        line.hear(frame.from, newest, frame.payload.len());
        line.sampled = frame.trace.sampled;
        if let Some(limit) = frame.limit {
            line.talk.association.keep_within(limit.into());
        }
        Some(newest)
    }

    /// Says to a request that no more is taken now. Of all else the window marks nothing: the device
    /// sends it again, when there is less to do.
    fn turn_away(&mut self, world: &mut World<'_>, edge: EdgeId, frame: &Deliver) {
        let is_data = !frame.alert && frame.check != Some(Check::Message);
        if !is_data || !Association::is_request(&frame.payload) {
            return;
        }
        let taken = self.accept(world, edge, frame);
        if let (Some(_), Some(line)) = (taken, self.lines.line_mut(SessionId(frame.session))) {
            line.talk.association.turn_away(world.now, &frame.payload);
            world.counters.add_coap(line.talk.association.take_counters());
        }
    }

    /// Asks a peer that may have moved whether it is there (RFC 9853).
    fn challenge(&mut self, world: &mut World<'_>, session: SessionId) {
        let Some(line) = self.lines.line_mut(session) else { return };
        if let Some(cookie) = line.path.check(world.now, || world.crypto.random()) {
            self.send(world, session, Content::PathChallenge(cookie));
        }
    }

    /// A message that checks an address, ours or the peer's.
    fn check(&mut self, world: &mut World<'_>, session: SessionId, message: &[u8]) {
        let Some(line) = self.lines.line_mut(session) else { return };
        match PathMessage::decode(message) {
            Some(PathMessage::Challenge(cookie)) => {
                line.asked();
                self.send(world, session, Content::PathResponse(cookie));
            }
            Some(PathMessage::Response(cookie)) => line.path.answered(line.heard(), &cookie),
            // To drop a path is the answer to a challenge there: of one to the old path, which we
            // do not send.
            Some(PathMessage::Drop(_)) | None => {}
        }
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
        if let Some(line) = self.lines.remove(session) {
            let frame = ToEdge::Close(Close { session: session.0 });
            world.effects.push(Effect::Send { edge: line.talk.edge, frame });
            let (device, words) = (self.device(), words.to_owned());
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
                let Some(line) = self.lines.line_mut(session) else { return };
                for content in line.talk.raised(generation) {
                    self.send(world, session, content);
                }
            }
            // Its session or its credential has ended.
            Ok(_) => self.close(world, session, "The session's credential may not be used."),
            // Without a generation nothing may be sent; what is next asks for one again.
            Err(_) => {
                if let Some(line) = self.lines.line_mut(session) {
                    line.talk.not_raised();
                }
            }
        }
    }

    fn tick(&mut self, world: &mut World<'_>) {
        for line in self.lines.all_mut() {
            line.talk.association.handle_timeout(world.now);
            world.counters.add_coap(line.talk.association.take_counters());
        }
        let due = self.bootstrapping.as_deref().and_then(Bootstrapping::deadline);
        if due.is_some_and(|due| due <= world.now) {
            self.with_bootstrap(world, Bootstrapping::timed_out);
        }
    }

    /// Takes everything out of the associations until they have no more.
    fn drain(&mut self, world: &mut World<'_>) {
        let sessions: Vec<SessionId> = self.lines.all().map(|(id, _)| id).collect();
        for session in sessions {
            while let Some(output) =
                self.lines.line_mut(session).and_then(|line| line.talk.association.poll())
            {
                self.output(world, session, output);
            }
        }
    }

    fn output(&mut self, world: &mut World<'_>, session: SessionId, output: Output) {
        match output {
            Output::Send(bytes) => self.send(world, session, Content::Application(bytes)),
            Output::Request { exchange, request, .. } => {
                count(&world.counters.coap_requests);
                if !Bootstrapping::is_for(&request) {
                    return self.not_served(world, session, exchange, &request);
                }
                if let Some(credential) = self.answer_unasked(world, session, exchange) {
                    return self.revive(world, session, credential, None);
                }
                if let Err(too_often) = world.pace.begins(&self.of, world.now) {
                    return self.put_off(world, session, exchange, too_often);
                }
                self.begin(world, session);
                self.with_bootstrap(world, |bootstrap, line, world| {
                    bootstrap.requested(line, world, exchange, &request);
                });
            }
            Output::Response { request, result } => {
                if let (Ok(_), Some(line)) = (&result, self.lines.line_mut(session)) {
                    line.path.proved(line.heard(), request);
                }
                self.with_bootstrap(world, |bootstrap, line, world| {
                    if bootstrap.session() == session {
                        bootstrap.answered(line, world, request, result);
                    }
                });
            }
            Output::Refused(why) => self.note(world, session, why.index(), || why.words()),
        }
    }

    /// The device asks to be bootstrapped too often.
    fn put_off(
        &mut self,
        world: &mut World<'_>,
        session: SessionId,
        exchange: ExchangeId,
        too_often: TooOften,
    ) {
        let Some(line) = self.lines.line_mut(session) else { return };
        let words = "bootstraps were asked for too often; try again later";
        let refusal = lwm2m::come_later(words, too_often.wait);
        line.talk.association.respond(world.now, exchange, refusal);
        count(&world.counters.failures[Reason::TooOften as usize]);
        if let Some(note) = too_often.note(&self.of) {
            world.propose(About::Note, note);
        }
    }

    /// The device asks for what is not here.
    fn not_served(
        &mut self,
        world: &mut World<'_>,
        session: SessionId,
        exchange: ExchangeId,
        request: &Request,
    ) {
        let Some(line) = self.lines.line_mut(session) else { return };
        let refusal = claviger_lwm2m::request::unsupported(request);
        line.talk.association.respond(world.now, exchange, refusal);
        if let Some(event) = claviger_lwm2m::not_served(request) {
            count(&world.counters.failures[Reason::NotServed as usize]);
            self.note(world, session, NOT_SERVED, || event.words);
        }
    }

    /// Puts a message that came to nothing on the timeline, the first of its kind in a session.
    fn note(
        &mut self,
        world: &mut World<'_>,
        session: SessionId,
        kind: usize,
        words: impl FnOnce() -> String,
    ) {
        let Some(line) = self.lines.line_mut(session) else { return };
        let bit = 1 << kind;
        if line.noted & bit != 0 {
            return;
        }
        line.noted |= bit;
        let words = format!("{} More of this kind in this session are only counted.", words());
        let device = self.device();
        let note = NoteFailure { device, credential: None, refused: false, words };
        world.propose(About::Note, note);
    }

    /// Sees to it that a bootstrap runs in `session`; one in another session is abandoned.
    fn begin(&mut self, world: &mut World<'_>, session: SessionId) {
        if self.bootstrapping.as_ref().is_some_and(|b| b.session() != session) {
            self.with_bootstrap(world, Bootstrapping::abandon);
            // One that is being delivered goes on in the ledger, not here.
            self.bootstrapping = None;
        }
        let (of, Known { endpoint, tenant_key: key }) = (&self.of, &*self.known);
        let endpoint = endpoint.as_deref().unwrap_or(&of.device);
        let line = self.lines.line(session);
        let trace = Trace::of(session.0, line.is_some_and(|line| line.sampled));
        let named_by_identity = line.is_some_and(|line| line.named_by_identity);
        self.bootstrapping.get_or_insert_with(|| {
            let plan = Plan { endpoint: endpoint.to_string(), named_by_identity };
            Box::new(Bootstrapping::new((**of).clone(), key.clone(), plan, session, &trace))
        });
    }

    /// Goes on with the bootstrap that brings `credential`, if the device waits for it and has not
    /// asked again. Since when this node leads, where another one was asked.
    fn revive(
        &mut self,
        world: &mut World<'_>,
        session: SessionId,
        credential: CredentialId,
        since: Option<Duration>,
    ) {
        if self.bootstrapping.is_some() {
            return;
        }
        self.begin(world, session);
        self.with_bootstrap(world, |bootstrap, line, world| {
            bootstrap.revive(line, world, credential, since);
        });
    }

    /// Answers a request that may be the one of a bootstrap which is done, and gives what that has
    /// brought.
    fn answer_unasked(
        &mut self,
        world: &World<'_>,
        session: SessionId,
        exchange: ExchangeId,
    ) -> Option<CredentialId> {
        let line = self.lines.line_mut(session)?;
        let unasked = line.unasked.take().filter(|unasked| world.now < unasked.until)?;
        line.talk.association.respond(world.now, exchange, Response::new(Code::CHANGED));
        Some(unasked.credential)
    }

    /// Runs `step` on the bootstrap, if there is one and its session is known; drops it at its end.
    fn with_bootstrap(
        &mut self,
        world: &mut World<'_>,
        step: impl FnOnce(&mut Bootstrapping, &mut Line, &mut World<'_>),
    ) {
        let Some(mut bootstrap) = self.bootstrapping.take() else { return };
        let Some(line) = self.lines.line_mut(bootstrap.session()) else { return };
        step(&mut bootstrap, line, world);
        if !bootstrap.is_over() {
            self.bootstrapping = Some(bootstrap);
        }
    }

    /// Numbers one record and sends it, or lets it wait for a generation.
    fn send(&mut self, world: &mut World<'_>, session: SessionId, content: Content) {
        let Some(line) = self.lines.line_mut(session) else { return };
        match line.talk.number(content) {
            Numbered::Send(sequence, content) => line.transmit(world, session, sequence, content),
            Numbered::Raise => {
                let highest = line.talk.window.highest();
                self.raise(world, session, highest);
            }
            Numbered::Finished(sequence) => {
                line.transmit(world, session, sequence, Content::CloseNotify);
                self.close(world, session, "The session used all its record numbers.");
            }
            Numbered::Waits | Numbered::Dropped => {}
        }
    }
}
