//! DTLS 1.2 without I/O: a server side for all peers of one listener, and a client.
//!
//! What it is: cookies, handshakes, record protection, connection ids, replay windows and
//! retransmission (RFC 6347, RFC 5246, RFC 4279, RFC 7627, RFC 9146) for a closed table of
//! cipher suites. What it is not: it opens no socket, reads no clock, draws no randomness of
//! its own, and its server side holds neither a pre-shared key nor a master secret.
//!
//! Driving an [`Endpoint`]: hand it each datagram ([`Endpoint::receive`]) and each due time
//! ([`Endpoint::handle_timeout`]), then call [`Endpoint::poll`] until it is empty, and ask
//! [`Endpoint::next_timeout`] when to come back. An [`Output::Open`] suspends one handshake
//! until [`Endpoint::opened`] or [`Endpoint::refused`] answers it; whoever holds the pre-shared
//! key computes that answer with [`schedule::open`]. Afterwards the owner of the session numbers
//! its records ([`Endpoint::seal`]). A [`Client`] is driven the same way, but holds its own key.
//!
//! Times are durations since the Unix epoch. What a stranger sends never becomes an error: it is
//! dropped and counted under a [`DropReason`].
//!
//! Deviations, each on purpose: a fragmented ClientHello is dropped (no state before the
//! cookie); the SNI is reported but not acknowledged, since the realm is chosen elsewhere; a
//! request to renegotiate is dropped unanswered, since only the session's owner numbers records.

mod aead;
mod cid;
mod cipher;
mod client;
mod cookie;
mod counters;
mod keys;
mod prf;
mod reassembly;
mod replay;
pub mod schedule;
mod server;
mod suite;
#[cfg(test)]
mod tests;
mod wire;

pub use client::{Client, ClientConfig, ClientFailure, ClientOutput, SendError};
pub use counters::{Counters, DropReason};
pub use keys::{ClusterKeys, SessionId, SessionKeys};
pub use replay::Window as ReplayWindow;
pub use server::{
    CallId, Claim, Content, Endpoint, EndpointConfig, FailureReason, HandshakeEvent, OpenCall,
    Opened, Output, Record, Refusal, SealError,
};
pub use suite::{SUITES, Suite};
pub use wire::alert::{Alert, AlertDescription, AlertLevel};
pub use wire::record::ContentType;
