//! Record protection with AES-128-CCM-8 (RFC 6655 §3), with and without a connection id
//! (RFC 9146 §5.3).
//!
//! A nonce is the direction's salt, then epoch and sequence: it repeats only if a caller repeats
//! a sequence, which sessions refuse. Keys are expanded for each record (0.1 us), so that an idle
//! session holds 40 bytes instead of two key schedules.

use aes::Aes128;
use ccm::aead::AeadInOut;
use ccm::consts::{U8, U12};
use ccm::{Ccm, KeyInit};

use crate::keys::SessionKeys;
use crate::wire::DTLS_1_2;
use crate::wire::record::{self, ContentType, RawRecord};

type Ccm8 = Ccm<Aes128, U8, U12>;

const EXPLICIT_NONCE: usize = 8;
const TAG: usize = 8;
/// Longest additional data: 23 bytes and the longest connection id.
const MAX_AAD: usize = 23 + 255;

/// One direction of a session: key, salt, and the receiver's connection id (empty if none).
#[derive(Clone, Copy)]
pub(crate) struct Direction<'a> {
    key: &'a [u8; 16],
    iv: &'a [u8; 4],
    cid: &'a [u8],
}

impl<'a> Direction<'a> {
    /// From client to server; `cid` is the server's.
    pub(crate) fn from_client(keys: &'a SessionKeys, cid: &'a [u8]) -> Self {
        Self { key: &keys.client_key, iv: &keys.client_iv, cid }
    }

    /// From server to client; `cid` is the client's.
    pub(crate) fn from_server(keys: &'a SessionKeys, cid: &'a [u8]) -> Self {
        Self { key: &keys.server_key, iv: &keys.server_iv, cid }
    }

    /// Appends a protected record. The caller never repeats a sequence, and keeps `payload`
    /// within [`record::MAX_PLAINTEXT`].
    pub(crate) fn seal(
        &self,
        out: &mut Vec<u8>,
        kind: ContentType,
        place: (u16, u64),
        payload: &[u8],
    ) {
        let with_cid = !self.cid.is_empty();
        let inner = payload.len() + usize::from(with_cid);
        let length = EXPLICIT_NONCE + inner + TAG;
        let outer = if with_cid { ContentType::Tls12Cid } else { kind };
        let number = record::number(place.0, place.1);
        out.reserve(record::HEADER + self.cid.len() + length);
        record::put_header(out, outer, DTLS_1_2, place, self.cid, length);
        out.extend_from_slice(&number);
        let start = out.len();
        out.extend_from_slice(payload);
        if with_cid {
            out.push(kind as u8);
        }
        let aad = Aad::new(outer, DTLS_1_2, number, self.cid, inner);
        let tag = self
            .cipher()
            .encrypt_inout_detached(
                &self.nonce(&number).into(),
                aad.bytes(),
                (&mut out[start..]).into(),
            )
            .expect("a record is far below CCM's 2^24 bytes");
        out.extend_from_slice(&tag);
    }

    /// Opens a record; `None` if it does not verify, or holds no content type.
    pub(crate) fn open(&self, record: &RawRecord<'_>) -> Option<(ContentType, Vec<u8>)> {
        let with_cid = !self.cid.is_empty();
        if (record.kind == ContentType::Tls12Cid) != with_cid || record.cid != self.cid {
            return None;
        }
        let (explicit, sealed) = record.body.split_first_chunk::<EXPLICIT_NONCE>()?;
        let (inner, tag) = sealed.split_last_chunk::<TAG>()?;
        if inner.len() > record::MAX_PLAINTEXT + 256 {
            return None;
        }
        let number = record::number(record.epoch, record.sequence);
        let aad = Aad::new(record.kind, record.version, number, self.cid, inner.len());
        let mut payload = inner.to_vec();
        self.cipher()
            .decrypt_inout_detached(
                &self.nonce(explicit).into(),
                aad.bytes(),
                payload.as_mut_slice().into(),
                &(*tag).into(),
            )
            .ok()?;
        let kind = if with_cid { unpad(&mut payload)? } else { record.kind };
        Some((kind, payload))
    }

    fn cipher(&self) -> Ccm8 {
        Ccm8::new(self.key.into())
    }

    fn nonce(&self, explicit: &[u8; EXPLICIT_NONCE]) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(self.iv);
        nonce[4..].copy_from_slice(explicit);
        nonce
    }
}

/// Removes the zeros and the type behind the content (RFC 9146 §4); `None` if it is all zeros.
fn unpad(payload: &mut Vec<u8>) -> Option<ContentType> {
    let end = payload.iter().rposition(|byte| *byte != 0)?;
    let kind = ContentType::from_u8(payload[end])?;
    payload.truncate(end);
    Some(kind)
}

/// Additional data on the stack.
struct Aad {
    bytes: [u8; MAX_AAD],
    length: usize,
}

impl Aad {
    fn new(kind: ContentType, version: u16, number: [u8; 8], cid: &[u8], inner: usize) -> Self {
        let mut aad = Self { bytes: [0; MAX_AAD], length: 0 };
        let inner = (inner as u16).to_be_bytes();
        if kind == ContentType::Tls12Cid {
            // RFC 9146 §5.3.
            aad.put(&[0xFF; 8]);
            aad.put(&[kind as u8, cid.len() as u8, kind as u8]);
            aad.put(&version.to_be_bytes());
            aad.put(&number);
            aad.put(cid);
        } else {
            // RFC 5246 §6.2.3.3.
            aad.put(&number);
            aad.put(&[kind as u8]);
            aad.put(&version.to_be_bytes());
        }
        aad.put(&inner);
        aad
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::hex;

    fn keys() -> SessionKeys {
        SessionKeys::from_bytes(&core::array::from_fn(|i| i as u8))
    }

    #[test]
    fn the_cipher_is_that_of_nist_sp_800_38c_example_3() {
        let cipher =
            Ccm8::new_from_slice(&hex("404142434445464748494a4b4c4d4e4f")).expect("16 bytes");
        let nonce: [u8; 12] = core::array::from_fn(|i| 0x10 + i as u8);
        let aad: [u8; 20] = core::array::from_fn(|i| i as u8);
        let mut text: [u8; 24] = core::array::from_fn(|i| 0x20 + i as u8);

        let tag = cipher
            .encrypt_inout_detached(&nonce.into(), &aad, (&mut text[..]).into())
            .expect("short");

        assert_eq!(text[..], hex("e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5"));
        assert_eq!(tag[..], hex("484392fbc1b09951"));
    }

    #[test]
    fn the_additional_data_of_a_connection_id_is_that_of_rfc_9146() {
        let aad = Aad::new(ContentType::Tls12Cid, 0xFEFD, record::number(1, 5), &[0xA, 0xB], 4);

        let expected = hex("ffffffffffffffff 19 02 19 fefd 0001 000000000005 0a0b 0004");
        assert_eq!(aad.bytes(), expected);
    }

    #[test]
    fn the_additional_data_without_one_is_that_of_rfc_5246() {
        let aad = Aad::new(ContentType::ApplicationData, 0xFEFD, record::number(1, 5), &[], 4);

        assert_eq!(aad.bytes(), hex("0001 000000000005 17 fefd 0004"));
    }

    #[test]
    fn a_sealed_record_has_its_number_in_clear_and_eight_bytes_of_tag() {
        let keys = keys();
        let mut out = Vec::new();

        Direction::from_server(&keys, &[]).seal(
            &mut out,
            ContentType::ApplicationData,
            (1, 9),
            b"hi",
        );

        assert_eq!(out[..21], hex("17 fefd 0001 000000000009 0012 0001000000000009"));
        assert_eq!(out.len(), 21 + 2 + 8);
    }

    #[test]
    fn an_inner_plaintext_of_padding_alone_is_refused() {
        assert_eq!(unpad(&mut vec![0, 0, 0]), None);
        assert_eq!(unpad(&mut vec![]), None);
        let mut padded = vec![7, 23, 0, 0];
        assert_eq!(unpad(&mut padded), Some(ContentType::ApplicationData));
        assert_eq!(padded, [7]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_was_sealed_opens_and_a_flipped_bit_does_not(
            cid in proptest::collection::vec(any::<u8>(), 0..=255),
            payload in proptest::collection::vec(any::<u8>(), 0..64),
            sequence in 0..=record::MAX_SEQUENCE,
            flip: proptest::sample::Index,
        ) {
            let keys = keys();
            let direction = Direction::from_client(&keys, &cid);
            let mut bytes = Vec::new();
            direction.seal(&mut bytes, ContentType::ApplicationData, (1, sequence), &payload);

            let opened = direction.open(&record::decode(&bytes, cid.len()).expect("well-formed"));
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let forged = record::decode(&bytes, cid.len()).ok().and_then(|r| direction.open(&r));

            prop_assert_eq!(opened, Some((ContentType::ApplicationData, payload)));
            prop_assert_eq!(forged, None);
        }
    }
}
