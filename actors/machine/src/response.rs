//! Responses, and the lack of one.

use crate::Code;
use core::fmt;

/// One response, its blocks put together and its options read.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The outcome.
    pub code: Code,
    /// Content-Format of the payload.
    pub content_format: Option<u16>,
    /// Max-Age, in seconds; with 5.03 the time after which to try again (RFC 7252 §5.9.3.4).
    pub max_age: Option<u32>,
    /// The body; it may hold secrets, so `Debug` gives its length only.
    pub payload: Vec<u8>,
}

impl Response {
    /// A response of `code` without options and payload.
    pub const fn new(code: Code) -> Self {
        Self { code, content_format: None, max_age: None, payload: Vec::new() }
    }

    /// A refusal whose payload is a diagnostic text for people (RFC 7252 §5.5.2).
    pub fn diagnostic(code: Code, words: &str) -> Self {
        Self { payload: words.as_bytes().to_vec(), ..Self::new(code) }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("code", &self.code)
            .field("content_format", &self.content_format)
            .field("max_age", &self.max_age)
            .field("payload_len", &self.payload.len())
            .finish()
    }
}

/// Why a request of ours has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// The last retransmission went unanswered, or the separate response never came.
    TimedOut,
    /// The peer answered with a Reset (RFC 7252 §4.2).
    Reset,
    /// What came back could not be put together: a block out of place, a body too large.
    Garbled,
}
