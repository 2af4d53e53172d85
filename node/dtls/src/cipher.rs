//! What protects records: AEADs with a 16-byte key and a 12-byte nonce, or AES-CBC with HMAC.
//!
//! A key is expanded for each record (0.05 us), and only to encrypt, which is all that CCM and GCM
//! do; so an idle session holds 40 bytes of keys instead of two schedules of 176. The processor's AES and carry-less multiplication are
//! used where it has them; that is detected at run time.

use aes::Aes128Enc;
use aes_gcm::AesGcm;
use ccm::aead::AeadInOut;
use ccm::consts::{U8, U12, U16};
use ccm::{Ccm, KeyInit};

/// How records are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    /// Encrypted and authenticated in one.
    Aead(Aead),
    /// AES-128-CBC and HMAC-SHA256 (RFC 5246 §6.2.3.2, RFC 7366): see [`crate::cbc`].
    Aes128CbcSha256,
}

/// An AEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aead {
    /// AES-128-CCM with 8-byte tags (RFC 6655 §4).
    Aes128Ccm8,
    /// AES-128-CCM with 16-byte tags (RFC 6655 §3).
    Aes128Ccm,
    /// AES-128-GCM (RFC 5288 §3).
    Aes128Gcm,
}

type Ccm8 = Ccm<Aes128Enc, U8, U12>;
type Ccm16 = Ccm<Aes128Enc, U16, U12>;
type Gcm = AesGcm<Aes128Enc, U12>;

/// One use of a key: under the same key, no nonce comes twice.
#[derive(Clone, Copy)]
pub(crate) struct Use<'a> {
    pub(crate) key: &'a [u8; 16],
    pub(crate) nonce: &'a [u8; 12],
    pub(crate) aad: &'a [u8],
}

impl Cipher {
    pub(crate) const fn is_aead(self) -> bool {
        matches!(self, Self::Aead(_))
    }
}

impl Aead {
    /// Bytes of a tag.
    pub(crate) const fn tag(self) -> usize {
        match self {
            Self::Aes128Ccm8 => 8,
            Self::Aes128Ccm | Self::Aes128Gcm => 16,
        }
    }

    /// Encrypts what lies in `text` from `start` on, and appends the tag.
    pub(crate) fn seal(self, with: Use<'_>, text: &mut Vec<u8>, start: usize) {
        match self {
            Self::Aes128Ccm8 => seal::<Ccm8>(with, text, start),
            Self::Aes128Ccm => seal::<Ccm16>(with, text, start),
            Self::Aes128Gcm => seal::<Gcm>(with, text, start),
        }
    }

    /// Decrypts `text`; false if it does not verify under the tag, and then `text` is of no use.
    #[must_use]
    pub(crate) fn open(self, with: Use<'_>, text: &mut [u8], tag: &[u8]) -> bool {
        match self {
            Self::Aes128Ccm8 => open::<Ccm8>(with, text, tag),
            Self::Aes128Ccm => open::<Ccm16>(with, text, tag),
            Self::Aes128Gcm => open::<Gcm>(with, text, tag),
        }
    }
}

fn seal<C>(with: Use<'_>, text: &mut Vec<u8>, start: usize)
where
    C: AeadInOut<NonceSize = U12> + KeyInit<KeySize = U16>,
{
    let tag = C::new(with.key.into())
        .encrypt_inout_detached(with.nonce.into(), with.aad, (&mut text[start..]).into())
        .expect("a record is far below CCM's 2^24 bytes and GCM's 2^36");
    text.extend_from_slice(&tag);
}

fn open<C>(with: Use<'_>, text: &mut [u8], tag: &[u8]) -> bool
where
    C: AeadInOut<NonceSize = U12> + KeyInit<KeySize = U16>,
{
    tag.try_into().is_ok_and(|tag| {
        C::new(with.key.into())
            .decrypt_inout_detached(with.nonce.into(), with.aad, text.into(), tag)
            .is_ok()
    })
}
