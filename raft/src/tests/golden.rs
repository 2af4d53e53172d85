//! The bytes of every format, in `golden.txt`; `CLAVIGER_BLESS=1` writes it. What is there is
//! never changed: a new version gets lines of its own.

use crate::frame::{self, Applied, Ballot, Id, Stored};
use crate::image;
use crate::log_store::Change;
use crate::types::{Command, Entry, LeaderId, LogId, Membership, Payload, StoredMembership, Vote};
use crate::wal::golden as log;
use openraft::BasicNode;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
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
    let mut snapshot = Vec::new();
    let rows = [Ok((b"key".to_vec(), b"value".to_vec()))].into_iter();
    image::write(&mut snapshot, &applied(), 1, rows).unwrap();
    found.push(("snapshot", snapshot));
    found.push(("log file header", log::header()));
    found.extend(changes().into_iter().map(|(name, change)| (name, log::batch(&change))));
    found.push(("log seal", log::seal()));
    found
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
    let snapshot = image::Image::Bytes(file["snapshot"].clone().into());
    assert_eq!(snapshot.read().unwrap(), (applied(), vec![(b"key".to_vec(), b"value".to_vec())]));
    assert!(log::reads_header(&file["log file header"]));
    for (name, change) in changes() {
        assert_eq!(log::read(&file[name]), change, "{name}");
    }
}
