//! Public keys that verify.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ParsedPublicKey};
use claviger_dtls::{Group, SignatureScheme};

/// What stands before the point of a SubjectPublicKeyInfo (RFC 5480 §2).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1, 6, 8, 0x2A, 0x86, 0x48, 0xCE,
    0x3D, 3, 1, 7, 3, 0x42, 0,
];
const P384: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1, 6, 5, 0x2B, 0x81, 4, 0, 0x22,
    3, 0x62, 0,
];

/// Bytes that are no public key on P-256 or P-384 in the form that devices send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no SubjectPublicKeyInfo of an uncompressed point on P-256 or P-384")]
pub struct BadPublicKey;

/// The group of the key in this SubjectPublicKeyInfo, and what it signs with. A device's key is
/// known by these bytes (RFC 7250 §3), so the one form that handshakes use is the only one that is
/// taken.
///
/// # Errors
/// [`BadPublicKey`].
pub fn check(spki: &[u8]) -> Result<(Group, SignatureScheme), BadPublicKey> {
    let is_point = |prefix: &[u8], coordinate: usize, algorithm| {
        spki.strip_prefix(prefix).is_some_and(|point| {
            point.len() == 1 + 2 * coordinate
                && point[0] == 4
                && ParsedPublicKey::new(algorithm, point).is_ok()
        })
    };
    if is_point(P256, 32, &ECDSA_P256_SHA256_ASN1) {
        Ok((Group::Secp256r1, SignatureScheme::EcdsaSha256))
    } else if is_point(P384, 48, &ECDSA_P384_SHA384_ASN1) {
        Ok((Group::Secp384r1, SignatureScheme::EcdsaSha384))
    } else {
        Err(BadPublicKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    #[test]
    fn takes_the_form_that_handshakes_use_and_no_other() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let spki = key.public_key().unwrap();
        let mut off_the_curve = spki.clone();
        off_the_curve[40] ^= 1;
        let compressed =
            [&[0x30, 0x39][..], &spki[2..24], &[0x22, 0, 2 | spki[90] & 1], &spki[27..59]].concat();

        assert_eq!(check(&spki), Ok((Group::Secp256r1, SignatureScheme::EcdsaSha256)));
        for bad in [&off_the_curve, &compressed, &spki[..90].to_vec(), &[&spki[..], &[0]].concat()]
        {
            assert_eq!(check(bad), Err(BadPublicKey));
        }
    }
}
