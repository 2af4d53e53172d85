//! A version of the root key.

use crate::event::{Event, EventCode};
use crate::key;
use crate::record::{RetiringRoot, RootKeys, Wrapping};
use crate::state::{Book, Stop};
use crate::{HOME, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Sets the first root key, or the next one; the one before stays until it wraps nothing any more
/// ([`DestroyRootKey`](crate::DestroyRootKey)).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutRootKey {
    /// The version: 1, or the one behind the newest.
    #[n(0)]
    pub version: u32,
    /// It, wrapped by each KEK that is to open it, that of the newest first.
    #[n(1)]
    pub wrappings: Vec<Wrapping>,
    /// The cluster secret, wrapped by it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub cluster: Vec<u8>,
}

impl PutRootKey {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        check(&self.wrappings)?;
        Refusal::unless_short(RootKeys::BYTES, "wrapped cluster secret", self.cluster.len())?;
        let before = book.root_keys()?;
        let newest = before.as_ref().map_or(0, |it| it.version);
        if before.as_ref().is_some_and(|it| {
            (it.version, &it.wrappings, &it.cluster)
                == (self.version, &self.wrappings, &self.cluster)
        }) {
            // The same, proposed again because its fate was unknown.
            return Ok(Outcome::Done);
        }
        Refusal::unless_version(u64::from(self.version).checked_sub(1), newest.into())?;
        let retiring = match before {
            Some(RootKeys { retiring: Some(retiring), .. }) => {
                return Err(Refusal::retiring("root key", retiring.version).into());
            }
            Some(RootKeys { version, wrappings, .. }) => {
                Some(RetiringRoot { version, wrappings, since: book.at })
            }
            None => None,
        };
        let (code, words) = match &retiring {
            None => (EventCode::RootKeyMade, "The root key was made.".to_owned()),
            Some(_) => {
                let words = format!("The root key was replaced by version {}.", self.version);
                (EventCode::RootKeyReplaced, words)
            }
        };
        book.store_root_keys(RootKeys {
            version: self.version,
            wrappings: self.wrappings.clone(),
            cluster: self.cluster.clone(),
            since: book.at,
            revision: 0,
            retiring,
        });
        book.announce(HOME, Event { code, credential: None, words })?;
        Ok(Outcome::Done)
    }
}

/// Refuses wrappings that are none, too many or too long.
pub(super) fn check(wrappings: &[Wrapping]) -> Result<(), Refusal> {
    if wrappings.is_empty() {
        return Err(Refusal::not_found("KEK", "that wraps the root key"));
    }
    if wrappings.len() > RootKeys::WRAPPINGS {
        let (what, limit) = ("KEKs of the root key".to_owned(), RootKeys::WRAPPINGS as u64);
        return Err(Refusal::Full { what, limit });
    }
    for Wrapping { kek, bytes } in wrappings {
        Refusal::unless_within(key::NAME, "KEK's name", kek.as_bytes())?;
        Refusal::unless_short(RootKeys::BYTES, "wrapped root key", bytes.len())?;
    }
    Ok(())
}
