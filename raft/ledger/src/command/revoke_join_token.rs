//! A join token that is not to let anybody in any more.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal, RequestId};
use minicbor::{Decode, Encode};

/// Removes a join token. The nodes that it let in stay.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RevokeJoinToken {
    /// Its id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub token: [u8; 16],
}

impl RevokeJoinToken {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let (row, id) = (key::of_all(Kind::JoinToken, &self.token), RequestId(self.token));
        if !book.holds(&row) {
            return Err(Refusal::not_found("join token", id).into());
        }
        book.drop_row(&row);
        let words = format!("The join token {id} was revoked.");
        book.announce(HOME, Event { code: EventCode::JoinTokenRevoked, credential: None, words })?;
        Ok(Outcome::Done)
    }
}
