//! What a node shows of itself: a key, its certificate, and the authority that issued it.

use crate::Identity;
use crate::tls;
use claviger_curves::{BadKey, Leaf, SigningKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// A fresh key on P-256, of a node that wants a certificate.
pub struct FreshKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

impl FreshKey {
    /// A new key.
    ///
    /// # Errors
    /// [`BadKey`] if the operating system gives no randomness.
    pub fn generate() -> Result<Self, BadKey> {
        Self::of(SigningKey::generate()?)
    }

    /// The key in this PKCS#8 document.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn of(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, BadKey> {
        let public = SigningKey::from_pkcs8(&pkcs8)?.public_key()?;
        Ok(Self { pkcs8, public })
    }

    /// It as PKCS#8.
    pub fn expose_key(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Its public half, as SubjectPublicKeyInfo in DER.
    pub fn public(&self) -> &[u8] {
        &self.public
    }
}

impl fmt::Debug for FreshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreshKey(..)")
    }
}

/// What a node shows of itself.
#[derive(Clone)]
pub struct Credential {
    pkcs8: Zeroizing<Vec<u8>>,
    certificate: Vec<u8>,
    authority: Vec<u8>,
    identity: Identity,
    validity: (Duration, Duration),
}

/// Why a key and certificates are no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCredential {
    /// The certificate cannot be read, or names no node.
    #[error("the certificate is none of a node")]
    Certificate,
    /// The certificate is of another key.
    #[error("the certificate is not of this key")]
    Key,
    /// The authority did not issue it, or its time is over or has not begun.
    #[error("the certificate does not hold: {0}")]
    Untrusted(String),
}

impl Credential {
    /// What a node shows: its key, its certificate and that of its authority, in DER; at `now`,
    /// since the Unix epoch.
    ///
    /// # Errors
    /// [`BadCredential`].
    pub fn new(
        key: &FreshKey,
        certificate: Vec<u8>,
        authority: Vec<u8>,
        now: Duration,
    ) -> Result<Self, BadCredential> {
        let leaf = Leaf::read(&certificate).map_err(|_| BadCredential::Certificate)?;
        let identity = tls::identity(&certificate).ok_or(BadCredential::Certificate)?;
        if leaf.public_key().map_err(|_| BadCredential::Certificate)? != key.public {
            return Err(BadCredential::Key);
        }
        tls::issued_by(&certificate, &authority, now).map_err(BadCredential::Untrusted)?;
        let (from, to) = leaf.validity();
        let validity = (Duration::from_secs(from), Duration::from_secs(to));
        Ok(Self { pkcs8: key.pkcs8.clone(), certificate, authority, identity, validity })
    }

    /// Who the node is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Its certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The certificate of its authority in DER.
    pub fn authority(&self) -> &[u8] {
        &self.authority
    }

    /// Its private key as PKCS#8.
    pub fn expose_key(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Until when it holds, since the Unix epoch.
    pub fn expires(&self) -> Duration {
        self.validity.1
    }

    /// When the next one is to be asked for: at half of its time.
    pub fn renews(&self) -> Duration {
        let (from, to) = self.validity;
        from + to.saturating_sub(from) / 2
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, ..)", self.identity)
    }
}

/// SHA-256 of the public key in a certificate; nothing if it cannot be read.
pub(crate) fn pin(certificate: &[u8]) -> Option<[u8; 32]> {
    let key = Leaf::read(certificate).ok()?.public_key().ok()?;
    Some(Sha256::digest(key).into())
}
