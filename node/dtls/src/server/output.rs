//! The words between an endpoint and whoever drives it.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use crate::keys::{SessionId, SessionKeys};
use crate::schedule::Evidence;
use crate::wire::alert::Alert;
use crate::wire::record::ContentType;

/// What an endpoint wants done, or reports.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Datagram {
        /// To this address.
        to: SocketAddr,
        /// One datagram.
        bytes: Vec<u8>,
    },
    /// Check a credential; the handshake waits for [`crate::Endpoint::opened`] or
    /// [`crate::Endpoint::refused`].
    Open(Box<OpenCall>),
    /// A record of a session was opened.
    Record(Record),
    /// The client repeated its Finished, so our last flight was lost: seal
    /// [`Content::Finished`] under a new sequence. At most once a second for a session.
    Repeat {
        /// The session.
        session: SessionId,
    },
    /// A session is gone: it was found by its address alone, and a newer one has that now.
    Displaced {
        /// The session.
        session: SessionId,
    },
    /// Something for logs and metrics.
    Event(HandshakeEvent),
}

/// How far a handshake got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeEvent {
    /// A peer proved its address with a cookie.
    CookieVerified {
        /// Its address.
        peer: SocketAddr,
    },
    /// A session is open.
    Established {
        /// Its name.
        session: SessionId,
        /// The address of the handshake.
        peer: SocketAddr,
        /// IANA number of the cipher suite.
        suite: u16,
        /// Whether the session is found by connection id.
        cid: bool,
        /// From the ClientHello with the cookie to our Finished.
        took: Duration,
    },
    /// A handshake with a verified address ended without a session.
    Failed {
        /// Its address.
        peer: SocketAddr,
        /// Why.
        reason: FailureReason,
    },
}

/// Why a handshake ended without a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// No suite, compression or version in common.
    NoCommonSuite,
    /// The identity is not known.
    UnknownIdentity,
    /// The credential is known, but no longer good.
    Denied,
    /// The last Finished did not verify (a wrong key), and no other came in time.
    BadFinished,
    /// The ledger had no answer in time.
    Unavailable,
    /// The client fell silent.
    TimedOut,
    /// It gave way to a newer one.
    Evicted,
}

/// Names one credential step of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A credential step: everything that whoever holds the key needs, and nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCall {
    /// To be named in the answer.
    pub call: CallId,
    /// The peer's address, proven by the cookie.
    pub peer: SocketAddr,
    /// What the peer claims to be.
    pub claim: Claim,
    /// IANA number of the cipher suite.
    pub suite: u16,
    /// The host name of the SNI extension (RFC 6066 §3), if any.
    pub sni: Option<String>,
    /// Handshake messages from the second ClientHello through ClientKeyExchange, each with its
    /// 12-byte header as if it had not been fragmented (RFC 6347 §4.2.6).
    pub transcript: Vec<u8>,
    /// The record of the encrypted Finished as received, header included.
    pub finished: Vec<u8>,
    /// Our connection id, if the client offered the extension.
    pub cid: Option<[u8; 8]>,
    /// The peer's connection id, perhaps empty, if it offered the extension.
    pub peer_cid: Option<Vec<u8>>,
}

impl OpenCall {
    /// The part that [`crate::schedule::open`] looks at.
    pub fn evidence(&self) -> Evidence<'_> {
        Evidence {
            transcript: &self.transcript,
            finished: &self.finished,
            suite: self.suite,
            cid: self.cid.as_ref().map(|cid| &cid[..]),
            peer_cid: self.peer_cid.as_deref(),
        }
    }
}

/// What a peer claims to be, by kind of credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Holder of the pre-shared key with this identity (RFC 4279 §2): any bytes, perhaps none.
    Psk {
        /// As sent.
        identity: Vec<u8>,
    },
}

/// The good answer to a credential step.
#[derive(Clone)]
pub struct Opened {
    /// The session's name.
    pub session: SessionId,
    /// Its record keys.
    pub keys: SessionKeys,
    /// The server's verify_data (RFC 5246 §7.4.9).
    pub verify_data: [u8; 12],
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("session", &self.session).finish_non_exhaustive()
    }
}

/// The other answers to a credential step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such identity: fatal alert 115, or silence as for a wrong key.
    UnknownIdentity,
    /// The Finished does not verify: silence, since anybody could have forged it.
    BadFinished,
    /// No answer could be had: silence, and the client's repetition asks again.
    Unavailable,
    /// Revoked, expired or superseded: fatal alert 49.
    Denied,
}

/// A record that was opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its session.
    pub session: SessionId,
    /// ApplicationData or Alert.
    pub content: ContentType,
    /// Epoch.
    pub epoch: u16,
    /// 48-bit sequence number.
    pub sequence: u64,
    /// The address that it came from, proven by nothing.
    pub from: SocketAddr,
    /// Whether it is newer than every record opened before (RFC 9146 §6).
    pub newest: bool,
    /// Plaintext.
    pub payload: Vec<u8>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("session", &self.session)
            .field("content", &self.content)
            .field("epoch", &self.epoch)
            .field("sequence", &self.sequence)
            .field("from", &self.from)
            .field("newest", &self.newest)
            .field("length", &self.payload.len())
            .finish()
    }
}

/// What to seal.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// Application data, at most 2^14 bytes.
    Application(&'a [u8]),
    /// An alert.
    Alert(Alert),
    /// Our last flight again: ChangeCipherSpec and Finished.
    Finished,
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(data) => write!(f, "Application({} bytes)", data.len()),
            Self::Alert(alert) => alert.fmt(f),
            Self::Finished => f.write_str("Finished"),
        }
    }
}

/// Why a record was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No such session here.
    #[error("no such session")]
    UnknownSession,
    /// The sequence is not above the last one of this session: sealing would repeat a nonce.
    #[error("sequence is not above the last one")]
    SequenceUsed,
    /// The sequence does not fit 48 bits.
    #[error("sequence is beyond 2^48")]
    SequenceExhausted,
    /// More than 2^14 bytes.
    #[error("payload is longer than a record")]
    TooLong,
    /// The last flight is forgotten: 240 s have passed.
    #[error("last flight is no longer kept")]
    FlightForgotten,
}
