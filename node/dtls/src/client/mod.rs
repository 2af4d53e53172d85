//! A DTLS 1.2 client of the same suites, for one association.
//!
//! It holds its own pre-shared key and numbers its own records. Drive it like an endpoint:
//! [`Client::receive`] and [`Client::handle_timeout`], then [`Client::poll`] until it is empty.

mod config;
mod handshake;
mod machine;
mod open;

pub use config::{ClientConfig, ClientFailure, ClientOutput, SendError};
pub use machine::Client;
