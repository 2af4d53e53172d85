//! The bytes of every format, in `golden.txt`; `CLAVIGER_BLESS=1` writes it. What is there is
//! never changed: a new version gets lines of its own.

use crate::frame::{self, Applied, Ballot, Id, Stored};
use crate::image;
use crate::log_store::Change;
use crate::memory::MemoryState;
use crate::state_store::{Row, StateStore};
use crate::types::{
    Command, Entry, LeaderId, LogId, Membership, Payload, SnapshotMeta, StoredMembership, Types,
    Vote,
};
use crate::wal::golden as log;
use crate::wire::{
    Answer, Append, Appended, Beginning, Call, Candidacy, Granted, Handover, Part, Question, Reply,
};
use crate::{Backup, MemberStatus, ProposeError, Status};
use openraft::BasicNode;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, VoteRequest, VoteResponse,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;
use std::path::Path;

fn id(index: u64) -> LogId {
    LogId { leader_id: LeaderId { term: 3, node_id: 7 }, index }
}

fn membership() -> Membership {
    let nodes: BTreeMap<u64, BasicNode> =
        [7, 8, 9].map(|id| (id, BasicNode { addr: format!("10.0.0.{id}:7000") })).into();
    Membership::new(vec![BTreeSet::from([7]), BTreeSet::from([7, 8, 9])], nodes).unwrap()
}

fn entries() -> [(&'static str, Entry); 3] {
    let entry = |index, payload| Entry { log_id: id(index), payload };
    [
        ("entry blank", entry(0, Payload::Blank)),
        ("entry command", entry(300, Payload::Normal(Command(b"open".to_vec())))),
        ("entry members", entry(70_000, Payload::Membership(membership()))),
    ]
}

fn applied() -> Applied {
    let membership = StoredMembership::new(Some(id(2)), membership());
    Applied { last: Some(id(300).into()), membership: Stored::from(&membership) }
}

fn vote() -> Vote {
    Vote { leader_id: LeaderId { term: 3, node_id: 7 }, committed: true }
}

fn changes() -> [(&'static str, Change); 5] {
    let entries = vec![(300, b"three hundred".as_slice().into()), (301, b"more".as_slice().into())];
    [
        ("log batch entries", Change::Append(entries)),
        ("log batch vote", Change::Vote(b"vote".to_vec())),
        ("log batch truncate", Change::Truncate(301)),
        ("log batch purge", Change::Purge(299, b"id".to_vec())),
        ("log batch node", Change::Node(7)),
    ]
}

fn all() -> Vec<(&'static str, Vec<u8>)> {
    let mut found: Vec<_> =
        entries().into_iter().map(|(name, entry)| (name, frame::encode_entry(entry))).collect();
    found.push(("vote", frame::encode(&Ballot::from(&vote()))));
    found.push(("purged id", frame::encode(&Id::from(id(300)))));
    found.push(("applied", frame::encode(&applied())));
    found.push(("stream of rows", stream()));
    found.push(("backup head", minicbor::to_vec(backup()).unwrap()));
    found.push(("log file header", log::header()));
    found.extend(changes().into_iter().map(|(name, change)| (name, log::batch(&change))));
    found.push(("log seal", log::seal()));
    found.extend(wire());
    found
}

fn granted() -> VoteResponse<Types> {
    VoteResponse::new(vote(), Some(id(300)), true)
}

fn row() -> Row {
    (b"key".to_vec(), b"value".to_vec())
}

fn stream() -> Vec<u8> {
    let state = MemoryState::default();
    state.replace(&mut [Ok(row())].into_iter(), &frame::encode(&applied())).unwrap();
    let pieces: io::Result<Vec<_>> = image::Pieces::of(state.moment().unwrap()).collect();
    pieces.unwrap().concat()
}

fn backup() -> Backup {
    let (cluster, version) = ([1; 16], "0.2.0".to_owned());
    Backup { cluster, incarnation: 2, level: 2, time: 70_000, index: 300, node: 7, version }
}

fn status() -> Status {
    let address = "10.0.0.8:7000".to_owned();
    let member = |matched, silent_for| MemberStatus {
        id: 8,
        address: address.clone(),
        votes: true,
        matched,
        silent_for,
    };
    Status {
        id: 7,
        version: "0.2.0".to_owned(),
        knows: 2,
        stands: true,
        leader: Some(7),
        term: 3,
        last_index: 300,
        applied_index: 299,
        snapshot_index: 200,
        purged_index: 100,
        free: Some(70_000),
        short_of_space: false,
        running: true,
        level: Some(1),
        changing: false,
        members: vec![member(Some(290), Some(40)), member(None, None)],
        holds: None,
    }
}

fn append() -> AppendEntriesRequest<Types> {
    let entries = entries().into_iter().map(|(_, entry)| entry).collect();
    let (prev_log_id, leader_commit) = (Some(id(9)), Some(id(8)));
    AppendEntriesRequest { vote: vote(), prev_log_id, entries, leader_commit }
}

fn meta() -> SnapshotMeta {
    let last_membership = StoredMembership::new(Some(id(2)), membership());
    SnapshotMeta { last_log_id: Some(id(300)), last_membership }
}

fn calls() -> Vec<(&'static str, Call)> {
    let mut candidacy = VoteRequest::new(vote(), Some(id(300)));
    candidacy.leadership_transfer = true;
    let transfer = TransferLeaderRequest::new(vote(), 8, Some(id(300)));
    vec![
        ("wire call vote", Call::Vote(candidacy.clone().into())),
        ("wire call pre-vote", Call::PreVote(candidacy.into())),
        ("wire call transfer", Call::Transfer(transfer.into())),
        ("wire call propose", Call::Propose(b"open".to_vec().into())),
        ("wire call read index", Call::ReadIndex),
        ("wire call status", Call::Status),
        ("wire call shell", Call::Shell(b"shell".to_vec().into())),
    ]
}

fn answers() -> Vec<(&'static str, Answer)> {
    let changed = TransferLeaderError::VoteChanged { expected: vote(), actual: vote() };
    let late = TransferLeaderError::LogNotFlushed { expected: Some(id(300)), actual: None };
    let refused = |error: ProposeError| Answer::Refused(error.into());
    vec![
        ("wire answer vote", Answer::Vote(granted().into())),
        ("wire answer transfer", Answer::from(Ok(()))),
        ("wire answer transfer vote", Answer::from(Err(changed))),
        ("wire answer transfer log", Answer::from(Err(late))),
        ("wire answer outcome", Answer::Outcome(300, b"done".to_vec().into())),
        ("wire answer read index", Answer::ReadIndex(300)),
        ("wire answer not leader", refused(ProposeError::NotLeader { leader: Some(8) })),
        ("wire answer unavailable", refused(ProposeError::Unavailable)),
        ("wire answer stopped", refused(ProposeError::Stopped)),
        ("wire answer out of space", refused(ProposeError::OutOfSpace)),
        ("wire answer status", Answer::Status(Box::new(status()))),
        ("wire answer shell", Answer::Shell(b"shell".to_vec().into())),
    ]
}

fn appended() -> [(&'static str, StreamAppendResult<Types>); 3] {
    [
        ("wire appended", Ok(Some(id(300)))),
        ("wire append conflict", Err(StreamAppendError::Conflict(id(300)))),
        ("wire append higher vote", Err(StreamAppendError::HigherVote(vote()))),
    ]
}

fn parts() -> [(&'static str, Part); 3] {
    [
        ("wire snapshot begin", Part::Begin(Beginning::new(&vote(), &meta()))),
        ("wire snapshot bytes", Part::Bytes(b"rows".to_vec().into())),
        ("wire snapshot end", Part::End),
    ]
}

/// What nodes say to each other.
fn wire() -> Vec<(&'static str, Vec<u8>)> {
    let question = |call| frame::encode(&Question { number: 5, call });
    let reply = |answer| frame::encode(&Reply { number: 5, answer });
    let mut found = vec![("wire append", frame::encode(&Append::from(append())))];
    found.extend(appended().map(|(name, it)| (name, frame::encode(&Appended::from(it)))));
    found.extend(calls().into_iter().map(|(name, call)| (name, question(call))));
    found.extend(answers().into_iter().map(|(name, answer)| (name, reply(answer))));
    found.extend(parts().map(|(name, part)| (name, frame::encode(&part))));
    found
}

#[test]
fn every_frame_between_nodes_is_read_as_ever() {
    let file = file();
    let request: Append = frame::decode(&file["wire append"]).unwrap();
    let request = AppendEntriesRequest::try_from(request).unwrap();
    assert_eq!(format!("{request:?}"), format!("{:?}", append()));
    for (name, result) in appended() {
        let read: Appended = frame::decode(&file[name]).unwrap();
        assert_eq!(StreamAppendResult::<Types>::from(read), result, "{name}");
    }
    for (name, call) in calls() {
        assert_eq!(frame::decode::<Question>(&file[name]).unwrap().call, call, "{name}");
    }
    for (name, answer) in answers() {
        assert_eq!(frame::decode::<Reply>(&file[name]).unwrap().answer, answer, "{name}");
    }
    for (name, part) in parts() {
        assert_eq!(frame::decode::<Part>(&file[name]).unwrap(), part, "{name}");
    }
    assert_eq!(Beginning::new(&vote(), &meta()).read().unwrap(), (vote(), meta()));
}

#[test]
fn what_crosses_the_wire_is_what_openraft_meant() {
    assert_eq!(VoteResponse::from(Granted::from(granted())), granted());
    let mut candidacy = VoteRequest::new(vote(), None);
    candidacy.leadership_transfer = true;
    assert_eq!(VoteRequest::from(Candidacy::from(candidacy.clone())), candidacy);
    let transfer = TransferLeaderRequest::<Types>::new(vote(), 8, Some(id(300)));
    assert_eq!(TransferLeaderRequest::from(Handover::from(transfer.clone())), transfer);
    let changed = TransferLeaderError::VoteChanged { expected: vote(), actual: vote() };
    let Answer::Transfer(Some(hindrance)) = Answer::from(Err(changed.clone())) else { panic!() };
    assert_eq!(TransferLeaderError::from(hindrance), changed);
}

#[test]
fn a_snapshot_newer_than_its_leader_is_refused() {
    let mut meta = meta();
    meta.last_log_id = Some(LogId { leader_id: LeaderId { term: 4, node_id: 1 }, index: 300 });
    assert!(Beginning::new(&vote(), &meta).read().is_err());
}

fn file() -> BTreeMap<String, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/golden.txt");
    if std::env::var_os("CLAVIGER_BLESS").is_some() {
        let mut text = String::new();
        for (name, bytes) in all() {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(text, "v1 {name}: {hex}").unwrap();
        }
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let (name, hex) = line.strip_prefix("v1 ").unwrap().split_once(": ").unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (name.to_owned(), (0..hex.len()).step_by(2).map(byte).collect())
    };
    text.lines().map(line).collect()
}

#[test]
fn every_format_is_written_as_ever() {
    let written: BTreeMap<_, _> =
        all().into_iter().map(|(n, bytes)| (n.to_owned(), bytes)).collect();
    assert_eq!(file(), written);
}

#[test]
fn every_format_is_read_as_ever() {
    let file = file();
    for (name, entry) in entries() {
        assert_eq!(frame::decode_entry(&file[name]).unwrap(), entry, "{name}");
    }
    let ballot: Ballot = frame::decode(&file["vote"]).unwrap();
    assert_eq!(Vote::from(ballot), vote());
    assert_eq!(LogId::from(frame::decode::<Id>(&file["purged id"]).unwrap()), id(300));
    assert_eq!(frame::decode::<Applied>(&file["applied"]).unwrap(), applied());
    let rows = image::Rows::of(Box::new(&file["stream of rows"][..])).unwrap();
    assert_eq!(rows.applied, applied());
    assert_eq!(rows.collect::<io::Result<Vec<_>>>().unwrap(), [row()]);
    assert_eq!(minicbor::decode::<Backup>(&file["backup head"]).unwrap(), backup());
    assert!(log::reads_header(&file["log file header"]));
    for (name, change) in changes() {
        assert_eq!(log::read(&file[name]), change, "{name}");
    }
}
