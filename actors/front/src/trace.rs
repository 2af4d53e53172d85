//! Trace context, as W3C names it.

use core::fmt;
use minicbor::{Decode, Encode};

/// The trace that a frame belongs to; carried from datagram to commit.
///
/// A trace is named as its session, so every node that knows the session knows the trace. Its
/// first span is the handshake, whose id is the first half of the trace's.
#[derive(Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Trace {
    /// trace-id
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// parent-id
    #[cbor(n(1), with = "minicbor::bytes")]
    pub span: [u8; 8],
    /// The sampled flag: whether spans are made of it.
    #[cbor(n(2), default)]
    pub sampled: bool,
}

impl Trace {
    /// The trace of `session`, from its handshake on.
    pub fn of(session: [u8; 16], sampled: bool) -> Self {
        let span = *session.first_chunk().expect("8 is less than 16");
        Self { id: session, span, sampled }
    }

    /// The value of the header `traceparent` (Trace Context §3.2).
    pub fn traceparent(&self) -> String {
        let span = u64::from_be_bytes(self.span);
        format!("00-{self}-{span:016x}-{:02x}", u8::from(self.sampled))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_has_the_form_of_the_header() {
        let mut session = [0xab; 16];
        session[0] = 1;

        assert_eq!(
            Trace::of(session, true).traceparent(),
            "00-01ababababababababababababababab-01ababababababab-01"
        );
        assert!(Trace::of(session, false).traceparent().ends_with("-00"));
    }

    #[test]
    fn a_frame_from_before_the_flag_is_not_sampled() {
        // The array [trace-id, parent-id] of the first version.
        let old = [&[0x82, 0x50][..], &[7; 16], &[0x48], &[7; 8]].concat();
        assert_eq!(minicbor::decode::<Trace>(&old).unwrap(), Trace::of([7; 16], false));
    }
}
