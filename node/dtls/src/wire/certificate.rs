//! Certificate, CertificateRequest and CertificateVerify (RFC 5246 §7.4.2, §7.4.4, §7.4.8;
//! RFC 7250 §3). What is in a certificate is not looked at.

use crate::curves::{CertificateType, Presented, SignatureScheme};
use crate::wire::cursor::{Cursor, put_vec8, put_vec16, u24};

/// The only type of client certificate that we ask for (RFC 8422 §5.5).
const ECDSA_SIGN: u8 = 64;
/// Most certificates in a chain.
const MAX_CHAIN: usize = 10;

/// Reads the body of a Certificate of this type; `None` if it does not parse, `Some(None)` if it
/// presents nothing.
pub(crate) fn decode(kind: CertificateType, body: &[u8]) -> Option<Option<Presented>> {
    let mut cursor = Cursor::new(body);
    let mut content = Cursor::new(cursor.vec24()?);
    if !cursor.is_empty() {
        return None;
    }
    if content.is_empty() {
        return Some(None);
    }
    if kind == CertificateType::RawPublicKey {
        return Some(Some(Presented::RawPublicKey(content.rest().to_vec())));
    }
    let mut chain = Vec::new();
    while !content.is_empty() {
        let certificate = content.vec24().filter(|certificate| !certificate.is_empty())?;
        chain.push(certificate.to_vec());
        if chain.len() > MAX_CHAIN {
            return None;
        }
    }
    Some(Some(Presented::Chain(chain)))
}

/// The body of a Certificate; of an empty one for `None`.
pub(crate) fn encode(presented: Option<&Presented>) -> Vec<u8> {
    let mut out = Vec::new();
    match presented {
        None => out.extend(u24(0)),
        Some(Presented::RawPublicKey(spki)) => put_vec24(&mut out, spki),
        Some(Presented::Chain(chain)) => {
            out.extend(u24(chain.iter().map(|certificate| 3 + certificate.len()).sum()));
            chain.iter().for_each(|certificate| put_vec24(&mut out, certificate));
        }
    }
    out
}

fn put_vec24(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u24(bytes.len()));
    out.extend_from_slice(bytes);
}

/// The body of our CertificateRequest: ECDSA, every scheme, whoever issued it.
pub(crate) fn request() -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    put_vec8(&mut out, &[ECDSA_SIGN]).expect("it is one byte");
    put_vec16(&mut out, put_schemes).expect("they are few");
    out.extend([0, 0]);
    out
}

/// Appends every scheme that we verify.
pub(crate) fn put_schemes(out: &mut Vec<u8>) {
    out.extend(SignatureScheme::ALL.iter().flat_map(|scheme| (*scheme as u16).to_be_bytes()));
}

/// Whether a CertificateRequest takes what we sign with; `None` if it does not parse.
pub(crate) fn decode_request(body: &[u8], scheme: SignatureScheme) -> Option<bool> {
    let mut cursor = Cursor::new(body);
    let types = cursor.vec8()?;
    let schemes = cursor.vec16().filter(|list| list.len().is_multiple_of(2))?;
    let _authorities = cursor.vec16()?;
    let taken = types.contains(&ECDSA_SIGN) && pairs(schemes).any(|id| id == scheme as u16);
    cursor.is_empty().then_some(taken)
}

/// The numbers in a list of pairs of bytes.
pub(crate) fn pairs(list: &[u8]) -> impl Iterator<Item = u16> {
    list.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair))
}

/// A signature with its scheme (RFC 5246 §4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) scheme: SignatureScheme,
    pub(crate) signature: Vec<u8>,
}

impl Signed {
    /// Reads one to the end of the cursor; `None` if it does not parse or has another scheme
    /// than ours.
    pub(crate) fn decode(mut cursor: Cursor<'_>) -> Option<Self> {
        let scheme = SignatureScheme::by_id(cursor.u16()?)?;
        let signature = cursor.vec16()?.to_vec();
        cursor.is_empty().then_some(Self { scheme, signature })
    }

    /// Appends it; `None` if the signature exceeds its length prefix.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        out.extend((self.scheme as u16).to_be_bytes());
        put_vec16(out, |out| out.extend_from_slice(&self.signature))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_raw_public_key_has_one_length_and_a_chain_two() {
        let key = Presented::RawPublicKey(vec![7, 8]);
        let chain = Presented::Chain(vec![vec![1], vec![2, 3]]);

        assert_eq!(encode(Some(&key)), [0, 0, 2, 7, 8]);
        assert_eq!(encode(Some(&chain)), [0, 0, 9, 0, 0, 1, 1, 0, 0, 2, 2, 3]);
        assert_eq!(encode(None), [0, 0, 0]);
    }

    #[test]
    fn refuses_what_does_not_end_where_it_says() {
        for kind in [CertificateType::X509, CertificateType::RawPublicKey] {
            for body in [&[0, 0][..], &[0, 0, 1], &[0, 0, 0, 0], &[0, 0, 2, 7], &[0, 0, 1, 7, 7]] {
                assert_eq!(decode(kind, body), None, "{body:?}");
            }
        }
        assert_eq!(decode(CertificateType::X509, &[0, 0, 4, 0, 0, 2, 7]), None);
        // A certificate of no bytes, and eleven of them.
        assert_eq!(decode(CertificateType::X509, &[0, 0, 3, 0, 0, 0]), None);
        assert_eq!(
            decode(CertificateType::X509, &[&[0, 0, 44], &[0, 0, 1, 7].repeat(11)[..]].concat()),
            None
        );
    }

    #[test]
    fn a_request_asks_for_ecdsa_with_sha_256_and_sha_384() {
        assert_eq!(request(), [1, 64, 0, 4, 4, 3, 5, 3, 0, 0]);
        assert_eq!(decode_request(&request(), SignatureScheme::EcdsaSha384), Some(true));
        assert_eq!(
            decode_request(&[1, 1, 0, 2, 4, 3, 0, 0], SignatureScheme::EcdsaSha256),
            Some(false)
        );
        assert_eq!(
            decode_request(&[1, 64, 0, 2, 4, 1, 0, 0], SignatureScheme::EcdsaSha256),
            Some(false)
        );
        for length in 0..10 {
            assert_eq!(decode_request(&request()[..length], SignatureScheme::EcdsaSha256), None);
        }
    }

    #[test]
    fn refuses_signatures_of_other_schemes_and_lengths() {
        // SHA-1, RSA, trailing bytes, missing ones.
        for bytes in [&[2, 3, 0, 1, 9][..], &[4, 1, 0, 1, 9], &[4, 3, 0, 1, 9, 9], &[4, 3, 0, 2, 9]]
        {
            assert_eq!(Signed::decode(Cursor::new(bytes)), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn certificates_and_signatures_round_trip(
            chain in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 1..=10),
            signature in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let key = Presented::RawPublicKey(chain[0].clone());
            let chain = Presented::Chain(chain);
            let signed = Signed { scheme: SignatureScheme::EcdsaSha256, signature };
            let mut bytes = Vec::new();
            signed.encode(&mut bytes).expect("short enough");

            prop_assert_eq!(Signed::decode(Cursor::new(&bytes)), Some(signed));
            let decoded = decode(CertificateType::RawPublicKey, &encode(Some(&key)));
            prop_assert_eq!(decoded, Some(Some(key)));
            let decoded = decode(CertificateType::X509, &encode(Some(&chain)));
            prop_assert_eq!(decoded, Some(Some(chain)));
        }
    }
}
