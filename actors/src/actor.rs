//! The shell of one device: receives, calls the pure [`Device`], runs the effects.

use crate::conversation::Numbers;
use crate::counters::count;
use crate::device::Device;
use crate::proof::KnownBy;
use crate::propose::millis;
use crate::region::{Home, Rest, Stranded};
use crate::step::{About, Effect, Input, World};
use crate::{EdgeId, Ports};
use actix::prelude::*;
use claviger_front::{Close, Content, Deliver, ToEdge};
use claviger_ledger::{Command, CredentialId, DeviceRef, SessionId, Unavailable, View};
use claviger_machine::Draw;
use claviger_seal::TenantKey;
use core::sync::atomic::Ordering;
use core::task::{self, Poll};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tracing::Instrument;

/// How many proposals of one device may be on their way at once.
const PROPOSING: u32 = 8;
/// How many frames of edges wait in an actor's mailbox.
const MAILBOX: usize = 32;

/// What an actor is told.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum ToActor {
    /// What goes to the device as it is.
    Step(Input),
    /// A record of a session; with its numbers where they survived a sleep.
    Deliver { edge: EdgeId, numbers: Option<Numbers>, frame: Box<Deliver> },
    /// The same, for which there is no room.
    TurnAway { edge: EdgeId, frame: Box<Deliver> },
    /// The last flight of a session's handshake must be sent again.
    Repeat { edge: EdgeId, numbers: Option<Numbers>, session: SessionId },
    /// A bootstrap was under way in a session when another node led, until `since`, of this credential.
    Revive {
        edge: EdgeId,
        numbers: Option<Numbers>,
        session: SessionId,
        credential: CredentialId,
        since: Duration,
    },
    /// Go to sleep, unless there is something to do.
    Sleep,
    /// End, whatever there is to do: another node leads.
    Stop,
}

impl ToActor {
    /// The same with the session's numbers, where it can carry them.
    pub(crate) fn with_numbers(mut self, kept: Option<Numbers>) -> Self {
        if let Self::Deliver { numbers, .. }
        | Self::Repeat { numbers, .. }
        | Self::Revive { numbers, .. } = &mut self
        {
            *numbers = kept.or(*numbers);
        }
        self
    }
}

/// Why something is to be sent, as far as it says that it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// A commit, or what a read found behind a ReadIndex of its own.
    Commit,
    /// Anything else.
    Other,
}

impl Cause {
    fn of(input: &Input) -> Self {
        match input {
            Input::Opened { .. }
            | Input::Outcome { result: Ok(_), .. }
            | Input::Offered { outcome: Some(_), .. } => Self::Commit,
            _ => Self::Other,
        }
    }
}

/// The session that a frame sends a record in.
fn session_of(frame: &ToEdge) -> Option<SessionId> {
    match frame {
        ToEdge::Transmit(transmit) => Some(SessionId(transmit.session)),
        _ => None,
    }
}

/// One device that is awake.
pub(crate) struct DeviceActor {
    device: Device,
    home: Arc<Home>,
    /// None while nothing is under way: most devices that are awake are silent.
    busy: Option<Box<Busy>>,
}

/// What an actor has to do with the world.
#[derive(Default)]
struct Busy {
    /// When it is looked next whether something is due; none while it only waits for its device.
    timer: Option<Duration>,
    /// Frames in the order of their numbers.
    outgoing: VecDeque<(EdgeId, ToEdge)>,
    confirming: bool,
    proposing: u32,
}

impl Busy {
    /// True if nothing is to be sent and nothing proposed.
    fn is_idle(&self) -> bool {
        self.outgoing.is_empty() && self.proposing == 0
    }
}

impl DeviceActor {
    pub(crate) fn new(
        of: Arc<DeviceRef>,
        endpoint: String,
        tenant_key: TenantKey,
        home: Arc<Home>,
    ) -> Self {
        Self { device: Device::new(of, endpoint, tenant_key), home, busy: None }
    }

    fn busy(&mut self) -> &mut Busy {
        self.busy.get_or_insert_default()
    }

    fn ports(&self) -> &Arc<Ports> {
        &self.home.ports
    }

    fn step(&mut self, input: Input, ctx: &mut Context<Self>) {
        let before = self.device.span();
        let entered = before.enter();
        let cause = Cause::of(&input);
        let effects = {
            let Home { ports, pace, .. } = &*self.home;
            let mut world = World {
                now: ports.clock.now(),
                crypto: ports.crypto.as_ref(),
                draw: Draw(ports.crypto.clone()),
                counters: &ports.counters,
                pace,
                effects: Vec::new(),
            };
            self.device.step(&mut world, input);
            world.effects
        };
        drop(entered);
        // A step may begin a bootstrap, or end it: what it proposes belongs to it.
        let after = self.device.span();
        let span = if after.is_none() { &before } else { &after };
        span.in_scope(|| {
            for effect in effects {
                self.run(effect, ctx);
            }
        });
        self.release(cause, ctx);
        self.settle();
        self.arm(ctx);
    }

    /// Gives back what an actor does not need that only waits for its device.
    fn settle(&mut self) {
        if self.is_idle() {
            self.device.shrink();
            // A timer that is set comes back to it.
            self.busy.take_if(|busy| busy.timer.is_none() && !busy.confirming);
        }
    }

    fn run(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Send { edge, frame } => self.busy().outgoing.push_back((edge, frame)),
            Effect::Wake(credential) => self.ports().outbox.wake(self.device.of(), credential),
            Effect::Offer { session, credential, again } => {
                self.offer(session, credential, again, ctx);
            }
            Effect::Propose { about, command } => self.propose(about, *command, ctx),
        }
    }

    /// Looks whether `credential` may still be offered in `session`, behind everything committed
    /// before. Where the ledger takes or confirms nothing, a proposal is to find out what to say.
    fn offer(
        &mut self,
        session: SessionId,
        credential: CredentialId,
        again: bool,
        ctx: &mut Context<Self>,
    ) {
        let ports = self.ports().clone();
        let confirmed = async move { ports.confirmed().await.is_ok() };
        let confirmed = confirmed.in_current_span().into_actor(self);
        ctx.spawn(confirmed.map(move |confirmed, actor, ctx| {
            let at = millis(actor.ports().clock.now());
            let mut outcome = None;
            if confirmed {
                actor.ports().ledger.read(&mut |rows| {
                    let of = actor.device.of();
                    outcome = View::new(rows).offer(of, session, credential, at, again);
                });
            }
            actor.step(Input::Offered { session, credential, outcome }, ctx);
        }));
    }

    fn propose(&mut self, about: About, command: Command, ctx: &mut Context<Self>) {
        let ports = self.ports().clone();
        self.busy().proposing += 1;
        let name = command.name();
        // A device that has its empty acknowledgement does not ask again: it waits.
        let fate = async move { ports.insist(command).await }.in_current_span();
        ctx.spawn(fate.into_actor(self).map(move |result, actor, ctx| {
            actor.busy().proposing -= 1;
            if let Err(why) = &result {
                tracing::warn!(device = %actor.device.of(), command = name, %why, "not committed");
            }
            actor.step(Input::Outcome { about, result }, ctx);
        }));
    }

    /// Sends what waits: at once after a commit, else when the ledger confirms that this node may
    /// still speak. If it does not, nothing is said, and the device sends again.
    fn release(&mut self, cause: Cause, ctx: &mut Context<Self>) {
        let waits = |busy: &&mut Box<Busy>| !busy.outgoing.is_empty() && !busy.confirming;
        let Some(busy) = self.busy.as_mut().filter(waits) else { return };
        let covered = busy.outgoing.len();
        match cause {
            Cause::Commit => return self.flush_open(covered, ctx),
            Cause::Other => {}
        }
        let ledger = self.ports().ledger.clone();
        let mut confirmed = Box::pin(async move { ledger.confirm().await });
        // A ledger that has nobody to ask answers at once.
        let mut unwaited = task::Context::from_waker(task::Waker::noop());
        if let Poll::Ready(confirmed) = confirmed.as_mut().poll(&mut unwaited) {
            return self.confirmed(covered, confirmed, ctx);
        }
        self.busy().confirming = true;
        ctx.spawn(confirmed.into_actor(self).map(move |confirmed, actor, ctx| {
            actor.busy().confirming = false;
            actor.confirmed(covered, confirmed, ctx);
            // What came meanwhile has a cause of its own, and waits for a word that began after it.
            actor.release(Cause::Other, ctx);
            actor.settle();
        }));
    }

    /// The ledger has said whether this node may still speak.
    fn confirmed(
        &mut self,
        covered: usize,
        confirmed: Result<(), Unavailable>,
        ctx: &mut Context<Self>,
    ) {
        match confirmed {
            Ok(()) => self.flush_open(covered, ctx),
            Err(why) => {
                tracing::warn!(device = %self.device.of(), %why, "nothing is said");
                // An edge may always forget a session; all else a device asks for again.
                let outgoing = &mut self.busy().outgoing;
                outgoing.retain(|(_, frame)| matches!(frame, ToEdge::Close(_)));
                let closes = outgoing.len();
                self.flush(closes, &[]);
            }
        }
    }

    /// Sends the first `covered` frames, but for records of sessions that the ledger does not have
    /// any more: whoever ended them may not have told us yet.
    fn flush_open(&mut self, covered: usize, ctx: &mut Context<Self>) {
        let frames = self.busy().outgoing.iter().take(covered);
        let sessions = frames.filter_map(|(_, frame)| session_of(frame));
        let sessions: BTreeSet<SessionId> = sessions.collect();
        let mut closed = Vec::new();
        self.ports().ledger.read(&mut |rows| {
            let view = View::new(rows);
            let ended = sessions.iter().filter(|id| !view.is_open(self.device.of(), **id));
            closed = ended.copied().collect();
        });
        self.flush(covered, &closed);
        if !closed.is_empty() {
            self.step(Input::Ended { closed, withdrawn: Vec::new() }, ctx);
        }
    }

    fn flush(&mut self, covered: usize, closed: &[SessionId]) {
        let mut stranded: BTreeMap<(SessionId, EdgeId), Vec<Content>> = BTreeMap::new();
        let busy = self.busy.get_or_insert_default();
        for (edge, frame) in busy.outgoing.drain(..covered) {
            let session = session_of(&frame);
            if session.is_some_and(|session| closed.contains(&session))
                || self.home.ports.edges.send(edge, frame.encode())
            {
                continue;
            }
            // Its number is spent; what is in it can go by another edge, under another.
            if let (Some(session), ToEdge::Transmit(transmit)) = (session, frame) {
                stranded.entry((session, edge)).or_default().push(transmit.content);
            }
        }
        for ((session, edge), contents) in stranded {
            let device = (**self.device.of()).clone();
            self.home.region.do_send(Stranded { device, session, edge, contents });
        }
    }

    fn is_idle(&self) -> bool {
        self.device.is_idle() && self.busy.as_deref().is_none_or(Busy::is_idle)
    }

    /// True if so much is proposed that no more is taken.
    fn is_crowded(&self) -> bool {
        self.busy.as_deref().is_some_and(|busy| busy.proposing >= PROPOSING)
    }

    /// When something is due first. An idle actor needs no timer but for bodies that were left
    /// half-way: what else it remembers goes when it sleeps, or with what comes next.
    fn next_timeout(&self) -> Option<Duration> {
        if self.is_idle() { self.device.next_stale() } else { self.device.next_timeout() }
    }

    /// Sees to it that a timer fires when something is due. One that is set for sooner stays: what
    /// each message of a device puts off by seconds is not worth a new timer each time. One that is
    /// set for later stays too, and does nothing.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let Some(due) = self.next_timeout() else { return };
        if self.busy().timer.is_some_and(|set| set <= due) {
            return;
        }
        let wait = due.saturating_sub(self.ports().clock.now());
        ctx.run_later(wait, move |actor, ctx| {
            if actor.busy.as_deref().is_some_and(|busy| busy.timer == Some(due)) {
                actor.busy().timer = None;
                actor.due(ctx);
            }
        });
        self.busy().timer = Some(due);
    }

    fn due(&mut self, ctx: &mut Context<Self>) {
        let now = self.ports().clock.now();
        match self.next_timeout() {
            Some(due) if due <= now => self.step(Input::Tick, ctx),
            Some(_) => self.arm(ctx),
            None => self.settle(),
        }
    }

    /// Reads a session that this incarnation does not know yet; `false` if there is none.
    fn recover(&mut self, edge: EdgeId, id: SessionId, numbers: Option<Numbers>) -> Option<Input> {
        let mut known = None;
        self.ports().ledger.read(&mut |rows| {
            let (view, of) = (View::new(rows), self.device.of());
            known = view.session(of, id).map(|session| {
                let credential = view.credential(of, session.credential);
                let known_by = credential.map(|it| KnownBy(it.kind, it.identity));
                let endpoint = view.device(of).map(|device| device.endpoint);
                let named = known_by.zip(endpoint).is_some_and(|(by, name)| by.names(&name));
                (session, named)
            });
        });
        let (session, named) = known?;
        let peer = session.peer.parse().ok()?;
        Some(Input::Recovered {
            edge,
            session: id,
            highest_read: session.highest_read,
            peer,
            named,
            numbers,
        })
    }

    fn meet(
        &mut self,
        edge: EdgeId,
        id: SessionId,
        numbers: Option<Numbers>,
        ctx: &mut Context<Self>,
    ) -> bool {
        if self.device.knows(id) {
            return true;
        }
        match self.recover(edge, id, numbers) {
            Some(input) => {
                self.step(input, ctx);
                true
            }
            None => {
                count(&self.ports().counters.frames_rejected);
                let close = ToEdge::Close(Close { session: id.0 });
                self.ports().edges.send(edge, close.encode());
                false
            }
        }
    }
}

impl Actor for DeviceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.ports().counters.actors.fetch_add(1, Ordering::Relaxed);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.ports().counters.actors.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Handler<ToActor> for DeviceActor {
    type Result = ();

    fn handle(&mut self, message: ToActor, ctx: &mut Self::Context) {
        match message {
            ToActor::Step(input) => self.step(input, ctx),
            // Of a session that is not known yet nothing is said: its device asks again.
            ToActor::TurnAway { frame, .. } if !self.device.knows(SessionId(frame.session)) => {}
            ToActor::TurnAway { edge, frame } => self.step(Input::TurnAway { edge, frame }, ctx),
            ToActor::Deliver { edge, frame, .. }
                if self.is_crowded() && self.device.knows(SessionId(frame.session)) =>
            {
                count(&self.ports().counters.mailbox_full);
                self.step(Input::TurnAway { edge, frame }, ctx);
            }
            ToActor::Deliver { edge, numbers, frame } => {
                if self.meet(edge, SessionId(frame.session), numbers, ctx) {
                    self.step(Input::Deliver { edge, frame }, ctx);
                }
            }
            ToActor::Repeat { edge, numbers, session } => {
                if self.meet(edge, session, numbers, ctx) {
                    self.step(Input::Repeat { edge, session }, ctx);
                }
            }
            ToActor::Revive { edge, numbers, session, credential, since } => {
                if self.meet(edge, session, numbers, ctx) {
                    self.step(Input::Revive { session, credential, since }, ctx);
                }
            }
            // The region ends it once it knows: until then what comes is kept there, and whoever finds
            // an actor that has ended finds one that broke.
            ToActor::Sleep if self.is_idle() => {
                let of = self.device.of().clone();
                self.home.region.do_send(Rest::Asleep(of, self.device.numbers()));
            }
            ToActor::Stop => ctx.stop(),
            ToActor::Sleep => self.home.region.do_send(Rest::Awake(self.device.of().clone())),
        }
    }
}
