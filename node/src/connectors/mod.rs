//! How LwM2M servers are told of credentials, and how they prove what they report.
//!
//! A message is, by the kind of the connector, a Standard Webhooks POST ([`webhook`]), signed with
//! the connector's secret ([`SigningSecret`]), or a change of a Leshan server's security store
//! ([`leshan`]). What must be told stands in the ledger's outbox and is told until it is confirmed
//! ([`outbox`]). It decides nothing about credentials: the actor of the device hears what the
//! server answered, and the ledger records the confirmation.

mod gates;
mod lanes;
mod leshan;
mod message;
pub mod outbox;
mod signature;
#[cfg(test)]
mod tests;
mod url;
mod way;
mod webhook;

pub use leshan::Authorization;
pub use signature::{SigningSecret, check_head, headers};
pub use url::{check_url, is_loopback};
