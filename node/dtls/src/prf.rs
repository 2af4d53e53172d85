//! The pseudorandom function P_SHA256 and what TLS 1.2 derives with it (RFC 5246 §5, §6.3, §8.1).

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::keys::{Form, SessionKeys};

type HmacSha256 = Hmac<Sha256>;

/// HMAC-SHA256 over the concatenated parts.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    Keyed::new(key).mac(parts)
}

/// SHA-256 over the concatenated parts.
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    Hash::of(parts).end()
}

/// SHA-256 of what has been said so far: a handshake's messages are hashed at several places, and
/// each is taken in once.
#[derive(Clone)]
pub(crate) struct Hash(Sha256);

impl Hash {
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        Self(Sha256::new()).and(parts)
    }

    /// The same, with more behind it.
    pub(crate) fn and(mut self, parts: &[&[u8]]) -> Self {
        parts.iter().for_each(|part| self.0.update(part));
        self
    }

    pub(crate) fn end(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// HMAC-SHA256 under one key. Half of a short HMAC is its key, which is taken in once for all.
pub(crate) struct Keyed(HmacSha256);

impl Keyed {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// HMAC-SHA256 over the concatenated parts.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Fills `out` with PRF(key, label, seed) (RFC 5246 §5).
    pub(crate) fn prf(&self, label: &[u8], seed: [&[u8]; 2], out: &mut [u8]) {
        let mut a = self.mac(&[label, seed[0], seed[1]]);
        let mut chunks = out.chunks_mut(32).peekable();
        while let Some(chunk) = chunks.next() {
            let mut block = self.mac(&[&a, label, seed[0], seed[1]]);
            chunk.copy_from_slice(&block[..chunk.len()]);
            block.zeroize();
            if chunks.peek().is_some() {
                a = self.mac(&[&a]);
            }
        }
    }

    /// The key block, `self` being the master secret; the server's random comes first here (RFC
    /// 5246 §6.3).
    pub(crate) fn key_block(
        &self,
        server_random: &[u8],
        client_random: &[u8],
        form: Form,
    ) -> SessionKeys {
        let mut block = Zeroizing::new([0; Form::LONGEST]);
        let block = &mut block[..form.length()];
        self.prf(b"key expansion", [server_random, client_random], block);
        SessionKeys::from_block(form, block)
    }

    /// The verify_data of a Finished, `self` being the master secret and `label` that of its sender
    /// (RFC 5246 §7.4.9).
    pub(crate) fn verify_data(&self, label: &[u8], transcript_hash: &[u8; 32]) -> [u8; 12] {
        let mut data = [0; 12];
        self.prf(label, [transcript_hash, &[]], &mut data);
        data
    }
}

/// The premaster secret of a pre-shared key of at most 2^16 - 1 bytes (RFC 4279 §2), with the
/// secret of a key agreement in front of it where there is one (RFC 5489 §2).
pub(crate) fn psk_premaster(psk: &[u8], shared: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    let length = (psk.len() as u16).to_be_bytes();
    let other = shared.map_or(psk.len(), <[u8]>::len);
    let mut premaster = Zeroizing::new(Vec::with_capacity(4 + other + psk.len()));
    premaster.extend_from_slice(&(other as u16).to_be_bytes());
    match shared {
        Some(shared) => premaster.extend_from_slice(shared),
        None => premaster.resize(2 + psk.len(), 0),
    }
    premaster.extend_from_slice(&length);
    premaster.extend_from_slice(psk);
    premaster
}

/// The master secret. With `session_hash` it is the extended one (RFC 7627 §4), else it is bound
/// to the randoms.
pub(crate) fn master_secret(
    premaster: &[u8],
    randoms: [&[u8]; 2],
    session_hash: Option<&[u8]>,
) -> Zeroizing<[u8; 48]> {
    let mut master = Zeroizing::new([0; 48]);
    let premaster = Keyed::new(premaster);
    match session_hash {
        Some(hash) => premaster.prf(b"extended master secret", [hash, &[]], &mut master[..]),
        None => premaster.prf(b"master secret", randoms, &mut master[..]),
    }
    master
}

/// The key block of this master secret: see [`Keyed::key_block`].
pub(crate) fn key_block(
    master: &[u8; 48],
    server_random: &[u8],
    client_random: &[u8],
    form: Form,
) -> SessionKeys {
    Keyed::new(master).key_block(server_random, client_random, form)
}

/// The verify_data of this master secret: see [`Keyed::verify_data`].
pub(crate) fn verify_data(master: &[u8; 48], label: &[u8], transcript_hash: &[u8; 32]) -> [u8; 12] {
    Keyed::new(master).verify_data(label, transcript_hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        crate::tests::hex(text)
    }

    #[test]
    fn a_premaster_secret_has_zeros_or_the_shared_secret_in_front_of_the_key() {
        // RFC 4279 §2, RFC 5489 §2.
        assert_eq!(psk_premaster(&[7, 8], None)[..], [0, 2, 0, 0, 0, 2, 7, 8]);
        assert_eq!(psk_premaster(&[7, 8], Some(&[1, 2, 3]))[..], [0, 3, 1, 2, 3, 0, 2, 7, 8]);
    }

    #[test]
    fn yields_the_public_vector_of_the_tls_1_2_prf() {
        // Posted to the TLS working group's list for P_SHA256 (also used by other stacks).
        let secret = hex("9bbe436ba940f017b17652849a71db35");
        let seed = hex("a0ba9f936cda311827a6f796ffd5198c");
        let mut out = [0; 100];

        Keyed::new(&secret).prf(b"test label", [&seed, &[]], &mut out);

        let expected = hex("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a\
             6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab\
             4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701\
             87347b66");
        assert_eq!(out[..], expected[..]);
    }
}
