//! A DTLS 1.2 client of the same suites, for one association.
//!
//! It holds its own pre-shared key and numbers its own records. Drive it like an endpoint:
//! [`Client::receive`] and [`Client::handle_timeout`], then [`Client::poll`] until it is empty.

mod answer;
mod config;
mod finishing;
mod handshake;
mod machine;
mod open;
mod resume;

pub use config::{ClientConfig, ClientFailure, ClientOutput, SendError};
#[cfg(test)]
pub(crate) use handshake::Offer;
pub use machine::Client;
pub use resume::Resumption;
