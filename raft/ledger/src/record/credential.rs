//! A credential, its material apart.

use super::{State, is_false};
use crate::SessionId;
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

/// Who made a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Origin {
    /// It came into the device at the factory and was enrolled.
    #[n(0)]
    Manufacturer,
    /// Claviger made it.
    #[n(1)]
    Claviger,
}

/// What is proven by a credential.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum CredentialKind {
    /// A pre-shared key.
    #[default]
    #[n(0)]
    Psk,
    /// The private key to a raw public key (RFC 7250).
    #[n(1)]
    PublicKey,
    /// The private key to a certificate under a trust anchor, which names the device's endpoint.
    #[n(2)]
    Certificate,
}

impl CredentialKind {
    /// The kind's name, as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Psk => "psk",
            Self::PublicKey => "public_key",
            Self::Certificate => "certificate",
        }
    }

    /// True for what every credential was before there were kinds; its bytes are left out.
    pub(crate) fn is_psk(&self) -> bool {
        *self == Self::Psk
    }
}

/// One credential of a device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Credential {
    /// Who made it.
    #[n(0)]
    pub origin: Origin,
    /// What it is known by: the PSK identity, the public key as SubjectPublicKeyInfo in DER, or the
    /// name of the trust anchor.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub identity: Vec<u8>,
    /// A pre-shared key's length in bytes, its one parameter; 0 for other kinds.
    #[n(2)]
    pub key_length: u16,
    /// The parties that it may be used with, as URIs; empty for this service itself.
    #[n(3)]
    pub parties: Vec<String>,
    /// Where it stands in its life.
    #[n(4)]
    pub state: State,
    /// Ms since the Unix epoch, from when it is valid.
    #[n(5)]
    pub not_before: u64,
    /// Ms since the Unix epoch, from when it is not valid any more; none for a manufacturer's key.
    #[n(6)]
    pub not_after: Option<u64>,
    /// Raised by every change, from 1.
    #[n(7)]
    pub version: u64,
    /// The profile that it was made by, and its version; none for a manufacturer's key.
    #[n(8)]
    pub profile: Option<(String, u64)>,
    /// Its open sessions with this service, oldest first; at most [`Credential::SESSIONS`].
    #[n(9)]
    pub sessions: Vec<SessionId>,
    /// Ms since the Unix epoch, when the LwM2M server confirmed that it holds the credential.
    #[n(10)]
    pub confirmed_at: Option<u64>,
    /// How its use was or will be secured: trust anchors in DER, for certificates.
    #[cbor(n(11))]
    pub anchors: Vec<minicbor::bytes::ByteVec>,
    /// The connector by which its LwM2M server learns of it; none for a manufacturer's key.
    #[n(12)]
    pub connector: Option<String>,
    /// What is proven by it.
    #[cbor(n(13), skip_if = "CredentialKind::is_psk")]
    pub kind: CredentialKind,
    /// Handles of its sessions that can be resumed, oldest first; at most
    /// [`Credential::SESSIONS`].
    #[cbor(n(14), skip_if = "Vec::is_empty")]
    pub resumptions: Vec<ByteArray<16>>,
    /// True if it was taken over from a copy of the ledger: it may have been revoked or replaced in
    /// the time that is lost.
    #[cbor(n(15), skip_if = "is_false")]
    pub review: bool,
}

impl Credential {
    /// How many sessions one credential may hold, and how many that can be resumed; a further one
    /// closes the oldest.
    pub const SESSIONS: usize = 4;

    /// True if a session may be opened with it at `at`, in ms since the Unix epoch.
    pub fn is_usable(&self, at: u64) -> bool {
        self.state.is_live() && self.not_before <= at && self.not_after.is_none_or(|end| at < end)
    }

    /// Why it is not usable at `at`, as a refusal says it.
    pub(crate) fn standing(&self, at: u64) -> &'static str {
        let live = self.state.is_live();
        match self.not_after {
            Some(end) if live && end <= at => State::Expired.as_str(),
            _ if live && at < self.not_before => "not valid yet",
            _ => self.state.as_str(),
        }
    }
}
