//! The end of an authority that was replaced.

use crate::event::{Event, EventCode};
use crate::record::NodeAuthority;
use crate::state::{Book, Stop};
use crate::{HOME, Outcome};
use minicbor::{Decode, Encode};

/// Ends the trust in the authority before: the leader proposes it when no certificate of that holds
/// any more. Where it is not the one that is on its way out, nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RetireNodeAuthority {
    /// Its certificate, in DER.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
}

impl RetireNodeAuthority {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let is_it = |kept: &NodeAuthority| {
            kept.retiring.as_ref().is_some_and(|it| it.certificate == self.certificate)
        };
        let Some(kept) = book.node_authority()?.filter(is_it) else { return Ok(Outcome::Done) };
        book.store_node_authority(&NodeAuthority { retiring: None, ..kept });
        let words =
            "The authority before is not trusted any more, nor is a join token of its time.";
        let (code, words) = (EventCode::NodeAuthorityRetired, words.to_owned());
        book.announce(HOME, Event { code, credential: None, words })?;
        Ok(Outcome::Done)
    }
}
