//! PEM (RFC 7468), in and out.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use x509_cert::der::pem::{LineEnding, decode_vec, encode_string};
use zeroize::Zeroizing;

/// The label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// The label of a SubjectPublicKeyInfo.
pub const PUBLIC_KEY: &str = "PUBLIC KEY";

/// A text that does not have what is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {0} in PEM, or a damaged one")]
pub struct BadPem(&'static str);

/// All certificates in a text, in DER and in their order; at least one.
///
/// # Errors
/// [`BadPem`].
pub fn certificates(text: &str) -> Result<Vec<Vec<u8>>, BadPem> {
    let found = CertificateDer::pem_slice_iter(text.as_bytes());
    let found = found.map(|certificate| certificate.map(|certificate| certificate.to_vec()));
    let found: Result<Vec<_>, _> = found.collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(BadPem("certificate"))
}

/// The public key in a text, as SubjectPublicKeyInfo in DER.
///
/// # Errors
/// [`BadPem`].
pub fn public_key(text: &str) -> Result<Vec<u8>, BadPem> {
    let found = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes());
    found.map(|key| key.to_vec()).map_err(|_| BadPem("public key"))
}

/// The private key in a text, in DER: PKCS#8, or that of RFC 5915 as `openssl ecparam` writes it.
///
/// # Errors
/// [`BadPem`].
pub fn private_key(text: &str) -> Result<Zeroizing<Vec<u8>>, BadPem> {
    for label in ["PRIVATE KEY", "EC PRIVATE KEY"] {
        let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
        let Some(start) = text.find(&begin) else { continue };
        let Some(length) = text[start..].find(&end) else { continue };
        let section = &text[start..start + length + end.len()];
        return match decode_vec(section.as_bytes()) {
            Ok((_, der)) => Ok(Zeroizing::new(der)),
            Err(_) => Err(BadPem("private key")),
        };
    }
    Err(BadPem("private key"))
}

/// What is public, in PEM. `None` if it is too long for any.
pub fn encode(label: &str, der: &[u8]) -> Option<String> {
    encode_string(label, LineEnding::LF, der).ok()
}
