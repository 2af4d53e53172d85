//! Private keys that sign.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair,
};
use claviger_dtls::{Group, IdentityTooLong, PublicIdentity, SignatureScheme};
use core::fmt;
use zeroize::Zeroizing;

/// A private key on P-256, which signs with SHA-256, or on P-384, which signs with SHA-384.
pub struct SigningKey {
    key: EcdsaKeyPair,
    scheme: SignatureScheme,
}

/// Bytes that are no PKCS#8 of a key on P-256 or P-384.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no private key on P-256 or P-384 in PKCS#8")]
pub struct BadKey;

/// What cannot be presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIdentity {
    /// The public key has no encoding.
    #[error("the public key has no encoding")]
    Key,
    /// Its chain does not fit a handshake message.
    #[error(transparent)]
    TooLong(#[from] IdentityTooLong),
}

impl SigningKey {
    /// The key in this PKCS#8 document (DER).
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, BadKey> {
        Self::read(|algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der))
    }

    /// The key in this PKCS#8 document or ECPrivateKey (RFC 5915), in DER.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn from_der(der: &[u8]) -> Result<Self, BadKey> {
        Self::read(|algorithm| EcdsaKeyPair::from_private_key_der(algorithm, der))
    }

    fn read(
        read: impl Fn(&'static EcdsaSigningAlgorithm) -> Result<EcdsaKeyPair, KeyRejected>,
    ) -> Result<Self, BadKey> {
        if let Ok(key) = read(&ECDSA_P256_SHA256_ASN1_SIGNING) {
            return Ok(Self { key, scheme: SignatureScheme::EcdsaSha256 });
        }
        let key = read(&ECDSA_P384_SHA384_ASN1_SIGNING).map_err(|_| BadKey)?;
        Ok(Self { key, scheme: SignatureScheme::EcdsaSha384 })
    }

    /// It as PKCS#8.
    ///
    /// # Errors
    /// [`BadKey`] if it has no encoding.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, BadKey> {
        let document = self.key.to_pkcs8v1().map_err(|_| BadKey)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// A new key on P-256, as PKCS#8.
    ///
    /// # Errors
    /// [`BadKey`] if the operating system gives no randomness.
    pub fn generate() -> Result<Zeroizing<Vec<u8>>, BadKey> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        document.map(|document| Zeroizing::new(document.as_ref().to_vec())).map_err(|_| BadKey)
    }

    /// A signature in DER; `None` if the operating system gives no randomness.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = self.key.sign(&SystemRandom::new(), message).ok()?;
        Some(signature.as_ref().to_vec())
    }

    /// What it signs with.
    pub fn scheme(&self) -> SignatureScheme {
        self.scheme
    }

    /// What this key presents: its SubjectPublicKeyInfo, and the chain that certifies it, if
    /// there is one.
    ///
    /// # Errors
    /// [`BadIdentity`].
    pub fn identity(&self, chain: Vec<Vec<u8>>) -> Result<PublicIdentity, BadIdentity> {
        let raw_public_key = self.public_key().map_err(|_| BadIdentity::Key)?;
        Ok(PublicIdentity::new(chain, raw_public_key, self.group(), self.scheme)?)
    }

    /// Its public half as SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`BadKey`] if it has no encoding.
    pub fn public_key(&self) -> Result<Vec<u8>, BadKey> {
        let der: Result<PublicKeyX509Der<'_>, _> = self.key.public_key().as_der();
        der.map(|der| der.as_ref().to_vec()).map_err(|_| BadKey)
    }

    /// The curve that it is on.
    pub fn group(&self) -> Group {
        match self.scheme {
            SignatureScheme::EcdsaSha256 => Group::Secp256r1,
            SignatureScheme::EcdsaSha384 => Group::Secp384r1,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AwsLc;
    use claviger_dtls::{CertificateType, Curves, Presented};

    #[test]
    fn what_it_signed_verifies_under_its_raw_public_key_alone() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let other = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let raw = |key: &SigningKey| {
            key.identity(Vec::new()).unwrap().present(CertificateType::RawPublicKey)
        };
        let signature = key.sign(b"message").unwrap();
        let verify = |signer: &Presented, scheme, message: &[u8]| {
            AwsLc.verify(signer, scheme, message, &signature)
        };

        let sha256 = SignatureScheme::EcdsaSha256;
        assert!(verify(&raw(&key), sha256, b"message"));
        assert!(!verify(&raw(&key), sha256, b"another"));
        assert!(!verify(&raw(&key), SignatureScheme::EcdsaSha384, b"message"));
        assert!(!verify(&raw(&other), sha256, b"message"));
        assert!(!verify(&Presented::RawPublicKey(vec![0x30, 0]), sha256, b"message"));
        assert!(!verify(&Presented::Chain(Vec::new()), sha256, b"message"));
    }

    #[test]
    fn a_chain_that_does_not_fit_a_message_is_refused() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();

        let refused = key.identity(vec![vec![7; 5000], vec![7; 5000]]).err();

        let length = 3 + 2 * 5003;
        assert_eq!(refused, Some(BadIdentity::TooLong(IdentityTooLong { length })));
    }

    #[test]
    fn refuses_what_is_no_key_and_does_not_print() {
        assert_eq!(SigningKey::from_pkcs8(b"no key").err(), Some(BadKey));
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
    }
}
