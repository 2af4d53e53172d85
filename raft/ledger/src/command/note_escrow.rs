//! What was done with copies of the root key.

use crate::event::{Event, EventCode};
use crate::key;
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// What was done with a copy of the root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Escrow {
    /// A copy was made, encrypted to a recipient.
    #[n(0)]
    Made,
    /// Somebody proved that a copy opens this ledger.
    #[n(1)]
    Proven,
    /// A node that was sealed was opened by a copy.
    #[n(2)]
    Used,
}

/// Notes in the audit log what was done with a copy of the root key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NoteEscrow {
    /// What was done.
    #[n(0)]
    pub what: Escrow,
    /// The version of the root key.
    #[n(1)]
    pub version: u32,
    /// Whom the copy was encrypted to: the recipient's key id; empty where it is not known.
    #[n(2)]
    pub recipient: String,
}

impl NoteEscrow {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        Refusal::unless_within(key::NAME, "recipient", self.recipient.as_bytes())?;
        let version = self.version;
        let (code, words) = match self.what {
            Escrow::Made => {
                let to = &self.recipient;
                let words = format!("A copy of root key {version} was made, encrypted to {to}.");
                (EventCode::EscrowMade, words)
            }
            Escrow::Proven => {
                let words =
                    format!("It was proven that a copy of root key {version} opens this ledger.");
                (EventCode::EscrowProven, words)
            }
            Escrow::Used => {
                let words = format!("A sealed node was opened by a copy of root key {version}.");
                (EventCode::EscrowUsed, words)
            }
        };
        book.announce(HOME, Event { code, credential: None, words })?;
        Ok(Outcome::Done)
    }
}
