//! Public keys and certificates between the API's forms and the ledger's.

use claviger_curves::{Anchors, Leaf, pem, public};
use core::fmt;
use data_encoding::{BASE64, HEXLOWER};

/// Certificates in DER.
pub type Certificates = Vec<Vec<u8>>;

/// What is wrong with a text; the words name what should stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong(&'static str);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// SHA-256 over a SubjectPublicKeyInfo, in hexadecimal digits.
pub fn fingerprint(spki: &[u8]) -> String {
    HEXLOWER.encode(&claviger_ledger::fingerprint(spki))
}

/// A public key in PEM, or its DER in base64; as SubjectPublicKeyInfo in DER.
///
/// # Errors
/// [`Wrong`].
pub fn key(text: &str) -> Result<Vec<u8>, Wrong> {
    let wrong = Wrong("it must be a public key in PEM, or its DER in base64");
    let spki = if text.contains("-----BEGIN") {
        pem::public_key(text).map_err(|_| wrong)?
    } else {
        BASE64.decode(text.trim().as_bytes()).map_err(|_| wrong)?
    };
    let rule = "it must be an uncompressed point on P-256 or P-384 as SubjectPublicKeyInfo";
    public::check(&spki).map_err(|_| Wrong(rule)).map(|_| spki)
}

/// The certificates of authorities in PEM; each can be an anchor.
///
/// # Errors
/// [`Wrong`].
pub fn authorities(text: &str) -> Result<Certificates, Wrong> {
    let wrong = Wrong("it must be one or more X.509 certificates in PEM");
    let found = pem::certificates(text).map_err(|_| wrong)?;
    Anchors::new(found.iter().map(|der| &der[..])).map_err(|_| wrong)?;
    if found.iter().any(|der| Leaf::read(der).is_err()) {
        return Err(wrong);
    }
    Ok(found)
}

/// A chain in PEM, whose first certificate is that of the key `spki`, and each further one of the
/// authority of the one before.
///
/// # Errors
/// [`Wrong`].
pub fn chain_of(spki: &[u8], text: &str) -> Result<Certificates, Wrong> {
    let wrong = Wrong("it must be one or more X.509 certificates in PEM");
    let chain = pem::certificates(text).map_err(|_| wrong)?;
    let read = chain.iter().map(|der| Leaf::read(der)).collect::<Result<Vec<_>, _>>();
    let read = read.map_err(|_| wrong)?;
    let first = read.first().ok_or(wrong)?;
    if first.public_key().map_err(|_| wrong)? != spki {
        return Err(Wrong("its first certificate must be that of the private key"));
    }
    if read.windows(2).any(|pair| pair[0].issuer() != pair[1].subject()) {
        return Err(Wrong("each certificate must be of the authority of the one before it"));
    }
    Ok(chain)
}

/// Certificates in PEM, one behind the other.
pub fn chain_pem(chain: &[Vec<u8>]) -> String {
    chain.iter().filter_map(|der| pem::encode(pem::CERTIFICATE, der)).collect()
}
