//! What an edge is told.

use crate::AROUND;
use core::fmt;
use core::net::SocketAddr;
use minicbor::{Decode, Encode};
use zeroize::Zeroize;

/// A frame to an edge.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ToEdge {
    /// The session is open: committed.
    #[n(0)]
    Opened(#[n(0)] Opened),
    /// No session opens.
    #[n(1)]
    Refused(#[n(0)] Refused),
    /// Seal and send.
    #[n(2)]
    Transmit(#[n(0)] Transmit),
    /// Forget a session and its keys.
    #[n(3)]
    Close(#[n(0)] Close),
}

impl ToEdge {
    /// How long its encoding is at most.
    pub(crate) fn room(&self) -> usize {
        let parts: &[usize] = match self {
            Self::Opened(opened) => &[opened.tenant.len(), opened.device.len(), opened.keys.len()],
            Self::Transmit(Transmit { content: Content::Application(bytes), .. }) => &[bytes.len()],
            Self::Transmit(_) | Self::Refused(_) | Self::Close(_) => &[],
        };
        AROUND + parts.iter().sum::<usize>()
    }
}

/// What an edge needs to go on with a session: record keys, never a pre-shared key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Opened {
    /// The edge's number of the call.
    #[n(0)]
    pub call: u64,
    /// The session.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub session: [u8; 16],
    /// The tenant whose device it is; to be named in each `Deliver`.
    #[n(2)]
    pub tenant: String,
    /// The device's id; to be named in each `Deliver`.
    #[n(3)]
    pub device: String,
    /// The key block.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub keys: Vec<u8>,
    /// The server's Finished.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub verify_data: [u8; 12],
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.keys.zeroize();
        self.verify_data.zeroize();
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("call", &self.call)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// The answer to a call that opens no session.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Refused {
    /// The edge's number of the call.
    #[n(0)]
    pub call: u64,
    /// Why.
    #[n(1)]
    pub refusal: Refusal,
}

/// Why no session opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// Nobody is enrolled under the identity.
    #[n(0)]
    UnknownIdentity,
    /// The Finished does not match the key.
    #[n(1)]
    BadFinished,
    /// The ledger has no answer now.
    #[n(2)]
    Unavailable,
    /// The credential is superseded, revoked or expired.
    #[n(3)]
    Denied,
}

/// One record to seal and send, numbered by the actor.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Transmit {
    /// The session.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub session: [u8; 16],
    /// The record's sequence in epoch 1: `generation * 2^24 + n`.
    #[n(1)]
    pub sequence: u64,
    /// Ms since the Unix epoch, after which it is not worth sending.
    #[n(2)]
    pub deadline: u64,
    /// A new address of the peer, once it is proven.
    #[n(3)]
    pub to: Option<SocketAddr>,
    /// What is in it.
    #[n(4)]
    pub content: Content,
}

/// What a record holds.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Content {
    /// Application data.
    #[n(0)]
    Application(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// The alert close_notify.
    #[n(1)]
    CloseNotify,
    /// The last flight of the handshake again.
    #[n(2)]
    Finished,
}

impl Drop for Content {
    /// What is to be written to a device can be a key.
    fn drop(&mut self) {
        if let Self::Application(bytes) = self {
            bytes.zeroize();
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(bytes) => write!(f, "Application({} bytes)", bytes.len()),
            Self::CloseNotify => f.write_str("CloseNotify"),
            Self::Finished => f.write_str("Finished"),
        }
    }
}

/// A session that is over.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Close {
    /// The session.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub session: [u8; 16],
}
