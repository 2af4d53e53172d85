//! What a client is told, and what it tells.

use core::fmt;
use core::time::Duration;

use zeroize::Zeroizing;

use super::resume::Resumption;
use crate::curves::{CertificateType, Presented, PublicIdentity, SignatureScheme};
use crate::suite::Suite;
use crate::wire::alert::Alert;

/// What a client is and how patient it is.
#[derive(Clone)]
pub struct ClientConfig {
    /// PSK identity (RFC 4279 §2), at most 4096 bytes.
    pub identity: Vec<u8>,
    /// The pre-shared key, at most 4096 bytes.
    pub psk: Zeroizing<Vec<u8>>,
    /// The connection id to be addressed by (RFC 9146 §3), at most 255 bytes. Empty: use the
    /// server's and be sent none. `None`: do not offer the extension.
    pub cid: Option<Vec<u8>>,
    /// IANA numbers of the suites to offer, each one of [`crate::SUITES`], the best first.
    pub suites: Vec<u16>,
    /// Ask for a ticket to resume the session by (RFC 5077). A session id is kept unasked.
    pub tickets: bool,
    /// The session to resume, if the server still has it; else the handshake is a full one.
    pub resumption: Option<Resumption>,
    /// First wait before a flight is sent again; doubles each time (1 s in RFC 6347 §4.2.4,
    /// 9 s in RFC 7925 §11).
    pub retransmit: Duration,
    /// The handshake fails after this time.
    pub give_up: Duration,
    /// Most plaintext that we take in a record (RFC 8449), at least 64 bytes; `None` does not say.
    pub record_limit: Option<u16>,
    /// The host name to send (RFC 6066 §3), at most 255 bytes.
    pub server_name: Option<String>,
    /// What to present where the suite demands a key. Without it such a suite can be agreed on,
    /// and nothing is presented. The private key is behind [`ClientOutput::Sign`].
    pub public_identity: Option<PublicIdentity>,
    /// Forms of the server's key that can be verified, the best first; X.509 alone is what a
    /// server takes for granted (RFC 7250 §4.1).
    pub accepts: Vec<CertificateType>,
}

impl ClientConfig {
    /// A client with this identity and key: it takes the server's connection id and has none of
    /// its own, offers the suites of a pre-shared key, waits 1 s before the first repetition, and gives up after 60 s.
    pub fn new(identity: Vec<u8>, psk: Zeroizing<Vec<u8>>) -> Self {
        Self {
            identity,
            psk,
            cid: Some(Vec::new()),
            suites: Suite::psk_defaults(),
            tickets: false,
            resumption: None,
            retransmit: Duration::from_secs(1),
            give_up: Duration::from_secs(60),
            record_limit: None,
            server_name: None,
            public_identity: None,
            accepts: vec![CertificateType::X509],
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("identity", &self.identity)
            .field("cid", &self.cid)
            .finish_non_exhaustive()
    }
}

/// What a client wants done, or reports.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientOutput {
    /// Send this datagram to the server.
    Datagram(Vec<u8>),
    /// Is this key, or chain of certificates, that of the server? It has signed the handshake;
    /// whose it is, [`crate::Client::verified`] says.
    Verify(Presented),
    /// Sign this message; [`crate::Client::signed`] brings the signature.
    Sign {
        /// How.
        scheme: SignatureScheme,
        /// What.
        message: Vec<u8>,
    },
    /// The handshake is complete.
    Established {
        /// IANA number of the cipher suite.
        suite: u16,
        /// The server's connection id, if it was negotiated.
        cid: Option<Vec<u8>>,
        /// Whether an earlier session was resumed.
        resumed: bool,
    },
    /// Application data from the server.
    Data(Vec<u8>),
    /// The handshake or the connection failed; nothing more will come.
    Failed(ClientFailure),
    /// The connection was closed in good order, by either side.
    Closed,
}

impl fmt::Debug for ClientOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Datagram(bytes) => write!(f, "Datagram({} bytes)", bytes.len()),
            Self::Verify(presented) => write!(f, "Verify({presented:?})"),
            Self::Sign { scheme, message } => {
                write!(f, "Sign({scheme:?}, {} bytes)", message.len())
            }
            Self::Established { suite, cid, resumed } => {
                write!(f, "Established({suite:#06x}, {cid:?}, resumed: {resumed})")
            }
            Self::Data(bytes) => write!(f, "Data({} bytes)", bytes.len()),
            Self::Failed(failure) => write!(f, "Failed({failure:?})"),
            Self::Closed => f.write_str("Closed"),
        }
    }
}

/// Why a client failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFailure {
    /// The server sent a fatal alert. During the handshake it is not authenticated.
    Alert(Alert),
    /// No answer in the time given.
    TimedOut,
    /// The server chose what was not offered.
    IllegalParameter,
    /// The server's Finished does not verify.
    BadFinished,
    /// The server's signature does not verify under the key that it presented.
    BadSignature,
    /// The server's key or chain is not trusted.
    Untrusted,
    /// No signature of ours could be had.
    NotSigned,
    /// Identity, key, name or connection id is too long, a record limit too small, a suite is
    /// unknown, or it has a key agreement and there are no curves.
    Config,
    /// Record numbers are used up.
    Exhausted,
}

/// Why data was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The handshake is not complete, or the connection is closed.
    #[error("connection is not open")]
    NotOpen,
    /// More than 2^14 bytes, or than the server takes in a record.
    #[error("payload is longer than a record")]
    TooLong,
    /// Record numbers are used up.
    #[error("record numbers are used up")]
    Exhausted,
}
