//! One secret, encrypted for one reader and bound to what it belongs to.

use crate::{KeyId, PrivateKey, PublicKey};
use core::fmt;
use core::str::FromStr;
use data_encoding::BASE64URL_NOPAD;
use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256 as Kem;
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, single_shot_open};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The version that is written, as a value begins with it.
const VERSION: &str = "1";
/// What `info` begins with.
const LABEL: &[u8] = b"claviger factory 1";
/// The bytes of an encapsulated key of X25519.
const ENC: usize = 32;
/// The longest value as text: far above what a key takes, far below what a reader can bear.
const LONGEST: usize = 4096;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A manufacturer put it into the device.
    Manufacturer,
    /// The device was given it for a service.
    Operational,
    /// It is no device's: it is a cluster's root key, in escrow.
    RootKey,
}

/// What a secret belongs to: it opens as that and as nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// What it is for.
    pub purpose: Purpose,
    /// The device's LwM2M endpoint client name; of a root key, its cluster's id in hexadecimal.
    pub endpoint: &'a str,
    /// The PSK identity; of a root key, its version in decimal.
    pub identity: &'a [u8],
}

/// An encrypted secret. [`Display`](fmt::Display) and [`FromStr`] are its form in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key that opens it.
    pub key: KeyId,
    /// The encapsulated key, then the ciphertext with its tag.
    bytes: Vec<u8>,
}

/// A text that is no value; the words do not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// Another version.
    #[error("its version is not known here: a value begins with \"1.\"")]
    Version,
    /// Not in three parts of the right form.
    #[error("an encrypted key is written as 1.<kid>.<base64url without padding>")]
    Form,
}

/// Why a value does not open; deliberately the same for every cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not open: it was changed, or encrypted for another device, identity or tenant")]
pub struct DoesNotOpen;

/// A public key that nothing can be encrypted to (RFC 9180 §7.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing can be encrypted to this public key: it is a point of low order")]
pub struct Unsuitable;

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Manufacturer => "manufacturer",
            Self::Operational => "operational",
            Self::RootKey => "root key",
        }
    }
}

impl Binding<'_> {
    fn aad(&self) -> Vec<u8> {
        texts(&[self.purpose.as_str().as_bytes(), self.endpoint.as_bytes(), self.identity])
    }
}

fn info(tenant: &str) -> Vec<u8> {
    texts(&[LABEL, tenant.as_bytes()])
}

/// Each text behind its length, so that none can pose as a part of another.
fn texts(texts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend((text.len() as u32).to_be_bytes());
        bytes.extend_from_slice(text);
    }
    bytes
}

impl PublicKey {
    /// Encrypts `secret` to this key, under a fresh key from `rng`.
    ///
    /// # Errors
    /// [`Unsuitable`] if the key is a point of low order.
    pub fn seal(
        &self,
        binding: Binding<'_>,
        secret: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Sealed, Unsuitable> {
        let bytes = encrypt(self.bytes(), &info(self.tenant()), &binding.aad(), secret, rng)?;
        Ok(Sealed { key: self.id(), bytes })
    }
}

impl PrivateKey {
    /// Opens what was sealed to the public half for the same tenant and as the same.
    ///
    /// # Errors
    /// [`DoesNotOpen`] otherwise.
    pub fn open(
        &self,
        binding: Binding<'_>,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        decrypt(self, &info(self.public().tenant()), &binding.aad(), &sealed.bytes)
    }
}

/// SealBase of RFC 9180 §6.1, as `enc || ciphertext`.
pub(crate) fn encrypt(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    text: &[u8],
    mut rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, Unsuitable> {
    let public = Deserializable::from_bytes(public).map_err(|_| Unsuitable)?;
    let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<AesGcm128, HkdfSha256, Kem>(
        &OpModeS::Base,
        &public,
        info,
        text,
        aad,
        &mut rng,
    )
    .map_err(|_| Unsuitable)?;
    Ok([&enc.to_bytes()[..], &ciphertext].concat())
}

/// OpenBase of RFC 9180 §6.1.
pub(crate) fn decrypt(
    private: &PrivateKey,
    info: &[u8],
    aad: &[u8],
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
    let (enc, ciphertext) = bytes.split_at_checked(ENC).ok_or(DoesNotOpen)?;
    let enc = Deserializable::from_bytes(enc).map_err(|_| DoesNotOpen)?;
    let (mode, half) = (OpModeR::Base, private.half());
    let opened =
        single_shot_open::<AesGcm128, HkdfSha256, Kem>(&mode, &half, &enc, info, ciphertext, aad);
    opened.map(Zeroizing::new).map_err(|_| DoesNotOpen)
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}.{}.{}", self.key, BASE64URL_NOPAD.encode(&self.bytes))
    }
}

impl FromStr for Sealed {
    type Err = NoValue;

    fn from_str(text: &str) -> Result<Self, NoValue> {
        let (version, rest) = text.split_once('.').ok_or(NoValue::Form)?;
        if version != VERSION {
            return Err(NoValue::Version);
        }
        let (key, bytes) = rest.split_once('.').ok_or(NoValue::Form)?;
        let key = key.parse().map_err(|_| NoValue::Form)?;
        if bytes.len() > LONGEST {
            return Err(NoValue::Form);
        }
        let bytes = BASE64URL_NOPAD.decode(bytes.as_bytes()).map_err(|_| NoValue::Form)?;
        Ok(Self { key, bytes })
    }
}
