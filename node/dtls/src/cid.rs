//! Our connection ids (RFC 9146): one configuration byte, 5 random bytes, 2 check bytes.
//!
//! The check bytes let any edge drop most ids that the cluster never made before it looks
//! anything up. They authenticate nothing: that is the record's MAC.

use rand_core::CryptoRng;

use crate::prf::hmac;

/// Bytes of an id.
pub(crate) const LENGTH: usize = 8;
/// Names the layout and the check key; another value will name another.
const CONFIGURATION: u8 = 1;

/// A new id.
pub(crate) fn make(key: &[u8; 32], rng: &mut dyn CryptoRng) -> [u8; LENGTH] {
    let mut id = [CONFIGURATION; LENGTH];
    rng.fill_bytes(&mut id[1..6]);
    let check = check(key, &id);
    id[6..].copy_from_slice(&check);
    id
}

/// The id in these bytes, if the cluster could have made it.
pub(crate) fn parse(key: &[u8; 32], bytes: &[u8]) -> Option<[u8; LENGTH]> {
    let id: [u8; LENGTH] = bytes.try_into().ok()?;
    (id[0] == CONFIGURATION && id[6..] == check(key, &id)).then_some(id)
}

fn check(key: &[u8; 32], id: &[u8; LENGTH]) -> [u8; 2] {
    let mac = hmac(key, &[b"claviger cid", &id[..6]]);
    [mac[0], mac[1]]
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn an_id_is_known_to_its_cluster_and_to_no_other() {
        let id = make(&[1; 32], &mut ChaCha8Rng::seed_from_u64(1));

        assert_eq!(parse(&[1; 32], &id), Some(id));
        assert_eq!(parse(&[2; 32], &id), None);
    }

    #[test]
    fn refuses_other_lengths_and_configurations() {
        let mut id = make(&[1; 32], &mut ChaCha8Rng::seed_from_u64(1));

        assert_eq!(parse(&[1; 32], &id[..7]), None);
        assert_eq!(parse(&[1; 32], &[]), None);
        id[0] = 2;
        assert_eq!(parse(&[1; 32], &id), None);
    }
}
