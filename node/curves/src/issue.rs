//! An authority of one certificate: the cluster's, for its nodes, and those of simulated devices.

use crate::SigningKey;
use claviger_dtls::SignatureScheme;
use core::time::Duration;
use sha2::{Digest, Sha256};
use signature::Keypair;
use std::str::FromStr;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder, CertificateBuilder};
use x509_cert::der::asn1::{BitString, Ia5String, UtcTime};
use x509_cert::der::oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use x509_cert::der::oid::db::rfc5912::{ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384};
use x509_cert::der::{Decode, Document, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{
    self, AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey,
    SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef,
};
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate};

/// An authority, and the times that its certificates have.
pub struct Authority {
    key: SigningKey,
    name: Name,
    validity: Validity,
    certificate: Vec<u8>,
}

/// What a node's certificate says.
#[derive(Clone, Copy, Debug)]
pub struct NodeCertificate<'a> {
    /// Its common name, for people.
    pub name: &'a str,
    /// What the node is, as a URI.
    pub uri: &'a str,
    /// Its public key, as SubjectPublicKeyInfo in DER.
    pub spki: &'a [u8],
    /// 16 random bytes that no other certificate has.
    pub serial: [u8; 16],
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
        let validity = validity(not_before, not_after)?;
        let name = common_name(name)?;
        let mut authority = Self { key, name, validity, certificate: Vec::new() };
        let spki = authority.key.public_key().map_err(|_| NotIssued)?;
        let profile = authority.profile(authority.name.clone(), Usage::Authority);
        authority.certificate = authority.sign(profile, serial(&spki)?, validity, &spki)?;
        Ok(authority)
    }

    /// An authority that was made before: its key, and its certificate in DER.
    ///
    /// # Errors
    /// [`NotIssued`] if the certificate is not of this key.
    pub fn known(key: SigningKey, certificate: Vec<u8>) -> Result<Self, NotIssued> {
        let read = Certificate::from_der(&certificate).map_err(|_| NotIssued)?;
        let read = read.tbs_certificate();
        let spki = read.subject_public_key_info().to_der().map_err(|_| NotIssued)?;
        if key.public_key().map_err(|_| NotIssued)? != spki {
            return Err(NotIssued);
        }
        Ok(Self { key, name: read.subject().clone(), validity: *read.validity(), certificate })
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
        let profile = self.profile(common_name(name)?, Usage::Device);
        self.sign(profile, serial(spki)?, self.validity, spki)
    }

    /// A certificate, in DER, for TLS at both ends: that the key of `node` is that of what its URI
    /// names, between two times.
    ///
    /// # Errors
    /// [`NotIssued`].
    pub fn issue_node(
        &self,
        node: &NodeCertificate<'_>,
        not_before: Duration,
        not_after: Duration,
    ) -> Result<Vec<u8>, NotIssued> {
        let uri = Ia5String::new(node.uri).map_err(|_| NotIssued)?;
        let profile = self.profile(common_name(node.name)?, Usage::Node(uri));
        let number = serial_number(node.serial)?;
        self.sign(profile, number, validity(not_before, not_after)?, node.spki)
    }

    /// A certificate, in DER, that says of another authority (its own certificate in DER) what that
    /// one says of itself, between two times: whoever trusts this one alone believes that one, too.
    ///
    /// # Errors
    /// [`NotIssued`].
    pub fn cross(
        &self,
        other: &[u8],
        not_before: Duration,
        not_after: Duration,
    ) -> Result<Vec<u8>, NotIssued> {
        let other = Certificate::from_der(other).map_err(|_| NotIssued)?;
        let other = other.tbs_certificate();
        let spki = other.subject_public_key_info().to_der().map_err(|_| NotIssued)?;
        let profile = self.profile(other.subject().clone(), Usage::Authority);
        self.sign(profile, serial(&spki)?, validity(not_before, not_after)?, &spki)
    }

    fn profile(&self, subject: Name, usage: Usage) -> Profile {
        Profile { issuer: self.name.clone(), subject, usage }
    }

    fn sign(
        &self,
        profile: Profile,
        serial: SerialNumber,
        validity: Validity,
        spki: &[u8],
    ) -> Result<Vec<u8>, NotIssued> {
        let spki = SubjectPublicKeyInfoOwned::from_der(spki).map_err(|_| NotIssued)?;
        let signer = Issuer(&self.key);
        let signed = || -> builder::Result<Option<Vec<u8>>> {
            let mut builder = CertificateBuilder::new(profile, serial, validity, spki)?;
            let Some(signature) = self.key.sign(&builder.finalize(&signer)?) else {
                return Ok(None);
            };
            let signature = BitString::from_bytes(&signature)?;
            Ok(Some(builder.assemble(signature, &signer)?.to_der()?))
        };
        signed().ok().flatten().ok_or(NotIssued)
    }
}

fn validity(not_before: Duration, not_after: Duration) -> Result<Validity, NotIssued> {
    let time = |at| UtcTime::from_unix_duration(at).map(Time::UtcTime).map_err(|_| NotIssued);
    Ok(Validity::new(time(not_before)?, time(not_after)?))
}

/// One number for one key.
fn serial(spki: &[u8]) -> Result<SerialNumber, NotIssued> {
    serial_number(Sha256::digest(spki)[..16].try_into().map_err(|_| NotIssued)?)
}

/// A number that is positive and has 16 bytes.
fn serial_number(mut bytes: [u8; 16]) -> Result<SerialNumber, NotIssued> {
    bytes[0] = bytes[0] & 0x7F | 0x40;
    SerialNumber::new(&bytes).map_err(|_| NotIssued)
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
    usage: Usage,
}

/// What a certificate is good for.
enum Usage {
    Authority,
    Device,
    /// Both ends of TLS, as what this URI names.
    Node(Ia5String),
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
        let authority = matches!(self.usage, Usage::Authority);
        let usage = if authority { KeyUsages::KeyCertSign } else { KeyUsages::DigitalSignature };
        let constraints = BasicConstraints { ca: authority, path_len_constraint: None };
        let constraints = constraints.to_extension(&self.subject, &[])?;
        let mut all = vec![constraints, KeyUsage(usage.into()).to_extension(&self.subject, &[])?];
        if let Usage::Node(uri) = &self.usage {
            let ends = ExtendedKeyUsage(vec![ID_KP_SERVER_AUTH, ID_KP_CLIENT_AUTH]);
            all.push(ends.to_extension(&self.subject, &all)?);
            let names = vec![GeneralName::UniformResourceIdentifier(uri.clone())];
            all.push(SubjectAltName(names).to_extension(&self.subject, &all)?);
        }
        Ok(all)
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
    fn a_node_is_what_its_uri_says_by_an_authority_that_was_kept() {
        let pkcs8 = SigningKey::generate().unwrap();
        let key = || SigningKey::from_pkcs8(&pkcs8).unwrap();
        let made = Authority::new("a cluster", key(), NOW, NOW + 3 * YEAR).unwrap();
        let kept = Authority::known(key(), made.certificate().to_vec()).unwrap();
        let other = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let spki = other.public_key().unwrap();
        let node =
            NodeCertificate { name: "n", uri: "spiffe://c/edge/1", spki: &spki, serial: [255; 16] };

        let certificate = kept.issue_node(&node, NOW, NOW + YEAR).unwrap();

        let leaf = Leaf::read(&certificate).unwrap();
        assert_eq!(leaf.names(NamedIn::Uri), Ok(vec!["spiffe://c/edge/1".to_owned()]));
        assert_eq!(leaf.public_key(), Ok(spki));
        assert_eq!(leaf.validity(), (NOW.as_secs(), (NOW + YEAR).as_secs()));
        let anchors = Anchors::new([made.certificate()]).unwrap();
        assert_eq!(anchors.verify_client(&[certificate], NOW), Ok(()));
        assert_eq!(Authority::known(other, made.certificate().to_vec()).err(), Some(NotIssued));
    }

    #[test]
    fn who_trusts_an_authority_believes_its_successor_by_what_it_says_of_it() {
        let fresh = || SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let made = || Authority::new("a cluster", fresh(), NOW, NOW + YEAR).unwrap();
        let (old, new) = (made(), made());
        let cross = old.cross(new.certificate(), NOW, NOW + YEAR).unwrap();
        let spki = fresh().public_key().unwrap();
        let node = NodeCertificate { name: "n", uri: "u:1", spki: &spki, serial: [1; 16] };
        let leaf = new.issue_node(&node, NOW, NOW + YEAR).unwrap();

        let of_old = Anchors::new([old.certificate()]).unwrap();
        let chain = [leaf, new.certificate().to_vec(), cross];
        assert!(of_old.verify_client(&chain[..2], NOW).is_err());
        assert_eq!(of_old.verify_client(&chain, NOW), Ok(()));
        assert!(of_old.verify_client(&chain, NOW + 2 * YEAR).is_err());
        let of_other = Anchors::new([made().certificate()]).unwrap();
        assert!(of_other.verify_client(&chain, NOW).is_err());
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
