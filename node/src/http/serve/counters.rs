//! What is counted of connections.

use std::sync::atomic::AtomicU64;

/// Numbers of the listener; `node/src/metrics` names them.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that are open.
    pub open: AtomicU64,
    /// Connections that gave their place to a newer one.
    pub quiet: AtomicU64,
    /// Handshakes of TLS that failed, or took too long.
    pub handshakes: AtomicU64,
    /// Streams of events that are open.
    pub readers: AtomicU64,
}
