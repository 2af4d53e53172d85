//! Curves that are none, for tests of the state machines: Diffie-Hellman in a small field, and
//! signatures that anybody can make. The shares have the lengths of real ones.

use core::cell::Cell;

use zeroize::Zeroizing;

use crate::prf::hmac;
use crate::{
    CertificateType, Curves, Ephemeral, Group, Presented, PublicIdentity, SharedSecret,
    SignatureScheme,
};

pub(super) const CLIENT_KEY: &[u8] = b"key of the client";
pub(super) const SERVER_KEY: &[u8] = b"key of the server";

/// A Mersenne prime.
const PRIME: u128 = (1 << 61) - 1;

pub(super) struct Toy(Cell<u64>);

impl Toy {
    pub(super) fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }
}

impl Curves for Toy {
    fn ephemeral(&self, group: Group) -> Option<Box<dyn Ephemeral>> {
        self.0.set(self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        let private = u128::from(self.0.get() | 1);
        Some(Box::new(Pair { private, public: encode(group, power(3, private)), group }))
    }

    fn verify(
        &self,
        signer: &Presented,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let key = match signer {
            Presented::RawPublicKey(key) => &key[..],
            Presented::Chain(chain) => &chain[0][5..],
        };
        scheme == SignatureScheme::EcdsaSha256 && sign(key, message) == signature
    }
}

struct Pair {
    private: u128,
    public: Vec<u8>,
    group: Group,
}

impl Ephemeral for Pair {
    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(&self, peer: &[u8]) -> Option<SharedSecret> {
        let (head, tail) = peer.split_last_chunk::<8>()?;
        let element = u128::from(u64::from_be_bytes(*tail));
        if head != &encode(self.group, 0)[..head.len()] || element >= PRIME {
            return None;
        }
        let shared = power(element, self.private) as u64;
        SharedSecret::new(Zeroizing::new(shared.to_be_bytes().to_vec()))
    }
}

fn power(mut base: u128, mut exponent: u128) -> u128 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % PRIME;
        }
        base = base * base % PRIME;
        exponent >>= 1;
    }
    result
}

/// An element as an uncompressed point, or as 32 bytes.
fn encode(group: Group, element: u128) -> Vec<u8> {
    let length = match group {
        Group::Secp256r1 => 65,
        Group::Secp384r1 => 97,
        Group::X25519 => 32,
    };
    let mut point = vec![0; length];
    if group != Group::X25519 {
        point[0] = 4;
    }
    point[length - 8..].copy_from_slice(&(element as u64).to_be_bytes());
    point
}

pub(super) fn sign(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac(key, &[message]).to_vec()
}

pub(super) fn raw(key: &[u8]) -> Presented {
    Presented::RawPublicKey(key.to_vec())
}

/// A chain that does not fit one datagram.
pub(super) fn chain(key: &[u8]) -> Presented {
    Presented::Chain(vec![[b"leaf ", key].concat(), vec![7; 700], vec![8; 900]])
}

/// The holder of a key, in these forms.
pub(super) fn identity(key: &[u8], forms: &[CertificateType]) -> PublicIdentity {
    let (mut certificates, mut raw) = (Vec::new(), Vec::new());
    for form in forms {
        match (form, chain(key)) {
            (CertificateType::X509, Presented::Chain(chain)) => certificates = chain,
            _ => raw = key.to_vec(),
        }
    }
    PublicIdentity::new(certificates, raw, Group::Secp256r1, SignatureScheme::EcdsaSha256)
        .expect("it fits a message")
}
