//! Bodies of records under AES-128-CBC and HMAC-SHA256: encrypt-then-MAC (RFC 7366), and
//! MAC-then-encrypt (RFC 5246 §6.2.3.2) for peers that have nothing else.
//!
//! MAC-then-encrypt takes the same time for every padding (Lucky 13, CVE-2013-0169): the MAC is
//! computed for every length that the body can have, and the right one is selected without a
//! branch. What does not verify has one failure, whatever was wrong with it.
//!
//! An initialization vector must not be predictable (RFC 5246 §6.2.3.2). It is the first block
//! of an HMAC over the record's number: unpredictable without the key, new with each number, and
//! so no randomness is needed to seal. The input begins with another epoch than a record's MAC
//! can have, so that the two never meet.

use aes::{Aes128Dec, Aes128Enc};
use cbc::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};

use crate::prf::hmac;
use crate::protection::Aad;

const BLOCK: usize = 16;
const MAC: usize = 32;
/// Most padding (RFC 5246 §6.2.3.2), its length byte aside.
const MAX_PADDING: usize = 255;

/// Keys of one direction, and the order of its two operations.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub(crate) key: &'a [u8; 16],
    pub(crate) mac: &'a [u8; 32],
    pub(crate) encrypt_then_mac: bool,
}

/// Whether a body can hold at least `least` and at most `most` bytes of plaintext.
pub(crate) fn fits(least: usize, most: usize, body: usize) -> bool {
    let shortest = BLOCK + (least + 1).next_multiple_of(BLOCK) + MAC;
    let longest = 2 * BLOCK + most + MAX_PADDING + MAC;
    (shortest..=longest).contains(&body) && body.is_multiple_of(BLOCK)
}

impl Keys<'_> {
    /// Bytes of the body of so many bytes of plaintext.
    pub(crate) fn body(&self, plaintext: usize) -> usize {
        let (inside, behind) = if self.encrypt_then_mac { (0, MAC) } else { (MAC, 0) };
        BLOCK + (plaintext + inside + 1).next_multiple_of(BLOCK) + behind
    }

    pub(crate) fn initialization_vector(&self, number: &[u8; 8]) -> [u8; BLOCK] {
        let mac = hmac(self.mac, &[b"claviger cbc iv", number]);
        *mac.first_chunk().expect("16 is less than 32")
    }

    /// Turns what lies in `out` from `start` on, an initialization vector and plaintext, into a
    /// body. `aad` gives what else is authenticated, for a length.
    pub(crate) fn seal(&self, aad: impl Fn(usize) -> Aad, out: &mut Vec<u8>, start: usize) {
        let text = start + BLOCK;
        if !self.encrypt_then_mac {
            let mac = hmac(self.mac, &[aad(out.len() - text).bytes(), &out[text..]]);
            out.extend_from_slice(&mac);
        }
        let padded = (out.len() - text + 1).next_multiple_of(BLOCK);
        let padding = text + padded - out.len();
        out.resize(text + padded, (padding - 1) as u8);
        let (head, blocks) = out.split_at_mut(text);
        let iv: &[u8; BLOCK] = head.last_chunk().expect("the vector was just written");
        let (blocks, _) = Array::slice_as_chunks_mut(blocks);
        cbc::Encryptor::<Aes128Enc>::new(self.key.into(), iv.into()).encrypt_blocks(blocks);
        if self.encrypt_then_mac {
            let mac = hmac(self.mac, &[aad(out.len() - start).bytes(), &out[start..]]);
            out.extend_from_slice(&mac);
        }
    }

    /// Opens a body into `payload`, empty before; `None` if it does not verify.
    pub(crate) fn open(
        &self,
        aad: impl Fn(usize) -> Aad,
        body: &[u8],
        payload: &mut Vec<u8>,
    ) -> Option<()> {
        let sealed = if self.encrypt_then_mac {
            let (sealed, mac) = body.split_last_chunk::<MAC>()?;
            let expected = hmac(self.mac, &[aad(sealed.len()).bytes(), sealed]);
            bool::from(expected.ct_eq(mac)).then_some(sealed)?
        } else {
            body
        };
        let (iv, text) = sealed.split_first_chunk::<BLOCK>()?;
        let shortest = if self.encrypt_then_mac { 1 } else { MAC + 1 };
        if text.len() < shortest || !text.len().is_multiple_of(BLOCK) {
            return None;
        }
        payload.extend_from_slice(text);
        let (blocks, _) = Array::slice_as_chunks_mut(payload);
        cbc::Decryptor::<Aes128Dec>::new(self.key.into(), iv.into()).decrypt_blocks(blocks);
        let length = if self.encrypt_then_mac {
            let (length, good) = unpad(payload, 0);
            bool::from(good).then_some(length)?
        } else {
            self.verify(aad, payload)?
        };
        payload.truncate(length);
        Some(())
    }

    /// The length of the plaintext in front of MAC and padding, if both are good.
    fn verify(&self, aad: impl Fn(usize) -> Aad, text: &[u8]) -> Option<usize> {
        let (length, padded) = unpad(text, MAC);
        let longest = text.len() - MAC - 1;
        let shortest = longest.saturating_sub(MAX_PADDING);
        let mut hash = Sha256::new();
        hash.update(pad(self.mac, 0x36));
        hash.update(aad(length).bytes());
        hash.update(&text[..shortest]);
        let (mut inner, mut found) = ([0; MAC], [0; MAC]);
        for end in shortest..=longest {
            let here = (end as u32).ct_eq(&(length as u32));
            let candidate: [u8; MAC] = hash.clone().finalize().into();
            select(&mut inner, &candidate, here);
            select(&mut found, &text[end..end + MAC], here);
            hash.update(&text[end..=end]);
        }
        let expected: [u8; MAC] =
            Sha256::new().chain_update(pad(self.mac, 0x5C)).chain_update(inner).finalize().into();
        bool::from(padded & expected.ct_eq(&found)).then_some(length)
    }
}

/// The length of what stands in front of `behind` more bytes and the padding, and whether the
/// padding is good. If it is not, it counts as empty (RFC 5246 §6.2.3.2). `text` has more than
/// `behind` bytes; nothing here depends on what they are but the result.
fn unpad(text: &[u8], behind: usize) -> (usize, Choice) {
    let longest = text.len() - behind - 1;
    let padding = text[text.len() - 1];
    let mut good = !u32::from(padding).ct_gt(&(longest as u32));
    for (distance, byte) in text.iter().rev().take(MAX_PADDING + 1).enumerate() {
        let outside = (distance as u32).ct_gt(&u32::from(padding));
        good &= outside | byte.ct_eq(&padding);
    }
    (longest - usize::from(u8::conditional_select(&0, &padding, good)), good)
}

fn select(into: &mut [u8; MAC], from: &[u8], choice: Choice) {
    into.iter_mut().zip(from).for_each(|(into, from)| into.conditional_assign(from, choice));
}

/// A block of HMAC's outer or inner padding (RFC 2104 §2).
fn pad(key: &[u8; 32], with: u8) -> [u8; 64] {
    let mut block = [with; 64];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::Cipher;
    use crate::counters::DropReason;
    use crate::keys::{Form, SessionKeys};
    use crate::protection::Direction;
    use crate::tests::hex;
    use crate::wire::record::{self, ContentType};

    const PLACE: (u16, u64) = (1, 5);

    fn session(encrypt_then_mac: bool) -> SessionKeys {
        let block: [u8; 96] = core::array::from_fn(|i| i as u8);
        SessionKeys::from_block(Form::Cbc { encrypt_then_mac }, &block)
    }

    /// A record of the client with this text in front of encryption, and what comes of it.
    fn opened(text: &[u8]) -> Result<Vec<u8>, DropReason> {
        let keys = session(false);
        let mut body = vec![9; BLOCK];
        body.extend_from_slice(text);
        let (head, blocks) = body.split_at_mut(BLOCK);
        let iv: &[u8; BLOCK] = head.first_chunk().expect("it was just written");
        let (blocks, _) = Array::slice_as_chunks_mut(blocks);
        cbc::Encryptor::<Aes128Enc>::new((&keys.client_key).into(), iv.into())
            .encrypt_blocks(blocks);
        let (mut bytes, mut payload) = (Vec::new(), Vec::new());
        let kind = ContentType::ApplicationData;
        record::put_header(&mut bytes, kind, 0xFEFD, PLACE, &[], body.len());
        bytes.extend_from_slice(&body);
        let record = record::decode(&bytes, 0).expect("well-formed");
        let direction = Direction::from_client(Cipher::Aes128CbcSha256, &keys, &[]);
        direction.open(&record, &mut payload).map(|_| payload)
    }

    /// Payload, its MAC as RFC 5246 §6.2.3.1 has it, and this padding.
    fn text(payload: &[u8], padding: &[u8]) -> Vec<u8> {
        let mut header = hex("0001 000000000005 17 fefd 00");
        header.push(payload.len() as u8);
        let keys = session(false);
        let mac = hmac(&keys.macs.as_ref().expect("CBC").client, &[&header, payload]);
        [payload, &mac, padding].concat()
    }

    #[test]
    fn every_good_padding_opens_and_every_flipped_byte_of_it_does_not() {
        for blocks in 0..16 {
            let padding = 16 * blocks + 10;
            let good = text(b"hello", &vec![padding as u8; padding + 1]);
            assert_eq!(opened(&good), Ok(b"hello".to_vec()), "{padding}");
            for distance in 1..=padding + 1 {
                let mut bad = good.clone();
                let at = bad.len() - distance;
                bad[at] ^= 0x01;
                assert_eq!(opened(&bad), Err(DropReason::BadMac), "{padding} {distance}");
            }
        }
    }

    #[test]
    fn a_padding_longer_than_the_record_fails_like_a_bad_mac() {
        let mut longer = text(b"hello", &[10; 11]);
        let last = longer.len() - 1;
        for length in [11, 15, 16, 42, 47, 48, 255] {
            longer[last] = length;
            assert_eq!(opened(&longer), Err(DropReason::BadMac), "{length}");
        }
        // All of it is padding, and none of it a MAC.
        assert_eq!(opened(&[47; 48]), Err(DropReason::BadMac));
        assert_eq!(opened(&[15; 48]), Err(DropReason::BadMac));
    }

    #[test]
    fn every_flipped_bit_of_a_mac_is_noticed() {
        let good = text(b"hello", &[10; 11]);
        for bit in 0..MAC * 8 {
            let mut bad = good.clone();
            bad[5 + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened(&bad), Err(DropReason::BadMac), "{bit}");
        }
    }

    #[test]
    fn encrypt_then_mac_authenticates_vector_and_ciphertext_as_rfc_7366_says() {
        for (cid, header) in [
            // RFC 7366 §3; the length is that of vector and ciphertext.
            (&[][..], "0001 000000000005 17 fefd 0020"),
            // RFC 9146 §5.2.
            (&[0xA, 0xB][..], "ffffffffffffffff 19 02 19 fefd 0001 000000000005 0a0b 0020"),
        ] {
            let (keys, mut out) = (session(true), Vec::new());
            let direction = Direction::from_server(Cipher::Aes128CbcSha256, &keys, cid);

            direction.seal(&mut out, ContentType::ApplicationData, PLACE, b"hello");

            let body = &out[13 + cid.len()..];
            let macs = keys.macs.as_ref().expect("CBC");
            assert_eq!(body.len(), 16 + 16 + 32);
            assert_eq!(body[32..], hmac(&macs.server, &[&hex(header), &body[..32]]));
        }
    }

    #[test]
    fn mac_then_encrypt_authenticates_the_inner_plaintext_as_rfc_9146_says() {
        let (keys, mut out) = (session(false), Vec::new());
        let cid = [0xA, 0xB];
        let direction = Direction::from_server(Cipher::Aes128CbcSha256, &keys, &cid);
        direction.seal(&mut out, ContentType::ApplicationData, PLACE, b"hello");

        let (iv, text) = out[15..].split_first_chunk::<BLOCK>().expect("a vector");
        let mut text = text.to_vec();
        let (blocks, _) = Array::slice_as_chunks_mut(&mut text);
        cbc::Decryptor::<Aes128Dec>::new((&keys.server_key).into(), iv.into())
            .decrypt_blocks(blocks);

        // RFC 9146 §5.1: the type belongs to the plaintext.
        let header = hex("ffffffffffffffff 19 02 19 fefd 0001 000000000005 0a0b 0006");
        let macs = keys.macs.as_ref().expect("CBC");
        let mac = hmac(&macs.server, &[&header, b"hello", &[23]]);
        assert_eq!(text, [b"hello", &[23][..], &mac, &[9; 10]].concat());
    }

    #[test]
    fn no_two_numbers_have_one_vector() {
        let keys = session(true);
        let macs = keys.macs.as_ref().expect("CBC");
        let keys = Keys { key: &keys.server_key, mac: &macs.server, encrypt_then_mac: true };
        let vectors: std::collections::BTreeSet<_> = (0..1000)
            .map(|sequence| keys.initialization_vector(&record::number(1, sequence)))
            .collect();

        assert_eq!(vectors.len(), 1000);
    }
}
