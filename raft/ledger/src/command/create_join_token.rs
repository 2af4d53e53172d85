//! A new join token.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::{JoinToken, NodeRecord, NodeRole};
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal, RequestId};
use core::fmt;
use minicbor::{Decode, Encode};

/// Makes a token that lets nodes in.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct CreateJoinToken {
    /// Its id: 16 random bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub token: [u8; 16],
    /// What a node with it becomes.
    #[n(1)]
    pub role: NodeRole,
    /// SHA-256 of its secret.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub secret_hash: [u8; 32],
    /// When its time is over, in ms since the Unix epoch.
    #[n(3)]
    pub expires_at: u64,
    /// How many nodes it lets in.
    #[n(4)]
    pub uses: u32,
    /// The one node of the ledger that it lets in, under the id that it had: its certificate is lost,
    /// or over, or of an authority that is believed no more. From level 5 on.
    #[n(5)]
    pub returns: Option<u64>,
}

impl fmt::Debug for CreateJoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CreateJoinToken({} for {} of {})", RequestId(self.token), self.uses, self.role)
    }
}

impl CreateJoinToken {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let row = key::of_all(Kind::JoinToken, &self.token);
        if let Some(kept) = book.load::<JoinToken>("a join token", &row)? {
            // The same, proposed again because its fate was unknown.
            let again = kept.secret_hash == self.secret_hash;
            let taken = Refusal::taken("join token", RequestId(self.token));
            return if again { Ok(Outcome::Done) } else { Err(taken.into()) };
        }
        if let Some(node) = self.returns {
            let may = |known: NodeRecord| known.role == NodeRole::Ledger && !known.dismissed;
            if self.role != NodeRole::Ledger || !book.node(node)?.is_none_or(may) {
                let name = format_args!("{node:016x}");
                return Err(Refusal::not_found("ledger node that may come back", name).into());
            }
        }
        forget_expired(book)?;
        let all = book.keys_under(&key::of_all(Kind::JoinToken, &[]), JoinToken::MOST);
        if all.len() == JoinToken::MOST {
            let (what, limit) = ("join tokens".to_owned(), JoinToken::MOST as u64);
            return Err(Refusal::Full { what, limit }.into());
        }
        let token = JoinToken {
            role: self.role,
            secret_hash: self.secret_hash,
            expires_at: self.expires_at,
            uses_left: self.uses,
            created_at: book.at,
            admitted: Vec::new(),
            returns: self.returns,
        };
        book.store(row, &token);
        let id = RequestId(self.token);
        let (code, words) = match self.returns {
            None => {
                let words =
                    format!("A join token {id} was made for {} node(s): {}.", self.uses, self.role);
                (EventCode::JoinTokenCreated, words)
            }
            Some(node) => {
                let words = format!(
                    "The ledger node {node:016x} may come back under its id, by the join token {id}."
                );
                (EventCode::NodeReadmitted, words)
            }
        };
        book.announce(HOME, Event { code, credential: None, words })?;
        Ok(Outcome::Made)
    }
}

/// Forgets tokens whose time is over.
fn forget_expired(book: &mut Book<'_>) -> Result<(), Stop> {
    for row in book.keys_under(&key::of_all(Kind::JoinToken, &[]), JoinToken::MOST) {
        let token: Option<JoinToken> = book.load("a join token", &row)?;
        if token.is_some_and(|token| token.expires_at <= book.at) {
            book.drop_row(&row);
        }
    }
    Ok(())
}
