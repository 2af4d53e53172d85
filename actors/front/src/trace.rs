//! Trace context, as W3C names it.

use core::fmt;
use minicbor::{Decode, Encode};

/// The trace that a frame belongs to; carried from datagram to commit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Trace {
    /// trace-id
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// parent-id
    #[cbor(n(1), with = "minicbor::bytes")]
    pub span: [u8; 8],
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
