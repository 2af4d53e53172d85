//! Calls that open sessions: the check of a credential, its proposal, and the answer.

use super::Region;
use crate::actor::ToActor;
use crate::calls::TooMany;
use crate::counters::{TOO_OFTEN, count};
use crate::opening::{self, Checked, Failure};
use crate::pace::Pace;
use crate::step::Input;
use crate::{CameFrom, EdgeId, Ports, Reason, proof, resuming, trace};
use actix::WeakAddr;
use actix::prelude::*;
use claviger_dtls::Claim;
use claviger_front::{self as front, Close, Open, Opened, Refusal, Resume, ToEdge, Trace};
use claviger_ledger::{
    DeviceRef, Outcome, Prepared, Refusal as Refused, Rows, SessionId, Unavailable, View,
};
use core::net::SocketAddr;
use core::time::Duration;
use tracing::{Instrument, Span};

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

/// What became of a call.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Answer {
    asked: Asked,
    checking: Checking,
}

impl Handler<Answer> for Region {
    type Result = ();

    fn handle(&mut self, Answer { asked, checking }: Answer, ctx: &mut Self::Context) {
        self.answer(&asked, checking, ctx);
    }
}

/// A call has ended, however it did.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Ended;

impl Handler<Ended> for Region {
    type Result = ();

    fn handle(&mut self, _: Ended, ctx: &mut Self::Context) {
        if let Some((edge, call)) = self.calls.ended() {
            self.begin(edge, call, ctx);
        }
    }
}

/// Says that a call has ended when it is dropped: one that broke must not keep its place.
struct UnderWay(WeakAddr<Region>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(region) = self.0.upgrade() {
            region.do_send(Ended);
        }
    }
}

/// Lets a call be checked and proposed. It is a task of its own, since an actor looks at all its
/// futures whenever one of them may go on; and it does not keep the region, if that ends meanwhile.
fn ask(asked: Asked, call: impl Future<Output = Checking> + 'static, ctx: &Context<Region>) {
    let under_way = UnderWay(ctx.address().downgrade());
    actix::spawn(async move {
        let checking = call.await;
        if let Some(region) = under_way.0.upgrade() {
            region.do_send(Answer { asked, checking });
        }
    });
}

/// A checked handshake and what its proposal came to, with the span of that.
type Checking = Result<(Checked, Result<Outcome, Unavailable>, Span), Failure>;

/// A call that opens a session, if it proves what it must.
pub(super) enum Call {
    Open(Open, CameFrom),
    /// The second step of a resumption.
    Resume(Resume),
}

impl Region {
    /// Lets a call go its way, or wait until there are fewer.
    pub(super) fn call(&mut self, edge: EdgeId, call: Call, ctx: &Context<Self>) {
        match self.calls.come(edge, call) {
            Ok(Some(call)) => self.begin(edge, call, ctx),
            Ok(None) => {}
            Err(TooMany) => count(&self.ports.counters.mailbox_full),
        }
    }

    fn begin(&mut self, edge: EdgeId, call: Call, ctx: &Context<Self>) {
        match call {
            Call::Open(open, origin) => self.open((edge, origin), open, ctx),
            Call::Resume(resume) => self.open_resumed(edge, resume, ctx),
        }
    }

    fn open(&self, (edge, origin): (EdgeId, CameFrom), open: Open, ctx: &Context<Self>) {
        let (ports, pace) = (self.ports.clone(), self.pace.clone());
        let Open { trace, call, peer, .. } = open;
        let claim = opening::claim(&open);
        let asked =
            Asked { edge, trace, call, peer, claim: claim.clone(), realm: open.realm.clone() };
        let call = async move {
            let Some(claim) = claim else { return Err(Failure::Malformed) };
            let check = |rows: &dyn Rows, now| {
                opening::check(rows, &ports, (&open, origin), &claim, (edge, now))
            };
            check_and_propose(&ports, &pace, trace, check).await
        };
        ask(asked, call, ctx);
    }

    /// The second step of a resumption opens a session as a full handshake does.
    fn open_resumed(&mut self, edge: EdgeId, resume: Resume, ctx: &Context<Self>) {
        let (ports, pace) = (self.ports.clone(), self.pace.clone());
        let first = self.begun.take(&resume.handle);
        let Resume { trace, call, peer, .. } = resume;
        let asked = Asked { edge, trace, call, peer, claim: None, realm: resume.realm.clone() };
        let call = async move {
            let first = first.as_deref();
            let check =
                |rows: &dyn Rows, now| resuming::check(rows, &ports, &resume, first, (edge, now));
            check_and_propose(&ports, &pace, trace, check).await
        };
        ask(asked, call, ctx);
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
            // Its handshake waits, and asks again.
            Err(Failure::TooOften) => {
                count(&self.ports.counters.opens_refused[TOO_OFTEN]);
                return self.refuse(asked, Refusal::Unavailable);
            }
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
        // Commits that waited for a leader come all at once: it may have ended already.
        if !self.is_open(&device, session) {
            count(&self.ports.counters.opens_refused[Refusal::Denied as usize]);
            return self.refuse(asked, Refusal::Denied);
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

    fn is_open(&self, device: &DeviceRef, session: SessionId) -> bool {
        let mut open = false;
        self.ports.ledger.read(&mut |rows| open = View::new(rows).is_open(device, session));
        open
    }

    /// The LwM2M server is told of what was staged with a session before its device asks for it.
    fn tell_of(&self, device: &DeviceRef, staged: Option<&Prepared>) {
        let Some(staged) = staged else { return };
        let fresh = (!staged.confirmed).then_some(&staged.credential);
        for credential in staged.withdrawn.iter().chain(fresh) {
            self.ports.outbox.wake(device, *credential);
        }
    }
}

async fn check_and_propose(
    ports: &Ports,
    pace: &Pace,
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
    if let Err(too_often) = pace.begins(&checked.device, ports.clock.now()) {
        if let Some(note) = too_often.note(&checked.device) {
            let device = &checked.device;
            tracing::warn!(%device, "a device begins too often; it is let in with the next minute");
            if let Err(why) = ports.propose(note.into()).await {
                tracing::warn!(%why, "that is not on its timeline");
            }
        }
        return Err(Failure::TooOften);
    }
    let span = trace::session_open(&trace, &checked.device, checked.session);
    let outcome = ports.propose(checked.command.clone()).instrument(span.clone()).await;
    Ok((checked, outcome, span))
}
