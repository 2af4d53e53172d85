//! Curves, keys and chains for the DTLS engine: its [`claviger_dtls::Curves`] by aws-lc-rs, and
//! the answers to its questions for signatures and validation.
//!
//! It is a shell, since aws-lc-rs draws its own randomness. The engine is pure and knows only the
//! port. [`AwsLc`] goes into an endpoint or a client; a [`SigningKey`] answers `Sign`, and
//! [`Anchors`] validate chains, by rustls-webpki. What a certificate says of its subject, a [`Leaf`]
//! tells. Raw public keys are not validated beyond their form ([`public`]): whose they are is for
//! those to say who keep them.

mod agreement;
mod chain;
mod issue;
mod key;
mod leaf;
pub mod pem;
mod pki;
pub mod public;

pub use agreement::AwsLc;
pub use chain::{Anchors, BadAnchor, Untrusted};
pub use issue::{Authority, NodeCertificate, NotIssued};
pub use key::{BadIdentity, BadKey, SigningKey};
pub use leaf::{BadCertificate, Leaf, NamedIn};
