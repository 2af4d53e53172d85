//! CoAP's exchanges inside one DTLS association, client and server at once (RFC 7252, RFC 7959).
//!
//! An [`Association`] lives with the device's actor. It turns datagrams into the words of
//! `claviger-machine` and back: it acknowledges, retransmits, recognizes duplicates, and puts
//! blocks together. It is not an endpoint: it knows no addresses, keys or resources, and nothing
//! of Observe, OSCORE or CoAP over TCP. The packet's bytes are `coap-lite`'s matter.
//!
//! How to drive it. Hand in what happens ([`Association::receive`], [`Association::request`],
//! [`Association::respond`], [`Association::handle_timeout`]); after each of these call
//! [`Association::poll`] until it gives nothing, then ask [`Association::next_timeout`] when to
//! come back. `now` is the time since the Unix epoch; if it goes back, timers fire late, nothing
//! else. Random bytes are wanted only by `receive`, for the tokens of follow-up blocks. The jitter
//! of the retransmission timer comes from the first message id and the tokens.
//!
//! Whatever a peer sends, no call fails or panics: what cannot be used is dropped and counted in
//! [`Counters`].

mod association;
mod block;
mod client;
mod counters;
mod dedup;
mod download;
mod identity;
mod message;
mod options;
mod output;
mod params;
mod refusal;
mod served;
mod server;
mod speaking;
mod transmission;
mod upload;
mod wire;

pub use association::Association;
pub use counters::Counters;
pub use identity::{RequestIdentity, Token};
pub use output::{ExchangeId, Output, RequestId};
pub use params::Params;
pub use refusal::Refusal;
