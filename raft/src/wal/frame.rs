//! Bytes of the log's files: a header, then batches of records, all numbers big-endian.
//!
//! File header, 64 bytes: magic and version (8), number of the file (8), sequence of its first
//! batch (8), salt (8), zeros, CRC-32 of the 60 bytes before (4).
//! Batch: salt (8), length of the body (4), sequence (8), CRC-32 of these and the body (4), body.
//! Record in a body: kind (1), length (4), content.
//!
//! The salt is random for each file and serves as the magic of its batches: what an earlier file
//! left on the disk never passes for one of them. A seal is a batch without a body that repeats
//! the sequence of the batch before it: that one was synced.

use crate::log_store::Change;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"CLVGWAL\x01";
/// Where the first batch begins.
pub(super) const HEADER: usize = 64;
/// Length of a batch without its body, hence of a seal.
pub(super) const FRAME: usize = 24;
/// Length of a record without its content.
const RECORD: usize = 5;

const ENTRY: u8 = 1;
const VOTE: u8 = 2;
const TRUNCATE: u8 = 3;
const PURGE: u8 = 4;
const NODE: u8 = 5;

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    /// The sequence of its first batch.
    pub(super) first: u64,
    pub(super) salt: u64,
}

impl Header {
    pub(super) fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.number.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_be_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER>()?;
        let mut at = 8;
        let header = Self {
            number: u64_at(bytes, &mut at)?,
            first: u64_at(bytes, &mut at)?,
            salt: u64_at(bytes, &mut at)?,
        };
        (header.encode() == *bytes).then_some(header)
    }
}

fn u64_at(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let number = bytes.get(*at..)?.first_chunk()?;
    *at += 8;
    Some(u64::from_be_bytes(*number))
}

/// A batch with this body, or a seal if that is empty.
pub(super) fn batch(salt: u64, sequence: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_batch(salt, sequence, body, &mut bytes);
    bytes
}

/// The same as all that is in `bytes`.
pub(super) fn put_batch(salt: u64, sequence: u64, body: &[u8], bytes: &mut Vec<u8>) {
    let length = u32::try_from(body.len()).expect("a batch is far below 4 GiB");
    bytes.clear();
    bytes.reserve(FRAME + body.len());
    bytes.extend(salt.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(sequence.to_be_bytes());
    let crc = checksum(bytes, body);
    bytes.extend(crc.to_be_bytes());
    bytes.extend(body);
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

/// The batch at the start of `bytes`: its sequence and body; nothing if there is no sound one.
pub(super) fn read_batch(salt: u64, bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (frame, rest) = bytes.split_first_chunk::<FRAME>()?;
    let mut at = 0;
    if u64_at(frame, &mut at)? != salt {
        return None;
    }
    let length = u32::from_be_bytes(*frame[8..].first_chunk()?);
    let body = rest.get(..usize::try_from(length).ok()?)?;
    let crc = u32::from_be_bytes(*frame[20..].first_chunk()?);
    if checksum(&frame[..20], body) != crc {
        return None;
    }
    at = 12;
    Some((u64_at(frame, &mut at)?, body))
}

/// Where an entry's bytes stand within a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) index: u64,
    pub(super) offset: usize,
    pub(super) length: usize,
}

/// Appends the records of `change` to a body, and to `spans` where its entries stand.
pub(super) fn put(change: &Change, body: &mut Vec<u8>, spans: &mut Vec<Span>) {
    match change {
        Change::Append(entries) => {
            for (index, entry) in entries {
                put_record(body, ENTRY, Some(*index), entry);
                let offset = body.len() - entry.len();
                spans.push(Span { index: *index, offset, length: entry.len() });
            }
        }
        Change::Vote(vote) => put_record(body, VOTE, None, vote),
        Change::Truncate(from) => put_record(body, TRUNCATE, Some(*from), &[]),
        Change::Purge(to, id) => put_record(body, PURGE, Some(*to), id),
        Change::Node(id) => put_record(body, NODE, Some(*id), &[]),
    }
}

fn put_record(body: &mut Vec<u8>, kind: u8, number: Option<u64>, content: &[u8]) {
    let length = content.len() + if number.is_some() { 8 } else { 0 };
    body.push(kind);
    body.extend(u32::try_from(length).expect("a record is far below 4 GiB").to_be_bytes());
    body.extend(number.map(u64::to_be_bytes).iter().flatten());
    body.extend(content);
}

/// A record of a body and where its content, without its number, begins.
pub(super) fn read_record(body: &[u8], at: &mut usize) -> Option<(Change, usize)> {
    let kind = *body.get(*at)?;
    let length = u32::from_be_bytes(*body.get(*at + 1..)?.first_chunk()?);
    let mut begin = *at + RECORD;
    let end = begin.checked_add(usize::try_from(length).ok()?)?;
    let record = body.get(..end)?;
    let change = match kind {
        ENTRY => {
            let index = u64_at(record, &mut begin)?;
            Change::Append(vec![(index, Arc::from(&record[begin..]))])
        }
        VOTE => Change::Vote(record[begin..].to_vec()),
        TRUNCATE => Change::Truncate(u64_at(record, &mut begin)?),
        PURGE => {
            let to = u64_at(record, &mut begin)?;
            Change::Purge(to, record[begin..].to_vec())
        }
        NODE => Change::Node(u64_at(record, &mut begin)?),
        _ => return None,
    };
    *at = end;
    Some((change, begin))
}
