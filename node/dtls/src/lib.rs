//! DTLS 1.2 without I/O: a server side for all peers of one listener, and a client.
//!
//! What it is: cookies, handshakes, record protection, connection ids, replay windows and
//! retransmission (RFC 6347, RFC 5246, RFC 4279, RFC 7627, RFC 9146, RFC 8449, RFC 9853) for a closed table of
//! cipher suites, with pre-shared keys, raw public keys (RFC 7250) and chains of certificates on
//! one listener. What it is not: it opens no socket, reads no clock, draws no randomness of its
//! own, has no curve, and its server side holds neither a pre-shared key, a private key that
//! lasts, nor a master secret.
//!
//! Driving an [`Endpoint`]: hand it each datagram ([`Endpoint::receive`]) and each due time
//! ([`Endpoint::handle_timeout`]), then call [`Endpoint::poll`] until it is empty, and ask
//! [`Endpoint::next_timeout`] when to come back. An [`Output::Open`] suspends one handshake
//! until [`Endpoint::opened`] or [`Endpoint::refused`] answers it; whoever holds the credential
//! computes that answer with [`schedule::open`] or [`schedule::open_shared`], and says whether a chain
//! of certificates is to be trusted. Likewise an [`Output::Sign`] waits for [`Endpoint::signed`];
//! key agreements go through the port [`Curves`]. Afterwards the owner
//! of the session numbers its records ([`Endpoint::seal`]). A [`Client`] is driven the same way,
//! but holds its own pre-shared key.
//!
//! A session outlives its endpoint: [`StoredSession`] is what the ledger keeps of it, from which any
//! endpoint goes on ([`Endpoint::restore`]) under the numbers of the same owner. A client that comes
//! back resumes one ([`resume`]), if [`EndpointConfig::resumption`] says so: that is an
//! [`Output::NeedSession`], which is answered as `Open` is.
//!
//! Times are durations since the Unix epoch. What a stranger sends never becomes an error: it is
//! dropped and counted under a [`DropReason`].
//!
//! Deviations, each on purpose: a fragmented ClientHello is dropped (no state before the
//! cookie); the SNI is reported but not acknowledged, since the realm is chosen elsewhere; a
//! request to renegotiate is dropped unanswered, since only the session's owner numbers records.

mod aead;
mod cbc;
mod cid;
mod cipher;
mod client;
mod cluster;
mod cookie;
mod counters;
mod curves;
mod flight;
mod handle;
mod index;
mod keys;
mod limit;
mod prf;
mod protection;
mod reassembly;
mod replay;
pub mod resume;
pub mod schedule;
mod sealed;
mod server;
mod sip;
mod stored;
mod suite;
#[cfg(test)]
mod tests;
mod wire;

pub use client::{Client, ClientConfig, ClientFailure, ClientOutput, Resumption, SendError};
pub use cluster::{CheckKey, ClusterKeys, CookieKeys};
pub use counters::{Counters, DropReason};
pub use curves::{
    CertificateType, Curves, Ephemeral, Group, IdentityTooLong, Presented, PublicIdentity,
    SharedSecret, SignatureScheme,
};
pub use keys::{SessionId, SessionKeys};
pub use limit::DATAGRAM;
pub use replay::Window as ReplayWindow;
pub use sealed::Sealed;
pub use server::{
    CallId, Claim, Content, Endpoint, EndpointConfig, FailureReason, HandshakeEvent, NotResumed,
    OpenCall, Opened, Output, PrefixLimits, Record, Refusal, ResumptionStep, SealError,
    SessionCall, SessionName, SignCall,
};
pub use stored::{Sought, StoredFlight, StoredSession};
pub use suite::{SUITES, Suite};
pub use wire::alert::{Alert, AlertDescription, AlertLevel};
pub use wire::path::PathMessage;
pub use wire::record::ContentType;
