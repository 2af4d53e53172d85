//! The two halves of a key pair of X25519, as their files have them.

use core::fmt;
use core::str::FromStr;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use hpke::kem::{Kem as _, X25519HkdfSha256 as Kem};
use hpke::{Deserializable, Serializable};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// The bytes of either half.
const KEY: usize = 32;
/// What stands before the 32 bytes of X25519 in a SubjectPublicKeyInfo (RFC 8410 §4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00];

/// What a key is known by: the SHA-256 thumbprint of its JWK (RFC 7638), in base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 32]);

/// A public key, and the tenant that what is encrypted to it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PublicJwk", into = "PublicJwk")]
pub struct PublicKey {
    bytes: [u8; KEY],
    tenant: String,
}

/// A private key with its public half.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "PrivateJwk", into = "PrivateJwk")]
pub struct PrivateKey {
    secret: Zeroizing<[u8; KEY]>,
    public: PublicKey,
}

/// A file that has no key; the words do not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Of another type or curve.
    #[error("it is no key of X25519: \"kty\" must be \"OKP\", and \"crv\" \"X25519\"")]
    Kind,
    /// Not 32 bytes.
    #[error("\"x\" and \"d\" must be 32 bytes in base64url without padding")]
    Length,
    /// Not the thumbprint.
    #[error("\"kid\" is not this key's thumbprint (RFC 7638)")]
    Id,
    /// The halves are of two pairs.
    #[error("\"d\" and \"x\" do not belong together")]
    Pair,
}

impl PublicKey {
    /// The key of these bytes, for `tenant`.
    pub fn new(bytes: [u8; KEY], tenant: impl Into<String>) -> Self {
        Self { bytes, tenant: tenant.into() }
    }

    /// Its bytes, as RFC 7748 has them.
    pub const fn bytes(&self) -> &[u8; KEY] {
        &self.bytes
    }

    /// Whom what is encrypted to it is for; empty for a recipient that is no tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// What it is known by.
    pub fn id(&self) -> KeyId {
        thumbprint("X25519", &BASE64URL_NOPAD.encode(&self.bytes))
    }

    /// It in PEM, as a SubjectPublicKeyInfo (RFC 8410), for other tools.
    pub fn pem(&self) -> String {
        let der = BASE64.encode(&[&SPKI[..], &self.bytes].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")
    }
}

impl PrivateKey {
    /// A fresh key for `tenant`.
    pub fn make(tenant: impl Into<String>, rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = [0; KEY];
        rng.fill_bytes(&mut bytes);
        let key = Self::new(&bytes, tenant);
        bytes.zeroize();
        key
    }

    /// The key of these bytes: any 32 are one (RFC 7748 §5).
    pub fn new(secret: &[u8; KEY], tenant: impl Into<String>) -> Self {
        let public = Kem::sk_to_pk(&half(secret));
        let mut bytes = [0; KEY];
        bytes.copy_from_slice(&public.to_bytes());
        Self { secret: Zeroizing::new(*secret), public: PublicKey::new(bytes, tenant) }
    }

    /// The half that anybody may have.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its bytes; whoever calls it answers for where they go.
    pub fn expose_bytes(&self) -> &[u8; KEY] {
        &self.secret
    }

    /// As HPKE takes it.
    pub(crate) fn half(&self) -> <Kem as hpke::Kem>::PrivateKey {
        half(&self.secret)
    }
}

fn half(secret: &[u8; KEY]) -> <Kem as hpke::Kem>::PrivateKey {
    Deserializable::from_bytes(secret).expect("any 32 bytes are a private key")
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, ..)", self.public.id())
    }
}

/// RFC 7638 §3, with the members that RFC 8037 §2 requires, in their order.
pub(crate) fn thumbprint(curve: &str, x: &str) -> KeyId {
    let json = format!("{{\"crv\":\"{curve}\",\"kty\":\"OKP\",\"x\":\"{x}\"}}");
    KeyId(Sha256::digest(json).into())
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl FromStr for KeyId {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        decode(text).map(|bytes| Self(*bytes)).ok_or(BadKey::Id)
    }
}

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    // First the length: what is decoded then has 32 bytes at most.
    let bytes = (text.len() == 43).then(|| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
    let bytes = Zeroizing::new(bytes.flatten()?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

/// A public key as JSON has it.
#[derive(Serialize, Deserialize)]
struct PublicJwk {
    kty: String,
    crv: String,
    x: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tenant: String,
}

/// A private key as JSON has it.
#[derive(Serialize, Deserialize)]
struct PrivateJwk {
    #[serde(flatten)]
    public: PublicJwk,
    d: String,
}

impl Drop for PrivateJwk {
    fn drop(&mut self) {
        self.d.zeroize();
    }
}

impl From<PublicKey> for PublicJwk {
    fn from(key: PublicKey) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: "X25519".to_owned(),
            x: BASE64URL_NOPAD.encode(&key.bytes),
            kid: Some(key.id().to_string()),
            tenant: key.tenant,
        }
    }
}

impl TryFrom<PublicJwk> for PublicKey {
    type Error = BadKey;

    fn try_from(jwk: PublicJwk) -> Result<Self, BadKey> {
        Self::read(&jwk)
    }
}

impl PublicKey {
    fn read(jwk: &PublicJwk) -> Result<Self, BadKey> {
        if (jwk.kty.as_str(), jwk.crv.as_str()) != ("OKP", "X25519") {
            return Err(BadKey::Kind);
        }
        let key = Self::new(*decode(&jwk.x).ok_or(BadKey::Length)?, jwk.tenant.as_str());
        match &jwk.kid {
            Some(id) if *id != key.id().to_string() => Err(BadKey::Id),
            _ => Ok(key),
        }
    }
}

impl From<PrivateKey> for PrivateJwk {
    fn from(key: PrivateKey) -> Self {
        Self { d: BASE64URL_NOPAD.encode(&*key.secret), public: key.public.into() }
    }
}

impl TryFrom<PrivateJwk> for PrivateKey {
    type Error = BadKey;

    fn try_from(jwk: PrivateJwk) -> Result<Self, BadKey> {
        let public = PublicKey::read(&jwk.public)?;
        let secret = decode(&jwk.d).ok_or(BadKey::Length)?;
        let key = Self::new(&secret, public.tenant.as_str());
        if key.public == public { Ok(key) } else { Err(BadKey::Pair) }
    }
}
