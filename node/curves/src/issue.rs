//! An authority of one certificate, for devices that are simulated.

use crate::SigningKey;
use claviger_dtls::SignatureScheme;
use core::time::Duration;
use sha2::{Digest, Sha256};
use signature::Keypair;
use std::str::FromStr;
use x509_cert::TbsCertificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder, CertificateBuilder};
use x509_cert::der::asn1::{BitString, UtcTime};
use x509_cert::der::oid::db::rfc5912::{ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384};
use x509_cert::der::{Decode, Document, Encode};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{
    self, AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey,
    SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef,
};
use x509_cert::time::{Time, Validity};

/// An authority, and the times that its certificates have.
pub struct Authority {
    key: SigningKey,
    name: Name,
    validity: Validity,
    certificate: Vec<u8>,
}

/// A certificate that cannot be made: of a name, a key or a time that it cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificate can be made of this name, key and time")]
pub struct NotIssued;

impl Authority {
    /// An authority of this common name, whose certificates are valid between two times before 2050,
    /// since the Unix epoch.
    ///
    /// # Errors
    /// [`NotIssued`].
    pub fn new(
        name: &str,
        key: SigningKey,
        not_before: Duration,
        not_after: Duration,
    ) -> Result<Self, NotIssued> {
        let time = |at| UtcTime::from_unix_duration(at).map(Time::UtcTime).map_err(|_| NotIssued);
        let validity = Validity::new(time(not_before)?, time(not_after)?);
        let name = common_name(name)?;
        let mut authority = Self { key, name, validity, certificate: Vec::new() };
        let spki = authority.key.public_key().map_err(|_| NotIssued)?;
        authority.certificate = authority.sign(authority.name.clone(), &spki, true)?;
        Ok(authority)
    }

    /// Its own certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// A certificate, in DER, that this key (SubjectPublicKeyInfo in DER) is that of `name`.
    ///
    /// # Errors
    /// [`NotIssued`].
    pub fn issue(&self, name: &str, spki: &[u8]) -> Result<Vec<u8>, NotIssued> {
        self.sign(common_name(name)?, spki, false)
    }

    fn sign(&self, subject: Name, spki: &[u8], authority: bool) -> Result<Vec<u8>, NotIssued> {
        let profile = Profile { issuer: self.name.clone(), subject, authority };
        // One number for one key, positive and of 16 bytes.
        let mut serial: [u8; 16] = Sha256::digest(spki)[..16].try_into().map_err(|_| NotIssued)?;
        serial[0] = serial[0] & 0x7F | 0x40;
        let serial = SerialNumber::new(&serial).map_err(|_| NotIssued)?;
        let spki = SubjectPublicKeyInfoOwned::from_der(spki).map_err(|_| NotIssued)?;
        let signer = Issuer(&self.key);
        let signed = || -> builder::Result<Option<Vec<u8>>> {
            let mut builder = CertificateBuilder::new(profile, serial, self.validity, spki)?;
            let Some(signature) = self.key.sign(&builder.finalize(&signer)?) else {
                return Ok(None);
            };
            let signature = BitString::from_bytes(&signature)?;
            Ok(Some(builder.assemble(signature, &signer)?.to_der()?))
        };
        signed().ok().flatten().ok_or(NotIssued)
    }
}

/// A distinguished name of a common name alone (RFC 4514 §2.4).
fn common_name(name: &str) -> Result<Name, NotIssued> {
    let special = |c: char| ",+\"\\<>;=# ".contains(c);
    let escaped: String =
        name.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect();
    Name::from_str(&format!("CN={escaped}")).map_err(|_| NotIssued)
}

/// What stands in a certificate.
struct Profile {
    issuer: Name,
    subject: Name,
    authority: bool,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let usage =
            if self.authority { KeyUsages::KeyCertSign } else { KeyUsages::DigitalSignature };
        let constraints = BasicConstraints { ca: self.authority, path_len_constraint: None };
        let constraints = constraints.to_extension(&self.subject, &[])?;
        Ok(vec![constraints, KeyUsage(usage.into()).to_extension(&self.subject, &[])?])
    }
}

/// A key as the builder asks for it.
struct Issuer<'a>(&'a SigningKey);

#[derive(Clone)]
struct Public(Option<Vec<u8>>);

impl Keypair for Issuer<'_> {
    type VerifyingKey = Public;

    fn verifying_key(&self) -> Public {
        Public(self.0.public_key().ok())
    }
}

impl EncodePublicKey for Public {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        let spki = self.0.as_deref().ok_or(spki::Error::KeyMalformed)?;
        Ok(Document::try_from(spki)?)
    }
}

impl DynSignatureAlgorithmIdentifier for Issuer<'_> {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        let oid = match self.0.scheme() {
            SignatureScheme::EcdsaSha256 => ECDSA_WITH_SHA_256,
            SignatureScheme::EcdsaSha384 => ECDSA_WITH_SHA_384,
        };
        Ok(AlgorithmIdentifierOwned { oid, parameters: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Anchors, Leaf, NamedIn};

    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    #[test]
    fn what_it_issues_leads_to_it_and_names_its_holder() {
        let fresh = || SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let authority = Authority::new("an, authority", fresh(), NOW, NOW + YEAR).unwrap();
        let device = fresh().public_key().unwrap();

        let certificate = authority.issue("urn:dev:a,b=c", &device).unwrap();

        let leaf = Leaf::read(&certificate).unwrap();
        assert_eq!(leaf.names(NamedIn::CommonName), Ok(vec!["urn:dev:a,b=c".to_owned()]));
        assert_eq!(leaf.public_key(), Ok(device));
        let anchors = Anchors::new([authority.certificate()]).unwrap();
        assert_eq!(anchors.verify_client(core::slice::from_ref(&certificate), NOW), Ok(()));
        assert!(anchors.verify_client(&[certificate], NOW + 2 * YEAR).is_err());
    }

    #[test]
    fn what_no_certificate_can_have_is_refused() {
        let fresh = || SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let late = Duration::from_secs(2_600_000_000);
        assert_eq!(Authority::new("a", fresh(), NOW, late).err(), Some(NotIssued));
        let authority = Authority::new("a", fresh(), NOW, NOW + YEAR).unwrap();
        assert_eq!(authority.issue("b", b"no key").err(), Some(NotIssued));
    }
}
