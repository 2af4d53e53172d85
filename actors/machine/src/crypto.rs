//! The port to the machine's randomness, and later to its private keys.

use core::convert::Infallible;
use core::fmt;
use rand_core::{TryCryptoRng, TryRng};
use std::sync::Arc;

/// Where fresh keys, ids, salts and tokens come from.
///
/// The operating system's generator behind aws-lc-rs in production, a seeded one in a test that
/// must repeat. Later also ephemeral keys and signatures.
pub trait Crypto: Send + Sync {
    /// Fills `bytes` with random ones that nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Crypto + '_ {
    /// `N` random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// A [`Crypto`] as the random source that DTLS and CoAP take.
#[derive(Clone)]
pub struct Draw(pub Arc<dyn Crypto>);

impl fmt::Debug for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draw")
    }
}

impl TryRng for Draw {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes(self.0.random()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes(self.0.random()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Draw {}
