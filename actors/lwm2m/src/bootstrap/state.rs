//! The states, each with the data that is valid in it, and the steps between them.

use super::failure::{Failure, Step, delivered};
use super::grant::{Grant, Staged, Writes};
use super::layout::Layout;
use super::{Effect, Input, Plan};
use crate::discover::Discovery;
use crate::objects::{SECURITY, SERVER};
use crate::request::{BootstrapRequest, unsupported};
use crate::words::{Event, Stage};
use crate::{Format, content_format};
use claviger_machine::{Code, Method, Request, Response, Unanswered};

pub(super) type Turn = (State, Vec<Effect>);
type Answer = Result<Response, Unanswered>;

#[derive(Debug)]
pub(super) enum State {
    Resting,
    Staging(Staging),
    Discovering(Discovering),
    AwaitingServer(AwaitingServer),
    Deleting(Deleting),
    WritingSecurity(WritingSecurity),
    WritingServer(WritingServer),
    Finishing(Finishing),
    Delivering(Delivering),
}

/// A Bootstrap-Request that is not answered yet, and the format that it asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    exchange: u64,
    format: Format,
}

/// The ledger is asked for the credential; the device's request is open.
#[derive(Debug)]
pub(super) struct Staging {
    asked: Asked,
}

/// Discover is sent, and the LwM2M server is being told at the same time.
#[derive(Debug)]
pub(super) struct Discovering {
    staged: Staged,
    server_ready: bool,
    /// False if nobody knows whether the device waits for this.
    let_in: bool,
}

/// Discover is answered, the LwM2M server is not ready.
#[derive(Debug)]
pub(super) struct AwaitingServer {
    staged: Staged,
    layout: Layout,
}

/// A Delete of one object is sent.
#[derive(Debug)]
pub(super) struct Deleting {
    writes: Writes,
    object: u16,
}

/// The key is on its way, and no longer here.
#[derive(Debug)]
pub(super) struct WritingSecurity {
    credential: [u8; 16],
    format: Format,
    layout: Layout,
    server: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct WritingServer {
    credential: [u8; 16],
    format: Format,
    layout: Layout,
}

#[derive(Debug)]
pub(super) struct Finishing {
    credential: [u8; 16],
}

/// The device has finished; the ledger is asked to say so. That cannot be taken back, so a new
/// request waits until it is known.
#[derive(Debug)]
pub(super) struct Delivering {
    next: Option<Asked>,
}

impl State {
    pub(super) fn advance(self, plan: &Plan, input: Input<'_>) -> Turn {
        match (self, input) {
            (state, Input::Requested { exchange, request }) => {
                state.requested(plan, exchange, request)
            }
            (Self::Staging(s), Input::Staged(grant)) => s.staged(grant),
            (Self::Resting, Input::Revived(grant)) => revive(grant),
            (Self::Staging(s), Input::StageRefused(why)) => s.stop(Failure::NotIssued(why)),
            (Self::Discovering(s), Input::ServerReady) => s.server_ready(),
            (Self::AwaitingServer(s), Input::ServerReady) => clear(s.staged, s.layout),
            (
                state @ (Self::Discovering(_) | Self::AwaitingServer(_)),
                Input::ServerRefused(why),
            ) => state.stop(Failure::ServerRefused(why)),
            (Self::Discovering(s), Input::Answered(answer)) => s.answered(answer),
            (Self::Deleting(s), Input::Answered(answer)) => s.answered(answer),
            (Self::WritingSecurity(s), Input::Answered(answer)) => s.answered(answer),
            (Self::WritingServer(s), Input::Answered(answer)) => s.answered(answer),
            (Self::Finishing(s), Input::Answered(answer)) => s.answered(answer),
            (Self::Delivering(s), Input::Committed) => s.settled(delivered()),
            (Self::Delivering(s), Input::DeliverRefused(why)) => {
                s.settled(Failure::DeliveryRefused(why).into())
            }
            (state, Input::Abandoned) => state.abandoned(),
            (state, Input::Stopped(why)) => state.stopped(why),
            (state, Input::TimedOut) => state.timed_out(),
            (state, _) => (state, Vec::new()),
        }
    }

    pub(super) const fn stage(&self) -> Option<Stage> {
        match self {
            Self::Resting => None,
            Self::Staging(_) => Some(Stage::Request),
            Self::Discovering(_) => Some(Stage::Discover),
            Self::AwaitingServer(_) => Some(Stage::Server),
            Self::Deleting(_) => Some(Stage::Delete),
            Self::WritingSecurity(_) => Some(Stage::WriteSecurity),
            Self::WritingServer(_) => Some(Stage::WriteServer),
            Self::Finishing(_) | Self::Delivering(_) => Some(Stage::Finish),
        }
    }

    const fn has_request_under_way(&self) -> bool {
        match self {
            Self::Discovering(_)
            | Self::Deleting(_)
            | Self::WritingSecurity(_)
            | Self::WritingServer(_)
            | Self::Finishing(_) => true,
            Self::Resting | Self::Staging(_) | Self::AwaitingServer(_) | Self::Delivering(_) => {
                false
            }
        }
    }

    const fn is_let_in(&self) -> bool {
        !matches!(self, Self::Discovering(Discovering { let_in: false, .. }))
    }

    fn requested(self, plan: &Plan, exchange: u64, request: &Request) -> Turn {
        if !BootstrapRequest::is_route_of(request) {
            return (self, vec![Effect::Respond { exchange, response: unsupported(request) }]);
        }
        match admit(plan, request) {
            Ok(format) => self.begin(Asked { exchange, format }),
            Err(failure) => {
                let respond = Effect::Respond { exchange, response: failure.response() };
                let outcome = failure.outcome();
                let mut effects = vec![respond, Effect::Record(failure.into())];
                // A session that is under way is not ended by a request that has no right to one.
                if self.stage().is_none() {
                    effects.push(Effect::Done(outcome));
                }
                (self, effects)
            }
        }
    }

    fn begin(self, asked: Asked) -> Turn {
        let mut effects = Vec::new();
        match (self.stage(), self) {
            (_, Self::Delivering(_)) => {
                return (Self::Delivering(Delivering { next: Some(asked) }), effects);
            }
            (Some(stage), state) => {
                effects.extend(state.has_request_under_way().then_some(Effect::Cancel));
                if state.is_let_in() {
                    effects.push(Effect::Record(Failure::BeganAgain(stage).into()));
                }
            }
            (None, _) => {}
        }
        effects.push(Effect::Stage);
        (Self::Staging(Staging { asked }), effects)
    }

    /// A device may close its session as soon as it has answered Finish, so what is being
    /// delivered stays so; but a request that waits has nobody left to be answered.
    fn abandoned(self) -> Turn {
        match (self.stage(), self) {
            (_, Self::Delivering(_)) => (Self::Delivering(Delivering { next: None }), Vec::new()),
            (None, state) => (state, Vec::new()),
            (Some(stage), state) => state.stop(Failure::SessionEnded(stage)),
        }
    }

    /// What is being delivered stays so: the ledger refuses what must not be.
    fn stopped(self, why: String) -> Turn {
        match (self.stage(), self) {
            (_, state @ Self::Delivering(_)) | (None, state) => (state, Vec::new()),
            (Some(stage), state) => state.stop(Failure::Stopped(stage, why)),
        }
    }

    fn timed_out(self) -> Turn {
        let Some(stage) = self.stage() else { return (self, Vec::new()) };
        let failure = match self {
            Self::Staging(_) => Failure::LedgerSilent,
            Self::AwaitingServer(_) => Failure::ServerSilent,
            Self::Delivering(_) => Failure::DeliveryUnknown,
            _ => Failure::TooSlow(stage),
        };
        self.stop(failure)
    }

    /// Ends a session from outside, whatever is under way.
    fn stop(self, failure: Failure) -> Turn {
        let cancel = self.has_request_under_way().then_some(Effect::Cancel);
        let (state, effects) = if self.is_let_in() { stop(failure) } else { pass(&failure) };
        (state, cancel.into_iter().chain(effects).collect())
    }
}

impl Staging {
    fn staged(self, grant: Grant) -> Turn {
        let Asked { exchange, format } = self.asked;
        match Staged::new(grant, format) {
            Ok(staged) => {
                let state = Discovering { staged, server_ready: false, let_in: true };
                let state = State::Discovering(state);
                // The client takes no request of ours before it has this answer (Core §6.1.6).
                let response = Response::new(Code::CHANGED);
                let respond = Effect::Respond { exchange, response };
                (state, vec![respond, Effect::Send(discover()), Effect::AwaitServer])
            }
            Err(error) => self.stop(Failure::Unwritable(error)),
        }
    }

    fn stop(self, failure: Failure) -> Turn {
        let exchange = self.asked.exchange;
        let respond = Effect::Respond { exchange, response: failure.response() };
        let (state, mut effects) = stop(failure);
        effects.insert(0, respond);
        (state, effects)
    }
}

impl Discovering {
    fn server_ready(self) -> Turn {
        (State::Discovering(Self { server_ready: true, ..self }), Vec::new())
    }

    fn answered(self, answer: Answer) -> Turn {
        match layout(answer) {
            Ok(layout) if self.server_ready => clear(self.staged, layout),
            Ok(layout) => {
                let state = AwaitingServer { staged: self.staged, layout };
                (State::AwaitingServer(state), Vec::new())
            }
            Err(failure) if self.let_in => stop(failure),
            Err(failure) => pass(&failure),
        }
    }
}

/// What a device has, by its answer to Discover.
fn layout(answer: Answer) -> Result<Layout, Failure> {
    let response = judge(Step::Discover, answer, &[Code::CONTENT])?;
    let discovery = Discovery::parse(&response.payload).map_err(Failure::UnreadableDiscover)?;
    Layout::of(&discovery).ok_or(Failure::NoBootstrapAccount)
}

impl Deleting {
    fn answered(self, answer: Answer) -> Turn {
        let Self { writes, object } = self;
        // Clients that take a server's Server instances away with its Security instance
        // (Transport §5.2.5) may find nothing left of object 1.
        let cascaded = object == SERVER && writes.layout.stale_security;
        let accepted = [Code::DELETED, Code::NOT_FOUND];
        let accepted = if cascaded { &accepted[..] } else { &accepted[..1] };
        match judge(Step::Delete { object }, answer, accepted) {
            Err(failure) => stop(failure),
            Ok(_) if object == SECURITY && writes.layout.stale_server => delete(writes, SERVER),
            Ok(_) => write_security(writes),
        }
    }
}

impl WritingSecurity {
    fn answered(self, answer: Answer) -> Turn {
        let Self { credential, format, layout, server } = self;
        let step = Step::WriteSecurity { instance: layout.security, format };
        match judge(step, answer, &[Code::CHANGED]) {
            Err(failure) => stop(failure),
            Ok(_) => {
                let state = WritingServer { credential, format, layout };
                let send = Effect::Send(write(SERVER, layout.server, format, server));
                (State::WritingServer(state), vec![send])
            }
        }
    }
}

impl WritingServer {
    fn answered(self, answer: Answer) -> Turn {
        let step = Step::WriteServer { instance: self.layout.server, format: self.format };
        match judge(step, answer, &[Code::CHANGED]) {
            Err(failure) => stop(failure),
            Ok(_) => {
                let state = State::Finishing(Finishing { credential: self.credential });
                (state, vec![Effect::Send(Request::new(Method::Post, &["bs"]))])
            }
        }
    }
}

impl Finishing {
    fn answered(self, answer: Answer) -> Turn {
        match judge(Step::Finish, answer, &[Code::CHANGED]) {
            Err(failure) => stop(failure),
            Ok(_) => {
                let deliver = Effect::Deliver { credential: self.credential };
                (State::Delivering(Delivering { next: None }), vec![deliver])
            }
        }
    }
}

impl Delivering {
    /// The ledger has spoken; a request that waited begins its own session.
    fn settled(self, event: Event) -> Turn {
        let outcome = event.outcome;
        let record = Effect::Record(event);
        match self.next {
            None => (State::Resting, vec![record, Effect::Done(outcome)]),
            Some(asked) => (State::Staging(Staging { asked }), vec![record, Effect::Stage]),
        }
    }
}

/// Whether the device may have a session, and the format that it is to be written in: what it
/// asks for, else TLV, which every client reads (TS 1.0 §6.4).
fn admit(plan: &Plan, request: &Request) -> Result<Format, Failure> {
    let request = BootstrapRequest::parse(request).map_err(Failure::Request)?;
    let bound = || plan.endpoint.clone();
    match request.endpoint {
        None if !plan.named_by_identity => Err(Failure::NoEndpoint { bound: bound() }),
        Some(name) if name != plan.endpoint => {
            Err(Failure::ForeignEndpoint { name, bound: bound() })
        }
        _ => Ok(request.preferred.unwrap_or(Format::Tlv)),
    }
}

/// The first step after both Discover and the LwM2M server have answered.
fn clear(staged: Staged, layout: Layout) -> Turn {
    match Writes::new(staged, layout) {
        Ok(writes) if layout.stale_security => delete(writes, SECURITY),
        Ok(writes) if layout.stale_server => delete(writes, SERVER),
        Ok(writes) => write_security(writes),
        Err(error) => stop(Failure::Unwritable(error)),
    }
}

fn delete(writes: Writes, object: u16) -> Turn {
    let request = Request::new(Method::Delete, &[&object.to_string()]);
    (State::Deleting(Deleting { writes, object }), vec![Effect::Send(request)])
}

fn write_security(writes: Writes) -> Turn {
    let Writes { credential, format, layout, mut security, server } = writes;
    let payload = core::mem::take(&mut *security);
    let state = State::WritingSecurity(WritingSecurity { credential, format, layout, server });
    (state, vec![Effect::Send(write(SECURITY, layout.security, format, payload))])
}

fn write(object: u16, instance: u16, format: Format, payload: Vec<u8>) -> Request {
    let mut request = Request::new(Method::Put, &[&object.to_string(), &instance.to_string()]);
    request.content_format = Some(format.number());
    request.payload = payload;
    request
}

/// Lets an accepted answer through; anything else ends the session.
fn judge(step: Step, answer: Answer, accepted: &[Code]) -> Result<Response, Failure> {
    match answer {
        Ok(response) if accepted.contains(&response.code) => Ok(response),
        Ok(response) => Err(Failure::Refused(step, response.code)),
        Err(unanswered) => Err(Failure::Unanswered(step, unanswered)),
    }
}

/// The first request to a device, which shows what it has.
fn discover() -> Request {
    let mut discover = Request::new(Method::Get, &[]);
    discover.accept = Some(content_format::LINK_FORMAT);
    discover
}

/// Begins behind a request of the device that is not known any more, nor the format that it asked
/// for.
fn revive(grant: Grant) -> Turn {
    match Staged::new(grant, Format::Tlv) {
        Ok(staged) => {
            let state = Discovering { staged, server_ready: false, let_in: false };
            (State::Discovering(state), vec![Effect::Send(discover()), Effect::AwaitServer])
        }
        Err(error) => pass(&Failure::Unwritable(error)),
    }
}

/// Ends what was perhaps no session.
fn pass(failure: &Failure) -> Turn {
    (State::Resting, vec![Effect::Done(failure.outcome())])
}

fn stop(failure: Failure) -> Turn {
    let outcome = failure.outcome();
    (State::Resting, vec![Effect::Record(failure.into()), Effect::Done(outcome)])
}

#[cfg(test)]
impl State {
    /// Every payload and key that the state holds; exhaustive, so that a new field has to be
    /// thought of.
    pub(super) fn payloads(&self) -> Vec<u8> {
        match self {
            Self::Resting | Self::Staging(Staging { asked: _ }) => Vec::new(),
            Self::Discovering(Discovering { staged, server_ready: _, let_in: _ })
            | Self::AwaitingServer(AwaitingServer { staged, layout: _ }) => staged.secret(),
            Self::Deleting(Deleting { writes, object: _ }) => {
                let Writes { credential: _, format: _, layout: _, security, server } = writes;
                [&security[..], server].concat()
            }
            Self::WritingSecurity(WritingSecurity {
                credential: _,
                format: _,
                layout: _,
                server,
            }) => server.clone(),
            Self::WritingServer(WritingServer { credential: _, format: _, layout: _ })
            | Self::Finishing(Finishing { credential: _ })
            | Self::Delivering(Delivering { next: _ }) => Vec::new(),
        }
    }
}
