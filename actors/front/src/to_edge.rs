//! What an edge is told.

use crate::AROUND;
use core::fmt;
use core::net::SocketAddr;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, ZeroizeOnDrop};

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
    /// The answer to a call for a signature.
    #[n(4)]
    Signed(#[n(0)] Signed),
    /// What the listeners of a realm may present.
    #[n(5)]
    Present(#[n(0)] Present),
    /// A session is to be resumed: our flight.
    #[n(6)]
    Accepted(#[n(0)] Accepted),
    /// A session is not resumed.
    #[n(7)]
    NotResumed(#[n(0)] NotResumed),
    /// Go on with a session, and look at its datagram again.
    #[n(8)]
    Continue(#[n(0)] Continue),
    /// There is no session to go on with.
    #[n(9)]
    Unknown(#[n(0)] Unknown),
    /// The cluster's keys, from now on. They say what [`ToEdge::Beat`] says, too.
    #[n(10)]
    Keys(#[n(0)] Keys),
    /// The node that runs the actors may still speak for the cluster. What its clock shows, in ms
    /// since the Unix epoch: deadlines are by that.
    #[n(11)]
    Beat(#[n(0)] u64),
    /// Go on with a session that nobody has asked for here: records of it are to be sent from here.
    #[n(12)]
    Hold(#[n(0)] Hold),
}

impl ToEdge {
    /// How long its encoding is at most.
    pub(crate) fn room(&self) -> usize {
        let parts: &[usize] = match self {
            Self::Opened(opened) => &[opened.tenant.len(), opened.device.len(), opened.keys.len()],
            Self::Transmit(Transmit { content: Content::Application(bytes), .. }) => &[bytes.len()],
            Self::Transmit(_) | Self::Refused(_) | Self::Close(_) => &[],
            Self::Signed(signed) => &[signed.signature.as_ref().map_or(0, |it| it.len())],
            Self::Present(present) => &[
                present.realm.len(),
                present.public_key.len(),
                // Three bytes say the length of one.
                present.chain.iter().map(|it| it.len() + 3).sum(),
            ],
            Self::Accepted(accepted) => &[accepted.server_hello.len(), accepted.finished.len()],
            Self::Continue(it) => &[it.tenant.len(), it.device.len(), it.stored.len()],
            Self::NotResumed(_) | Self::Unknown(_) | Self::Beat(_) => &[],
            // A key with its number and both their headers.
            Self::Keys(keys) => &[40 * (keys.cookies.len() + keys.checks.len())],
            Self::Hold(it) => &[it.tenant.len(), it.device.len(), it.stored.len()],
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
    /// Nobody is enrolled with the key or the certificate's name.
    #[n(4)]
    UnknownKey,
    /// The chain of certificates does not lead to a trust anchor.
    #[n(5)]
    Untrusted,
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
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
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
    /// A question whether the peer is where it goes (RFC 9853), with a cookie.
    #[n(3)]
    PathChallenge(#[cbor(n(0), with = "minicbor::bytes")] [u8; 8]),
    /// The answer to such a question of the peer, with its cookie.
    #[n(4)]
    PathResponse(#[cbor(n(0), with = "minicbor::bytes")] [u8; 8]),
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
            Self::PathChallenge(_) => f.write_str("PathChallenge"),
            Self::PathResponse(_) => f.write_str("PathResponse"),
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

/// A signature, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Signed {
    /// The edge's number of the call.
    #[n(0)]
    pub call: u64,
    /// The signature in DER; none if it cannot be made now.
    #[n(1)]
    pub signature: Option<ByteVec>,
}

/// What the listeners of a realm may present: the public half of its tenant's key. All of it is
/// empty if there is no key: then they present none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Present {
    /// The realm.
    #[n(0)]
    pub realm: String,
    /// X.509 certificates in DER, that of the key first; perhaps none.
    #[n(1)]
    pub chain: Vec<ByteVec>,
    /// The key as SubjectPublicKeyInfo in DER.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub public_key: Vec<u8>,
    /// IANA number of the key's group.
    #[n(3)]
    pub group: u16,
    /// IANA number of what it signs with.
    #[n(4)]
    pub scheme: u16,
    /// Its version, to be named in each [`crate::Sign`].
    #[n(5)]
    pub version: Option<u64>,
}

/// Our flight of an abbreviated handshake; no key is in it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Accepted {
    /// The edge's number of the call.
    #[n(0)]
    pub call: u64,
    /// IANA number of the cipher suite.
    #[n(1)]
    pub suite: u16,
    /// Body of the ServerHello.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub server_hello: Vec<u8>,
    /// The record of the Finished.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub finished: Vec<u8>,
}

/// A session is not resumed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NotResumed {
    /// The edge's number of the call.
    #[n(0)]
    pub call: u64,
    /// Why.
    #[n(1)]
    pub why: WhyNotResumed,
}

/// Why a session is not resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum WhyNotResumed {
    /// It is not known, or this hello cannot resume it: a full handshake takes place.
    #[n(0)]
    FullHandshake,
    /// The hello must not resume it (RFC 7627 §5.3).
    #[n(1)]
    Forbidden,
    /// The ledger has no answer now.
    #[n(2)]
    Unavailable,
}

/// A session that was opened by another edge, or by this one before it was restarted. A record of
/// the datagram that was asked about is the session's, and was not read before as far as the
/// ledger knows.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Continue {
    /// The edge's number of the call.
    #[n(0)]
    pub call: u64,
    /// The tenant whose device it is; to be named in each `Deliver`.
    #[n(1)]
    pub tenant: String,
    /// The device's id; to be named in each `Deliver`.
    #[n(2)]
    pub device: String,
    /// The engine's stored session.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub stored: Vec<u8>,
}

impl Drop for Continue {
    fn drop(&mut self) {
        self.stored.zeroize();
    }
}

impl fmt::Debug for Continue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Continue")
            .field("call", &self.call)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// Secrets that all edges of the cluster share; an edge has nothing that they could be made from.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Keys {
    /// The number of the first cookie key's bucket: seconds since the Unix epoch by 64.
    #[n(0)]
    pub first: u64,
    /// The keys of cookies, for one bucket after the other.
    #[n(1)]
    pub cookies: Vec<CookieKey>,
    /// The keys that connection ids and handles are checked by; the last one makes new ones.
    #[n(2)]
    pub checks: Vec<CheckKey>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("first", &self.first).finish_non_exhaustive()
    }
}

/// The key of one bucket's cookies. It wipes itself.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(transparent)]
pub struct CookieKey(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// A key that connection ids are checked by. It wipes itself.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
pub struct CheckKey {
    /// The first byte of the ids that it makes.
    #[n(0)]
    pub configuration: u8,
    /// The key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub key: [u8; 32],
}

/// A session that goes on at an edge which has not asked for it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hold {
    /// The tenant whose device it is; to be named in each `Deliver`.
    #[n(0)]
    pub tenant: String,
    /// The device's id; to be named in each `Deliver`.
    #[n(1)]
    pub device: String,
    /// The engine's stored session.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub stored: Vec<u8>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.stored.zeroize();
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("device", &self.device).finish_non_exhaustive()
    }
}

/// There is no session to go on with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Unknown {
    /// The edge's number of the call.
    #[n(0)]
    pub call: u64,
    /// True if nobody holds one under this connection id or address: that may be remembered for a
    /// second. False if the record is not the session's, or was read before.
    #[n(1)]
    pub nobody: bool,
}
