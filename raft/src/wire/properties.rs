//! What nobody meant to send is refused, and stops nothing.

use super::{Append, Appended, Beginning, Part, Question, Reply, decode};
use crate::frame::Ballot;
use crate::types::Types;
use openraft::raft::AppendEntriesRequest;
use proptest::prelude::*;
use std::path::Path;

/// Reads bytes as everything that a channel may bring.
fn read(bytes: &[u8]) {
    if let Ok(append) = decode::<Append>(bytes) {
        drop(AppendEntriesRequest::<Types>::try_from(append));
    }
    if let Ok(Part::Begin(beginning)) = decode::<Part>(bytes) {
        drop(Beginning::read(beginning));
    }
    drop(decode::<Appended>(bytes));
    drop(decode::<Question>(bytes));
    drop(decode::<Reply>(bytes));
    drop(decode::<Ballot>(bytes));
}

/// The frames that are known.
fn known() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/golden.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let frames = text.lines().filter_map(|line| line.strip_prefix("v1 wire ")?.split_once(": "));
    let byte = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    frames.map(|(_, hex)| (0..hex.len()).step_by(2).map(|at| byte(hex, at)).collect()).collect()
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
        read(&[&[1], &bytes[..]].concat());
    }
}

#[test]
fn any_frame_with_a_byte_changed_or_cut_short_is_read_or_refused() {
    let known = known();
    assert!(known.len() > 20);
    for frame in known {
        for at in 0..frame.len() {
            read(&frame[..at]);
            for value in 0..=u8::MAX {
                let mut changed = frame.clone();
                changed[at] = value;
                read(&changed);
            }
        }
    }
}
