//! What nodes of the cluster prove themselves by, and what lets new ones in.

use core::fmt;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

/// What a node is to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum NodeRole {
    /// It has a replica of the ledger.
    #[n(0)]
    Ledger,
    /// It has sockets for devices and nothing of the ledger.
    #[n(1)]
    Edge,
}

impl NodeRole {
    /// The role's name, as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Edge => "edge",
        }
    }
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The authority that issues the certificates of nodes.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct NodeAuthority {
    /// Its certificate, X.509 in DER.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// Its private key (PKCS#8), sealed with a key of the cluster.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed_key: Vec<u8>,
    /// Ms since the Unix epoch.
    #[n(2)]
    pub created_at: u64,
    /// The one that it replaces, as long as that is trusted, too.
    #[n(3)]
    pub retiring: Option<RetiringAuthority>,
}

/// An authority that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RetiringAuthority {
    /// Its certificate, in DER.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// What it says of its successor: a certificate of that one's key, in DER. Who knows it alone
    /// believes the successor by this.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub cross: Vec<u8>,
}

impl NodeAuthority {
    /// What names it as the issuer of a certificate.
    pub fn name(&self) -> [u8; 32] {
        Self::name_of(&self.certificate)
    }

    /// The same of the authority with this certificate, in DER: SHA-256.
    pub fn name_of(certificate: &[u8]) -> [u8; 32] {
        Sha256::digest(certificate).into()
    }

    /// How many bytes its certificate and its sealed key have at most, each.
    pub const BYTES: usize = 4096;
}

impl fmt::Debug for NodeAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeAuthority(since {})", self.created_at)
    }
}

/// What lets nodes in, each once, until it is used up or its time is over.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct JoinToken {
    /// What a node with it becomes.
    #[n(0)]
    pub role: NodeRole,
    /// SHA-256 of its secret.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub secret_hash: [u8; 32],
    /// When its time is over, in ms since the Unix epoch.
    #[n(2)]
    pub expires_at: u64,
    /// How many more nodes it lets in.
    #[n(3)]
    pub uses_left: u32,
    /// Ms since the Unix epoch.
    #[n(4)]
    pub created_at: u64,
    /// The newest of those that it let in, at most [`JoinToken::REMEMBERED`].
    #[n(5)]
    pub admitted: Vec<Admitted>,
    /// The one node that it lets in, if it is for one: a node of the ledger that was in before, and
    /// comes back under its id, the first time by whichever key.
    #[n(6)]
    pub returns: Option<u64>,
}

/// A node that was given a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct NodeRecord {
    /// What it is.
    #[n(0)]
    pub role: NodeRole,
    /// SHA-256 of its public key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub key_hash: [u8; 32],
    /// Until when its newest certificate holds, in ms since the Unix epoch.
    #[n(2)]
    pub certified_until: u64,
    /// It was dismissed: nobody is to accept its certificates, and its id is not given again.
    #[n(3)]
    pub dismissed: bool,
    /// The hash of the key by which it got that certificate: it asks by that one again if it got
    /// no answer.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub asked_by: Option<[u8; 32]>,
    /// SHA-256 of the certificate of the authority that issued its own; none where that was noted
    /// before level 5.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub issuer: Option<[u8; 32]>,
}

/// How far the clocks of two nodes may be apart, in ms: a day. A certificate is over everywhere
/// before it is forgotten that its node was dismissed.
const SKEW: u64 = 86_400_000;

impl NodeRecord {
    /// Whether it is an edge whose certificate is over everywhere at `now`, in ms since the Unix
    /// epoch: each start of one brings a new id. One that was dismissed is never forgotten: its
    /// process may still ask by a token that is good.
    pub const fn is_gone(&self, now: u64) -> bool {
        matches!(self.role, NodeRole::Edge)
            && !self.dismissed
            && self.certified_until.saturating_add(SKEW) <= now
    }
}

/// A node that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Admitted {
    /// Its id.
    #[n(0)]
    pub node: u64,
    /// SHA-256 of its public key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub key_hash: [u8; 32],
}

impl JoinToken {
    /// How many tokens there are at most.
    pub const MOST: usize = 256;
    /// How many nodes one token remembers.
    pub const REMEMBERED: usize = 64;
    /// The uses of a token that lets in any number of nodes, as long as it holds: more than there
    /// will ever be.
    pub const ANY: u32 = u32::MAX;

    /// How many more nodes it lets in; none if any number.
    pub fn uses_left(&self) -> Option<u32> {
        Some(self.uses_left).filter(|left| *left <= Self::ANY / 2)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, expires_at, uses_left, .. } = self;
        write!(f, "JoinToken({role}, until {expires_at}, {uses_left} left)")
    }
}
