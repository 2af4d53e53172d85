//! A further certificate of a node.

use crate::event::{Event, EventCode};
use crate::record::{NodeRecord, NodeRole};
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Notes that a node is given its next certificate; also the first of the one that founds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NoteNodeCertificate {
    /// The node's id.
    #[n(0)]
    pub node: u64,
    /// What it is.
    #[n(1)]
    pub role: NodeRole,
    /// SHA-256 of its public key, which may be another than before.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub key_hash: [u8; 32],
    /// Until when it holds, in ms since the Unix epoch.
    #[n(3)]
    pub certified_until: u64,
    /// The hash of the key that the node showed to whoever issues it; none if that is itself.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub shown: Option<[u8; 32]>,
    /// SHA-256 of the certificate of the authority that issues it; from level 5 on.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub issuer: Option<[u8; 32]>,
}

impl NoteNodeCertificate {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let Self { node, role, key_hash, certified_until, shown, issuer } = *self;
        book.unless_issuer_changed(issuer)?;
        let absent = || Refusal::not_found("node", format_args!("{node:016x}"));
        let known = book.node(node)?;
        if known.is_some_and(|known| known.dismissed || known.role != role) {
            return Err(absent().into());
        }
        if let Some(shown) = shown {
            let known = known.ok_or_else(absent)?;
            // Whoever has an older key is another one than whoever has the newest: one is a thief.
            if shown != known.key_hash && Some(shown) != known.asked_by {
                self.tell(book, EventCode::NodeRefused, TWO)?;
                let (what, name) = ("newest key of node".to_owned(), format!("{node:016x}"));
                return Err(Refusal::NotFound { what, name }.into());
            }
        }
        let (dismissed, asked_by) = (false, shown);
        let record = NodeRecord { role, key_hash, certified_until, dismissed, asked_by, issuer };
        book.store_node(node, &record);
        self.tell(book, EventCode::NodeCertified, "was given its next certificate.")?;
        Ok(Outcome::Done)
    }

    fn tell(&self, book: &mut Book<'_>, code: EventCode, what: &str) -> Result<(), Stop> {
        let words = format!("The {} node {:016x} {what}", self.role, self.node);
        book.announce(HOME, Event { code, credential: None, words })
    }
}

/// What is told of a node whose certificate two have.
const TWO: &str = "asked for its next certificate by a key that is not its newest: two may have \
                   its certificate. Dismiss it, and let it join anew under another id.";
