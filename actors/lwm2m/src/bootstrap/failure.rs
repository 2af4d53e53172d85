//! What can go wrong, and what an operator reads of it: what happened, to which operation, and
//! what to do.

use crate::discover::DiscoverError;
use crate::objects::ObjectError;
use crate::request::RequestError;
use crate::words::{Event, Outcome, Reason, Stage};
use crate::{Format, content_format};
use claviger_machine::{Code, Method, Request, Response, Unanswered};

const ASKS_AGAIN: &str =
    "Finish was not sent, so the device keeps its bootstrap account and can ask again.";
const SAME_CREDENTIAL: &str = "A new request gets the same credential.";
const MAY_HOLD: &str = "The device may hold the credential all the same: its first use will show.";

/// Why an attempt came to nothing, with what is to be said of it.
#[derive(Debug)]
pub(super) enum Failure {
    /// The Bootstrap-Request is wrong in itself.
    Request(RequestError),
    NoEndpoint {
        bound: String,
    },
    ForeignEndpoint {
        name: String,
        bound: String,
    },
    /// The ledger's words.
    NotIssued(String),
    Unwritable(ObjectError),
    LedgerSilent,
    /// The device answered with another code than it should.
    Refused(Step, Code),
    /// The device gave no answer to this.
    Unanswered(Step, Unanswered),
    /// The session's time is over, and the device has not answered.
    TooSlow(Stage),
    UnreadableDiscover(DiscoverError),
    NoBootstrapAccount,
    /// The LwM2M server's words.
    ServerRefused(String),
    ServerSilent,
    BeganAgain(Stage),
    SessionEnded(Stage),
    /// What the session rests on has ended; the caller's words.
    Stopped(Stage, String),
    /// The ledger's words.
    DeliveryRefused(String),
    DeliveryUnknown,
    /// Method and path, as a person writes them.
    NotServed(String),
}

/// A request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Discover,
    Delete { object: u16 },
    WriteSecurity { instance: u16, format: Format },
    WriteServer { instance: u16, format: Format },
    Finish,
}

impl Step {
    pub(super) const fn stage(self) -> Stage {
        match self {
            Self::Discover => Stage::Discover,
            Self::Delete { .. } => Stage::Delete,
            Self::WriteSecurity { .. } => Stage::WriteSecurity,
            Self::WriteServer { .. } => Stage::WriteServer,
            Self::Finish => Stage::Finish,
        }
    }

    /// The operation and its path.
    fn name(self) -> String {
        match self {
            Self::Discover => "Bootstrap-Discover /".to_owned(),
            Self::Delete { object } => format!("Bootstrap-Delete /{object}"),
            Self::WriteSecurity { instance, .. } => format!("Bootstrap-Write /0/{instance}"),
            Self::WriteServer { instance, .. } => format!("Bootstrap-Write /1/{instance}"),
            Self::Finish => "Bootstrap-Finish /bs".to_owned(),
        }
    }

    fn advice(self, code: Code) -> String {
        match self {
            Self::Discover => "Nothing was written, since the bootstrap account could have been \
                 overwritten unseen. Clients of every LwM2M version can have Discover: enable it \
                 in the device."
                .to_owned(),
            Self::Delete { .. } => format!(
                "Nothing was written. Check that the client lets its Bootstrap-Server delete this \
                 object, or remove the old instances on the device. {ASKS_AGAIN}"
            ),
            Self::WriteSecurity { format, .. } | Self::WriteServer { format, .. }
                if code == Code::UNSUPPORTED_CONTENT_FORMAT =>
            {
                format!(
                    "It was written in {}, which is what its request asked for (pct), or TLV if \
                     it named none. Let the client ask for a format that it can read: TLV \
                     ({}), SenML JSON ({}) or SenML CBOR ({}). {ASKS_AGAIN}",
                    shown(format),
                    content_format::TLV,
                    content_format::SENML_JSON,
                    content_format::SENML_CBOR,
                )
            }
            Self::WriteSecurity { .. } | Self::WriteServer { .. }
                if code == Code::REQUEST_ENTITY_TOO_LARGE =>
            {
                format!(
                    "It does not take a payload of this size, in blocks neither. Enlarge the \
                     client's buffer, or let it ask for a shorter format: TLV is the shortest. \
                     {ASKS_AGAIN}"
                )
            }
            Self::WriteSecurity { format, .. } => format!(
                "Check that the client takes {}, Pre-Shared Key mode, and an identity and a key \
                 of this length. {ASKS_AGAIN}",
                shown(format)
            ),
            Self::WriteServer { format, .. } => format!(
                "Check that the client takes {} and the lifetime and binding that are \
                 configured. {ASKS_AGAIN}",
                shown(format)
            ),
            Self::Finish if code == Code::NOT_ACCEPTABLE => {
                "It finds its configuration inconsistent. Compare the server's address, Short \
                 Server ID, lifetime and binding with what the device supports. It keeps its \
                 bootstrap account."
                    .to_owned()
            }
            Self::Finish => "Look into the device's log for what it misses.".to_owned(),
        }
    }
}

/// `TLV (Content-Format 11542)`
fn shown(format: Format) -> String {
    format!("{} (Content-Format {})", format.name(), format.number())
}

impl Failure {
    pub(super) const fn reason(&self) -> Reason {
        match self {
            Self::Request(RequestError::NotConfirmable) => Reason::NotConfirmable,
            Self::Request(RequestError::EndpointLength | RequestError::Repeated) => {
                Reason::BadQuery
            }
            Self::Request(RequestError::FormatIsNoNumber) => Reason::BadFormat,
            Self::Request(RequestError::UnsupportedFormat) => Reason::UnsupportedFormat,
            Self::NoEndpoint { .. } => Reason::NoEndpoint,
            Self::ForeignEndpoint { .. } => Reason::ForeignEndpoint,
            Self::NotIssued(_) => Reason::NotIssued,
            Self::Unwritable(_) => Reason::Unwritable,
            Self::LedgerSilent => Reason::LedgerSilent,
            Self::Refused(Step::Finish, Code::NOT_ACCEPTABLE) => Reason::Inconsistent,
            Self::Refused(..) => Reason::OperationRefused,
            Self::Unanswered(_, Unanswered::TimedOut) | Self::TooSlow(_) => Reason::NoAnswer,
            Self::Unanswered(_, Unanswered::Reset) => Reason::Reset,
            Self::Unanswered(_, Unanswered::Garbled) => Reason::Garbled,
            Self::UnreadableDiscover(_) => Reason::UnreadableDiscover,
            Self::NoBootstrapAccount => Reason::NoBootstrapAccount,
            Self::ServerRefused(_) => Reason::ServerRefused,
            Self::ServerSilent => Reason::ServerSilent,
            Self::BeganAgain(_) => Reason::BeganAgain,
            Self::SessionEnded(_) => Reason::SessionEnded,
            Self::Stopped(..) => Reason::Stopped,
            Self::DeliveryRefused(_) => Reason::DeliveryRefused,
            Self::DeliveryUnknown => Reason::DeliveryUnknown,
            Self::NotServed(_) => Reason::NotServed,
        }
    }

    const fn stage(&self) -> Stage {
        match self {
            Self::Request(_)
            | Self::NoEndpoint { .. }
            | Self::ForeignEndpoint { .. }
            | Self::NotIssued(_)
            | Self::Unwritable(_)
            | Self::LedgerSilent
            | Self::NotServed(_) => Stage::Request,
            Self::Refused(step, _) | Self::Unanswered(step, _) => step.stage(),
            Self::TooSlow(stage)
            | Self::BeganAgain(stage)
            | Self::SessionEnded(stage)
            | Self::Stopped(stage, _) => *stage,
            Self::UnreadableDiscover(_) | Self::NoBootstrapAccount => Stage::Discover,
            Self::ServerRefused(_) | Self::ServerSilent => Stage::Server,
            Self::DeliveryRefused(_) | Self::DeliveryUnknown => Stage::Finish,
        }
    }

    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::Request(_)
            | Self::NoEndpoint { .. }
            | Self::ForeignEndpoint { .. }
            | Self::NotIssued(_)
            | Self::Refused(..)
            | Self::NoBootstrapAccount
            | Self::ServerRefused(_)
            | Self::NotServed(_) => Outcome::Refused,
            Self::Unanswered(..) | Self::TooSlow(_) => Outcome::Unanswered,
            Self::BeganAgain(_) | Self::SessionEnded(_) => Outcome::Superseded,
            Self::Unwritable(_)
            | Self::LedgerSilent
            | Self::UnreadableDiscover(_)
            | Self::ServerSilent
            | Self::Stopped(..)
            | Self::DeliveryRefused(_)
            | Self::DeliveryUnknown => Outcome::Failed,
        }
    }

    /// The answer to a Bootstrap-Request that is refused. It tells the device nothing of the
    /// ledger, nor a name that it has not given itself.
    pub(super) fn response(&self) -> Response {
        let refusal = |words| Response::diagnostic(Code::BAD_REQUEST, words);
        match self {
            Self::Request(error) => error.response(),
            Self::NoEndpoint { .. } => refusal("the endpoint name (ep) is missing"),
            Self::ForeignEndpoint { .. } => {
                refusal("the endpoint name does not belong to this identity")
            }
            Self::NotIssued(_) => refusal("no bootstrap configuration for this endpoint"),
            _ => Response::new(Code::INTERNAL_SERVER_ERROR),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Request(error) => format!(
                "The Bootstrap-Request was refused: {error}. Correct it in the device's client."
            ),
            Self::NoEndpoint { bound } => format!(
                "The Bootstrap-Request has no endpoint name (ep), and the identity that the device \
                 has proven is not its endpoint name {bound:?}. Set the name in the device's \
                 client, or enrol it with that name as its identity."
            ),
            Self::ForeignEndpoint { name, bound } => format!(
                "The device called itself {name:?}, but the identity it has proven is bound to \
                 {bound:?}. Correct the name in the device, or enrol the identity under that name."
            ),
            Self::NotIssued(why) => format!(
                "No credential was issued: {why}. Set that right; the device can ask again."
            ),
            Self::Unwritable(error) => format!(
                "The credential or the server's account cannot be written: {error}. Correct the \
                 LwM2M server's configuration (address, Short Server ID, lifetime, binding)."
            ),
            Self::LedgerSilent => {
                "The ledger did not answer in time; the device was told nothing and can ask again."
                    .to_owned()
            }
            Self::Refused(step, code) => {
                format!("The device refused {} with {code}. {}", step.name(), step.advice(*code))
            }
            Self::Unanswered(step, how) => unanswered(*step, *how),
            Self::TooSlow(stage) => format!(
                "The session took too long, waiting for the device's answer ({}). {}",
                stage.as_str(),
                aftermath(*stage)
            ),
            Self::UnreadableDiscover(error) => format!(
                "The device's answer to Bootstrap-Discover cannot be relied upon: {error}. Nothing \
                 was written. Correct the answer in the device's client."
            ),
            Self::NoBootstrapAccount => {
                "The device's answer to Bootstrap-Discover shows no bootstrap account (an instance \
                 of object 0 without ssid). Nothing was written, since it could have been \
                 overwritten unseen. Check that the client lists it, without a Short Server ID."
                    .to_owned()
            }
            Self::ServerRefused(why) => format!(
                "The LwM2M server did not take the credential, so the device was not written: \
                 {why}. Set that right. {SAME_CREDENTIAL}"
            ),
            Self::ServerSilent => format!(
                "The LwM2M server did not confirm the credential in time, so the device was not \
                 written. Check that it can be reached. {SAME_CREDENTIAL}"
            ),
            Self::BeganAgain(stage) => format!(
                "The device began again during this stage ({}). {}",
                stage.as_str(),
                aftermath(*stage)
            ),
            Self::SessionEnded(stage) => format!(
                "The device's session ended during this stage ({}), closed or replaced by a new \
                 one. {}",
                stage.as_str(),
                aftermath(*stage)
            ),
            Self::Stopped(stage, why) => {
                format!("The bootstrap was stopped during this stage ({}): {why}.", stage.as_str())
            }
            Self::DeliveryRefused(why) => format!(
                "The device has taken its credential, but the ledger refuses to call it delivered: \
                 {why}. Let the device bootstrap again."
            ),
            Self::DeliveryUnknown => {
                "The device has taken its credential; whether the ledger has noted it is not \
                 known. Its first use will show."
                    .to_owned()
            }
            Self::NotServed(what) => format!(
                "The device asked for {what:?}, which a Bootstrap-Server does not have. If it \
                 takes this one for an LwM2M server, correct its accounts; a Bootstrap-Request is \
                 POST /bs."
            ),
        }
    }
}

impl From<Failure> for Event {
    fn from(failure: Failure) -> Self {
        Self {
            stage: failure.stage(),
            outcome: failure.outcome(),
            reason: Some(failure.reason()),
            words: failure.words(),
        }
    }
}

/// What is to be said of a request that is no Bootstrap-Request; nothing of `GET /bspack`, with
/// which every 1.2 client begins.
pub fn not_served(request: &Request) -> Option<Event> {
    /// More of a path than anybody needs to see.
    const SHOWN: usize = 64;
    let path = request.path_string();
    if request.method == Method::Get && path == "/bspack" {
        return None;
    }
    let method = format!("{:?}", request.method).to_uppercase();
    let path: String = path.chars().take(SHOWN).collect();
    Some(Failure::NotServed(format!("{method} {path}")).into())
}

/// The end that is wanted.
pub(super) fn delivered() -> Event {
    Event {
        stage: Stage::Finish,
        outcome: Outcome::Delivered,
        reason: None,
        words: "The device has taken its credential and finished the bootstrap.".to_owned(),
    }
}

fn unanswered(step: Step, how: Unanswered) -> String {
    let (how, advice) = match how {
        Unanswered::TimedOut => {
            ("did not answer", "Check that it is on, in reach, and waits for its Bootstrap-Server.")
        }
        Unanswered::Reset => {
            ("rejected the message (Reset) of", "Look into its log for why it does.")
        }
        Unanswered::Garbled => (
            "gave an answer that could not be put together to",
            "Look at its block-wise transfer (RFC 7959), and for options that it should not send.",
        ),
    };
    format!("The device {how} {}. {advice} {}", step.name(), aftermath(step.stage()))
}

/// What remains when the device falls silent: a Finish may have arrived, its answer be lost.
const fn aftermath(stage: Stage) -> &'static str {
    match stage {
        Stage::Finish => MAY_HOLD,
        _ => SAME_CREDENTIAL,
    }
}
