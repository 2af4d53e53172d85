//! Another authority of the cluster's nodes.

use crate::event::{Event, EventCode};
use crate::record::NodeAuthority;
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Puts another authority in the place of the one that issues certificates to nodes. The one before
/// is named in it, and is trusted until [`crate::RetireNodeAuthority`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ReplaceNodeAuthority {
    /// What it is; when it was made is noted by the ledger.
    #[n(0)]
    pub authority: NodeAuthority,
}

impl ReplaceNodeAuthority {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let NodeAuthority { certificate, sealed_key, retiring, .. } = &self.authority;
        let before = retiring.as_ref().map_or(&[][..], |it| &it.certificate);
        let cross = retiring.as_ref().map_or(&[][..], |it| &it.cross);
        let parts = [&certificate[..], sealed_key, before, cross];
        for (what, bytes) in
            ["certificate", "sealed key", "certificate", "certificate"].iter().zip(parts)
        {
            Refusal::unless_short(NodeAuthority::BYTES, what, bytes.len())?;
        }
        let kept =
            book.node_authority()?.ok_or_else(|| Refusal::not_found("authority", "nodes"))?;
        // The same, proposed again because its fate was unknown.
        if kept.certificate == *certificate {
            return Ok(Outcome::Done);
        }
        let (what, name) = ("authority".to_owned(), "nodes".to_owned());
        if kept.retiring.is_some() {
            let by = "nodes that have no certificate of the newest authority yet".to_owned();
            return Err(Refusal::InUse { what, name, by }.into());
        }
        if kept.certificate != before {
            return Err(Refusal::Taken { what, name }.into());
        }
        book.store_node_authority(&NodeAuthority { created_at: book.at, ..self.authority.clone() });
        let words =
            "The cluster has another authority for its nodes; the one before is trusted until \
                     all have certificates of the new one."
                .to_owned();
        let code = EventCode::NodeAuthorityReplaced;
        book.announce(HOME, Event { code, credential: None, words })?;
        Ok(Outcome::Made)
    }
}
