//! Curves and keys of which every bit follows from the seed, so that runs with raw public keys and
//! certificates repeat: aws-lc-rs agrees and signs by randomness of its own. What verifies and
//! validates is what ships.

use claviger_curves::{AwsLc, SigningKey, pem};
use claviger_device::{DeviceConfig, Keys};
use claviger_dtls::{
    CertificateType, Curves, Ephemeral, Group, Presented, SharedSecret, SignatureScheme,
};
use claviger_machine::{Crypto, Pki, Signer, Subject, Untrusted};
use core::time::Duration;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use p256::{PublicKey, SecretKey};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Who certifies devices.
pub(crate) const AUTHORITY: &str = include_str!("../../node/curves/tests/pki/ca.pem");
/// Of the one device that it names.
const CERTIFICATE: &str = include_str!("../../node/curves/tests/pki/device.pem");
const CERTIFIED_KEY: &str = include_str!("../../node/curves/tests/pki/device.key");

/// P-256 alone, with key pairs that are drawn.
pub(crate) struct SeededCurves(pub(crate) Arc<dyn Crypto>);

impl Curves for SeededCurves {
    fn ephemeral(&self, group: Group) -> Option<Box<dyn Ephemeral>> {
        if group != Group::Secp256r1 {
            return None;
        }
        // All but one in 2^32 draws are a key.
        let draws = core::iter::repeat_with(|| self.0.random::<32>());
        let secret = draws.filter_map(|draw| SecretKey::from_bytes(&draw.into()).ok()).next()?;
        let public = secret.public_key().to_sec1_bytes().into_vec();
        Some(Box::new(KeyPair { secret, public }))
    }

    fn verify(
        &self,
        signer: &Presented,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        Curves::verify(&AwsLc, signer, scheme, message, signature)
    }
}

struct KeyPair {
    secret: SecretKey,
    public: Vec<u8>,
}

impl Ephemeral for KeyPair {
    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(&self, peer: &[u8]) -> Option<SharedSecret> {
        let peer = PublicKey::from_sec1_bytes(peer).ok()?;
        let own = self.secret.to_nonzero_scalar();
        let shared = p256::ecdh::diffie_hellman(own, peer.as_affine());
        SharedSecret::new(Zeroizing::new(shared.raw_secret_bytes().to_vec()))
    }
}

/// The port of the actors, whose keys sign as RFC 6979 says.
pub(crate) struct SeededPki;

impl Pki for SeededPki {
    fn subject(&self, certificate: &[u8]) -> Option<Subject> {
        AwsLc.subject(certificate)
    }

    fn subject_text(&self, certificate: &[u8]) -> Option<String> {
        AwsLc.subject_text(certificate)
    }

    fn validate(
        &self,
        chain: &[Vec<u8>],
        anchors: &[&[u8]],
        now: Duration,
    ) -> Result<(), Untrusted> {
        AwsLc.validate(chain, anchors, now)
    }

    fn verify(&self, public_key: &[u8], scheme: u16, message: &[u8], signature: &[u8]) -> bool {
        Pki::verify(&AwsLc, public_key, scheme, message, signature)
    }

    fn signer(&self, pkcs8: &[u8]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Repeating::from_pkcs8(pkcs8)))
    }
}

/// A key whose signatures repeat.
struct Repeating(p256::ecdsa::SigningKey);

impl Repeating {
    fn from_pkcs8(pkcs8: &[u8]) -> Self {
        let secret = SecretKey::from_pkcs8_der(pkcs8).expect("all keys here are on P-256");
        Self(secret.into())
    }
}

impl Signer for Repeating {
    fn sign(&self, scheme: u16, message: &[u8]) -> Option<Vec<u8>> {
        let signature: p256::ecdsa::Signature = self.0.try_sign(message).ok()?;
        (scheme == SignatureScheme::EcdsaSha256 as u16)
            .then(|| signature.to_der().as_bytes().to_vec())
    }
}

/// The private key that belongs to this name, as PKCS#8.
pub(crate) fn private_key(name: &str) -> Zeroizing<Vec<u8>> {
    let bytes: [u8; 32] = Sha256::digest(name).into();
    let secret = SecretKey::from_bytes(&bytes.into()).expect("all but one in 2^32 are");
    let document = secret.to_pkcs8_der().expect("a key has an encoding");
    Zeroizing::new(document.as_bytes().to_vec())
}

/// The public half of a private key, as SubjectPublicKeyInfo.
pub(crate) fn public_key(pkcs8: &[u8]) -> Vec<u8> {
    let key = SigningKey::from_pkcs8(pkcs8).expect("all keys here are on P-256");
    key.public_key().expect("it has an encoding")
}

/// The device `name` that proves itself by its own key, or by the one certificate that there is,
/// and knows the server by this public key.
pub(crate) fn keyed(
    name: &str,
    form: CertificateType,
    server: Vec<u8>,
    crypto: &Arc<dyn Crypto>,
) -> DeviceConfig {
    let (pkcs8, chain) = match form {
        CertificateType::RawPublicKey => (private_key(name), Vec::new()),
        CertificateType::X509 => {
            let key = pem::private_key(CERTIFIED_KEY).expect("a private key");
            let key = SigningKey::from_der(&key).expect("it is on P-256");
            let chain = pem::certificates(CERTIFICATE).expect("a certificate");
            (key.to_pkcs8().expect("it has an encoding"), chain)
        }
    };
    let key = SigningKey::from_pkcs8(&pkcs8).expect("all keys here are on P-256");
    let crypto = crypto.clone();
    let keys = Keys {
        identity: key.identity(chain).expect("it is short").only(form),
        signer: Arc::new(Repeating::from_pkcs8(&pkcs8)),
        curves: Arc::new(move || Box::new(SeededCurves(crypto.clone()))),
        accepts: vec![CertificateType::RawPublicKey],
        trusts: Arc::new(move |shown| *shown == Presented::RawPublicKey(server.clone())),
    };
    DeviceConfig::keyed(name, keys)
}
