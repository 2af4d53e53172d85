//! A defect: a server that knows no repetition of a message (RFC 7252 §4.5), planted between the edges
//! and the actors. A confirmable request that comes again gets another message id on its way to them, so
//! that it is another request there, and the answer to it gets the first one back.

use claviger_front::{Content, FromEdge, ToEdge};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What tells a repetition from its first.
const OTHER: u16 = 0x8000;

/// The messages that have passed.
#[derive(Debug, Default)]
pub(crate) struct Forgetful {
    /// How often a confirmable request has come, by session and message id.
    seen: BTreeMap<([u8; 16], u16), u16>,
    /// The message ids that repetitions got, and what they stand for.
    other: BTreeMap<([u8; 16], u16), u16>,
}

/// Type, code class and message id of a CoAP message (RFC 7252 §3).
fn head(message: &[u8]) -> Option<(u8, u8, u16)> {
    let [first, code, high, low, ..] = message else { return None };
    Some((first >> 4 & 3, code >> 5, u16::from_be_bytes([*high, *low])))
}

impl Forgetful {
    /// A frame on its way to the actors.
    pub(crate) fn up(&mut self, frame: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
        let Ok(FromEdge::Deliver(mut deliver)) = FromEdge::decode(&frame) else { return frame };
        let is_data = !deliver.alert && deliver.check.is_none();
        // Confirmable, and a request.
        let Some((0, 0, id)) = head(&deliver.payload).filter(|_| is_data) else { return frame };
        let count = self.seen.entry((deliver.session, id)).or_default();
        *count += 1;
        if *count == 1 {
            return frame;
        }
        let other = id.wrapping_add(OTHER).wrapping_add(*count);
        self.other.insert((deliver.session, other), id);
        deliver.payload[2..4].copy_from_slice(&other.to_be_bytes());
        FromEdge::Deliver(deliver).encode()
    }

    /// A frame on its way to an edge.
    pub(crate) fn down(&self, frame: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
        let Ok(ToEdge::Transmit(mut transmit)) = ToEdge::decode(&frame) else { return frame };
        let Content::Application(bytes) = &mut transmit.content else { return frame };
        // An acknowledgement, also with an answer in it.
        let Some((2, _, id)) = head(bytes) else { return frame };
        let Some(first) = self.other.get(&(transmit.session, id)) else { return frame };
        bytes[2..4].copy_from_slice(&first.to_be_bytes());
        ToEdge::Transmit(transmit).encode()
    }
}
