//! Chains of certificates (RFC 5280, by rustls-webpki).

use core::time::Duration;
use rustls_pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// What certificates may be signed with: what a handshake may be, and nothing weaker.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::aws_lc_rs::ECDSA_P256_SHA256,
    webpki::aws_lc_rs::ECDSA_P256_SHA384,
    webpki::aws_lc_rs::ECDSA_P384_SHA256,
    webpki::aws_lc_rs::ECDSA_P384_SHA384,
];

/// The trust anchors of a realm.
#[derive(Clone, Debug, Default)]
pub struct Anchors(Vec<TrustAnchor<'static>>);

/// A certificate that cannot be an anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificate of an anchor: {0}")]
pub struct BadAnchor(String);

/// Why a chain is not trusted, in the words of whoever validated it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chain is not trusted: {0}")]
pub struct Untrusted(String);

impl Anchors {
    /// Anchors from X.509 certificates in DER.
    ///
    /// # Errors
    /// [`BadAnchor`] for the first that is none.
    pub fn new<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, BadAnchor> {
        let anchors = certificates.into_iter().map(|certificate| {
            let certificate = CertificateDer::from(certificate);
            let anchor = anchor_from_trusted_cert(&certificate);
            anchor.map(|it| it.to_owned()).map_err(|error| BadAnchor(error.to_string()))
        });
        anchors.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a chain leads to an anchor at this time since the Unix epoch, and its first
    /// certificate may be a client's.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn verify_client(&self, chain: &[Vec<u8>], now: Duration) -> Result<(), Untrusted> {
        self.verify(chain, now, KeyUsage::client_auth(), None)
    }

    /// Whether a chain leads to an anchor, and its first certificate is that of the server `name`.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn verify_server(
        &self,
        chain: &[Vec<u8>],
        name: &str,
        now: Duration,
    ) -> Result<(), Untrusted> {
        self.verify(chain, now, KeyUsage::server_auth(), Some(name))
    }

    fn verify(
        &self,
        chain: &[Vec<u8>],
        now: Duration,
        usage: KeyUsage,
        name: Option<&str>,
    ) -> Result<(), Untrusted> {
        let (first, rest) = chain.split_first().ok_or_else(|| Untrusted("it is empty".into()))?;
        let rest: Vec<_> = rest.iter().map(|bytes| CertificateDer::from(&bytes[..])).collect();
        let certificate = CertificateDer::from(&first[..]);
        let untrusted = |error: webpki::Error| Untrusted(error.to_string());
        let end = EndEntityCert::try_from(&certificate).map_err(untrusted)?;
        let now = UnixTime::since_unix_epoch(now);
        end.verify_for_usage(ALGORITHMS, &self.0, &rest, now, usage, None, None)
            .map_err(untrusted)?;
        if let Some(name) = name {
            let name = ServerName::try_from(name).map_err(|_| Untrusted("no host name".into()))?;
            end.verify_is_valid_for_subject_name(&name).map_err(untrusted)?;
        }
        Ok(())
    }
}
