//! The words between an endpoint and whoever drives it.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use super::session::SessionName;
use crate::curves::{Presented, SharedSecret, SignatureScheme};
use crate::handle;
use crate::keys::{SessionId, SessionKeys};
use crate::resume::Offer;
use crate::schedule::Evidence;
use crate::wire::alert::Alert;
use crate::wire::path::PathMessage;
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
    /// A client wants to resume a session; the handshake waits for [`crate::Endpoint::resumed`] or
    /// [`crate::Endpoint::not_resumed`], and a second time as [`Output::Open`] does. Only with
    /// [`crate::EndpointConfig::resumption`].
    NeedSession(Box<SessionCall>),
    /// Sign our key exchange; the handshake waits for [`crate::Endpoint::signed`].
    Sign(Box<SignCall>),
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
    /// A session was let go since nothing came and went in it ([`crate::Endpoint::let_rest`]). It is
    /// as good as before: [`crate::Endpoint::restore`] it when its next record comes.
    Rested(SessionName),
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
        /// Whether it resumes an earlier one.
        resumed: bool,
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
    /// It presented no key, or a certificate that is not trusted.
    Untrusted,
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

/// A signature that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignCall {
    /// To be named in the answer.
    pub call: CallId,
    /// The peer's address, proven by the cookie.
    pub peer: SocketAddr,
    /// The host name of the SNI extension (RFC 6066 §3), if any.
    pub sni: Option<String>,
    /// How.
    pub scheme: SignatureScheme,
    /// What: both randoms and our share (RFC 8422 §5.4).
    pub message: Vec<u8>,
}

/// A credential step: everything that whoever holds the credential needs. Secret in it is what
/// comes of a key agreement, and nothing else.
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
    /// Handshake messages from the second ClientHello up to the client's Finished, each with its
    /// 12-byte header as if it had not been fragmented (RFC 6347 §4.2.6).
    pub transcript: Vec<u8>,
    /// The record of the encrypted Finished as received, header included.
    pub finished: Vec<u8>,
    /// Our connection id, if the client offered the extension.
    pub cid: Option<[u8; 8]>,
    /// The peer's connection id, perhaps empty, if it offered the extension.
    pub peer_cid: Option<Vec<u8>>,
    /// The secret of the key agreement, where the suite has one.
    pub shared: Option<SharedSecret>,
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
            shared: self.shared.as_ref(),
        }
    }
}

/// A step of a resumption: what whoever keeps the session needs, and nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCall {
    /// To be named in the answer.
    pub call: CallId,
    /// The peer's address, proven by the cookie.
    pub peer: SocketAddr,
    /// What the client names the session by.
    pub handle: [u8; handle::LENGTH],
    /// The host name of the SNI extension, if any.
    pub sni: Option<String>,
    /// Our new connection id, if the client offers the extension.
    pub cid: Option<[u8; 8]>,
    /// The peer's new connection id, perhaps empty, if it offers the extension.
    pub peer_cid: Option<Vec<u8>>,
    /// Which step it is.
    pub step: ResumptionStep,
}

/// The two steps of a resumption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResumptionStep {
    /// To be answered by what [`crate::resume::accept`] says; again under another call and
    /// sequence if the flight is to be sent again.
    Accept {
        /// The ClientHello with its header as if it had not been fragmented.
        hello: Vec<u8>,
        /// Time and randomness for the server's random.
        random: [u8; 32],
        /// The number of the record that is to bear the Finished.
        sequence: u64,
    },
    /// To be answered by what [`crate::resume::open`] says, once the session is committed.
    Open {
        /// IANA number of the cipher suite.
        suite: u16,
        /// The two hellos, each with its header as if it had not been fragmented.
        transcript: Vec<u8>,
        /// The record of the encrypted Finished as received, header included.
        finished: Vec<u8>,
    },
}

impl SessionCall {
    /// The part of a first step that [`crate::resume::accept`] looks at.
    pub fn offer(&self) -> Option<Offer<'_>> {
        let ResumptionStep::Accept { hello, random, sequence } = &self.step else { return None };
        let cid = self.cid.as_ref().map(|cid| &cid[..]);
        Some(Offer { hello, random, cid, sequence: *sequence })
    }

    /// The part of a second step that [`crate::resume::open`] looks at.
    pub fn evidence(&self) -> Option<Evidence<'_>> {
        let ResumptionStep::Open { suite, transcript, finished } = &self.step else { return None };
        let cid = self.cid.as_ref().map(|cid| &cid[..]);
        let peer_cid = self.peer_cid.as_deref();
        Some(Evidence { transcript, finished, suite: *suite, cid, peer_cid, shared: None })
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
    /// Holder of the key that it presented: that much is checked. Whether a chain of certificates is
    /// to be trusted is for whoever answers to say.
    Key(Presented),
    /// Nothing: the suite proves nobody.
    Nothing,
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
    /// No such identity or key: fatal alert 115 or 46, or silence as for a wrong key.
    UnknownIdentity,
    /// The Finished does not verify: silence, since anybody could have forged it.
    BadFinished,
    /// No answer could be had: silence, and the client's repetition asks again.
    Unavailable,
    /// Revoked, expired or superseded: fatal alert 49.
    Denied,
    /// The chain of certificates is not trusted, or names nobody: fatal alert 42.
    Untrusted,
}

/// A record that was opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its session.
    pub session: SessionId,
    /// ApplicationData, Alert, or ReturnRoutabilityCheck with a [`PathMessage`] in it.
    pub content: ContentType,
    /// Epoch.
    pub epoch: u16,
    /// 48-bit sequence number.
    pub sequence: u64,
    /// The address that it came from, proven by nothing.
    pub from: SocketAddr,
    /// Whether it is newer than every record opened before (RFC 9146 §6).
    pub newest: bool,
    /// Whether the peer answers checks of its address (RFC 9853).
    pub rrc: bool,
    /// Most application data in a record to the peer: 2^14 bytes, less if it takes less.
    pub longest: u16,
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
            .field("rrc", &self.rrc)
            .field("longest", &self.longest)
            .field("length", &self.payload.len())
            .finish()
    }
}

/// What to seal.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// Application data: at most 2^14 bytes, less if the peer takes less in a record.
    Application(&'a [u8]),
    /// An alert.
    Alert(Alert),
    /// A check of an address, if the peer answers these: see [`Record::rrc`].
    Path(PathMessage),
    /// Our last flight again: ChangeCipherSpec and Finished.
    Finished,
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(data) => write!(f, "Application({} bytes)", data.len()),
            Self::Alert(alert) => alert.fmt(f),
            Self::Path(_) => f.write_str("Path"),
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
    /// More than the peer takes in a record.
    #[error("payload is longer than a record to this peer may be")]
    TooLong,
    /// The peer does not answer checks of its address.
    #[error("checks of the peer's address were not agreed on")]
    NotNegotiated,
    /// The last flight is forgotten: 240 s have passed.
    #[error("last flight is no longer kept")]
    FlightForgotten,
}
