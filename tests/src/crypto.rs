//! Seeded randomness, which remembers what it gave.

use claviger_machine::Crypto;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::sync::{Mutex, PoisonError};

/// Randomness that repeats with its seed.
#[derive(Debug)]
pub struct SeededCrypto {
    rng: Mutex<ChaCha20Rng>,
}

impl SeededCrypto {
    /// A source for `seed`.
    pub fn new(seed: u64) -> Self {
        Self { rng: Mutex::new(ChaCha20Rng::seed_from_u64(seed)) }
    }
}

impl Crypto for SeededCrypto {
    fn fill(&self, bytes: &mut [u8]) {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}
