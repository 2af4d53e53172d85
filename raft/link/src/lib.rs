//! Nodes speak with each other: mutually authenticated QUIC between the nodes of one cluster.
//!
//! Every node has a certificate of the cluster's authority that says, in a URI, which cluster it
//! is of, its role and its id ([`Identity`]). Both ends check all of it, and who opens a channel
//! also that it reached the node it meant. One connection leads to a peer; each channel is a
//! stream on it, of whole frames. What the frames say is nobody's business here.
//!
//! A node without a certificate has a [`Token`] and gets one by [`join`]; that is all that it can
//! do. The [`Registrar`] of a ledger node decides who gets one, by the ledger; the [`Authority`],
//! whose key it keeps sealed there, issues.
//!
//! Open a [`Link`] with a [`Credential`]. It is a [`claviger_raft::Transport`], [`Link::open`]s
//! channels for other purposes too, and gives what others open by [`Incomings::next`].

mod authority;
mod counters;
mod credential;
mod gate;
mod guests;
mod identity;
mod incoming;
mod joining;
mod kept;
mod link;
mod pool;
mod registrar;
mod reset;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod token;

pub use authority::{Authority, NotIssued};
pub use counters::{Counters, Refusal};
pub use credential::{BadCredential, Credential, FreshKey};
pub use identity::{Identity, Role};
pub use incoming::{Incoming, Incomings, Peer};
pub use joining::{Answer, JoinError, Member, Request, answer, ask, join, probe};
pub use kept::BadFile;
pub use link::{Admits, Link, LinkConfig};
pub use registrar::{Authorities, Handover, Registrar, RegistrarError};
pub use stream::Purpose;
pub use token::{BadToken, Token};
