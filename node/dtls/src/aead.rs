//! Bodies of records under an AEAD (RFC 5288, RFC 6655).
//!
//! A nonce is the direction's salt, then epoch and sequence: it repeats only if a caller repeats
//! a sequence, which sessions refuse.

use crate::cipher::{Aead, Use};
use crate::protection::Aad;

/// The part of a nonce that a record bears, the same in all suites (RFC 5288 §3, RFC 6655 §3).
pub(crate) const EXPLICIT_NONCE: usize = 8;

/// Key and salt of one direction.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub(crate) key: &'a [u8; 16],
    pub(crate) iv: &'a [u8; 4],
}

/// How many bytes longer a record's body is than its plaintext, padding and type aside.
pub(crate) const fn overhead(cipher: Aead) -> usize {
    EXPLICIT_NONCE + cipher.tag()
}

/// Encrypts what lies in `out` from `start` on, and appends the tag.
pub(crate) fn seal(
    cipher: Aead,
    keys: &Keys<'_>,
    explicit: &[u8; EXPLICIT_NONCE],
    aad: &Aad,
    out: &mut Vec<u8>,
    start: usize,
) {
    let nonce = nonce(keys.iv, explicit);
    cipher.seal(Use { key: keys.key, nonce: &nonce, aad: aad.bytes() }, out, start);
}

/// Decrypts `text`; false if it does not verify.
#[must_use]
pub(crate) fn open(
    cipher: Aead,
    keys: &Keys<'_>,
    explicit: &[u8; EXPLICIT_NONCE],
    aad: &Aad,
    text: &mut [u8],
    tag: &[u8],
) -> bool {
    let nonce = nonce(keys.iv, explicit);
    cipher.open(Use { key: keys.key, nonce: &nonce, aad: aad.bytes() }, text, tag)
}

/// A body's explicit nonce, ciphertext and tag.
pub(crate) fn split(cipher: Aead, body: &[u8]) -> Option<(&[u8; EXPLICIT_NONCE], &[u8], &[u8])> {
    let (explicit, sealed) = body.split_first_chunk()?;
    let (inner, tag) = sealed.split_at(sealed.len().checked_sub(cipher.tag())?);
    Some((explicit, inner, tag))
}

fn nonce(iv: &[u8; 4], explicit: &[u8; EXPLICIT_NONCE]) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(iv);
    nonce[4..].copy_from_slice(explicit);
    nonce
}
