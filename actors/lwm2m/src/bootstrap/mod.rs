//! One client-initiated bootstrap session (Core §6.1.6, §6.1.7), as a machine.
//!
//! ```text
//! Resting ─POST /bs─▶ Staging ─Staged─▶ Discovering ─2.05─▶ AwaitingServer ─ServerReady─▶
//!   Deleting (/0, /1; only what Discover shows) ─▶ WritingSecurity ─▶ WritingServer ─▶
//!   Finishing ─2.04─▶ Delivering ─Committed─▶ Resting
//! ```
//!
//! Rules that hold in every run: nothing is written before Discover has shown where the bootstrap
//! account is, nor before the LwM2M server holds the credential; the account's instance is never
//! written; after a refusal nothing is sent, least of all Finish. Every attempt that was let in
//! ends with exactly one [`Effect::Record`].

mod failure;
mod grant;
mod layout;
mod state;

pub use failure::not_served;
pub use grant::Grant;

use crate::words::{Event, Outcome, Stage};
use claviger_machine::{Request, Response, Unanswered};
use state::State;

/// What the machine knows of the device before it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The Endpoint Client Name that is bound to the identity the device has proven.
    pub endpoint: String,
    /// True if the device need not give its name, because the identity is the same (Core
    /// §6.1.7.1).
    pub named_by_identity: bool,
}

/// What comes in. Whatever has no meaning in the present state is ignored.
///
/// An answer is taken for that to the last effect of its kind: the caller drops answers to earlier
/// ones, unless they say the same (the ledger stages one credential, however often it is asked).
#[derive(Debug)]
pub enum Input<'a> {
    /// The device sent a request.
    Requested {
        /// The caller's name for the exchange; comes back in [`Effect::Respond`].
        exchange: u64,
        /// Whatever was asked, also if it is no Bootstrap-Request.
        request: &'a Request,
    },
    /// The answer to [`Effect::Stage`]: the ledger has committed this.
    Staged(Grant),
    /// A session was under way when the machine was lost, and this is what it was to bring: the
    /// device may wait for the next request, or not. One that does not answer the first of them as
    /// one that waits was never let in.
    Revived(Grant),
    /// The answer to [`Effect::Stage`]: the ledger refuses, in words for an operator.
    StageRefused(String),
    /// The answer to [`Effect::AwaitServer`]: the LwM2M server holds the credential.
    ServerReady,
    /// The answer to [`Effect::AwaitServer`]: it does not take it, in words for an operator.
    ServerRefused(String),
    /// What became of the request of the last [`Effect::Send`].
    Answered(Result<Response, Unanswered>),
    /// The answer to [`Effect::Deliver`].
    Committed,
    /// The answer to [`Effect::Deliver`]: the ledger refuses, for example because the credential
    /// has been revoked meanwhile; in words for an operator.
    DeliverRefused(String),
    /// The device's session was closed, or a new handshake has superseded it.
    Abandoned,
    /// What the session rests on has ended, its own credential or the one that it brings; in
    /// words for an operator.
    Stopped(String),
    /// The caller's time limit for the whole session has passed.
    TimedOut,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Answer the device's request.
    Respond {
        /// As given in [`Input::Requested`].
        exchange: u64,
        /// The answer.
        response: Response,
    },
    /// Send the device a confirmable request; one is under way at a time.
    ///
    /// The payload of a write to `/0` holds a key, in a plain `Vec`: drop it soon.
    Send(Request),
    /// Give up the request last sent. What becomes of it must not come in as an
    /// [`Input::Answered`]: it would pass for the answer to the next one.
    Cancel,
    /// Have the ledger stage a credential, or find the one that is staged already.
    Stage,
    /// See to it that the LwM2M server holds the staged credential, and say so even if it did
    /// before.
    AwaitServer,
    /// Have the ledger mark the credential as delivered.
    Deliver {
        /// The credential's id.
        credential: [u8; 16],
    },
    /// An entry for the timeline.
    Record(Event),
    /// The session is over and the machine rests; another request would begin a new one.
    Done(Outcome),
}

/// The machine. A secret is in it from [`Input::Staged`] until the Security object is sent.
#[derive(Debug)]
pub struct Bootstrap {
    plan: Plan,
    state: State,
}

impl Bootstrap {
    /// A machine at rest.
    pub const fn new(plan: Plan) -> Self {
        Self { plan, state: State::Resting }
    }

    /// Takes one input, and gives the next machine and what is to be done.
    pub fn advance(self, input: Input<'_>) -> (Self, Vec<Effect>) {
        let Self { plan, state } = self;
        let (state, effects) = state.advance(&plan, input);
        (Self { plan, state }, effects)
    }

    /// The stage of the session under way; `None` at rest.
    pub const fn stage(&self) -> Option<Stage> {
        self.state.stage()
    }
}

#[cfg(test)]
mod tests;
