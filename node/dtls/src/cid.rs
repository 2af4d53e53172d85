//! Our connection ids (RFC 9146): one configuration byte, 5 random bytes, 2 check bytes.
//!
//! The check bytes let any edge drop most ids that the cluster never made before it looks
//! anything up. They authenticate nothing: that is the record's MAC.

use rand_core::CryptoRng;

use crate::cluster::CheckKey;
use crate::sip;

/// Bytes of an id.
pub(crate) const LENGTH: usize = 8;

/// A new id, by the newest of the check keys; none without one.
pub(crate) fn make(keys: &[CheckKey], rng: &mut dyn CryptoRng) -> Option<[u8; LENGTH]> {
    let CheckKey { configuration, key } = keys.last()?;
    let mut id = [*configuration; LENGTH];
    rng.fill_bytes(&mut id[1..6]);
    let check = check(key, &id);
    id[6..].copy_from_slice(&check);
    Some(id)
}

/// Whether the cluster could have made this id.
pub(crate) fn is_ours(keys: &[CheckKey], bytes: &[u8]) -> bool {
    let Ok(id) = bytes.try_into() else { return false };
    // Its first byte names the layout and the check key.
    let of = keys.iter().find(|of| of.configuration == bytes[0]);
    of.is_some_and(|of| bytes[6..] == check(&of.key, id))
}

fn check(key: &[u8; 32], id: &[u8; LENGTH]) -> [u8; 2] {
    let mac = sip::mac(key, &[b"claviger cid", &id[..6]]);
    [mac[0], mac[1]]
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn keys(keys: &[(u8, u8)]) -> Vec<CheckKey> {
        let key = |(configuration, byte): &(u8, u8)| CheckKey {
            configuration: *configuration,
            key: [*byte; 32],
        };
        keys.iter().map(key).collect()
    }

    fn id(keys: &[CheckKey]) -> [u8; LENGTH] {
        make(keys, &mut ChaCha8Rng::seed_from_u64(1)).expect("there is a key")
    }

    #[test]
    fn an_id_is_known_to_its_cluster_and_to_no_other() {
        let ours = keys(&[(1, 1)]);
        let id = id(&ours);

        assert!(is_ours(&ours, &id));
        assert!(!is_ours(&keys(&[(1, 2)]), &id));
        assert!(!is_ours(&[], &id));
    }

    #[test]
    fn the_newest_key_makes_ids_and_the_older_ones_stay_good() {
        let (before, after) = (keys(&[(1, 1)]), keys(&[(1, 1), (2, 7)]));
        let (old, new) = (id(&before), id(&after));

        assert_eq!((old[0], new[0]), (1, 2));
        assert!(is_ours(&after, &old) && is_ours(&after, &new));
        assert!(!is_ours(&before, &new));
    }

    #[test]
    fn refuses_other_lengths_and_configurations() {
        let ours = keys(&[(1, 1)]);
        let mut id = id(&ours);

        assert!(!is_ours(&ours, &id[..7]));
        assert!(!is_ours(&ours, &[]));
        id[0] = 2;
        assert!(!is_ours(&ours, &id));
    }
}
