//! What a device wants done, or reports.

use claviger_dtls::ClientFailure;
use claviger_machine::{Code, Method, Unanswered};
use core::fmt;
use zeroize::Zeroizing;

/// What a [`crate::Device`] wants done, or reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceOutput {
    /// Send this datagram to the Bootstrap-Server.
    Datagram(Vec<u8>),
    /// Something happened.
    Event(DeviceEvent),
    /// The bootstrap is over, its answer to Finish has been handed out: this is what it holds now.
    /// The session stays open.
    Bootstrapped(Account),
    /// The bootstrap has failed; nothing more will come.
    Failed(Failure),
}

/// A step of a bootstrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceEvent {
    /// The DTLS handshake is done.
    Handshake {
        /// IANA number of the cipher suite.
        suite: u16,
        /// The server's connection id, if one was negotiated.
        cid: Option<Vec<u8>>,
        /// Whether an earlier session was resumed.
        resumed: bool,
    },
    /// The Bootstrap-Request was answered.
    Requested {
        /// The answer.
        code: Code,
    },
    /// The Bootstrap-Server did something to the device.
    Operation {
        /// The method.
        method: Method,
        /// The path, as `/0/1`.
        path: String,
        /// The Content-Format of what it sent.
        format: Option<u16>,
        /// The length of what it sent, or for a read of the answer.
        bytes: usize,
        /// The device's answer.
        code: Code,
    },
}

/// An account at an LwM2M server, as a bootstrap wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// LwM2M Server URI.
    pub server_uri: String,
    /// Short Server ID.
    pub short_server_id: u16,
    /// Registration lifetime in seconds.
    pub lifetime: u32,
    /// Binding.
    pub binding: String,
    /// The PSK identity.
    pub identity: Vec<u8>,
    /// The key.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("server_uri", &self.server_uri)
            .field("short_server_id", &self.short_server_id)
            .finish_non_exhaustive()
    }
}

/// Why a device did not get what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// There is no DTLS session.
    Dtls(ClientFailure),
    /// The session was closed.
    Closed,
    /// The request was refused, with the server's words.
    Refused(Code, String),
    /// The request was not answered.
    Unanswered(Unanswered),
    /// No Finish came within EXCHANGE_LIFETIME of the last command (LwM2M Core §6.1.6).
    NoFinish,
}

impl Failure {
    /// Whether the server has said that it could serve the device later: 5.03.
    pub fn asks_to_come_later(&self) -> bool {
        matches!(self, Self::Refused(Code::SERVICE_UNAVAILABLE, _))
    }

    /// Whether nothing came back, however often the request was sent.
    pub const fn hears_nothing(&self) -> bool {
        matches!(self, Self::Unanswered(Unanswered::TimedOut))
    }
}
