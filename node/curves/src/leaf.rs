//! What a certificate says of its subject.

use core::fmt;
use x509_cert::Certificate;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};

/// Where a name stands in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedIn {
    /// The common names of its subject.
    CommonName,
    /// The dNSNames of its subjectAltName.
    Dns,
    /// The uniformResourceIdentifiers of its subjectAltName.
    Uri,
}

/// A certificate that was read. That it is genuine is for [`crate::Anchors`] to say.
#[derive(Clone)]
pub struct Leaf(Certificate);

/// Bytes that are no certificate, or one whose names cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no X.509 certificate in DER")]
pub struct BadCertificate;

impl Leaf {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`BadCertificate`].
    pub fn read(der: &[u8]) -> Result<Self, BadCertificate> {
        Certificate::from_der(der).map(Self).map_err(|_| BadCertificate)
    }

    /// The names that stand in this place, in their order. One with control characters is left
    /// out: nobody could see it for what it is.
    ///
    /// # Errors
    /// [`BadCertificate`] if they cannot be read.
    pub fn names(&self, place: NamedIn) -> Result<Vec<String>, BadCertificate> {
        let mut names = match place {
            NamedIn::CommonName => self.common_names()?,
            NamedIn::Dns | NamedIn::Uri => self.alternative_names(place)?,
        };
        names.retain(|name| !name.is_empty() && !name.chars().any(char::is_control));
        Ok(names)
    }

    fn common_names(&self) -> Result<Vec<String>, BadCertificate> {
        let subject = self.0.tbs_certificate().subject().iter();
        let common = subject.filter(|attribute| attribute.oid == COMMON_NAME);
        let text = |value| DirectoryString::try_from(value).map(String::from);
        common.map(|it| text(&it.value)).collect::<Result<_, _>>().map_err(|_| BadCertificate)
    }

    fn alternative_names(&self, place: NamedIn) -> Result<Vec<String>, BadCertificate> {
        let found = self.0.tbs_certificate().get_extension::<SubjectAltName>();
        let Some((_, SubjectAltName(names))) = found.map_err(|_| BadCertificate)? else {
            return Ok(Vec::new());
        };
        let of_place = |name: GeneralName| match (place, name) {
            (NamedIn::Dns, GeneralName::DnsName(name))
            | (NamedIn::Uri, GeneralName::UniformResourceIdentifier(name)) => {
                Some(name.as_str().to_owned())
            }
            _ => None,
        };
        Ok(names.into_iter().filter_map(of_place).collect())
    }

    /// Its subject in words (RFC 4514).
    pub fn subject(&self) -> String {
        self.0.tbs_certificate().subject().to_string()
    }

    /// Its issuer in words (RFC 4514).
    pub fn issuer(&self) -> String {
        self.0.tbs_certificate().issuer().to_string()
    }

    /// Its public key as SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`BadCertificate`] if it has no encoding.
    pub fn public_key(&self) -> Result<Vec<u8>, BadCertificate> {
        let info = self.0.tbs_certificate().subject_public_key_info();
        info.to_der().map_err(|_| BadCertificate)
    }

    /// When it begins and ceases to be valid, in seconds since the Unix epoch.
    pub fn validity(&self) -> (u64, u64) {
        let validity = self.0.tbs_certificate().validity();
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        (seconds(validity.not_before), seconds(validity.not_after))
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leaf").field(&self.subject()).finish()
    }
}
