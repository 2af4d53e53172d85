//! Bytes of the log and of the node's own records: a byte of version, then CBOR.
//!
//! openraft's structs never reach the disk: they are converted here, so that its next version
//! reads what this one wrote.

use crate::types::{Command, Entry, LeaderId, LogId, Membership, Payload, StoredMembership, Vote};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use openraft::BasicNode;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

pub(crate) const VERSION: u8 = 1;
/// Room for a record, and for what is around a command: one that grows is copied again and again.
const AROUND: usize = 64;

pub(crate) fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    encode_into(value, AROUND)
}

fn encode_into<T: Encode<()>>(value: &T, room: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(room);
    bytes.push(VERSION);
    minicbor::encode(value, &mut bytes).expect("writing to memory does not fail");
    bytes
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a record that cannot be read")
}

pub(crate) fn decode<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> io::Result<T> {
    let (&VERSION, body) = bytes.split_first().ok_or_else(damaged)? else {
        return Err(damaged());
    };
    minicbor::decode(body).map_err(|_| damaged())
}

/// Term, node and index of a log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Id(#[n(0)] u64, #[n(1)] u64, #[n(2)] u64);

impl From<LogId> for Id {
    fn from(id: LogId) -> Self {
        Self(id.leader_id.term, id.leader_id.node_id, id.index)
    }
}

impl From<Id> for LogId {
    fn from(Id(term, node_id, index): Id) -> Self {
        Self { leader_id: LeaderId { term, node_id }, index }
    }
}

/// Voters by configuration, and the addresses of all members.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Members {
    #[n(0)]
    configs: Vec<BTreeSet<u64>>,
    #[n(1)]
    nodes: BTreeMap<u64, String>,
}

impl From<&Membership> for Members {
    fn from(membership: &Membership) -> Self {
        let nodes = membership.nodes().map(|(id, node)| (*id, node.addr.clone()));
        Self { configs: membership.get_joint_config().clone(), nodes: nodes.collect() }
    }
}

impl Members {
    /// The membership; an error if a voter has no address, which none that was encoded lacks.
    fn into_membership(self) -> io::Result<Membership> {
        let nodes: BTreeMap<u64, BasicNode> =
            self.nodes.into_iter().map(|(id, addr)| (id, BasicNode { addr })).collect();
        Membership::new(self.configs, nodes).map_err(|_| damaged())
    }
}

/// A membership and the entry that brought it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Stored(#[n(0)] Option<Id>, #[n(1)] Members);

impl From<&StoredMembership> for Stored {
    fn from(stored: &StoredMembership) -> Self {
        Self(stored.log_id().map(Id::from), stored.membership().into())
    }
}

impl TryFrom<Stored> for StoredMembership {
    type Error = io::Error;

    fn try_from(Stored(id, members): Stored) -> io::Result<Self> {
        Ok(Self::new(id.map(LogId::from), members.into_membership()?))
    }
}

/// Up to where the rows are applied.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Applied {
    #[n(0)]
    pub(crate) last: Option<Id>,
    #[n(1)]
    pub(crate) membership: Stored,
}

impl Applied {
    pub(crate) fn log_id(&self) -> Option<LogId> {
        self.last.map(LogId::from)
    }

    pub(crate) fn index(&self) -> u64 {
        self.log_id().map_or(0, |id| id.index)
    }

    /// What a record of it says; that there is none says that nothing is.
    pub(crate) fn of(record: Option<Vec<u8>>) -> io::Result<Self> {
        match record {
            Some(bytes) => decode(&bytes),
            None => Ok(Self { last: None, membership: (&StoredMembership::default()).into() }),
        }
    }
}

/// A vote: term, node, and whether a quorum granted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Ballot(#[n(0)] u64, #[n(1)] u64, #[n(2)] bool);

impl From<&Vote> for Ballot {
    fn from(vote: &Vote) -> Self {
        Self(vote.leader_id.term, vote.leader_id.node_id, vote.committed)
    }
}

impl From<Ballot> for Vote {
    fn from(Ballot(term, node_id, committed): Ballot) -> Self {
        Self { leader_id: LeaderId { term, node_id }, committed }
    }
}

#[derive(Encode, Decode)]
enum Body {
    #[n(0)]
    Blank,
    #[n(1)]
    Command(#[n(0)] ByteVec),
    #[n(2)]
    Members(#[n(0)] Members),
}

pub(crate) fn encode_entry(entry: Entry) -> Vec<u8> {
    let room = match &entry.payload {
        Payload::Normal(command) => AROUND + command.0.len(),
        Payload::Blank | Payload::Membership(_) => AROUND,
    };
    let body = match entry.payload {
        Payload::Blank => Body::Blank,
        Payload::Normal(command) => Body::Command(command.0.into()),
        Payload::Membership(membership) => Body::Members((&membership).into()),
    };
    encode_into(&(Id::from(entry.log_id), body), room)
}

pub(crate) fn decode_entry(bytes: &[u8]) -> io::Result<Entry> {
    let (id, body): (Id, Body) = decode(bytes)?;
    let payload = match body {
        Body::Blank => Payload::Blank,
        Body::Command(command) => Payload::Normal(Command(command.into())),
        Body::Members(members) => Payload::Membership(members.into_membership()?),
    };
    Ok(Entry { log_id: id.into(), payload })
}
