//! The states, each with the data that is valid in it, and the steps between them.

use super::grant::{Grant, Staged};
use super::layout::Layout;
use super::words::{self, Operation};
use super::{Effect, Input, Plan};
use crate::content_format;
use crate::discover::Discovery;
use crate::objects::{SECURITY, SERVER};
use crate::request::{BootstrapRequest, unsupported};
use crate::words::{Event, Outcome, Stage};
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

/// The ledger is asked for the credential; the device's request is open.
#[derive(Debug)]
pub(super) struct Staging {
    exchange: u64,
}

/// Discover is sent, and the LwM2M server is being told at the same time.
#[derive(Debug)]
pub(super) struct Discovering {
    staged: Staged,
    server_ready: bool,
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
    staged: Staged,
    layout: Layout,
    object: u16,
}

/// The key is on its way, and no longer here.
#[derive(Debug)]
pub(super) struct WritingSecurity {
    credential: [u8; 16],
    layout: Layout,
    server: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct WritingServer {
    credential: [u8; 16],
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
    next: Option<u64>,
}

impl State {
    pub(super) fn advance(self, plan: &Plan, input: Input<'_>) -> Turn {
        match (self, input) {
            (state, Input::Requested { exchange, request }) => {
                state.requested(plan, exchange, request)
            }
            (Self::Staging(s), Input::Staged(grant)) => s.staged(grant),
            (Self::Staging(s), Input::StageRefused(why)) => s.refused(&why),
            (Self::Discovering(s), Input::ServerReady) => s.server_ready(),
            (Self::AwaitingServer(s), Input::ServerReady) => clear(s.staged, s.layout),
            (
                state @ (Self::Discovering(_) | Self::AwaitingServer(_)),
                Input::ServerRefused(why),
            ) => state.stop_at(Stage::Server, Outcome::Refused, words::server_refused(&why)),
            (Self::Discovering(s), Input::Answered(answer)) => s.answered(answer),
            (Self::Deleting(s), Input::Answered(answer)) => s.answered(answer),
            (Self::WritingSecurity(s), Input::Answered(answer)) => s.answered(answer),
            (Self::WritingServer(s), Input::Answered(answer)) => s.answered(answer),
            (Self::Finishing(s), Input::Answered(answer)) => s.answered(answer),
            (Self::Delivering(s), Input::Committed) => {
                s.settled(Outcome::Delivered, words::delivered())
            }
            (Self::Delivering(s), Input::DeliverRefused(why)) => {
                s.settled(Outcome::Failed, words::deliver_refused(&why))
            }
            (state, Input::Abandoned) => state.abandoned(),
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

    fn requested(self, plan: &Plan, exchange: u64, request: &Request) -> Turn {
        if !BootstrapRequest::is_route_of(request) {
            return (self, vec![Effect::Respond { exchange, response: unsupported(request) }]);
        }
        match admit(plan, request) {
            Ok(()) => self.begin(exchange),
            Err((response, why)) => {
                let mut effects = vec![
                    Effect::Respond { exchange, response },
                    record(Stage::Request, Outcome::Refused, why),
                ];
                // A session that is under way is not ended by a request that has no right to one.
                if self.stage().is_none() {
                    effects.push(Effect::Done(Outcome::Refused));
                }
                (self, effects)
            }
        }
    }

    fn begin(self, exchange: u64) -> Turn {
        let mut effects = Vec::new();
        match (self.stage(), self) {
            (_, Self::Delivering(_)) => {
                return (Self::Delivering(Delivering { next: Some(exchange) }), effects);
            }
            (Some(stage), state) => {
                effects.extend(state.has_request_under_way().then_some(Effect::Cancel));
                effects.push(record(stage, Outcome::Superseded, words::began_again(stage)));
            }
            (None, _) => {}
        }
        effects.push(Effect::Stage);
        (Self::Staging(Staging { exchange }), effects)
    }

    /// A device may close its session as soon as it has answered Finish, so what is being
    /// delivered stays so; but a request that waits has nobody left to be answered.
    fn abandoned(self) -> Turn {
        match (self.stage(), self) {
            (_, Self::Delivering(_)) => (Self::Delivering(Delivering { next: None }), Vec::new()),
            (None, state) => (state, Vec::new()),
            (Some(stage), state) => {
                state.stop_at(stage, Outcome::Superseded, words::abandoned(stage))
            }
        }
    }

    fn timed_out(self) -> Turn {
        let Some(stage) = self.stage() else { return (self, Vec::new()) };
        let (outcome, why) = match self {
            Self::Staging(_) => (Outcome::Failed, words::ledger_silent()),
            Self::AwaitingServer(_) => (Outcome::Failed, words::server_silent()),
            Self::Delivering(_) => (Outcome::Failed, words::delivery_unknown()),
            _ => (Outcome::Unanswered, words::too_slow(stage)),
        };
        self.stop_at(stage, outcome, why)
    }

    /// Ends a session from outside, whatever is under way.
    fn stop_at(self, stage: Stage, outcome: Outcome, why: String) -> Turn {
        let cancel = self.has_request_under_way().then_some(Effect::Cancel);
        let (state, effects) = stop(stage, outcome, why);
        (state, cancel.into_iter().chain(effects).collect())
    }
}

impl Staging {
    fn staged(self, grant: Grant) -> Turn {
        let exchange = self.exchange;
        match Staged::try_from(grant) {
            Ok(staged) => {
                let mut discover = Request::new(Method::Get, &[]);
                discover.accept = Some(content_format::LINK_FORMAT);
                let state = State::Discovering(Discovering { staged, server_ready: false });
                // The client takes no request of ours before it has this answer (Core §6.1.6).
                let response = Response::new(Code::CHANGED);
                let respond = Effect::Respond { exchange, response };
                (state, vec![respond, Effect::Send(discover), Effect::AwaitServer])
            }
            Err(error) => {
                let response = Response::new(Code::INTERNAL_SERVER_ERROR);
                self.stop(response, Outcome::Failed, words::unusable_grant(error))
            }
        }
    }

    fn refused(self, why: &str) -> Turn {
        let response = Response::diagnostic(Code::BAD_REQUEST, words::NO_CONFIGURATION);
        self.stop(response, Outcome::Refused, words::stage_refused(why))
    }

    fn stop(self, response: Response, outcome: Outcome, why: String) -> Turn {
        let (state, mut effects) = stop(Stage::Request, outcome, why);
        effects.insert(0, Effect::Respond { exchange: self.exchange, response });
        (state, effects)
    }
}

impl Discovering {
    fn server_ready(self) -> Turn {
        (State::Discovering(Self { server_ready: true, ..self }), Vec::new())
    }

    fn answered(self, answer: Answer) -> Turn {
        let response = match judge(Operation::Discover, "/", answer, &[Code::CONTENT]) {
            Ok(response) => response,
            Err(turn) => return *turn,
        };
        let discovery = match Discovery::parse(&response.payload) {
            Ok(discovery) => discovery,
            Err(error) => {
                return stop(Stage::Discover, Outcome::Failed, words::unreadable_discover(error));
            }
        };
        match Layout::of(&discovery) {
            None => stop(Stage::Discover, Outcome::Refused, words::no_bootstrap_account()),
            Some(layout) if self.server_ready => clear(self.staged, layout),
            Some(layout) => {
                let state = AwaitingServer { staged: self.staged, layout };
                (State::AwaitingServer(state), Vec::new())
            }
        }
    }
}

impl Deleting {
    fn answered(self, answer: Answer) -> Turn {
        let path = format!("/{}", self.object);
        // Clients that take a server's Server instances away with its Security instance
        // (Transport §5.2.5) may find nothing left of object 1.
        let cascaded = self.object == SERVER && self.layout.stale_security;
        let accepted = [Code::DELETED, Code::NOT_FOUND];
        let accepted = if cascaded { &accepted[..] } else { &accepted[..1] };
        match judge(Operation::Delete, &path, answer, accepted) {
            Err(turn) => *turn,
            Ok(_) if self.object == SECURITY && self.layout.stale_server => {
                delete(self.staged, self.layout, SERVER)
            }
            Ok(_) => write_security(self.staged, self.layout),
        }
    }
}

impl WritingSecurity {
    fn answered(self, answer: Answer) -> Turn {
        let path = format!("/{SECURITY}/{}", self.layout.security);
        match judge(Operation::WriteSecurity, &path, answer, &[Code::CHANGED]) {
            Err(turn) => *turn,
            Ok(_) => {
                let Self { credential, layout, server } = self;
                let state = State::WritingServer(WritingServer { credential, layout });
                (state, vec![Effect::Send(write(SERVER, layout.server, server))])
            }
        }
    }
}

impl WritingServer {
    fn answered(self, answer: Answer) -> Turn {
        let path = format!("/{SERVER}/{}", self.layout.server);
        match judge(Operation::WriteServer, &path, answer, &[Code::CHANGED]) {
            Err(turn) => *turn,
            Ok(_) => {
                let state = State::Finishing(Finishing { credential: self.credential });
                (state, vec![Effect::Send(Request::new(Method::Post, &["bs"]))])
            }
        }
    }
}

impl Finishing {
    fn answered(self, answer: Answer) -> Turn {
        match judge(Operation::Finish, "/bs", answer, &[Code::CHANGED]) {
            Err(turn) => *turn,
            Ok(_) => {
                let deliver = Effect::Deliver { credential: self.credential };
                (State::Delivering(Delivering { next: None }), vec![deliver])
            }
        }
    }
}

impl Delivering {
    /// The ledger has spoken; a request that waited begins its own session.
    fn settled(self, outcome: Outcome, why: String) -> Turn {
        let (resting, mut effects) = stop(Stage::Finish, outcome, why);
        let Some(exchange) = self.next else { return (resting, effects) };
        effects.pop();
        effects.push(Effect::Stage);
        (State::Staging(Staging { exchange }), effects)
    }
}

/// Whether the device may have a session; else the answer to it, and the words for an operator.
///
/// The format that the client prefers is not heeded: TLV is written, which every client must be
/// able to read in 1.0 (TS 1.0 §6.4) and which the clients of the field read in 1.1 and 1.2 too.
fn admit(plan: &Plan, request: &Request) -> Result<(), (Response, String)> {
    let request = BootstrapRequest::parse(request)
        .map_err(|error| (error.response(), words::bad_request(error)))?;
    match request.endpoint {
        Some(name) if name != plan.endpoint => Err((
            Response::diagnostic(Code::BAD_REQUEST, words::FOREIGN_ENDPOINT),
            words::foreign_endpoint(&name, &plan.endpoint),
        )),
        _ => Ok(()),
    }
}

/// The first step after both Discover and the LwM2M server have answered.
fn clear(staged: Staged, layout: Layout) -> Turn {
    if layout.stale_security {
        delete(staged, layout, SECURITY)
    } else if layout.stale_server {
        delete(staged, layout, SERVER)
    } else {
        write_security(staged, layout)
    }
}

fn delete(staged: Staged, layout: Layout, object: u16) -> Turn {
    let request = Request::new(Method::Delete, &[&object.to_string()]);
    (State::Deleting(Deleting { staged, layout, object }), vec![Effect::Send(request)])
}

fn write_security(staged: Staged, layout: Layout) -> Turn {
    let Staged { credential, mut security, server } = staged;
    let payload = core::mem::take(&mut *security);
    let state = State::WritingSecurity(WritingSecurity { credential, layout, server });
    (state, vec![Effect::Send(write(SECURITY, layout.security, payload))])
}

fn write(object: u16, instance: u16, payload: Vec<u8>) -> Request {
    let mut request = Request::new(Method::Put, &[&object.to_string(), &instance.to_string()]);
    request.content_format = Some(content_format::TLV);
    request.payload = payload;
    request
}

/// Lets an accepted answer through; anything else ends the session.
fn judge(
    op: Operation,
    path: &str,
    answer: Answer,
    accepted: &[Code],
) -> Result<Response, Box<Turn>> {
    let (outcome, why) = match answer {
        Ok(response) if accepted.contains(&response.code) => return Ok(response),
        Ok(response) => (Outcome::Refused, words::refused(op, path, response.code)),
        Err(unanswered) => (Outcome::Unanswered, words::unanswered(op, path, unanswered)),
    };
    Err(Box::new(stop(op.stage(), outcome, why)))
}

fn stop(stage: Stage, outcome: Outcome, why: String) -> Turn {
    (State::Resting, vec![record(stage, outcome, why), Effect::Done(outcome)])
}

fn record(stage: Stage, outcome: Outcome, words: String) -> Effect {
    Effect::Record(Event { stage, outcome, words })
}

#[cfg(test)]
impl State {
    /// Every payload that the state holds; exhaustive, so that a new field has to be thought of.
    pub(super) fn payloads(&self) -> Vec<u8> {
        let of = |staged: &Staged| {
            let Staged { credential: _, security, server } = staged;
            [&security[..], server].concat()
        };
        match self {
            Self::Resting | Self::Staging(Staging { exchange: _ }) => Vec::new(),
            Self::Discovering(Discovering { staged, server_ready: _ }) => of(staged),
            Self::AwaitingServer(AwaitingServer { staged, layout: _ }) => of(staged),
            Self::Deleting(Deleting { staged, layout: _, object: _ }) => of(staged),
            Self::WritingSecurity(WritingSecurity { credential: _, layout: _, server }) => {
                server.clone()
            }
            Self::WritingServer(WritingServer { credential: _, layout: _ })
            | Self::Finishing(Finishing { credential: _ })
            | Self::Delivering(Delivering { next: _ }) => Vec::new(),
        }
    }
}
