//! Names and keys of a session.

use core::fmt;

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::cipher::Cipher;

/// Names a session across nodes: the first 16 bytes of SHA-256 over the handshake's messages up
/// to the client's Finished.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// The id of the session whose handshake has this transcript, up to the client's Finished.
    pub fn of(transcript: &[u8]) -> Self {
        Self::from_hash(&Sha256::digest(transcript).into())
    }

    pub(crate) fn from_hash(transcript_hash: &[u8; 32]) -> Self {
        Self(*transcript_hash.first_chunk().expect("16 is less than 32"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The key block of a session (RFC 5246 §6.3): 16-byte keys, and what else its suite needs.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SessionKeys {
    /// Encrypts what the client sends.
    pub(crate) client_key: [u8; 16],
    /// Encrypts what the server sends.
    pub(crate) server_key: [u8; 16],
    /// Implicit part of the client's nonces; zeros where the suite is no AEAD (RFC 6655 §3).
    pub(crate) client_iv: [u8; 4],
    /// Implicit part of the server's nonces.
    pub(crate) server_iv: [u8; 4],
    /// Where the suite is no AEAD. In a box, since few sessions have them; it wipes itself.
    #[zeroize(skip)]
    pub(crate) macs: Option<Box<MacKeys>>,
}

/// The keys of HMAC-SHA256, and what they authenticate.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct MacKeys {
    pub(crate) client: [u8; 32],
    pub(crate) server: [u8; 32],
    /// RFC 7366, else MAC-then-encrypt.
    pub(crate) encrypt_then_mac: bool,
}

/// Which fields a key block has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Aead,
    Cbc { encrypt_then_mac: bool },
}

impl Form {
    /// Bytes of the longest key block.
    pub(crate) const LONGEST: usize = 96;

    /// That of a suite; RFC 7366 §3 leaves AEADs as they are, whatever the hellos say.
    pub(crate) fn of(cipher: Cipher, encrypt_then_mac: bool) -> Self {
        match cipher {
            Cipher::Aead(_) => Self::Aead,
            Cipher::Aes128CbcSha256 => Self::Cbc { encrypt_then_mac },
        }
    }

    /// Bytes of the key block.
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Aead => 40,
            Self::Cbc { .. } => Self::LONGEST,
        }
    }
}

impl SessionKeys {
    /// The key block in the order of RFC 5246 §6.3: 40 bytes with an AEAD; else a byte, 1 for
    /// encrypt-then-MAC and 0 without, and 96 more.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + Form::LONGEST));
        if let Some(macs) = &self.macs {
            bytes.push(u8::from(macs.encrypt_then_mac));
            bytes.extend_from_slice(&macs.client);
            bytes.extend_from_slice(&macs.server);
        }
        bytes.extend_from_slice(&self.client_key);
        bytes.extend_from_slice(&self.server_key);
        if self.macs.is_none() {
            bytes.extend_from_slice(&self.client_iv);
            bytes.extend_from_slice(&self.server_iv);
        }
        bytes
    }

    /// Reads what [`SessionKeys::to_bytes`] wrote; `None` if these bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (form, block) = match bytes {
            [mode @ (0 | 1), block @ ..] if block.len() == Form::LONGEST => {
                (Form::Cbc { encrypt_then_mac: *mode == 1 }, block)
            }
            block if block.len() == Form::Aead.length() => (Form::Aead, block),
            _ => return None,
        };
        Some(Self::from_block(form, block))
    }

    /// `block` has the length of its form.
    pub(crate) fn from_block(form: Form, block: &[u8]) -> Self {
        let mut keys = Self {
            client_key: [0; 16],
            server_key: [0; 16],
            client_iv: [0; 4],
            server_iv: [0; 4],
            macs: None,
        };
        let mut rest = block;
        if let Form::Cbc { encrypt_then_mac } = form {
            let mut macs = Box::new(MacKeys { client: [0; 32], server: [0; 32], encrypt_then_mac });
            fill(&mut rest, &mut macs.client);
            fill(&mut rest, &mut macs.server);
            keys.macs = Some(macs);
        }
        fill(&mut rest, &mut keys.client_key);
        fill(&mut rest, &mut keys.server_key);
        if form == Form::Aead {
            fill(&mut rest, &mut keys.client_iv);
            fill(&mut rest, &mut keys.server_iv);
        }
        keys
    }

    /// Whether a record that does not verify costs many times one that does: MAC-then-encrypt
    /// takes the time of every padding for each.
    pub(crate) fn is_dear(&self) -> bool {
        self.macs.as_ref().is_some_and(|macs| !macs.encrypt_then_mac)
    }

    /// Whether they are keys for this cipher.
    pub(crate) fn fit(&self, cipher: Cipher) -> bool {
        match cipher {
            Cipher::Aead(_) => self.macs.is_none(),
            Cipher::Aes128CbcSha256 => self.macs.is_some(),
        }
    }
}

fn fill(from: &mut &[u8], field: &mut [u8]) {
    let (head, tail) = from.split_at(field.len());
    field.copy_from_slice(head);
    *from = tail;
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_block_survives_its_bytes() {
        let bytes: [u8; 40] = core::array::from_fn(|i| i as u8);

        let keys = SessionKeys::from_bytes(&bytes).expect("a key block of an AEAD");

        assert_eq!(keys.to_bytes()[..], bytes);
        assert_eq!(keys.server_iv, [36, 37, 38, 39]);
    }

    #[test]
    fn a_key_block_with_mac_keys_survives_its_bytes() {
        for mode in [0, 1] {
            let mut bytes: [u8; 97] = core::array::from_fn(|i| i as u8);
            bytes[0] = mode;

            let keys = SessionKeys::from_bytes(&bytes).expect("a key block of CBC");

            assert_eq!(keys.to_bytes()[..], bytes);
            let macs = keys.macs.as_ref().expect("there are MAC keys");
            assert_eq!((macs.server[0], keys.client_key[0], keys.server_key[15]), (33, 65, 96));
            assert_eq!(macs.encrypt_then_mac, mode == 1);
        }
    }

    #[test]
    fn refuses_bytes_that_are_no_key_block() {
        for length in (0..120).filter(|length| ![40, 97].contains(length)) {
            assert!(SessionKeys::from_bytes(&vec![1; length]).is_none(), "{length}");
        }
        assert!(SessionKeys::from_bytes(&[2; 97]).is_none());
    }

    #[test]
    fn secrets_do_not_print() {
        let keys = SessionKeys::from_bytes(&[0xAB; 40]).expect("a key block");

        assert_eq!(format!("{keys:?}"), "SessionKeys(..)");
    }
}
