//! The LwM2M bootstrap of a device: the machine's effects as CoAP, commands and notes.

use crate::counters::{Counters, count};
use crate::fresh;
use crate::line::{Line, Unasked};
use crate::step::{About, Effect, World};
use crate::trace;
use claviger_coap::{ExchangeId, RequestId};
use claviger_front::Trace;
use claviger_ledger::{
    CredentialId, DeliverCredential, DeviceRef, NoteFailure, Outcome, SessionId, StageCredential,
    Unavailable,
};
use claviger_lwm2m::request::BootstrapRequest;
use claviger_lwm2m::{
    Bootstrap, Effect as Said, Event, Grant, Input, Plan, Reason, Stage, content_format,
};
use claviger_machine::{Code, Request, Response, Unanswered};
use claviger_seal::{Label, TenantKey};
use core::time::Duration;
use tracing::Span;

/// How long a device waits for Finish: EXCHANGE_LIFETIME after our last command by the text,
/// 93 s after our 2.04 in Leshan. Who takes longer has lost it.
const PATIENCE: Duration = Duration::from_secs(90);
/// For how long a device sends a request again (RFC 7252 §4.8.2, MAX_TRANSMIT_SPAN).
const REPEATS: Duration = Duration::from_secs(45);
/// After how many seconds a device may try again when the ledger could take nothing.
const RETRY_AFTER: u32 = 60;

/// A bootstrap under way in one session.
pub(crate) struct Bootstrapping {
    of: DeviceRef,
    key: TenantKey,
    session: SessionId,
    machine: Option<Bootstrap>,
    /// The Bootstrap-Request that has just come, and the one that is being answered.
    incoming: Option<ExchangeId>,
    asked: Option<ExchangeId>,
    /// The credential, of an offer or fresh in a proposal, whose fate the machine waits for.
    awaiting: Option<CredentialId>,
    sent: Option<(RequestId, String)>,
    span: Span,
    /// The span of the request of ours that is under way.
    operation: Span,
    credential: Option<CredentialId>,
    confirmed: bool,
    /// True once the machine knows that the LwM2M server holds the credential.
    told: bool,
    /// What the LwM2M server last said instead of taking the credential.
    objection: Option<String>,
    /// True if the ledger has noted why it refused: nothing is to be added.
    noted: bool,
    steps: Vec<String>,
    deadline: Duration,
    /// True until a bootstrap of before this node led has a grant again.
    reviving: bool,
    /// Since when this node leads, if no request for the bootstrap has come to it.
    unasked: Option<Duration>,
    over: bool,
}

impl Bootstrapping {
    pub(crate) fn new(
        of: DeviceRef,
        key: TenantKey,
        plan: Plan,
        session: SessionId,
        from: &Trace,
    ) -> Self {
        let span = trace::bootstrap(from, &of, &plan.endpoint, session);
        Self {
            of,
            key,
            session,
            machine: Some(Bootstrap::new(plan)),
            incoming: None,
            awaiting: None,
            asked: None,
            sent: None,
            span,
            operation: Span::none(),
            credential: None,
            confirmed: false,
            told: false,
            objection: None,
            noted: false,
            steps: Vec::new(),
            deadline: Duration::MAX,
            reviving: false,
            unasked: None,
            over: false,
        }
    }

    /// True for the requests that begin a bootstrap.
    pub(crate) fn is_for(request: &Request) -> bool {
        BootstrapRequest::is_route_of(request)
    }

    /// The span of the whole bootstrap.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        (self.deadline != Duration::MAX).then_some(self.deadline)
    }

    /// The device asks to be bootstrapped.
    pub(crate) fn requested(
        &mut self,
        line: &mut Line,
        world: &mut World<'_>,
        exchange: ExchangeId,
        request: &Request,
    ) {
        count(&world.counters.bootstraps_started);
        self.reviving = false;
        self.unasked = None;
        // Whether it begins a bootstrap is the machine's to say; one under way is not disturbed.
        self.incoming = Some(exchange);
        let input = Input::Requested { exchange: exchange.0, request };
        self.advance(line, world, input);
    }

    /// The bootstrap was under way when another node led, until `since`, or is done and perhaps
    /// asked for once more: whether the device waits for its credential is seen by what it answers.
    pub(crate) fn revive(
        &mut self,
        line: &mut Line,
        world: &mut World<'_>,
        credential: CredentialId,
        since: Option<Duration>,
    ) {
        line.prepared = None;
        self.reviving = true;
        self.unasked = since;
        self.awaiting = Some(credential);
        self.deadline = world.now + PATIENCE;
        let (session, again) = (self.session, since.is_none());
        world.effects.push(Effect::Offer { session, credential, again });
    }

    /// What was staged with the session is offered, or is not good any more.
    pub(crate) fn offered(
        &mut self,
        line: &mut Line,
        world: &mut World<'_>,
        about: CredentialId,
        outcome: Option<Outcome>,
    ) {
        match outcome {
            Some(outcome) => self.staged(line, world, about, Ok(outcome)),
            // The device is to ask again.
            None if self.reviving => self.over = true,
            None if self.awaiting == Some(about) => self.stage(line, world),
            None => {}
        }
    }

    /// The ledger has staged a credential, or has not.
    pub(crate) fn staged(
        &mut self,
        line: &mut Line,
        world: &mut World<'_>,
        about: CredentialId,
        result: Result<Outcome, Unavailable>,
    ) {
        // Another attempt has begun meanwhile: what became of this one does not concern it.
        if self.awaiting.take_if(|awaiting| *awaiting == about).is_none() {
            return;
        }
        let (of, now) = (self.of.clone(), world.now);
        match result {
            Ok(Outcome::Staged {
                credential,
                identity,
                sealed_key,
                confirmed,
                account,
                withdrawn,
                ..
            }) => {
                world.effects.extend(withdrawn.into_iter().map(Effect::Wake));
                let label = Label::Credential {
                    tenant: &of.tenant,
                    device: &of.device,
                    credential: &credential.0,
                };
                let Ok(psk) = self.key.open(label, &sealed_key) else {
                    tracing::error!(device = %of, %credential, "a staged key does not open");
                    let words = "the staged key does not open under this node's KEK".to_owned();
                    return self.advance(line, world, Input::StageRefused(words));
                };
                self.credential = Some(credential);
                self.confirmed = confirmed;
                let grant = Grant {
                    credential: credential.0,
                    server_uri: account.server_uri,
                    short_server_id: account.short_server_id,
                    lifetime: account.registration_lifetime,
                    binding: account.binding,
                    identity,
                    key: psk,
                };
                if core::mem::take(&mut self.reviving) {
                    return self.advance(line, world, Input::Revived(grant));
                }
                world.counters.stage(Stage::Request, true);
                self.advance(line, world, Input::Staged(grant));
            }
            Ok(Outcome::Refused(why)) => {
                self.noted = true;
                self.advance(line, world, Input::StageRefused(why.to_string()));
            }
            Err(Unavailable::OutOfSpace) => {
                // It was not taken, so the device may be told.
                if let Some(asked) = self.asked.take() {
                    let words = "the server is out of space; try again later";
                    let refusal = come_later(words, RETRY_AFTER);
                    line.talk.association.respond(world.now, asked, refusal);
                }
                count(
                    &world.counters.bootstraps_finished[claviger_lwm2m::Outcome::Failed as usize],
                );
                count(&world.counters.failures[Reason::OutOfSpace as usize]);
                tracing::warn!(device = %of, "a bootstrap was put off: no free space");
                self.over = true;
            }
            // Its fate is unknown: say nothing, and the device asks again.
            Ok(_) | Err(_) => {
                self.forget(line);
                count(&world.counters.failures[Reason::LedgerSilent as usize]);
                tracing::warn!(device = %of, at = ?now, "a bootstrap waits for the ledger");
                self.over = true;
            }
        }
    }

    /// The ledger has noted the delivery, or has not.
    pub(crate) fn delivered(
        &mut self,
        line: &mut Line,
        world: &mut World<'_>,
        about: CredentialId,
        result: Result<Outcome, Unavailable>,
    ) {
        if self.credential != Some(about) {
            return;
        }
        if result.is_err() {
            self.forget(line);
        }
        let input = match result {
            Ok(Outcome::Refused(why)) => Input::DeliverRefused(why.to_string()),
            Ok(_) => Input::Committed,
            // It may be committed or not; the device holds the credential all the same.
            Err(_) => Input::TimedOut,
        };
        self.advance(line, world, input);
    }

    /// The LwM2M server has answered for `credential`.
    pub(crate) fn server_answered(
        &mut self,
        line: &mut Line,
        world: &mut World<'_>,
        credential: CredentialId,
        result: Result<(), String>,
    ) {
        if self.credential != Some(credential) {
            return;
        }
        match result {
            Ok(()) => self.server_ready(line, world),
            // The outbox goes on trying; the device waits until its patience ends.
            Err(words) => {
                tracing::debug!(device = %self.of, %credential, words, "not told yet");
                self.objection = Some(words);
            }
        }
    }

    /// A request of ours has come to its end.
    pub(crate) fn answered(
        &mut self,
        line: &mut Line,
        world: &mut World<'_>,
        request: RequestId,
        result: Result<Response, Unanswered>,
    ) {
        let Some((_, step)) = self.sent.take_if(|(sent, _)| *sent == request) else { return };
        let operation = core::mem::replace(&mut self.operation, Span::none());
        if let Ok(response) = &result {
            trace::answered(&operation, response.code);
        }
        drop(operation);
        if result.as_ref().is_ok_and(|response| response.code.is_success()) {
            if let Some(stage) = self.machine.as_ref().and_then(Bootstrap::stage) {
                world.counters.stage(stage, true);
            }
            self.steps.push(step);
        }
        self.advance(line, world, Input::Answered(result));
    }

    /// The session is closed, or the device bootstraps in another.
    pub(crate) fn abandon(&mut self, line: &mut Line, world: &mut World<'_>) {
        self.forget(line);
        self.advance(line, world, Input::Abandoned);
    }

    /// The credential that it brings, if one is staged.
    pub(crate) fn credential(&self) -> Option<CredentialId> {
        self.credential
    }

    /// What it rests on has ended.
    pub(crate) fn stop(&mut self, line: &mut Line, world: &mut World<'_>, why: &str) {
        self.forget(line);
        self.advance(line, world, Input::Stopped(why.to_owned()));
    }

    /// Drops the requests of the device that are not answered yet.
    fn forget(&mut self, line: &mut Line) {
        for asked in self.asked.take().into_iter().chain(self.incoming.take()) {
            line.talk.association.forget(asked);
        }
    }

    /// The device's patience has ended.
    pub(crate) fn timed_out(&mut self, line: &mut Line, world: &mut World<'_>) {
        self.deadline = Duration::MAX;
        self.advance(line, world, Input::TimedOut);
    }

    fn advance(&mut self, line: &mut Line, world: &mut World<'_>, input: Input<'_>) {
        let Some(machine) = self.machine.take() else { return };
        let (machine, said) = machine.advance(input);
        self.machine = Some(machine);
        let mut ready = false;
        for effect in said {
            ready |= matches!(effect, Said::AwaitServer) && self.confirmed;
            self.run(line, world, effect);
        }
        if ready {
            self.server_ready(line, world);
        }
    }

    fn server_ready(&mut self, line: &mut Line, world: &mut World<'_>) {
        if !core::mem::replace(&mut self.told, true) {
            world.counters.stage(Stage::Server, true);
        }
        self.advance(line, world, Input::ServerReady);
    }

    fn run(&mut self, line: &mut Line, world: &mut World<'_>, effect: Said) {
        match effect {
            Said::Respond { exchange, response } => {
                line.talk.association.respond(world.now, ExchangeId(exchange), response);
            }
            Said::Send(request) => {
                let step = step_of(&request);
                let operation = trace::operation(&self.span, &request);
                let token = world.crypto.random();
                let length = request.payload.len();
                let sent = line.talk.association.request(world.now, request, token);
                line.path.challenge(sent, length);
                self.sent = Some((sent, step));
                self.operation = operation;
            }
            Said::Cancel => {
                self.operation = Span::none();
                if let Some((sent, _)) = self.sent.take() {
                    line.talk.association.cancel(world.now, sent);
                }
            }
            Said::Stage => {
                let Some(asked) = self.incoming.take() else {
                    return tracing::error!(device = %self.of, "staged without a request");
                };
                self.deadline = world.now + PATIENCE;
                self.steps.clear();
                self.objection = None;
                self.told = false;
                self.asked = Some(asked);
                match line.prepared.take() {
                    Some(credential) => {
                        self.awaiting = Some(credential);
                        let session = self.session;
                        world.effects.push(Effect::Offer { session, credential, again: false });
                    }
                    None => self.stage(line, world),
                }
            }
            Said::AwaitServer => {
                if let Some(credential) = self.credential.filter(|_| !self.confirmed) {
                    world.effects.push(Effect::Wake(credential));
                }
            }
            Said::Deliver { credential } => {
                let credential = CredentialId(credential);
                // What it sends again, it sent first to the node that led before.
                if let Some(since) = self.unasked {
                    line.unasked = Some(Box::new(Unasked { credential, until: since + REPEATS }));
                }
                let command = DeliverCredential {
                    device: self.of.clone(),
                    credential,
                    session: self.session,
                    highest_read: line.talk.window.highest(),
                    steps: self.steps.join(", "),
                };
                world.propose(About::Delivery(self.session, command.credential), command);
            }
            Said::Record(event) => self.record(world, &event),
            Said::Done(_) => {
                self.deadline = Duration::MAX;
                self.over = true;
            }
        }
    }

    /// Proposes to stage a fresh credential, or to offer what is staged.
    fn stage(&mut self, line: &Line, world: &mut World<'_>) {
        let fresh = fresh::make(&self.of, &self.key, world.crypto);
        let command = StageCredential {
            device: self.of.clone(),
            session: self.session,
            highest_read: line.talk.window.highest(),
            credential: fresh.credential,
            identity: fresh.identity,
            sealed_key: fresh.sealed_key,
            key_length: fresh.key_length,
        };
        self.awaiting = Some(command.credential);
        world.propose(About::Stage(self.session, command.credential), command);
    }

    /// Notes how an attempt ended; a delivery is on the timeline by its own command.
    fn record(&mut self, world: &mut World<'_>, event: &Event) {
        use claviger_lwm2m::Outcome as Ended;
        let delivered = event.outcome == Ended::Delivered;
        // Each attempt that was let in, and each that was refused, is recorded once.
        count(&world.counters.bootstraps_finished[event.outcome as usize]);
        tracing::info!(
            device = %self.of, stage = event.stage.as_str(), outcome = event.outcome.as_str(),
            words = event.words, "bootstrap ended"
        );
        trace::ended(&self.span, event);
        if delivered {
            return;
        }
        if let Some(reason) = event.reason {
            count(&world.counters.failures[reason as usize]);
        }
        world.counters.stage(event.stage, false);
        if core::mem::take(&mut self.noted) {
            return;
        }
        let refused = event.stage == Stage::Request && event.outcome == Ended::Refused;
        let (device, credential) = (self.of.clone(), self.credential);
        let mut words = event.words.clone();
        if let Some(objection) = self.objection.as_ref().filter(|_| event.stage == Stage::Server) {
            words = format!("{words} It said: {objection}");
        }
        world.propose(About::Note, NoteFailure { device, credential, refused, words });
    }
}

impl Counters {
    fn stage(&self, stage: Stage, ok: bool) {
        count(&self.stages[stage as usize][usize::from(!ok)]);
    }
}

/// What a device hears that may ask again after so many seconds.
pub(crate) fn come_later(words: &str, seconds: u32) -> Response {
    let refusal = Response::diagnostic(Code::SERVICE_UNAVAILABLE, words);
    Response { max_age: Some(seconds), ..refusal }
}

/// An operation as LwM2M names it, for the timeline.
fn step_of(request: &Request) -> String {
    use claviger_machine::Method;
    let path = request.path_string();
    match request.method {
        Method::Get => format!("Discover {path}"),
        Method::Put => match request.content_format.and_then(content_format::name) {
            Some(format) => format!("Write {path} as {format}"),
            None => format!("Write {path}"),
        },
        Method::Delete => format!("Delete {path}"),
        _ => "Finish".to_owned(),
    }
}
