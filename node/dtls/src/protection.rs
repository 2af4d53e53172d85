//! Records sealed and opened: one direction of a session, with and without a connection id
//! (RFC 9146 §4), whatever its cipher is.
//!
//! Nothing here allocates, as long as the caller's buffer has room.

use crate::aead::{self, EXPLICIT_NONCE};
use crate::cbc;
use crate::cipher::{Aead, Cipher};
use crate::counters::DropReason;
use crate::keys::SessionKeys;
use crate::wire::DTLS_1_2;
use crate::wire::record::{self, ContentType, MAX_PLAINTEXT, RawRecord};

/// Longest header that is authenticated: 23 bytes and the longest connection id.
const MAX_AAD: usize = 23 + 255;
/// Most padding that a peer may add (RFC 9146 §4), its type byte included.
const MAX_PADDING: usize = 256;

/// One direction of a session: its keys, and the receiver's connection id (empty if none).
#[derive(Clone, Copy)]
pub(crate) struct Direction<'a> {
    by: By<'a>,
    cid: &'a [u8],
}

#[derive(Clone, Copy)]
enum By<'a> {
    Aead(Aead, aead::Keys<'a>),
    Cbc(cbc::Keys<'a>),
}

impl<'a> Direction<'a> {
    /// From client to server; `cid` is the server's. `keys` are such as the cipher needs.
    pub(crate) fn from_client(cipher: Cipher, keys: &'a SessionKeys, cid: &'a [u8]) -> Self {
        let mac = keys.macs.as_deref().map(|macs| (&macs.client, macs.encrypt_then_mac));
        Self { by: By::new(cipher, &keys.client_key, &keys.client_iv, mac), cid }
    }

    /// From server to client; `cid` is the client's.
    pub(crate) fn from_server(cipher: Cipher, keys: &'a SessionKeys, cid: &'a [u8]) -> Self {
        let mac = keys.macs.as_deref().map(|macs| (&macs.server, macs.encrypt_then_mac));
        Self { by: By::new(cipher, &keys.server_key, &keys.server_iv, mac), cid }
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
        let length = match &self.by {
            By::Aead(cipher, _) => inner + aead::overhead(*cipher),
            By::Cbc(keys) => keys.body(inner),
        };
        let outer = if with_cid { ContentType::Tls12Cid } else { kind };
        let number = record::number(place.0, place.1);
        out.reserve(record::HEADER + self.cid.len() + length);
        record::put_header(out, outer, DTLS_1_2, place, self.cid, length);
        let start = out.len();
        match &self.by {
            By::Aead(..) => out.extend_from_slice(&number),
            By::Cbc(keys) => out.extend_from_slice(&keys.initialization_vector(&number)),
        }
        out.extend_from_slice(payload);
        if with_cid {
            out.push(kind as u8);
        }
        let aad = |length| Aad::new(outer, DTLS_1_2, number, self.cid, length);
        match &self.by {
            By::Aead(cipher, keys) => {
                aead::seal(*cipher, keys, &number, &aad(inner), out, start + EXPLICIT_NONCE);
            }
            By::Cbc(keys) => keys.seal(aad, out, start),
        }
    }

    /// Opens a record: `payload`, empty before, holds its plaintext then.
    ///
    /// # Errors
    /// [`DropReason::WrongForm`], [`DropReason::BadMac`], [`DropReason::TooLong`], or
    /// [`DropReason::Meaningless`] if it holds no content type. What `payload` holds then is of
    /// no use.
    pub(crate) fn open(
        &self,
        record: &RawRecord<'_>,
        payload: &mut Vec<u8>,
    ) -> Result<ContentType, DropReason> {
        let with_cid = !self.cid.is_empty();
        if (record.kind == ContentType::Tls12Cid) != with_cid || record.cid != self.cid {
            return Err(DropReason::WrongForm);
        }
        let number = record::number(record.epoch, record.sequence);
        let aad = |length| Aad::new(record.kind, record.version, number, self.cid, length);
        match &self.by {
            By::Aead(cipher, keys) => {
                let (explicit, inner, tag) =
                    aead::split(*cipher, record.body).ok_or(DropReason::BadMac)?;
                if inner.len() > MAX_PLAINTEXT + MAX_PADDING {
                    return Err(DropReason::TooLong);
                }
                payload.extend_from_slice(inner);
                if !aead::open(*cipher, keys, explicit, &aad(inner.len()), payload, tag) {
                    return Err(DropReason::BadMac);
                }
            }
            By::Cbc(keys) => keys.open(aad, record.body, payload).ok_or(DropReason::BadMac)?,
        }
        let kind = if with_cid { unpad(payload) } else { Some(record.kind) };
        if payload.len() > MAX_PLAINTEXT {
            return Err(DropReason::TooLong);
        }
        kind.ok_or(DropReason::Meaningless)
    }
}

impl<'a> By<'a> {
    fn new(
        cipher: Cipher,
        key: &'a [u8; 16],
        iv: &'a [u8; 4],
        mac: Option<(&'a [u8; 32], bool)>,
    ) -> Self {
        match cipher {
            Cipher::Aead(cipher) => Self::Aead(cipher, aead::Keys { key, iv }),
            Cipher::Aes128CbcSha256 => {
                let (mac, encrypt_then_mac) = mac.expect("keys that do not fit open no session");
                Self::Cbc(cbc::Keys { key, mac, encrypt_then_mac })
            }
        }
    }
}

/// Whether a body can hold a plaintext of so many bytes: exactly so many without a connection id,
/// at least as many and padding with one.
pub(crate) fn fits(cipher: Cipher, with_cid: bool, plaintext: usize, body: usize) -> bool {
    let most = if with_cid { MAX_PADDING } else { 0 };
    let least = plaintext + usize::from(with_cid);
    match cipher {
        Cipher::Aead(cipher) => {
            let over = body.checked_sub(least + aead::overhead(cipher));
            over.is_some_and(|over| over <= most)
        }
        Cipher::Aes128CbcSha256 => cbc::fits(least, least + most, body),
    }
}

/// Removes the zeros and the type behind the content (RFC 9146 §4); `None` if it is all zeros.
fn unpad(payload: &mut Vec<u8>) -> Option<ContentType> {
    let end = payload.iter().rposition(|byte| *byte != 0)?;
    let kind = ContentType::from_u8(payload[end])?;
    payload.truncate(end);
    Some(kind)
}

/// What is authenticated of a record besides its text, on the stack.
pub(crate) struct Aad {
    bytes: [u8; MAX_AAD],
    length: usize,
}

impl Aad {
    /// `length` stands in its last two bytes.
    fn new(kind: ContentType, version: u16, number: [u8; 8], cid: &[u8], length: usize) -> Self {
        let mut aad = Self { bytes: [0; MAX_AAD], length: 0 };
        if kind == ContentType::Tls12Cid {
            // RFC 9146 §5.1, §5.2 and §5.3: the same in all three.
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
        aad.put(&(length as u16).to_be_bytes());
        aad
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::Form;
    use crate::suite::SUITES;
    use crate::tests::hex;

    /// Keys of this cipher, with encrypt-then-MAC or without.
    fn keys(cipher: Cipher, encrypt_then_mac: bool) -> SessionKeys {
        let form = Form::of(cipher, encrypt_then_mac);
        let block: Vec<u8> = (0..form.length()).map(|i| i as u8).collect();
        SessionKeys::from_block(form, &block)
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
    fn a_sealed_record_has_its_number_in_clear_and_the_tag_of_its_suite() {
        for (cipher, length) in
            [(Aead::Aes128Ccm8, 0x12), (Aead::Aes128Ccm, 0x1A), (Aead::Aes128Gcm, 0x1A)]
        {
            let keys = keys(Cipher::Aead(cipher), false);
            let mut out = Vec::new();

            Direction::from_server(Cipher::Aead(cipher), &keys, &[]).seal(
                &mut out,
                ContentType::ApplicationData,
                (1, 9),
                b"hi",
            );

            let expected = [hex("17 fefd 0001 000000000009 00"), vec![length]].concat();
            assert_eq!(out[..13], expected);
            assert_eq!(out[13..21], hex("0001000000000009"));
            assert_eq!(out.len(), 21 + 2 + cipher.tag());
        }
    }

    #[test]
    fn every_length_of_body_is_refused_without_a_panic() {
        for suite in &SUITES {
            let keys = keys(suite.cipher, true);
            let direction = Direction::from_client(suite.cipher, &keys, &[]);
            for length in 0..160 {
                let body = vec![0; length];
                let mut bytes = Vec::new();
                record::put_header(
                    &mut bytes,
                    ContentType::ApplicationData,
                    DTLS_1_2,
                    (1, 1),
                    &[],
                    length,
                );
                bytes.extend_from_slice(&body);

                let record = record::decode(&bytes, 0).expect("well-formed");
                let refused = direction.open(&record, &mut Vec::new());

                assert_eq!(refused, Err(DropReason::BadMac), "{} {length}", suite.name);
            }
        }
    }

    #[test]
    fn an_inner_plaintext_of_padding_alone_means_nothing() {
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
            suite in 0..SUITES.len(),
            cid in proptest::collection::vec(any::<u8>(), 0..=255),
            payload in proptest::collection::vec(any::<u8>(), 0..64),
            sequence in 0..=record::MAX_SEQUENCE,
            flip: proptest::sample::Index,
            encrypt_then_mac: bool,
        ) {
            let keys = keys(SUITES[suite].cipher, encrypt_then_mac);
            let direction = Direction::from_client(SUITES[suite].cipher, &keys, &cid);
            let mut bytes = Vec::new();
            direction.seal(&mut bytes, ContentType::ApplicationData, (1, sequence), &payload);

            let mut plain = Vec::new();
            let record = record::decode(&bytes, cid.len()).expect("well-formed");
            let opened = direction.open(&record, &mut plain);
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let forged = record::decode(&bytes, cid.len())
                .and_then(|record| direction.open(&record, &mut Vec::new()));

            prop_assert_eq!((opened, plain), (Ok(ContentType::ApplicationData), payload));
            prop_assert!(forged.is_err());
        }
    }
}
