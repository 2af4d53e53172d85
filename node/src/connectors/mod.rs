//! How LwM2M servers are told of credentials, and how they prove what they report.
//!
//! A message is a Standard Webhooks POST ([`webhook`]), signed with the connector's secret
//! ([`SigningSecret`]); what must be told stands in the ledger's outbox and is told until it is
//! confirmed ([`outbox`]). It decides nothing about credentials: the actor of the device hears what
//! the server answered, and the ledger records the confirmation.

pub mod outbox;
mod signature;
#[cfg(test)]
mod tests;
mod url;
mod webhook;

pub use signature::{SigningSecret, headers};
pub use url::{check_url, is_loopback};
