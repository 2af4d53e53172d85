//! The authority of the cluster's nodes.

use crate::event::{Event, EventCode};
use crate::record::NodeAuthority;
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Keeps the authority that issues the certificates of nodes; the first that is proposed stays.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutNodeAuthority {
    /// What it is; when it was made is noted by the ledger.
    #[n(0)]
    pub authority: NodeAuthority,
}

impl PutNodeAuthority {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let NodeAuthority { certificate, sealed_key, .. } = &self.authority;
        for (what, bytes) in [("certificate", certificate), ("sealed key", sealed_key)] {
            Refusal::unless_short(NodeAuthority::BYTES, what, bytes.len())?;
        }
        if let Some(kept) = book.node_authority()? {
            // The same, proposed again because its fate was unknown.
            let again = kept.certificate == *certificate;
            return if again { Ok(Outcome::Done) } else { Err(taken().into()) };
        }
        book.store_node_authority(&NodeAuthority { created_at: book.at, ..self.authority.clone() });
        let words = "The cluster has an authority for its nodes.".to_owned();
        book.announce(HOME, Event { code: EventCode::NodeAuthorityMade, credential: None, words })?;
        Ok(Outcome::Made)
    }
}

fn taken() -> Refusal {
    Refusal::taken("authority", "nodes")
}
