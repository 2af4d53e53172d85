//! What a command came to.

use crate::{CredentialId, DeviceRef, Prepared, SessionId};
use core::fmt;
use minicbor::{Decode, Encode};

/// The outcome of a committed command; every replica has the same.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// It was done (or had been done before).
    #[n(0)]
    Done,
    /// It was refused, and nothing changed but the record of it.
    #[n(1)]
    Refused(#[n(0)] Refusal),
    /// A session is open.
    #[n(2)]
    Opened {
        /// The session.
        #[n(0)]
        session: SessionId,
        /// Whose it is.
        #[n(1)]
        device: DeviceRef,
        /// The credential that was proven.
        #[n(2)]
        credential: CredentialId,
        /// The endpoint name bound to the credential.
        #[n(3)]
        endpoint: String,
        /// The generation of its write sequences.
        #[n(4)]
        generation: u32,
        /// Sessions that were closed to make room.
        #[n(5)]
        closed: Vec<SessionId>,
        /// What was staged with it; nothing if something waited already, or it was not to be.
        #[n(6)]
        staged: Option<Prepared>,
    },
    /// The session's write sequences begin a new generation.
    #[n(3)]
    Generation(#[n(0)] u32),
    /// A credential is staged.
    #[n(4)]
    Staged {
        /// The credential, new or staged before.
        #[n(0)]
        credential: CredentialId,
        /// Its PSK identity.
        #[cbor(n(1), with = "minicbor::bytes")]
        identity: Vec<u8>,
        /// Its key, sealed with the tenant's key.
        #[cbor(n(2), with = "minicbor::bytes")]
        sealed_key: Vec<u8>,
        /// True if an earlier bootstrap staged it.
        #[n(3)]
        again: bool,
        /// True if the LwM2M server holds it already.
        #[n(4)]
        confirmed: bool,
        /// The account to write.
        #[n(5)]
        account: Account,
        /// Older ones of which the outbox now tells the LwM2M server that they have ended.
        #[cbor(n(6), skip_if = "Vec::is_empty")]
        withdrawn: Vec<CredentialId>,
    },
    /// Credentials have ended.
    #[n(5)]
    Ended(#[n(0)] Ended),
    /// It was done, and what it set was not there before.
    #[n(6)]
    Made,
}

/// What went with the credentials that a command ended: for the actors, and for the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Ended {
    /// Sessions that are closed: nothing may be answered on them any more.
    #[n(0)]
    pub closed: Vec<(DeviceRef, SessionId)>,
    /// Credentials of which the outbox now tells the LwM2M server that they have ended.
    #[n(1)]
    pub withdrawn: Vec<(DeviceRef, CredentialId)>,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Refused(refusal) => write!(f, "Refused({refusal:?})"),
            Self::Opened { session, device, generation, .. } => {
                write!(f, "Opened({session} of {device}, generation {generation})")
            }
            Self::Generation(generation) => write!(f, "Generation({generation})"),
            Self::Staged { credential, again, .. } => {
                write!(f, "Staged({credential}, again: {again})")
            }
            Self::Ended(ended) => write!(f, "{ended:?}"),
            Self::Made => f.write_str("Made"),
        }
    }
}

/// The LwM2M server account of a bootstrap profile, as it is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// LwM2M Server URI.
    #[n(0)]
    pub server_uri: String,
    /// Short Server ID.
    #[n(1)]
    pub short_server_id: u16,
    /// Registration lifetime in seconds.
    #[n(2)]
    pub registration_lifetime: u32,
    /// Binding.
    #[n(3)]
    pub binding: String,
}

/// Why a command was refused; its `Display` says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum Refusal {
    /// What the command names does not exist.
    #[n(0)]
    #[error("there is no {what} named \"{name}\"")]
    NotFound {
        /// The kind of thing.
        #[n(0)]
        what: String,
        /// Its name.
        #[n(1)]
        name: String,
    },
    /// The name, identity or id is taken.
    #[n(1)]
    #[error("the {what} \"{name}\" is taken")]
    Taken {
        /// The kind of thing.
        #[n(0)]
        what: String,
        /// Its name.
        #[n(1)]
        name: String,
    },
    /// The record has changed since the caller read it.
    #[n(2)]
    #[error("it is at version {actual}, not {expected}: read it again")]
    Changed {
        /// The version that the caller expected.
        #[n(0)]
        expected: u64,
        /// The version that it has.
        #[n(1)]
        actual: u64,
    },
    /// The credential is in a state that does not allow it.
    #[n(3)]
    #[error("the credential is {state}")]
    State {
        /// The credential's state.
        #[n(0)]
        state: String,
    },
    /// Another cluster was founded here already.
    #[n(4)]
    #[error("the ledger has been founded already")]
    Founded,
    /// A name or id is longer than the ledger's keys take.
    #[n(5)]
    #[error("the {what} is longer than {limit} bytes")]
    TooLong {
        /// The kind of thing.
        #[n(0)]
        what: String,
        /// The most that it may have, in bytes.
        #[n(1)]
        limit: u64,
    },
    /// It cannot go, because something needs it.
    #[n(6)]
    #[error("the {what} \"{name}\" is used by {by}: change that first")]
    InUse {
        /// The kind of thing.
        #[n(0)]
        what: String,
        /// Its name.
        #[n(1)]
        name: String,
        /// Who uses it, in words.
        #[n(2)]
        by: String,
    },
    /// It stays what it was made as.
    #[n(7)]
    #[error("the {what} \"{name}\" is of another kind, which stays: make another one")]
    OtherKind {
        /// The kind of thing.
        #[n(0)]
        what: String,
        /// Its name.
        #[n(1)]
        name: String,
    },
    /// Its key stands for another request.
    #[n(8)]
    #[error("the key of this request was used for another one")]
    KeyReused,
    /// There are as many as can be.
    #[n(9)]
    #[error("there are {limit} {what} already: delete one first")]
    Full {
        /// The kind of thing, in the plural.
        #[n(0)]
        what: String,
        /// How many there can be.
        #[n(1)]
        limit: u64,
    },
    /// It was sealed under a version of a key that has been replaced meanwhile.
    #[n(90)]
    #[error("it was sealed under a key that has been replaced meanwhile: try again")]
    KeyReplaced,
    /// A key cannot be replaced again before the version that it replaced is gone.
    #[n(91)]
    #[error(
        "version {version} of the {what} is still on its way out: wait until `claviger key status` \
         shows it no more"
    )]
    Retiring {
        /// The kind of key.
        #[n(0)]
        what: String,
        /// The version that was replaced.
        #[n(1)]
        version: u32,
    },
}

impl Refusal {
    pub(crate) fn not_found(what: &str, name: impl fmt::Display) -> Self {
        Self::NotFound { what: what.to_owned(), name: name.to_string() }
    }

    /// Refuses `part` of a key where it is longer than `limit` bytes.
    pub(crate) fn unless_within(limit: usize, what: &str, part: &[u8]) -> Result<(), Self> {
        Self::unless_short(limit, what, part.len())
    }

    /// Refuses what has more than `limit` bytes.
    pub(crate) fn unless_short(limit: usize, what: &str, length: usize) -> Result<(), Self> {
        if length <= limit {
            return Ok(());
        }
        Err(Self::TooLong { what: what.to_owned(), limit: limit as u64 })
    }

    /// Refuses what has another version than the caller expects; 0 stands for what is not there.
    pub(crate) fn unless_version(expect: Option<u64>, actual: u64) -> Result<(), Self> {
        match expect {
            Some(expected) if expected != actual => Err(Self::Changed { expected, actual }),
            _ => Ok(()),
        }
    }

    pub(crate) fn in_use(what: &str, name: &str, by: impl fmt::Display) -> Self {
        Self::InUse { what: what.to_owned(), name: name.to_owned(), by: by.to_string() }
    }

    pub(crate) fn retiring(what: &str, version: u32) -> Self {
        Self::Retiring { what: what.to_owned(), version }
    }

    pub(crate) fn taken(what: &str, name: impl fmt::Display) -> Self {
        Self::Taken { what: what.to_owned(), name: name.to_string() }
    }
}
