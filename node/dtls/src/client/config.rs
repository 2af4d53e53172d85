//! What a client is told, and what it tells.

use core::fmt;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::suite::SUITES;
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
    /// First wait before a flight is sent again; doubles each time (1 s in RFC 6347 §4.2.4,
    /// 9 s in RFC 7925 §11).
    pub retransmit: Duration,
    /// The handshake fails after this time.
    pub give_up: Duration,
}

impl ClientConfig {
    /// A client with this identity and key: it takes the server's connection id and has none of
    /// its own, offers every suite, waits 1 s before the first repetition, and gives up after 60 s.
    pub fn new(identity: Vec<u8>, psk: Zeroizing<Vec<u8>>) -> Self {
        Self {
            identity,
            psk,
            cid: Some(Vec::new()),
            suites: SUITES.iter().map(|suite| suite.id).collect(),
            retransmit: Duration::from_secs(1),
            give_up: Duration::from_secs(60),
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
    /// The handshake is complete.
    Established {
        /// IANA number of the cipher suite.
        suite: u16,
        /// The server's connection id, if it was negotiated.
        cid: Option<Vec<u8>>,
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
            Self::Established { suite, cid } => write!(f, "Established({suite:#06x}, {cid:?})"),
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
    /// Identity, key or connection id is too long, or a suite is unknown.
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
    /// More than 2^14 bytes.
    #[error("payload is longer than a record")]
    TooLong,
    /// Record numbers are used up.
    #[error("record numbers are used up")]
    Exhausted,
}
