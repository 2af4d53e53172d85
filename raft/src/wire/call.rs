//! Questions to another node, and their answers: many on one channel, answered in any order.

use super::{id, log_id};
use crate::ProposeError;
use crate::Status;
use crate::frame::{Ballot, Id};
use crate::types::Types;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use openraft::raft::{
    TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

/// A call with the number that its answer bears.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Question {
    #[n(0)]
    pub(crate) number: u64,
    #[n(1)]
    pub(crate) call: Call,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Call {
    #[n(0)]
    Vote(#[n(0)] Candidacy),
    /// Whether one would vote.
    #[n(1)]
    PreVote(#[n(0)] Candidacy),
    #[n(2)]
    Transfer(#[n(0)] Handover),
    /// To commit a command.
    #[n(3)]
    Propose(#[n(0)] ByteVec),
    /// From which index on a read shows all that is committed now.
    #[n(4)]
    ReadIndex,
    /// How it stands.
    #[n(5)]
    Status,
    /// Something of the shells' own.
    #[n(6)]
    Shell(#[n(0)] ByteVec),
}

/// Who stands for election, and how far its log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Candidacy {
    #[n(0)]
    vote: Ballot,
    #[n(1)]
    last: Option<Id>,
    /// The leader asked for it: its lease does not matter.
    #[n(2)]
    transfer: bool,
}

impl From<VoteRequest<Types>> for Candidacy {
    fn from(request: VoteRequest<Types>) -> Self {
        let VoteRequest { vote, last_log_id, leadership_transfer } = request;
        Self { vote: (&vote).into(), last: id(last_log_id), transfer: leadership_transfer }
    }
}

impl From<Candidacy> for VoteRequest<Types> {
    fn from(Candidacy { vote, last, transfer }: Candidacy) -> Self {
        let mut request = Self::new(vote.into(), log_id(last));
        request.leadership_transfer = transfer;
        request
    }
}

/// A leader that gives up its place, to whom, and how far that one's log must go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Handover {
    #[n(0)]
    vote: Ballot,
    #[n(1)]
    to: u64,
    #[n(2)]
    last: Option<Id>,
}

impl From<TransferLeaderRequest<Types>> for Handover {
    fn from(request: TransferLeaderRequest<Types>) -> Self {
        let last = id(request.last_log_id().copied());
        Self { vote: request.from_leader().into(), to: *request.to_node_id(), last }
    }
}

impl From<Handover> for TransferLeaderRequest<Types> {
    fn from(Handover { vote, to, last }: Handover) -> Self {
        Self::new(vote.into(), to, log_id(last))
    }
}

/// An answer with the number of its question.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Reply {
    #[n(0)]
    pub(crate) number: u64,
    #[n(1)]
    pub(crate) answer: Answer,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Answer {
    /// To a vote and to a pre-vote.
    #[n(0)]
    Vote(#[n(0)] Granted),
    /// To a transfer; nothing stands in its way, or this does.
    #[n(1)]
    Transfer(#[n(0)] Option<Hindrance>),
    /// The index of a command that was proposed, and what `apply` answered to it.
    #[n(2)]
    Outcome(#[n(0)] u64, #[n(1)] ByteVec),
    #[n(3)]
    ReadIndex(#[n(0)] u64),
    /// To a proposal or a read: not here, or not now.
    #[n(4)]
    Refused(#[n(0)] Refused),
    #[n(5)]
    Status(#[n(0)] Box<Status>),
    /// What a shell answers.
    #[n(6)]
    Shell(#[n(0)] ByteVec),
}

/// An answer to a candidacy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Granted {
    #[n(0)]
    vote: Ballot,
    #[n(1)]
    granted: bool,
    #[n(2)]
    last: Option<Id>,
}

impl From<VoteResponse<Types>> for Granted {
    fn from(response: VoteResponse<Types>) -> Self {
        let VoteResponse { vote, vote_granted, last_log_id } = response;
        Self { vote: (&vote).into(), granted: vote_granted, last: id(last_log_id) }
    }
}

impl From<Granted> for VoteResponse<Types> {
    fn from(Granted { vote, granted, last }: Granted) -> Self {
        Self { vote: vote.into(), vote_granted: granted, last_log_id: log_id(last) }
    }
}

/// Why a node does not take over: what was expected of it, and what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Hindrance {
    #[n(0)]
    Vote(#[n(0)] Ballot, #[n(1)] Ballot),
    #[n(1)]
    Log(#[n(0)] Option<Id>, #[n(1)] Option<Id>),
}

impl From<TransferLeaderError<Types>> for Hindrance {
    fn from(error: TransferLeaderError<Types>) -> Self {
        match error {
            TransferLeaderError::VoteChanged { expected, actual } => {
                Self::Vote((&expected).into(), (&actual).into())
            }
            TransferLeaderError::LogNotFlushed { expected, actual } => {
                Self::Log(id(expected), id(actual))
            }
        }
    }
}

impl From<Hindrance> for TransferLeaderError<Types> {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance::Vote(expected, actual) => {
                Self::VoteChanged { expected: expected.into(), actual: actual.into() }
            }
            Hindrance::Log(expected, actual) => {
                Self::LogNotFlushed { expected: log_id(expected), actual: log_id(actual) }
            }
        }
    }
}

impl From<TransferLeaderResponse<Types>> for Answer {
    fn from(response: TransferLeaderResponse<Types>) -> Self {
        Self::Transfer(response.err().map(Hindrance::from))
    }
}

/// Why a node does not do what only the leader does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Refused {
    /// This one leads, where it is known.
    #[n(0)]
    NotLeader(#[n(0)] Option<u64>),
    #[n(1)]
    Unavailable,
    #[n(2)]
    Stopped,
    #[n(3)]
    OutOfSpace,
}

impl From<ProposeError> for Refused {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { leader } => Self::NotLeader(leader),
            ProposeError::Unavailable => Self::Unavailable,
            ProposeError::Stopped => Self::Stopped,
            ProposeError::OutOfSpace => Self::OutOfSpace,
        }
    }
}

impl From<Refused> for ProposeError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotLeader(leader) => Self::NotLeader { leader },
            Refused::Unavailable => Self::Unavailable,
            Refused::Stopped => Self::Stopped,
            Refused::OutOfSpace => Self::OutOfSpace,
        }
    }
}
