//! The port to certificates and private keys.

use core::time::Duration;

/// Certificates of devices, and the private keys of listeners.
///
/// X.509 by rustls-webpki and signatures by aws-lc-rs in production, and in tests too: nothing that
/// a seeded run compares depends on a signature's bytes.
pub trait Pki: Send + Sync {
    /// What a certificate (X.509 in DER) says of its subject; nothing if it cannot be read.
    fn subject(&self, certificate: &[u8]) -> Option<Subject>;

    /// The distinguished name of its subject as text (RFC 4514), for people. By itself, since to find
    /// words for a name costs as much as a signature, and few are ever shown.
    fn subject_text(&self, certificate: &[u8]) -> Option<String>;

    /// Whether a chain (DER, that of the key first) leads to one of `anchors` (DER) at `now`, since
    /// the Unix epoch, and its first certificate may be a client's.
    ///
    /// # Errors
    /// [`Untrusted`] with the reason.
    fn validate(
        &self,
        chain: &[Vec<u8>],
        anchors: &[&[u8]],
        now: Duration,
    ) -> Result<(), Untrusted>;

    /// Whether the holder of a public key (SubjectPublicKeyInfo in DER) made this signature (DER) of
    /// a message under the scheme with this IANA number.
    fn verify(&self, public_key: &[u8], scheme: u16, message: &[u8], signature: &[u8]) -> bool;

    /// What signs with this private key (PKCS#8 in DER); nothing if it is none that we know.
    fn signer(&self, pkcs8: &[u8]) -> Option<Box<dyn Signer>>;
}

/// A private key in use; it wipes itself.
pub trait Signer: Send + Sync {
    /// A signature in DER under the scheme with this IANA number; nothing if the key has another
    /// scheme, or there is no randomness.
    fn sign(&self, scheme: u16, message: &[u8]) -> Option<Vec<u8>>;
}

/// Whom a certificate names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The last common name in it.
    pub common_name: Option<String>,
    /// The first `dNSName` of the alternative names (RFC 5280 §4.2.1.6).
    pub dns_name: Option<String>,
    /// The first `uniformResourceIdentifier` of them.
    pub uri: Option<String>,
    /// Its public key, as SubjectPublicKeyInfo in DER.
    pub public_key: Vec<u8>,
}

/// Why a chain is not trusted, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untrusted(pub String);
