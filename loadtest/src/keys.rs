//! Keys that sign, of devices that prove themselves by them: each side makes them for itself from a
//! name. No secrets: whoever reads this can compute them.

use claviger_curves::{Authority, AwsLc, SigningKey, pem};
use claviger_device::Keys;
use claviger_dtls::CertificateType;
use core::time::Duration;
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};
use zeroize::Zeroizing;

/// When certificates begin to be valid: in 2020, and for how long.
const BEGIN: Duration = Duration::from_secs(1_577_836_800);
const SPAN: Duration = Duration::from_secs(29 * 365 * 86_400);

/// The authority of all devices.
static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let authority = Authority::new("load", key("load"), BEGIN, BEGIN + SPAN);
    authority.expect("the name and the times are good ones")
});

/// The key of a name: its scalar is the SHA-256 of the name, on P-256.
fn key(name: &str) -> SigningKey {
    // An ECPrivateKey (RFC 5915) without its public key.
    let head = [0x30, 0x31, 2, 1, 1, 4, 0x20];
    let curve = [0xA0, 10, 6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
    let scalar: [u8; 32] = Sha256::digest(name).into();
    let der = [&head[..], &scalar, &curve].concat();
    SigningKey::from_der(&der).expect("one in 2^32 hashes is no scalar, and none of these names'")
}

/// The public key of a device: SubjectPublicKeyInfo in DER.
pub(crate) fn public(endpoint: &str) -> Vec<u8> {
    key(endpoint).public_key().expect("it is on P-256")
}

/// The authority's certificate in PEM.
pub(crate) fn authority() -> String {
    pem::encode(pem::CERTIFICATE, AUTHORITY.certificate()).expect("it is short")
}

/// The files of a server that is not Claviger's: the authority, and what it certifies the server by.
pub(crate) fn server() -> [(&'static str, Zeroizing<Vec<u8>>); 3] {
    let (name, key) = ("localhost", key("localhost"));
    let certificate = AUTHORITY.issue(name, &public(name)).expect("any endpoint is a name");
    let pkcs8 = key.to_pkcs8().expect("it is on P-256");
    let authority = AUTHORITY.certificate().to_vec();
    [("authority.der", authority.into()), ("server.der", certificate.into()), ("server.key", pkcs8)]
}

/// What a device has that proves itself by its raw public key.
pub(crate) fn raw(endpoint: &str) -> Keys {
    keys(key(endpoint), None)
}

/// What a device has that proves itself by a certificate.
pub(crate) fn certified(endpoint: &str) -> Keys {
    let key = key(endpoint);
    let certificate = AUTHORITY.issue(endpoint, &public(endpoint));
    keys(key, Some(certificate.expect("any endpoint is a name")))
}

fn keys(key: SigningKey, certificate: Option<Vec<u8>>) -> Keys {
    let form = match certificate {
        Some(_) => CertificateType::X509,
        None => CertificateType::RawPublicKey,
    };
    let identity = key.identity(certificate.into_iter().collect());
    Keys {
        identity: identity.expect("a certificate of a name is short").only(form),
        signer: Arc::new(key),
        curves: Arc::new(|| Box::new(AwsLc)),
        accepts: vec![CertificateType::RawPublicKey, CertificateType::X509],
        // What is measured is the server, whichever it is.
        trusts: Arc::new(|_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_key_and_names_have_different_ones() {
        assert_eq!(public("load-00000001"), public("load-00000001"));
        assert_ne!(public("load-00000001"), public("load-00000002"));
    }
}
