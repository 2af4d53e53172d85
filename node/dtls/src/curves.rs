//! The port to elliptic curves: key agreement and the verification of signatures.
//!
//! The engine has no curve of its own, and no randomness for ephemeral keys. Private keys that
//! last are not behind this port either: a signature is asked for by an output and comes back as
//! an input, since it may be made on another machine.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::wire::certificate;
use crate::wire::handshake::MAX_MESSAGE;

/// Groups for the key agreement (RFC 8422 §5.1.1), by their IANA numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Group {
    /// NIST P-256; mandatory in RFC 7925 §4.4.
    Secp256r1 = 23,
    /// NIST P-384: taken where a peer has nothing else.
    Secp384r1 = 24,
    /// Curve25519.
    X25519 = 29,
}

impl Group {
    /// Every group, in the order in which our client offers them.
    pub const ALL: [Self; 3] = [Self::Secp256r1, Self::X25519, Self::Secp384r1];

    /// The group with this IANA number.
    pub fn by_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| *group as u16 == id)
    }

    /// The group to take of those that a client offers, in its order.
    pub(crate) fn choose(offered: impl Iterator<Item = u16>) -> Option<Self> {
        // Of equals the first one is the smallest.
        offered.filter_map(Self::by_id).min_by_key(|group| *group == Self::Secp384r1)
    }
}

/// How a handshake is signed (RFC 5246 §7.4.1.4.1), by hash and algorithm. TLS 1.2 leaves the
/// curve to the key. Nothing is signed with SHA-1 (RFC 9155).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum SignatureScheme {
    /// ECDSA with SHA-256.
    EcdsaSha256 = 0x0403,
    /// ECDSA with SHA-384.
    EcdsaSha384 = 0x0503,
}

impl SignatureScheme {
    /// Every scheme, in the order in which we offer them.
    pub const ALL: [Self; 2] = [Self::EcdsaSha256, Self::EcdsaSha384];

    /// The scheme with this IANA number.
    pub fn by_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| *scheme as u16 == id)
    }
}

/// The form of a public key in a Certificate message (RFC 7250 §3), by its IANA number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CertificateType {
    /// A chain of certificates.
    X509 = 0,
    /// A SubjectPublicKeyInfo and nothing else.
    RawPublicKey = 2,
}

impl CertificateType {
    pub(crate) fn by_id(id: u8) -> Option<Self> {
        [Self::X509, Self::RawPublicKey].into_iter().find(|kind| *kind as u8 == id)
    }
}

/// What one side can present. Its private key is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicIdentity {
    /// X.509 certificates in DER, that of the key first; empty if there are none.
    chain: Vec<Vec<u8>>,
    /// The key as a SubjectPublicKeyInfo in DER; empty if it is not to be presented alone.
    raw_public_key: Vec<u8>,
    /// The curve of the key.
    pub(crate) group: Group,
    /// What the key signs with.
    pub(crate) scheme: SignatureScheme,
}

/// An identity that no Certificate message can bear: peers would never see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a Certificate message with this chain or key has {length} bytes, of at most {}",
    MAX_MESSAGE
)]
pub struct IdentityTooLong {
    /// Bytes of the longer of its two forms.
    pub length: usize,
}

impl PublicIdentity {
    /// What the holder of a key on this curve presents: `chain` is X.509 certificates in DER, that
    /// of the key first, or empty; `raw_public_key` is its SubjectPublicKeyInfo in DER, or empty if
    /// it is not to be presented alone.
    ///
    /// # Errors
    /// [`IdentityTooLong`].
    pub fn new(
        chain: Vec<Vec<u8>>,
        raw_public_key: Vec<u8>,
        group: Group,
        scheme: SignatureScheme,
    ) -> Result<Self, IdentityTooLong> {
        let identity = Self { chain, raw_public_key, group, scheme };
        let forms = [CertificateType::X509, CertificateType::RawPublicKey];
        let lengths = forms.map(|form| certificate::encode(Some(&identity.present(form))).len());
        match lengths.into_iter().max() {
            Some(length) if length > MAX_MESSAGE => Err(IdentityTooLong { length }),
            _ => Ok(identity),
        }
    }

    /// Whether it has this form.
    pub(crate) fn has(&self, kind: CertificateType) -> bool {
        match kind {
            CertificateType::X509 => !self.chain.is_empty(),
            CertificateType::RawPublicKey => !self.raw_public_key.is_empty(),
        }
    }

    /// The same in this form alone.
    #[must_use]
    pub fn only(mut self, form: CertificateType) -> Self {
        match form {
            CertificateType::X509 => self.raw_public_key.clear(),
            CertificateType::RawPublicKey => self.chain.clear(),
        }
        self
    }

    /// What it presents in this form.
    pub fn present(&self, kind: CertificateType) -> Presented {
        match kind {
            CertificateType::X509 => Presented::Chain(self.chain.clone()),
            CertificateType::RawPublicKey => Presented::RawPublicKey(self.raw_public_key.clone()),
        }
    }
}

/// What a peer presented. Whoever gets it knows that the peer has the private key, and nothing
/// about whose key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// A SubjectPublicKeyInfo in DER.
    RawPublicKey(Vec<u8>),
    /// X.509 certificates in DER, that of the key first, at least one.
    Chain(Vec<Vec<u8>>),
}

/// The secret of a key agreement (RFC 8422 §5.10).
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(Zeroizing<Vec<u8>>);

impl SharedSecret {
    /// `None` if it is all zeros: the peer's key was of low order (RFC 7748 §6.1).
    pub fn new(secret: Zeroizing<Vec<u8>>) -> Option<Self> {
        let zeros: bool = secret.ct_eq(&vec![0; secret.len()]).into();
        (!zeros).then_some(Self(secret))
    }

    /// The bytes. They go with the credential step, and nowhere else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// Curve operations, with randomness of their own.
pub trait Curves: Send {
    /// A new key pair for one handshake; `None` if there is none in this group.
    fn ephemeral(&self, group: Group) -> Option<Box<dyn Ephemeral>>;

    /// Whether the holder of the key that was presented signed this message: a DER-encoded
    /// signature for ECDSA. Of a chain, the first certificate's key.
    fn verify(
        &self,
        signer: &Presented,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> bool;
}

/// An ephemeral key pair. It can be used more than once within its handshake: what came first
/// may have been forged.
pub trait Ephemeral: Send {
    /// The public key: an uncompressed point, or 32 bytes of X25519 (RFC 8422 §5.4.1).
    fn public(&self) -> &[u8];

    /// The shared secret with a peer's key; `None` unless that is a valid point of the group.
    fn agree(&self, peer: &[u8]) -> Option<SharedSecret>;
}

/// An [`Ephemeral`] with its group, for structures that print.
pub(crate) struct KeyPair {
    pub(crate) group: Group,
    pub(crate) key: Box<dyn Ephemeral>,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("group", &self.group).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_384_is_taken_only_where_a_peer_has_nothing_else() {
        let chosen = |offered: &[u16]| Group::choose(offered.iter().copied());

        assert_eq!(chosen(&[24, 29, 23]), Some(Group::X25519));
        assert_eq!(chosen(&[24, 23, 29]), Some(Group::Secp256r1));
        assert_eq!(chosen(&[25, 24]), Some(Group::Secp384r1));
        assert_eq!(chosen(&[25]), None);
    }

    #[test]
    fn an_identity_that_no_message_can_bear_is_refused_in_words() {
        let of = |chain, key| {
            PublicIdentity::new(chain, key, Group::Secp256r1, SignatureScheme::EcdsaSha256)
        };
        // Three bytes stand before all certificates, and three before each.
        assert!(of(vec![vec![7; 4000], vec![7; 8192 - 4000 - 9]], vec![7; 91]).is_ok());
        let refused = of(vec![vec![7; 4000], vec![7; 8193 - 4000 - 9]], vec![7; 91]);
        assert_eq!(refused, Err(IdentityTooLong { length: 8193 }));
        let words = refused.map_err(|error| error.to_string());
        let expected =
            "a Certificate message with this chain or key has 8193 bytes, of at most 8192";
        assert_eq!(words, Err(expected.to_owned()));
        assert!(of(Vec::new(), vec![7; 8190]).is_err());
    }

    #[test]
    fn a_shared_secret_of_zeros_is_none_and_others_do_not_print() {
        assert_eq!(SharedSecret::new(Zeroizing::new(vec![0; 32])), None);
        let secret = SharedSecret::new(Zeroizing::new(vec![0xAB; 32]));
        assert_eq!(format!("{secret:?}"), "Some(SharedSecret(..))");
    }
}
