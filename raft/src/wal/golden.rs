//! Fixed bytes of the log's files, for the tests that keep formats.

use super::frame::{self, Header};
use crate::log_store::Change;

const HEADER: Header = Header { number: 2, first: 17, salt: 0x0123_4567_89ab_cdef };
const SEQUENCE: u64 = 18;

pub(crate) fn header() -> Vec<u8> {
    HEADER.encode().to_vec()
}

pub(crate) fn reads_header(bytes: &[u8]) -> bool {
    Header::decode(bytes) == Some(HEADER)
}

pub(crate) fn batch(change: &Change) -> Vec<u8> {
    let mut body = Vec::new();
    frame::put(change, &mut body, &mut Vec::new());
    frame::batch(HEADER.salt, SEQUENCE, &body)
}

pub(crate) fn seal() -> Vec<u8> {
    frame::batch(HEADER.salt, SEQUENCE, &[])
}

/// The change in a batch; entries of one batch are joined.
pub(crate) fn read(batch: &[u8]) -> Change {
    let (sequence, body) = frame::read_batch(HEADER.salt, batch).expect("a sound batch");
    assert_eq!(sequence, SEQUENCE);
    let (mut at, mut entries, mut other) = (0, Vec::new(), None);
    while at < body.len() {
        match frame::read_record(body, &mut at).expect("a record").0 {
            Change::Append(entry) => entries.extend(entry),
            change => other = Some(change),
        }
    }
    other.unwrap_or(Change::Append(entries))
}
