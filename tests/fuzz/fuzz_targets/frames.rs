//! The frames between edges and actors. What is read can be written, and reads as the same.
#![no_main]

use claviger_front::{FromEdge, ToEdge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = FromEdge::decode(bytes) {
        assert_eq!(FromEdge::decode(&frame.encode()), Ok(frame));
    }
    if let Ok(frame) = ToEdge::decode(bytes) {
        assert_eq!(ToEdge::decode(&frame.encode()), Ok(frame));
    }
});
