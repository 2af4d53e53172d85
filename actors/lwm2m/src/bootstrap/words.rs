//! What an operator reads: what happened, to which operation, and what to do.

use crate::discover::DiscoverError;
use crate::objects::ObjectError;
use crate::request::RequestError;
use crate::words::Stage;
use claviger_machine::{Code, Unanswered};

/// For the device, whose name is not its own.
pub(super) const FOREIGN_ENDPOINT: &str = "the endpoint name does not belong to this identity";
/// For the device, where the ledger has nothing for it.
pub(super) const NO_CONFIGURATION: &str = "no bootstrap configuration for this endpoint";

const ASKS_AGAIN: &str =
    "Finish was not sent, so the device keeps its bootstrap account and can ask again.";
const SAME_CREDENTIAL: &str = "A new request gets the same credential.";
const MAY_HOLD: &str = "The device may hold the credential all the same: its first use will show.";

/// What we ask of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Discover,
    Delete,
    WriteSecurity,
    WriteServer,
    Finish,
}

impl Operation {
    pub(super) const fn stage(self) -> Stage {
        match self {
            Self::Discover => Stage::Discover,
            Self::Delete => Stage::Delete,
            Self::WriteSecurity => Stage::WriteSecurity,
            Self::WriteServer => Stage::WriteServer,
            Self::Finish => Stage::Finish,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Discover => "Bootstrap-Discover",
            Self::Delete => "Bootstrap-Delete",
            Self::WriteSecurity | Self::WriteServer => "Bootstrap-Write",
            Self::Finish => "Bootstrap-Finish",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Discover => {
                "Nothing was written, since the bootstrap account could have been overwritten \
                 unseen. Clients of every LwM2M version can have Discover: enable it in the device."
            }
            Self::Delete => {
                "Nothing was written. Check that the client lets its Bootstrap-Server delete this \
                 object, or remove the old instances on the device."
            }
            Self::WriteSecurity => {
                "Check that the client takes TLV (Content-Format 11542), Pre-Shared Key mode, and \
                 an identity and a key of this length."
            }
            Self::WriteServer => {
                "Check that the client takes TLV (Content-Format 11542) and the lifetime and \
                 binding that are configured."
            }
            Self::Finish => "Look into the device's log for what it misses.",
        }
    }
}

pub(super) fn refused(op: Operation, path: &str, code: Code) -> String {
    let name = op.name();
    match op {
        Operation::Finish if code == Code::NOT_ACCEPTABLE => format!(
            "The device answered {name} {path} with {code}: it finds its configuration \
             inconsistent. Compare the server's address, Short Server ID, lifetime and binding \
             with what the device supports. It keeps its bootstrap account."
        ),
        Operation::Discover | Operation::Finish => {
            format!("The device refused {name} {path} with {code}. {}", op.advice())
        }
        _ => format!("The device refused {name} {path} with {code}. {} {ASKS_AGAIN}", op.advice()),
    }
}

pub(super) fn unanswered(op: Operation, path: &str, how: Unanswered) -> String {
    let how = match how {
        Unanswered::TimedOut => "did not answer",
        Unanswered::Reset => "rejected the message (Reset) of",
        Unanswered::Garbled => "gave an answer that could not be put together to",
    };
    format!("The device {how} {} {path}. {}", op.name(), aftermath(op.stage()))
}

pub(super) fn too_slow(stage: Stage) -> String {
    format!(
        "The session took too long, waiting for the device's answer ({}). {}",
        stage.as_str(),
        aftermath(stage)
    )
}

pub(super) fn began_again(stage: Stage) -> String {
    format!("The device began again during this stage ({}). {}", stage.as_str(), aftermath(stage))
}

pub(super) fn abandoned(stage: Stage) -> String {
    format!(
        "The device's session ended during this stage ({}), closed or replaced by a new one. {}",
        stage.as_str(),
        aftermath(stage)
    )
}

/// What remains when the device falls silent: a Finish may have arrived, its answer be lost.
const fn aftermath(stage: Stage) -> &'static str {
    match stage {
        Stage::Finish => MAY_HOLD,
        _ => SAME_CREDENTIAL,
    }
}

pub(super) fn bad_request(error: RequestError) -> String {
    format!("The Bootstrap-Request was refused: {error}. Correct it in the device's client.")
}

pub(super) fn foreign_endpoint(name: &str, bound: &str) -> String {
    format!(
        "The device called itself {name:?}, but the identity it has proven is bound to {bound:?}. \
         Correct the name in the device, or enrol the identity under that name."
    )
}

pub(super) fn stage_refused(why: &str) -> String {
    format!("No credential was issued: {why}")
}

pub(super) fn unusable_grant(error: ObjectError) -> String {
    format!(
        "The credential or the server's account cannot be written: {error}. Correct the LwM2M \
         server's configuration (address, Short Server ID, lifetime, binding)."
    )
}

pub(super) fn unreadable_discover(error: DiscoverError) -> String {
    format!(
        "The device's answer to Bootstrap-Discover cannot be relied upon: {error}. Nothing was \
         written. Correct the answer in the device's client."
    )
}

pub(super) fn no_bootstrap_account() -> String {
    "The device's answer to Bootstrap-Discover shows no bootstrap account (an instance of object 0 \
     without ssid). Nothing was written, since it could have been overwritten unseen. Check that \
     the client lists it, without a Short Server ID."
        .to_owned()
}

pub(super) fn server_refused(why: &str) -> String {
    format!("The LwM2M server did not take the credential, so the device was not written: {why}")
}

pub(super) fn server_silent() -> String {
    format!(
        "The LwM2M server did not confirm the credential in time, so the device was not written. \
         Check that it can be reached. {SAME_CREDENTIAL}"
    )
}

pub(super) fn ledger_silent() -> String {
    "The ledger did not answer in time; the device was told nothing and can ask again.".to_owned()
}

pub(super) fn delivered() -> String {
    "The device has taken its credential and finished the bootstrap.".to_owned()
}

pub(super) fn deliver_refused(why: &str) -> String {
    format!(
        "The device has taken its credential, but the ledger refuses to call it delivered: {why}"
    )
}

pub(super) fn delivery_unknown() -> String {
    "The device has taken its credential; whether the ledger has noted it is not known. Its first \
     use will show."
        .to_owned()
}
