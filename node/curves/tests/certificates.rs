//! Certificates and keys as OpenSSL writes them. `pki/` holds an authority and a device under it,
//! whose names stand in three places.

use claviger_curves::{Anchors, Leaf, NamedIn, SigningKey, pem, public};
use core::time::Duration;

const AUTHORITY: &str = include_str!("pki/ca.pem");
const DEVICE: &str = include_str!("pki/device.pem");
/// With the block of parameters before it, as `openssl ecparam -genkey` writes it.
const DEVICE_KEY: &str = include_str!("pki/device.key");
const AUTHORITY_KEY: &str = include_str!("pki/ca.key");
/// Within the time of both certificates.
const NOW: Duration = Duration::from_secs(1_800_000_000);

fn chain() -> Vec<Vec<u8>> {
    pem::certificates(DEVICE).expect("a certificate")
}

#[test]
fn a_leaf_tells_its_names_by_their_place() {
    let leaf = Leaf::read(&chain()[0]).expect("a certificate");

    assert_eq!(leaf.names(NamedIn::CommonName), Ok(vec!["urn:dev:1".to_owned()]));
    assert_eq!(leaf.names(NamedIn::Dns), Ok(vec!["one.test".to_owned()]));
    assert_eq!(leaf.names(NamedIn::Uri), Ok(vec!["urn:dev:uri-1".to_owned()]));
    assert_eq!(leaf.subject(), "CN=urn:dev:1,O=Factory");
    assert!(leaf.validity().0 < NOW.as_secs() && NOW.as_secs() < leaf.validity().1);
}

#[test]
fn a_chain_leads_to_its_anchor_within_its_time_and_to_no_other() {
    let authority = pem::certificates(AUTHORITY).expect("a certificate");
    let anchors = Anchors::new([&authority[0][..]]).expect("an anchor");
    let other = Anchors::new([&chain()[0][..]]).expect("it is a certificate");

    assert_eq!(anchors.verify_client(&chain(), NOW), Ok(()));
    assert!(anchors.verify_client(&chain(), Duration::from_secs(1)).is_err());
    assert!(anchors.verify_client(&[], NOW).is_err());
    assert!(Anchors::default().verify_client(&chain(), NOW).is_err());
    assert!(other.verify_client(&authority, NOW).is_err());
}

#[test]
fn private_keys_of_both_forms_belong_to_their_certificates() {
    for (key, certificate) in [(DEVICE_KEY, DEVICE), (AUTHORITY_KEY, AUTHORITY)] {
        let der = pem::private_key(key).expect("a private key");
        let key = SigningKey::from_der(&der).expect("on P-256");
        let certificate = &pem::certificates(certificate).expect("a certificate")[0];
        let certified = Leaf::read(certificate).and_then(|leaf| leaf.public_key());

        assert_eq!(key.public_key().ok(), certified.ok());
        let again = SigningKey::from_pkcs8(&key.to_pkcs8().expect("it has an encoding"));
        assert_eq!(again.and_then(|key| key.public_key()), key.public_key());
    }
}

#[test]
fn a_public_key_goes_through_pem() {
    let leaf = Leaf::read(&chain()[0]).expect("a certificate");
    let spki = leaf.public_key().expect("it has one");

    let text = pem::encode(pem::PUBLIC_KEY, &spki).expect("it is short");

    assert!(text.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(pem::public_key(&text), Ok(spki.clone()));
    assert!(public::check(&spki).is_ok());
}

#[test]
fn a_text_without_what_is_looked_for_is_refused() {
    let cut = &AUTHORITY[..AUTHORITY.len() / 2];
    for text in ["", "-----BEGIN CERTIFICATE-----", cut, DEVICE_KEY] {
        assert!(pem::certificates(text).is_err(), "{text}");
    }
    for text in ["", AUTHORITY, &DEVICE_KEY[..DEVICE_KEY.len() - 30]] {
        assert!(pem::private_key(text).is_err(), "{text}");
        assert!(pem::public_key(text).is_err(), "{text}");
    }
    for length in 0..chain()[0].len() {
        assert!(Leaf::read(&chain()[0][..length]).is_err());
    }
}
