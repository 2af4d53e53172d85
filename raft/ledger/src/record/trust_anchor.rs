//! Whose certificates a tenant takes for its devices'.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

/// Where a certificate names its device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum NamePlace {
    /// The common name of the subject.
    #[default]
    #[n(0)]
    CommonName,
    /// The first `dNSName` of the subject's alternative names (RFC 5280 §4.2.1.6).
    #[n(1)]
    DnsName,
    /// The first `uniformResourceIdentifier` of the subject's alternative names.
    #[n(2)]
    Uri,
}

impl NamePlace {
    /// Every place.
    pub const ALL: [Self; 3] = [Self::CommonName, Self::DnsName, Self::Uri];

    /// The place's name, as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CommonName => "common_name",
            Self::DnsName => "dns_name",
            Self::Uri => "uri",
        }
    }
}

/// Certificates that chains of devices lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct TrustAnchor {
    /// X.509 certificates in DER: at least one, at most [`TrustAnchor::CERTIFICATES`], in all at
    /// most [`TrustAnchor::BYTES`] bytes.
    #[n(0)]
    pub certificates: Vec<ByteVec>,
    /// Where a device's certificate has the endpoint name.
    #[n(1)]
    pub endpoint_in: NamePlace,
    /// The bootstrap profile for devices that nobody has enrolled: they are at first contact.
    /// Without one, an unknown name is refused.
    #[n(2)]
    pub enrol_with: Option<String>,
    /// Raised by each change, from the index of the entry that made it.
    #[n(3)]
    pub version: u64,
}

impl TrustAnchor {
    /// How many certificates one has at most.
    pub const CERTIFICATES: usize = 8;
    /// How many bytes these have at most.
    pub const BYTES: usize = 16_384;
    /// How many anchors a tenant has at most.
    pub const OF_TENANT: usize = 16;

    /// A hash of its certificates: what was validated by others rests on another anchor.
    pub fn fingerprint(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        for certificate in &self.certificates {
            hash.update((certificate.len() as u32).to_be_bytes());
            hash.update(&certificate[..]);
        }
        *hash.finalize().first_chunk().expect("16 is less than 32")
    }
}
