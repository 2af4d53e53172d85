//! The port of the actors to certificates and keys that sign.

use crate::{Anchors, AwsLc, Leaf, NamedIn, SigningKey};
use claviger_dtls::{Curves, Presented, SignatureScheme};
use claviger_machine::{Pki, Signer, Subject, Untrusted};
use core::time::Duration;

impl Pki for AwsLc {
    fn subject(&self, certificate: &[u8]) -> Option<Subject> {
        let leaf = Leaf::read(certificate).ok()?;
        let named = |place| leaf.names(place).ok();
        Some(Subject {
            common_name: named(NamedIn::CommonName)?.pop(),
            dns_name: named(NamedIn::Dns)?.into_iter().next(),
            uri: named(NamedIn::Uri)?.into_iter().next(),
            public_key: leaf.public_key().ok()?,
        })
    }

    fn subject_text(&self, certificate: &[u8]) -> Option<String> {
        Leaf::read(certificate).ok().map(|leaf| leaf.subject())
    }

    fn validate(
        &self,
        chain: &[Vec<u8>],
        anchors: &[&[u8]],
        now: Duration,
    ) -> Result<(), Untrusted> {
        let anchors = Anchors::new(anchors.iter().copied());
        let anchors = anchors.map_err(|bad| Untrusted(bad.to_string()))?;
        anchors.verify_client(chain, now).map_err(|why| Untrusted(why.to_string()))
    }

    fn verify(&self, public_key: &[u8], scheme: u16, message: &[u8], signature: &[u8]) -> bool {
        let signer = Presented::RawPublicKey(public_key.to_vec());
        SignatureScheme::by_id(scheme)
            .is_some_and(|scheme| Curves::verify(self, &signer, scheme, message, signature))
    }

    fn signer(&self, pkcs8: &[u8]) -> Option<Box<dyn Signer>> {
        Some(Box::new(SigningKey::from_pkcs8(pkcs8).ok()?))
    }
}

impl Signer for SigningKey {
    fn sign(&self, scheme: u16, message: &[u8]) -> Option<Vec<u8>> {
        (self.scheme() as u16 == scheme).then(|| Self::sign(self, message))?
    }
}
