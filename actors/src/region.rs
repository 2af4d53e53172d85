//! The region: which device's actor is awake, and what wakes one.
//!
//! It hands frames to actors and waits for none of them. An actor that wants to sleep is drained
//! first: what comes meanwhile is parked, and wakes it again if it has gone.

use crate::actor::{DeviceActor, ToActor};
use crate::conversation::Numbers;
use crate::counters::count;
use crate::identity::{self, Identities, NoSignature};
use crate::opening::{self, Checked, Failure};
use crate::step::Input;
use crate::{EdgeId, Ports, Reason, finding, proof, resuming, trace};
use actix::prelude::*;
use claviger_dtls::Claim;
use claviger_front::{
    self as front, Close, Deliver, Find, FromEdge, NotResumed, Open, Opened, Refusal, Repeat,
    Resume, Sign, Signed, Step, ToEdge, Trace, Unknown, WhyNotResumed,
};
use claviger_ledger::{
    CredentialId, DeviceRef, Ended, Outcome, Prepared, Refusal as Refused, Rows, Session,
    SessionId, Unavailable, View,
};
use claviger_seal::TenantKey;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tracing::{Instrument, Span};
use zeroize::Zeroizing;

/// How many frames wait for an actor that is being put to sleep.
const PARKED: usize = 16;
/// Of how many sleeping sessions the numbers are kept; of the others a generation is spent.
const DORMANT: usize = 100_000;
/// How long a handshake's answer is tied to the edge that asked first.
const ANSWERED: Duration = Duration::from_secs(120);

enum Slot {
    Awake(Addr<DeviceActor>),
    Draining(Addr<DeviceActor>, Vec<ToActor>),
}

/// The actors of this node.
pub(crate) struct Region {
    ports: Arc<Ports>,
    slots: HashMap<DeviceRef, Slot>,
    dormant: HashMap<SessionId, (u64, Numbers)>,
    dormant_order: VecDeque<(u64, SessionId)>,
    sleeps: u64,
    answered: HashMap<SessionId, EdgeId>,
    answered_order: VecDeque<(Duration, SessionId)>,
    identities: Identities,
}

/// A frame of an edge.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Frame {
    pub(crate) edge: EdgeId,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// What an LwM2M server said of a credential.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ServerAnswered {
    pub(crate) device: DeviceRef,
    pub(crate) credential: CredentialId,
    pub(crate) result: Result<(), String>,
}

/// The ledger has ended credentials.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct CredentialsEnded(pub(crate) Ended);

/// The key of a realm's listeners was made or changed.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct IdentityChanged(pub(crate) String);

/// What an actor says about its sleep.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Rest {
    /// It has nothing to do.
    Drowsy(DeviceRef),
    /// It was asked to sleep and does; these are its sessions' numbers.
    Asleep(DeviceRef, Vec<(SessionId, Numbers)>),
    /// It was asked to sleep and has something to do.
    Awake(DeviceRef),
}

/// A call for a session, as far as its answer needs it.
struct Asked {
    edge: EdgeId,
    trace: Trace,
    call: u64,
    realm: String,
    peer: SocketAddr,
    /// What a full handshake claims.
    claim: Option<Claim>,
}

/// A checked handshake and what its proposal came to, with the span of that.
type Checking = Result<(Checked, Result<Outcome, Unavailable>, Span), Failure>;

impl Region {
    pub(crate) fn new(ports: Arc<Ports>) -> Self {
        Self {
            ports,
            slots: HashMap::new(),
            dormant: HashMap::new(),
            dormant_order: VecDeque::new(),
            sleeps: 0,
            answered: HashMap::new(),
            answered_order: VecDeque::new(),
            identities: Identities::default(),
        }
    }

    fn open(&mut self, edge: EdgeId, open: Open, ctx: &mut Context<Self>) {
        let ports = self.ports.clone();
        let Open { trace, call, peer, .. } = open;
        let claim = opening::claim(&open);
        let asked =
            Asked { edge, trace, call, peer, claim: claim.clone(), realm: open.realm.clone() };
        let call = async move {
            let Some(claim) = claim else { return Err(Failure::Malformed) };
            let check = |rows: &dyn Rows, now| opening::check(rows, &ports, &open, &claim, now);
            check_and_propose(&ports, trace, check).await
        };
        self.ask(asked, call, ctx);
    }

    /// The second step of a resumption opens a session as a full handshake does.
    fn open_resumed(&mut self, edge: EdgeId, resume: Resume, ctx: &mut Context<Self>) {
        let ports = self.ports.clone();
        let Resume { trace, call, peer, .. } = resume;
        let asked = Asked { edge, trace, call, peer, claim: None, realm: resume.realm.clone() };
        let call = async move {
            let check = |rows: &dyn Rows, now| resuming::check(rows, &ports, &resume, now);
            check_and_propose(&ports, trace, check).await
        };
        self.ask(asked, call, ctx);
    }

    fn ask(
        &mut self,
        asked: Asked,
        call: impl Future<Output = Checking> + 'static,
        ctx: &mut Context<Self>,
    ) {
        ctx.spawn(call.into_actor(self).map(move |checking, region, ctx| {
            region.answer(&asked, checking, ctx);
        }));
    }

    fn answer(&mut self, asked: &Asked, checking: Checking, ctx: &mut Context<Self>) {
        let refusal = match checking {
            Ok((checked, Ok(outcome @ Outcome::Opened { .. }), span)) => {
                return span.in_scope(|| self.opened(asked, checked, outcome, ctx));
            }
            // What was looked at has changed meanwhile: when it is asked again, it is seen anew.
            Ok((
                _,
                Ok(Outcome::Refused(Refused::NotFound { .. } | Refused::Changed { .. })),
                _,
            )) => Refusal::Unavailable,
            Ok((_, Ok(Outcome::Refused(why)), _)) => {
                tracing::warn!(trace = %asked.trace, %why, "a proven device was refused");
                Refusal::Denied
            }
            Ok((_, Ok(_) | Err(_), _)) => Refusal::Unavailable,
            Err(Failure::Unproven(reason)) => self.unproven(asked, reason),
            Err(Failure::Gone) => Refusal::Denied,
            Err(Failure::Malformed) => {
                count(&self.ports.counters.frames_rejected);
                Refusal::Unavailable
            }
            Err(Failure::Broken(what)) => {
                tracing::error!(trace = %asked.trace, what, "a credential cannot be checked");
                Refusal::Unavailable
            }
        };
        count(&self.ports.counters.opens_refused[refusal as usize]);
        self.refuse(asked, refusal);
    }

    fn refuse(&self, asked: &Asked, refusal: Refusal) {
        let refused = front::Refused { call: asked.call, refusal };
        self.send(asked.edge, ToEdge::Refused(refused));
    }

    /// Notes an attempt without proof, for people.
    fn unproven(&self, asked: &Asked, reason: Reason) -> Refusal {
        if let Some(claim) = &asked.claim {
            let (claimed, now) = (proof::claimed(&self.ports, claim), self.ports.clock.now());
            self.ports.unproven.note(&asked.realm, &claimed, reason, now);
        }
        match reason {
            Reason::UnknownIdentity => Refusal::UnknownIdentity,
            Reason::WrongKey | Reason::Stale => Refusal::BadFinished,
            Reason::UnknownKey | Reason::UnknownSubject | Reason::Deleted | Reason::IdTaken => {
                Refusal::UnknownKey
            }
            Reason::UntrustedChain => Refusal::Untrusted,
        }
    }

    fn opened(
        &mut self,
        asked: &Asked,
        checked: Checked,
        outcome: Outcome,
        ctx: &mut Context<Self>,
    ) {
        let Outcome::Opened { session, device, endpoint, generation, closed, staged, .. } = outcome
        else {
            return;
        };
        self.tell_of(&device, staged.as_ref());
        let prepared = staged.map(|staged| staged.credential);
        let Asked { edge, trace, call, peer, .. } = *asked;
        if !self.may_answer(edge, session) {
            count(&self.ports.counters.frames_rejected);
            return self.refuse(asked, Refusal::Unavailable);
        }
        count(&self.ports.counters.sessions_opened);
        tracing::info!(%trace, %device, %session, %peer, "session opened");
        for session in &closed {
            self.send(edge, ToEdge::Close(Close { session: session.0 }));
        }
        let named = checked.known_by.names(&endpoint);
        let begun = Input::Opened { edge, session, generation, peer, named, closed, prepared };
        let counter = &self.ports.counters.activations_opened;
        if !self.slots.contains_key(&device) {
            count(counter);
            self.spawn(device.clone(), endpoint, checked.tenant_key, ctx);
        }
        self.hand(&device, ToActor::Step(begun), true);
        self.send(
            edge,
            ToEdge::Opened(Opened {
                call,
                session: session.0,
                tenant: device.tenant,
                device: device.device,
                keys: opening::key_bytes(&checked.opened.keys),
                verify_data: checked.opened.verify_data,
            }),
        );
    }

    /// The LwM2M server is told of what was staged with a session before its device asks for it.
    fn tell_of(&self, device: &DeviceRef, staged: Option<&Prepared>) {
        let Some(staged) = staged else { return };
        let fresh = (!staged.confirmed).then_some(&staged.credential);
        for credential in staged.withdrawn.iter().chain(fresh) {
            self.ports.outbox.wake(device, *credential);
        }
    }

    /// A handshake's answer goes to the edge that asked first, and to no other.
    fn may_answer(&mut self, edge: EdgeId, session: SessionId) -> bool {
        let now = self.ports.clock.now();
        while let Some((until, old)) = self.answered_order.front().copied() {
            if until > now {
                break;
            }
            self.answered_order.pop_front();
            self.answered.remove(&old);
        }
        if let Some(first) = self.answered.get(&session) {
            return *first == edge;
        }
        self.answered.insert(session, edge);
        self.answered_order.push_back((now + ANSWERED, session));
        true
    }

    fn deliver(&mut self, edge: EdgeId, frame: Deliver, ctx: &mut Context<Self>) {
        let device = DeviceRef { tenant: frame.tenant.clone(), device: frame.device.clone() };
        let session = SessionId(frame.session);
        if self.wake(edge, &device, session, ctx) {
            let numbers = self.take_numbers(session);
            self.hand(&device, ToActor::Deliver { edge, numbers, frame: Box::new(frame) }, false);
        }
    }

    fn repeat(&mut self, edge: EdgeId, frame: Repeat, ctx: &mut Context<Self>) {
        let device = DeviceRef { tenant: frame.tenant, device: frame.device };
        let session = SessionId(frame.session);
        if self.wake(edge, &device, session, ctx) {
            let numbers = self.take_numbers(session);
            self.hand(&device, ToActor::Repeat { edge, numbers, session }, false);
        }
    }

    /// Sees to it that the device's actor is awake; false if the session is not the device's.
    fn wake(
        &mut self,
        edge: EdgeId,
        device: &DeviceRef,
        session: SessionId,
        ctx: &mut Context<Self>,
    ) -> bool {
        match self.slots.get(device) {
            // One that broke: its device must not be shut out until a restart.
            Some(Slot::Awake(actor) | Slot::Draining(actor, _)) if !actor.connected() => {
                tracing::error!(%device, "an actor has broken; it is spawned anew");
                self.slots.remove(device);
            }
            Some(_) => return true,
            None => {}
        }
        let mut found: Option<(String, Result<TenantKey, Failure>)> = None;
        self.ports.ledger.read(&mut |rows| {
            let view = View::new(rows);
            let known: Option<Session> = view.session(device, session);
            if let (Some(_), Some(record)) = (known, view.device(device)) {
                let key = opening::tenant_key(&view, &self.ports.kek, &device.tenant);
                found = Some((record.endpoint, key));
            }
        });
        match found {
            Some((endpoint, Ok(key))) => {
                count(&self.ports.counters.activations_woken);
                self.spawn(device.clone(), endpoint, key, ctx);
                true
            }
            Some((_, Err(failure))) => {
                tracing::error!(%device, ?failure, "an actor cannot be woken");
                false
            }
            None => {
                count(&self.ports.counters.frames_rejected);
                self.send(edge, ToEdge::Close(Close { session: session.0 }));
                false
            }
        }
    }

    fn spawn(
        &mut self,
        device: DeviceRef,
        endpoint: String,
        tenant_key: TenantKey,
        ctx: &mut Context<Self>,
    ) {
        let region = ctx.address();
        let actor =
            DeviceActor::new(device.clone(), endpoint, tenant_key, self.ports.clone(), region);
        self.slots.insert(device, Slot::Awake(actor.start()));
    }

    /// Hands `message` to the device's actor. What must not be lost passes a full mailbox.
    fn hand(&mut self, device: &DeviceRef, message: ToActor, must: bool) {
        let dropped = match self.slots.get_mut(device) {
            Some(Slot::Awake(actor)) if must => {
                actor.do_send(message);
                false
            }
            Some(Slot::Awake(actor)) => actor.try_send(message).is_err(),
            Some(Slot::Draining(_, parked)) if must || parked.len() < PARKED => {
                parked.push(message);
                false
            }
            Some(Slot::Draining(..)) | None => true,
        };
        if dropped {
            count(&self.ports.counters.mailbox_full);
        }
    }

    fn sign(&mut self, edge: EdgeId, sign: &Sign) {
        let signed = self.identities.sign(&self.ports, edge, sign);
        match &signed {
            Ok(_) => count(&self.ports.counters.signatures),
            Err(NoSignature::Unasked) => count(&self.ports.counters.frames_rejected),
            Err(NoSignature::Changed) => self.present(&[edge], &sign.realm),
            Err(NoSignature::Broken) => {}
        }
        let signature = signed.ok().map(Into::into);
        self.send(edge, ToEdge::Signed(Signed { call: sign.call, signature }));
    }

    /// Tells edges what their listeners for `realm` may present.
    fn present(&self, edges: &[EdgeId], realm: &str) {
        self.ports.ledger.read(&mut |rows| {
            let present = identity::present(&View::new(rows), realm);
            for edge in edges {
                self.send(*edge, ToEdge::Present(present.clone()));
            }
        });
    }

    fn resume(&mut self, edge: EdgeId, resume: Resume, ctx: &mut Context<Self>) {
        if let Step::Open { .. } = resume.step {
            return self.open_resumed(edge, resume, ctx);
        }
        let mut answer = Err(WhyNotResumed::Unavailable);
        self.ports.ledger.read(&mut |rows| {
            answer = resuming::accept(rows, &self.ports, &resume, self.ports.clock.now());
        });
        let frame = match answer {
            Ok(accepted) => {
                count(&self.ports.counters.resumptions);
                ToEdge::Accepted(accepted)
            }
            Err(why) => ToEdge::NotResumed(NotResumed { call: resume.call, why }),
        };
        self.send(edge, frame);
    }

    fn find(&self, edge: EdgeId, find: &Find) {
        let mut answer = Err(Failure::Broken("the ledger shows no rows"));
        self.ports.ledger.read(&mut |rows| answer = finding::answer(rows, &self.ports, find));
        let frame = answer.unwrap_or_else(|failure| {
            tracing::error!(?failure, "a session cannot be continued");
            ToEdge::Unknown(Unknown { call: find.call, nobody: false })
        });
        let counted = usize::from(matches!(frame, ToEdge::Continue(_)));
        count(&self.ports.counters.finds[counted]);
        self.send(edge, frame);
    }

    fn send(&self, edge: EdgeId, frame: ToEdge) {
        self.ports.edges.send(edge, frame.encode());
    }

    fn keep_numbers(&mut self, sessions: Vec<(SessionId, Numbers)>) {
        for (session, numbers) in sessions {
            self.sleeps += 1;
            self.dormant.insert(session, (self.sleeps, numbers));
            self.dormant_order.push_back((self.sleeps, session));
            if self.dormant_order.len() > DORMANT
                && let Some((sleep, oldest)) = self.dormant_order.pop_front()
                && self.dormant.get(&oldest).is_some_and(|(kept, _)| *kept == sleep)
            {
                self.dormant.remove(&oldest);
            }
        }
    }

    fn take_numbers(&mut self, session: SessionId) -> Option<Numbers> {
        self.dormant.remove(&session).map(|(_, numbers)| numbers)
    }

    fn asleep(&mut self, device: &DeviceRef, ctx: &mut Context<Self>) {
        let Some(Slot::Draining(_, parked)) = self.slots.remove(device) else {
            return;
        };
        for message in parked {
            let (edge, session) = match &message {
                ToActor::Step(Input::Opened { edge, session, .. })
                | ToActor::Repeat { edge, session, .. } => (*edge, *session),
                ToActor::Deliver { edge, frame, .. } => (*edge, SessionId(frame.session)),
                // Nothing of what has ended is awake.
                ToActor::Step(_) | ToActor::Sleep => continue,
            };
            if self.wake(edge, device, session, ctx) {
                let message = message.with_numbers(self.take_numbers(session));
                self.hand(device, message, true);
            }
        }
    }
}

async fn check_and_propose(
    ports: &Ports,
    trace: Trace,
    check: impl Fn(&dyn Rows, Duration) -> Result<Checked, Failure>,
) -> Checking {
    let look = || {
        let mut checked = None;
        ports.ledger.read(&mut |rows| checked = Some(check(rows, ports.clock.now())));
        checked.unwrap_or(Err(Failure::Broken("the ledger shows no rows")))
    };
    let seen = ports.ledger.applied();
    let mut checked = look();
    if matches!(checked, Err(Failure::Unproven(reason)) if reason.is_of_absence()) {
        // Enrolled a moment ago, perhaps: say no only after seeing everything committed before.
        if ports.ledger.confirm().await.is_err() {
            return Err(Failure::Broken("the ledger cannot confirm what it shows"));
        }
        // A stranger with a chain costs signatures: the same rows are not looked at twice.
        if ports.ledger.applied() != seen {
            checked = look();
        }
    }
    let checked = checked?;
    let span = trace::session_open(&trace, &checked.device, checked.session);
    let outcome = ports.propose(checked.command.clone()).instrument(span.clone()).await;
    Ok((checked, outcome, span))
}

impl Actor for Region {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Room for a storm: each edge sends what devices send, and they send again.
        ctx.set_mailbox_capacity(65_536);
    }
}

impl Handler<Frame> for Region {
    type Result = ();

    fn handle(&mut self, frame: Frame, ctx: &mut Self::Context) {
        match FromEdge::decode(&frame.bytes) {
            Ok(FromEdge::Open(open)) => self.open(frame.edge, open, ctx),
            Ok(FromEdge::Deliver(deliver)) => self.deliver(frame.edge, deliver, ctx),
            Ok(FromEdge::Repeat(repeat)) => self.repeat(frame.edge, repeat, ctx),
            Ok(FromEdge::Sign(sign)) => self.sign(frame.edge, &sign),
            Ok(FromEdge::Resume(resume)) => self.resume(frame.edge, resume, ctx),
            Ok(FromEdge::Find(find)) => self.find(frame.edge, &find),
            Ok(FromEdge::Listen(listen)) => {
                if !self.identities.listen(&self.ports, frame.edge, &listen.realm) {
                    count(&self.ports.counters.frames_rejected);
                }
                self.present(&[frame.edge], &listen.realm);
            }
            Err(_) => count(&self.ports.counters.frames_rejected),
        }
    }
}

impl Handler<IdentityChanged> for Region {
    type Result = ();

    fn handle(&mut self, IdentityChanged(realm): IdentityChanged, _: &mut Self::Context) {
        self.identities.forget(&realm);
        self.present(&self.identities.edges(&realm), &realm);
    }
}

impl Handler<ServerAnswered> for Region {
    type Result = ();

    fn handle(&mut self, answer: ServerAnswered, _: &mut Self::Context) {
        let ServerAnswered { device, credential, result } = answer;
        // An actor that sleeps waits for no answer: it asks the ledger when its device does.
        if self.slots.contains_key(&device) {
            let answered = Input::ServerAnswered { credential, result };
            self.hand(&device, ToActor::Step(answered), true);
        }
    }
}

impl Handler<CredentialsEnded> for Region {
    type Result = ();

    fn handle(&mut self, CredentialsEnded(ended): CredentialsEnded, _: &mut Self::Context) {
        let mut told: BTreeMap<DeviceRef, (Vec<SessionId>, Vec<CredentialId>)> = BTreeMap::new();
        for (device, session) in ended.closed {
            self.dormant.remove(&session);
            told.entry(device).or_default().0.push(session);
        }
        for (device, credential) in ended.withdrawn {
            self.ports.outbox.wake(&device, credential);
            told.entry(device).or_default().1.push(credential);
        }
        for (device, (closed, withdrawn)) in told {
            // Of one that sleeps an edge may hold a session: it learns of it when it asks.
            if self.slots.contains_key(&device) {
                let ended = Input::Ended { closed, withdrawn };
                self.hand(&device, ToActor::Step(ended), true);
            }
        }
    }
}

impl Handler<Rest> for Region {
    type Result = ();

    fn handle(&mut self, rest: Rest, ctx: &mut Self::Context) {
        match rest {
            Rest::Drowsy(device) => {
                if let Some(slot @ Slot::Awake(_)) = self.slots.get_mut(&device) {
                    let Slot::Awake(actor) = slot else { return };
                    actor.do_send(ToActor::Sleep);
                    *slot = Slot::Draining(actor.clone(), Vec::new());
                }
            }
            Rest::Asleep(device, sessions) => {
                self.keep_numbers(sessions);
                self.asleep(&device, ctx);
            }
            Rest::Awake(device) => {
                if let Some(slot) = self.slots.get_mut(&device)
                    && let Slot::Draining(actor, parked) = slot
                {
                    parked.drain(..).for_each(|message| actor.do_send(message));
                    *slot = Slot::Awake(actor.clone());
                }
            }
        }
    }
}
