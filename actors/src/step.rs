//! The words of a device's step: what it is told, and what it wants done.

use crate::EdgeId;
use crate::conversation::Numbers;
use crate::counters::Counters;
use crate::pace::Pace;
use claviger_front::{Content, Deliver, ToEdge};
use claviger_ledger::{Command, CredentialId, Outcome, SessionId, Unavailable};
use claviger_machine::{Crypto, Draw};
use core::net::SocketAddr;
use core::time::Duration;

/// What comes in.
pub(crate) enum Input {
    /// The device has opened a session.
    Opened {
        edge: EdgeId,
        session: SessionId,
        generation: u32,
        peer: SocketAddr,
        /// True if what was proven names the device's endpoint.
        named: bool,
        closed: Vec<SessionId>,
        /// The credential that was staged with it.
        prepared: Option<CredentialId>,
    },
    /// A session of the ledger that this incarnation did not know.
    Recovered {
        edge: EdgeId,
        session: SessionId,
        highest_read: u64,
        peer: SocketAddr,
        named: bool,
        numbers: Option<Numbers>,
    },
    /// A record of a session that is known.
    Deliver { edge: EdgeId, frame: Box<Deliver> },
    /// The same, while so much is under way that no more is taken.
    TurnAway { edge: EdgeId, frame: Box<Deliver> },
    /// The last flight of a session's handshake must be sent again.
    Repeat { edge: EdgeId, session: SessionId },
    /// A session goes on by another edge, and so does what could not be sent by the one before.
    Moved { session: SessionId, from: EdgeId, to: EdgeId, contents: Vec<Content> },
    /// A bootstrap was under way in a session when another node led, until `since`, of this credential.
    Revive { session: SessionId, credential: CredentialId, since: Duration },
    /// What was staged with a session, as far as it is still good.
    Offered { session: SessionId, credential: CredentialId, outcome: Option<Outcome> },
    /// What became of a proposal.
    Outcome { about: About, result: Result<Outcome, Unavailable> },
    /// The LwM2M server has answered.
    ServerAnswered { credential: CredentialId, result: Result<(), String> },
    /// The ledger has closed these sessions and ended these credentials.
    Ended { closed: Vec<SessionId>, withdrawn: Vec<CredentialId> },
    /// Time has passed.
    Tick,
}

/// What a proposal was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A credential for the bootstrap of this session; the fresh one of the proposal.
    Stage(SessionId, CredentialId),
    /// The delivery of the bootstrap's credential.
    Delivery(SessionId, CredentialId),
    /// A new generation of a session's numbers.
    Generation(SessionId),
    /// A note that nobody waits for.
    Note,
}

/// What goes out.
pub(crate) enum Effect {
    /// Send a frame to an edge.
    Send { edge: EdgeId, frame: ToEdge },
    /// Propose a command; an [`Input::Outcome`] follows.
    Propose { about: About, command: Box<Command> },
    /// See whether what was staged with a session, or `again` what was delivered in it, is still
    /// good; [`Input::Offered`] follows.
    Offer { session: SessionId, credential: CredentialId, again: bool },
    /// There is something to tell the LwM2M server.
    Wake(CredentialId),
}

/// What a step sees of the world, and what it does to it.
pub(crate) struct World<'a> {
    pub(crate) now: Duration,
    pub(crate) crypto: &'a dyn Crypto,
    pub(crate) draw: Draw,
    pub(crate) counters: &'a Counters,
    pub(crate) pace: &'a Pace,
    pub(crate) effects: Vec<Effect>,
}

impl World<'_> {
    pub(crate) fn propose(&mut self, about: About, command: impl Into<Command>) {
        self.effects.push(Effect::Propose { about, command: Box::new(command.into()) });
    }
}
