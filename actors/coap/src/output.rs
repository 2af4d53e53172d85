//! What an association asks of its owner.

use crate::{Refusal, RequestIdentity};
use claviger_machine::{Request, Response, Unanswered};
use core::fmt;

/// A request of the peer that waits for [`Association::respond`](crate::Association::respond);
/// unique within one association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// A request of ours; unique within one association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What has to be done, in this order.
#[derive(PartialEq, Eq)]
pub enum Output {
    /// Send these bytes as one datagram. They may hold secrets, so `Debug` gives their length.
    Send(Vec<u8>),
    /// The peer asks; answer with [`Association::respond`](crate::Association::respond).
    Request {
        /// What to name in the answer.
        exchange: ExchangeId,
        /// What a repetition of the same request is recognized by.
        identity: RequestIdentity,
        /// The request, all its blocks put together.
        request: Request,
    },
    /// One of our requests came to its end.
    Response {
        /// As [`Association::request`](crate::Association::request) gave it.
        request: RequestId,
        /// The answer, all its blocks put together, or why there is none.
        result: Result<Response, Unanswered>,
    },
    /// A message of the peer came to nothing; it is counted and, where that is due, answered.
    Refused(Refusal),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Self::Request { exchange, identity, request } => f
                .debug_struct("Request")
                .field("exchange", exchange)
                .field("identity", identity)
                .field("request", request)
                .finish(),
            Self::Response { request, result } => f
                .debug_struct("Response")
                .field("request", request)
                .field("result", result)
                .finish(),
            Self::Refused(why) => f.debug_tuple("Refused").field(why).finish(),
        }
    }
}
