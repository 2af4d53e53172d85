//! A new incarnation of the actor that numbers a session's records.

use crate::key;
use crate::state::{Book, Stop};
use crate::{DeviceRef, Outcome, Refusal, SessionId};
use minicbor::{Decode, Encode};

/// Begins a new generation of a session's write sequences; committed before the first `Transmit`.
///
/// Never deduplicated: two that are applied give two generations, and no nonce is used twice.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RaiseGeneration {
    /// Whose session it is.
    #[n(0)]
    pub device: DeviceRef,
    /// The session.
    #[n(1)]
    pub session: SessionId,
    /// The highest sequence read so far.
    #[n(2)]
    pub highest_read: u64,
}

impl RaiseGeneration {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut session = book.session(&self.device, self.session)?;
        let prover = book.credential(&self.device, session.credential)?;
        if let Some(state) = book.bar(&self.device, &prover, Some(&session))? {
            return Err(Refusal::State { state }.into());
        }
        session.generation = session.next_generation()?;
        session.highest_read = session.highest_read.max(self.highest_read);
        let generation = session.generation;
        book.store(key::session(&self.device, self.session), &session);
        Ok(Outcome::Generation(generation))
    }
}
