//! Names and keys of a session, and the secrets that all edges of a cluster share.

use core::fmt;

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Names a session across nodes: the first 16 bytes of SHA-256 over the handshake's messages up
/// to and including ClientKeyExchange.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// The id of the session whose handshake has this transcript, through ClientKeyExchange.
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

/// The key block of a session whose suite is an AEAD with 16-byte keys and 4-byte salts
/// (RFC 5246 §6.3, RFC 6655 §3).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionKeys {
    /// Protects what the client sends.
    pub client_key: [u8; 16],
    /// Protects what the server sends.
    pub server_key: [u8; 16],
    /// Implicit part of the client's nonces.
    pub client_iv: [u8; 4],
    /// Implicit part of the server's nonces.
    pub server_iv: [u8; 4],
}

impl SessionKeys {
    /// Length of the serialized key block.
    pub const LENGTH: usize = 40;

    /// The key block in the order of RFC 5246 §6.3. The caller seals and zeroizes it.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..16].copy_from_slice(&self.client_key);
        bytes[16..32].copy_from_slice(&self.server_key);
        bytes[32..36].copy_from_slice(&self.client_iv);
        bytes[36..].copy_from_slice(&self.server_iv);
        bytes
    }

    /// Reads what [`SessionKeys::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let mut keys =
            Self { client_key: [0; 16], server_key: [0; 16], client_iv: [0; 4], server_iv: [0; 4] };
        keys.client_key.copy_from_slice(&bytes[..16]);
        keys.server_key.copy_from_slice(&bytes[16..32]);
        keys.client_iv.copy_from_slice(&bytes[32..36]);
        keys.server_iv.copy_from_slice(&bytes[36..]);
        keys
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(..)")
    }
}

/// Secrets that every edge of a cluster shares, so that a cookie or a connection id made by one
/// is understood by all.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ClusterKeys {
    pub(crate) cookie: [u8; 32],
    pub(crate) cid: [u8; 32],
}

impl ClusterKeys {
    /// `cookie` keys the stateless cookies, `cid` the check bytes of connection ids.
    pub fn new(cookie: [u8; 32], cid: [u8; 32]) -> Self {
        Self { cookie, cid }
    }
}

impl fmt::Debug for ClusterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_block_survives_its_bytes() {
        let bytes: [u8; 40] = core::array::from_fn(|i| i as u8);

        let keys = SessionKeys::from_bytes(&bytes);

        assert_eq!(keys.to_bytes(), bytes);
        assert_eq!(keys.server_iv, [36, 37, 38, 39]);
    }

    #[test]
    fn secrets_do_not_print() {
        let keys = SessionKeys::from_bytes(&[0xAB; 40]);
        let cluster = ClusterKeys::new([0xAB; 32], [0xAB; 32]);

        let printed = format!("{keys:?} {cluster:?}");

        assert_eq!(printed, "SessionKeys(..) ClusterKeys(..)");
    }
}
