//! The numbers of the protocol.

use core::time::Duration;

/// Transmission parameters (RFC 7252 §4.8) and the limits that keep an association small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// ACK_TIMEOUT: the first retransmission of a confirmable message comes at the earliest
    /// after this, and then at twice the time before.
    pub ack_timeout: Duration,
    /// ACK_RANDOM_FACTOR in percent, at least 100: the first time-out is drawn from
    /// `ack_timeout` to `ack_timeout * ack_random_percent / 100`.
    pub ack_random_percent: u32,
    /// MAX_RETRANSMIT: how often a confirmable message is sent again.
    pub max_retransmit: u8,
    /// How long a confirmable request may wait for `respond` before it gets an empty
    /// acknowledgement; well below the peer's own ACK_TIMEOUT, or the peer sends again.
    pub ack_delay: Duration,
    /// EXCHANGE_LIFETIME: how long a confirmable message id is remembered, a separate response
    /// waited for, and blocks are kept.
    pub exchange_lifetime: Duration,
    /// NON_LIFETIME: how long a non-confirmable message id is remembered.
    pub non_lifetime: Duration,
    /// NSTART: how many of our requests may be under way, that is unanswered, at a time.
    pub nstart: usize,
    /// The largest block that we send, as SZX: 2^(szx + 4) bytes, 0 to 6 (RFC 7959 §2.2).
    pub block_szx: u8,
    /// The largest body that we send, or put together as the response to a request, in bytes.
    pub max_body: usize,
    /// The largest body of a request that we take, in bytes.
    pub max_request_body: usize,
    /// How many message ids of the peer are remembered; the oldest makes room.
    pub max_remembered: usize,
    /// How many requests of the peer may be unanswered at a time; the next gets 5.03.
    pub max_open: usize,
    /// Max-Age of that 5.03, in seconds: when the peer may try again.
    pub busy_for: u32,
    /// How many bodies are put together, and how many are served in blocks, at a time.
    pub max_transfers: usize,
}

impl Default for Params {
    /// The defaults of RFC 7252 §4.8, and blocks of 512 bytes: small clients have buffers of
    /// little more.
    fn default() -> Self {
        Self {
            ack_timeout: Duration::from_secs(2),
            ack_random_percent: 150,
            max_retransmit: 4,
            ack_delay: Duration::from_secs(1),
            exchange_lifetime: Duration::from_secs(247),
            non_lifetime: Duration::from_secs(145),
            nstart: 1,
            block_szx: 5,
            max_body: 64 * 1024,
            max_request_body: 8 * 1024,
            max_remembered: 64,
            max_open: 8,
            busy_for: 5,
            max_transfers: 2,
        }
    }
}
