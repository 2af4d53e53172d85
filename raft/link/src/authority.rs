//! The cluster's authority: it says which key is which node's.

use crate::credential::pin;
use crate::{Identity, Role};
use claviger_curves::{self as curves, Leaf, NodeCertificate, SigningKey};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(86_400);

/// How long an authority lasts.
const AUTHORITY: Duration = Duration::from_secs(20 * 365 * 86_400);

/// How long what it says of its successor holds: longer than any certificate of a node.
const CROSS: Duration = Duration::from_secs(60 * 86_400);

/// How much the clocks of two nodes may differ.
const SKEW: Duration = Duration::from_secs(300);

/// The cluster's authority.
pub struct Authority {
    cluster: [u8; 16],
    inner: curves::Authority,
    pin: [u8; 32],
}

/// A certificate that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no certificate can be made of this key and time")]
pub struct NotIssued;

impl Authority {
    /// A new authority of a cluster, from `now` on: its private key as PKCS#8, which is to be kept
    /// sealed, and its certificate in DER.
    ///
    /// # Errors
    /// [`NotIssued`].
    pub fn make(
        cluster: [u8; 16],
        now: Duration,
    ) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), NotIssued> {
        let pkcs8 = SigningKey::generate().map_err(|_| NotIssued)?;
        let key = SigningKey::from_pkcs8(&pkcs8).map_err(|_| NotIssued)?;
        // One that takes its place has another name, for people.
        let key_hash = Sha256::digest(key.public_key().map_err(|_| NotIssued)?);
        let (cluster, key_hash) = (HEXLOWER.encode(&cluster), HEXLOWER.encode(&key_hash[..4]));
        let name = format!("Claviger cluster {cluster} {key_hash}");
        let from = now.saturating_sub(SKEW);
        let made = curves::Authority::new(&name, key, from, now + AUTHORITY);
        Ok((pkcs8, made.map_err(|_| NotIssued)?.certificate().to_vec()))
    }

    /// The authority of a cluster that has this private key and this certificate.
    ///
    /// # Errors
    /// [`NotIssued`] if the two do not belong together.
    pub fn open(cluster: [u8; 16], pkcs8: &[u8], certificate: Vec<u8>) -> Result<Self, NotIssued> {
        let key = SigningKey::from_pkcs8(pkcs8).map_err(|_| NotIssued)?;
        let pin = pin(&certificate).ok_or(NotIssued)?;
        let inner = curves::Authority::known(key, certificate).map_err(|_| NotIssued)?;
        Ok(Self { cluster, inner, pin })
    }

    /// Its certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        self.inner.certificate()
    }

    /// When one that takes its place at `now` is made: it begins later than this one, so that their
    /// certificates say which is the newer.
    pub fn succeeded(&self, now: Duration) -> Duration {
        let begins = Duration::from_secs(begins(self.certificate()));
        now.max(begins + SKEW + Duration::from_secs(1))
    }

    /// What this authority says of its successor (its own certificate in DER), from `now` on: a
    /// certificate, in DER.
    ///
    /// # Errors
    /// [`NotIssued`].
    pub fn cross(&self, successor: &[u8], now: Duration) -> Result<Vec<u8>, NotIssued> {
        let (from, to) = (now.saturating_sub(SKEW), now + CROSS);
        self.inner.cross(successor, from, to).map_err(|_| NotIssued)
    }

    /// The cluster's id.
    pub fn cluster(&self) -> [u8; 16] {
        self.cluster
    }

    /// SHA-256 of its public key, as a join token names it.
    pub fn pin(&self) -> [u8; 32] {
        self.pin
    }

    /// How long a certificate of a node of this role holds.
    pub const fn lifetime(role: Role) -> Duration {
        match role {
            Role::Ledger => Duration::from_secs(30 * DAY.as_secs()),
            Role::Edge => DAY,
        }
    }

    /// A certificate, in DER, that the key `public` (SubjectPublicKeyInfo in DER) is that of this
    /// node, from `now` on; `serial` is random.
    ///
    /// # Errors
    /// [`NotIssued`].
    pub fn issue(
        &self,
        role: Role,
        node: u64,
        public: &[u8],
        serial: [u8; 16],
        now: Duration,
    ) -> Result<Vec<u8>, NotIssued> {
        let uri = Identity { cluster: self.cluster, role, node }.to_string();
        let name = format!("{role} {node:016x}");
        let node = NodeCertificate { name: &name, uri: &uri, spki: public, serial };
        let (from, to) = (now.saturating_sub(SKEW), now + Self::lifetime(role));
        self.inner.issue_node(&node, from, to).map_err(|_| NotIssued)
    }
}

/// When an authority begins, in seconds since the Unix epoch: of two the newer begins later.
pub(crate) fn begins(certificate: &[u8]) -> u64 {
    Leaf::read(certificate).map_or(0, |read| read.validity().0)
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({}, ..)", HEXLOWER.encode(&self.cluster))
    }
}
