//! Entries on their way to another node's log, and what it says to them.

use super::{id, log_id};
use crate::frame::{self, Ballot, Id};
use crate::types::{LogId, Types, Vote};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use openraft::raft::{AppendEntriesRequest, StreamAppendError};
use std::io;

type Appending = AppendEntriesRequest<Types>;
type Result = std::result::Result<Option<LogId>, StreamAppendError<Types>>;

/// Entries that follow on one that the other node is to have; none where it is a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Append {
    #[n(0)]
    vote: Ballot,
    #[n(1)]
    previous: Option<Id>,
    #[n(2)]
    committed: Option<Id>,
    #[n(3)]
    entries: Vec<ByteVec>,
}

impl From<Appending> for Append {
    fn from(request: Appending) -> Self {
        let entries = request.entries.into_iter().map(|entry| frame::encode_entry(entry).into());
        Self {
            vote: (&request.vote).into(),
            previous: id(request.prev_log_id),
            committed: id(request.leader_commit),
            entries: entries.collect(),
        }
    }
}

impl TryFrom<Append> for Appending {
    type Error = io::Error;

    fn try_from(append: Append) -> io::Result<Self> {
        let entries = append.entries.iter().map(|entry| frame::decode_entry(entry));
        Ok(Self {
            vote: append.vote.into(),
            prev_log_id: log_id(append.previous),
            leader_commit: log_id(append.committed),
            entries: entries.collect::<io::Result<_>>()?,
        })
    }
}

/// The answer to one [`Append`]; answers come in the order of what they answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Appended {
    /// The logs agree up to here.
    #[n(0)]
    Matching(#[n(0)] Option<Id>),
    /// This entry, which was said to be there, is not; nothing follows.
    #[n(1)]
    Conflict(#[n(0)] Id),
    /// There is another leader; nothing follows.
    #[n(2)]
    HigherVote(#[n(0)] Ballot),
}

impl From<Result> for Appended {
    fn from(result: Result) -> Self {
        match result {
            Ok(last) => Self::Matching(id(last)),
            Err(StreamAppendError::Conflict(at)) => Self::Conflict(at.into()),
            Err(StreamAppendError::HigherVote(vote)) => Self::HigherVote((&vote).into()),
        }
    }
}

impl From<Appended> for Result {
    fn from(appended: Appended) -> Self {
        match appended {
            Appended::Matching(last) => Ok(log_id(last)),
            Appended::Conflict(at) => Err(StreamAppendError::Conflict(at.into())),
            Appended::HigherVote(vote) => Err(StreamAppendError::HigherVote(Vote::from(vote))),
        }
    }
}
