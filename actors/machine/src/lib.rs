//! The words between a protocol machine and the world: requests, responses, and who speaks.
//!
//! A machine (LwM2M now; OCF and ACE later) never sees a datagram, a token or a block: it is
//! given a [`Request`] or the [`Response`] to its own one, and answers with the same words. What
//! carries them (CoAP over DTLS, HTTP) is the shell's matter. Only what two protocols use is here.

mod code;
mod crypto;
mod pki;
mod principal;
mod request;
mod response;

pub use code::Code;
pub use crypto::{Crypto, Draw};
pub use pki::{Pki, Signer, Subject, Untrusted};
pub use principal::Principal;
pub use request::{Method, Request};
pub use response::{Response, Unanswered};
