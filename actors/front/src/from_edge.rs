//! What an edge says.

use crate::{AROUND, Trace};
use core::fmt;
use core::net::SocketAddr;
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A frame from an edge.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum FromEdge {
    /// A handshake waits for the check of its credential; one [`crate::Opened`] or
    /// [`crate::Refused`] answers.
    #[n(0)]
    Open(#[n(0)] Open),
    /// A record was opened.
    #[n(1)]
    Deliver(#[n(0)] Deliver),
    /// The client repeated its Finished: our last flight was lost.
    #[n(2)]
    Repeat(#[n(0)] Repeat),
    /// A listener needs a signature of its tenant's key; one [`crate::Signed`] answers.
    #[n(3)]
    Sign(#[n(0)] Sign),
    /// A client wants to resume a session. The first step is answered by one [`crate::Accepted`] or
    /// [`crate::NotResumed`], the second as [`FromEdge::Open`] is.
    #[n(4)]
    Resume(#[n(0)] Resume),
    /// A datagram is of a session that the edge does not hold; one [`crate::Continue`] or
    /// [`crate::Unknown`] answers.
    #[n(5)]
    Find(#[n(0)] Find),
    /// A listener is there: it is told what it may present ([`crate::Present`]), now and when that
    /// changes.
    #[n(6)]
    Listen(#[n(0)] Listen),
}

/// Everything that the check of a credential needs. Secret in it is what comes of a key
/// agreement, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Open {
    /// The trace that began with the ClientHello.
    #[n(0)]
    pub trace: Trace,
    /// The edge's number for this call, to be named in the answer.
    #[n(1)]
    pub call: u64,
    /// The listener that the handshake came to.
    #[n(2)]
    pub listener: String,
    /// The realm that the listener, or the SNI name, stands for.
    #[n(3)]
    pub realm: String,
    /// The peer's address, proven by the cookie.
    #[n(4)]
    pub peer: SocketAddr,
    /// The claimed PSK identity; empty if a key was presented, which the transcript bears.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub identity: Vec<u8>,
    /// IANA number of the cipher suite.
    #[n(6)]
    pub suite: u16,
    /// Handshake messages up to the client's Finished.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub transcript: Vec<u8>,
    /// The record of the encrypted Finished.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub finished: Vec<u8>,
    /// Our connection id, if one was negotiated.
    #[cbor(n(9), with = "minicbor::bytes")]
    pub cid: Option<[u8; 8]>,
    /// The peer's connection id, perhaps empty.
    #[cbor(n(10), with = "minicbor::bytes")]
    pub peer_cid: Option<Vec<u8>>,
    /// The secret of the key agreement, where the suite has one.
    #[n(11)]
    pub shared: Option<Shared>,
}

/// The secret of a key agreement. It wipes itself.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(transparent)]
pub struct Shared(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared(..)")
    }
}

impl FromEdge {
    /// How long its encoding is at most.
    pub(crate) fn room(&self) -> usize {
        let parts: &[usize] = match self {
            Self::Open(open) => &[
                open.listener.len(),
                open.realm.len(),
                open.identity.len(),
                open.transcript.len(),
                open.finished.len(),
                open.peer_cid.as_ref().map_or(0, Vec::len),
                open.shared.as_ref().map_or(0, |shared| shared.0.len()),
            ],
            Self::Deliver(deliver) => {
                &[deliver.tenant.len(), deliver.device.len(), deliver.payload.len()]
            }
            Self::Repeat(repeat) => &[repeat.tenant.len(), repeat.device.len()],
            Self::Sign(sign) => &[sign.listener.len(), sign.realm.len(), sign.message.len()],
            Self::Resume(resume) => &[
                resume.listener.len(),
                resume.realm.len(),
                resume.peer_cid.as_ref().map_or(0, Vec::len),
                match &resume.step {
                    Step::Accept { hello, .. } => hello.len(),
                    Step::Open { transcript, finished, .. } => transcript.len() + finished.len(),
                },
            ],
            Self::Find(find) => &[find.listener.len(), find.datagram.len()],
            Self::Listen(listen) => &[listen.listener.len(), listen.realm.len()],
        };
        AROUND + parts.iter().sum::<usize>()
    }
}

/// A record of an open session, decrypted and checked.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Deliver {
    /// The trace that began with the datagram.
    #[n(0)]
    pub trace: Trace,
    /// The session.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub session: [u8; 16],
    /// The tenant whose device the session belongs to.
    #[n(2)]
    pub tenant: String,
    /// The device's id.
    #[n(3)]
    pub device: String,
    /// True for an alert, false for application data.
    #[n(4)]
    pub alert: bool,
    /// The record's epoch.
    #[n(5)]
    pub epoch: u16,
    /// The record's sequence number, 48 bits.
    #[n(6)]
    pub sequence: u64,
    /// The address that it came from, proven by nothing.
    #[n(7)]
    pub from: SocketAddr,
    /// True if it is newer than every record that this edge opened before.
    #[n(8)]
    pub newest: bool,
    /// The plaintext.
    #[cbor(n(9), with = "minicbor::bytes")]
    pub payload: Vec<u8>,
    /// Whether its peer answers checks of its address, and whether it is one.
    #[n(10)]
    pub check: Option<Check>,
    /// Most application data that its peer takes in a record, if it says so (RFC 8449).
    #[n(11)]
    pub limit: Option<u16>,
}

/// What a record has to do with checks of its peer's address (RFC 9853).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Check {
    /// The peer answers them.
    #[n(0)]
    Answered,
    /// The payload is a message of such a check, and neither data nor an alert.
    #[n(1)]
    Message,
}

impl fmt::Debug for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliver")
            .field("trace", &self.trace)
            .field("device", &self.device)
            .field("sequence", &self.sequence)
            .field("from", &self.from)
            .field("length", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// A session whose last flight must be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Repeat {
    /// The session.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub session: [u8; 16],
    /// The tenant whose device the session belongs to.
    #[n(1)]
    pub tenant: String,
    /// The device's id.
    #[n(2)]
    pub device: String,
}

/// A signature that a handshake waits for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Sign {
    /// The edge's number for this call, to be named in the answer.
    #[n(0)]
    pub call: u64,
    /// The listener that the handshake came to.
    #[n(1)]
    pub listener: String,
    /// The realm whose key is to sign.
    #[n(2)]
    pub realm: String,
    /// IANA number of the signature scheme.
    #[n(3)]
    pub scheme: u16,
    /// What is to be signed: both randoms and our share (RFC 8422 §5.4).
    #[cbor(n(4), with = "minicbor::bytes")]
    pub message: Vec<u8>,
    /// The version of what was presented; no other key is to sign.
    #[n(5)]
    pub version: Option<u64>,
}

/// A step of a resumption; nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Resume {
    /// The trace that began with the ClientHello.
    #[n(0)]
    pub trace: Trace,
    /// The edge's number for this call, to be named in the answer.
    #[n(1)]
    pub call: u64,
    /// The listener that the handshake came to.
    #[n(2)]
    pub listener: String,
    /// The realm that the listener, or the SNI name, stands for.
    #[n(3)]
    pub realm: String,
    /// The peer's address, proven by the cookie.
    #[n(4)]
    pub peer: SocketAddr,
    /// What the client names the session by.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub handle: [u8; 16],
    /// Our new connection id, if one was negotiated.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub cid: Option<[u8; 8]>,
    /// The peer's new connection id, perhaps empty.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub peer_cid: Option<Vec<u8>>,
    /// Which step it is.
    #[n(8)]
    pub step: Step,
}

/// The two steps of a resumption.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Step {
    /// The client has named the session.
    #[n(0)]
    Accept {
        /// The whole ClientHello.
        #[cbor(n(0), with = "minicbor::bytes")]
        hello: Vec<u8>,
        /// Time and randomness for the server's random.
        #[cbor(n(1), with = "minicbor::bytes")]
        random: [u8; 32],
        /// The number of the record that is to bear our Finished.
        #[n(2)]
        sequence: u64,
    },
    /// Its Finished has come.
    #[n(1)]
    Open {
        /// IANA number of the cipher suite.
        #[n(0)]
        suite: u16,
        /// The two hellos.
        #[cbor(n(1), with = "minicbor::bytes")]
        transcript: Vec<u8>,
        /// The record of the encrypted Finished.
        #[cbor(n(2), with = "minicbor::bytes")]
        finished: Vec<u8>,
    },
}

/// A datagram of a session that the edge does not hold, as it came; proven by nothing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Find {
    /// The edge's number for this call, to be named in the answer.
    #[n(0)]
    pub call: u64,
    /// The listener that it came to.
    #[n(1)]
    pub listener: String,
    /// Where it came from.
    #[n(2)]
    pub from: SocketAddr,
    /// The whole datagram.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub datagram: Vec<u8>,
}

/// A listener of the edge.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Listen {
    /// Its name.
    #[n(0)]
    pub listener: String,
    /// The realm that it stands for.
    #[n(1)]
    pub realm: String,
    /// True if what it sends comes from the address that devices send to, as it does from every
    /// other edge of this listener: a session may go on there without its device's doing.
    #[cbor(n(2), skip_if = "is_false")]
    pub shared: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that minicbor calls")]
fn is_false(value: &bool) -> bool {
    !*value
}
