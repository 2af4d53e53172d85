//! A map by hash, for what there may be a million of: in few large pieces, where a tree has a
//! hundred thousand small ones, between which memory that others gave back cannot be used again.
//!
//! It shows no order, and its hash is keyed, so that no peer chooses what falls together.

use core::hash::{BuildHasher, Hash};

use rand_core::CryptoRng;
use siphasher::sip::SipHasher13;

#[expect(clippy::disallowed_types, reason = "its order is seen by nobody, its hasher is named")]
type Map<K, V> = std::collections::HashMap<K, V, Key>;

/// From how many places on it matters whether they are used.
const ROOMY: usize = 256;

/// The key of a hash.
#[derive(Clone, Copy)]
pub(crate) struct Key(u64, u64);

impl Key {
    pub(crate) fn new(rng: &mut dyn CryptoRng) -> Self {
        Self(rng.next_u64(), rng.next_u64())
    }
}

impl BuildHasher for Key {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// The map.
pub(crate) struct Index<K, V>(Map<K, V>);

impl<K: Eq + Hash, V> Index<K, V> {
    pub(crate) fn new(key: Key) -> Self {
        Self(Map::with_hasher(key))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// After a rush the room is given back, at a moment when there is little to move.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let removed = self.0.remove(key);
        if self.0.capacity() > ROOMY && self.0.len() < self.0.capacity() / 8 {
            self.0.shrink_to(2 * self.0.len());
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_its_room_back_and_loses_nothing() {
        let mut index = Index::new(Key(1, 2));
        for key in 0..100_000_u32 {
            assert_eq!(index.insert(key, key + 1), None);
        }
        assert_eq!(index.insert(7, 9), Some(8));
        for key in 100..100_000 {
            assert_eq!(index.remove(&key), Some(key + 1));
        }

        assert!(index.0.capacity() < 1_000, "{}", index.0.capacity());
        assert_eq!(index.len(), 100);
        assert_eq!((index.get(&7), index.get(&8), index.get(&100)), (Some(&9), Some(&9), None));
    }

    #[test]
    fn another_key_makes_other_hashes() {
        assert_ne!(Key(1, 2).hash_one(7_u32), Key(2, 1).hash_one(7_u32));
    }
}
