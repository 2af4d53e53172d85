//! A snapshot on its way: what it stands for, its bytes in parts, and its end. The answer to all
//! of it is the vote of the other node.

use crate::frame::{Ballot, Id, Stored};
use crate::types::{LogId, SnapshotMeta, Vote};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use std::io;

/// One frame of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Part {
    #[n(0)]
    Begin(#[n(0)] Beginning),
    #[n(1)]
    Bytes(#[n(0)] ByteVec),
    #[n(2)]
    End,
}

/// Whose snapshot it is and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Beginning {
    #[n(0)]
    vote: Ballot,
    #[n(1)]
    last: Option<Id>,
    #[n(2)]
    membership: Stored,
}

impl Beginning {
    pub(crate) fn new(vote: &Vote, meta: &SnapshotMeta) -> Self {
        let last = meta.last_log_id.map(Id::from);
        Self { vote: vote.into(), last, membership: (&meta.last_membership).into() }
    }

    /// The leader's vote and the snapshot's meta data; an error if that leader cannot have it.
    pub(crate) fn read(self) -> io::Result<(Vote, SnapshotMeta)> {
        let vote = Vote::from(self.vote);
        let last_log_id = self.last.map(LogId::from);
        if last_log_id.is_some_and(|last| last.leader_id > vote.leader_id) {
            let words = "a snapshot that is newer than its leader";
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        let meta = SnapshotMeta { last_log_id, last_membership: self.membership.try_into()? };
        Ok((vote, meta))
    }
}
