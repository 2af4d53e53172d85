//! One thing at a time for an endpoint, where a server holds one credential for it.

use core::hash::BuildHasher;
use std::hash::RandomState;
use tokio::sync::{Mutex, MutexGuard};

/// How many lanes there are. Two endpoints in one wait for each other, which does no harm.
const LANES: usize = 256;

/// The lanes: whoever is in one is alone there.
pub(super) struct Lanes {
    lanes: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self { lanes: (0..LANES).map(|_| Mutex::new(())).collect(), hasher: RandomState::new() }
    }

    /// Waits for the lane of `endpoint`.
    pub(super) async fn enter(&self, tenant: &str, endpoint: &str) -> MutexGuard<'_, ()> {
        let lane = self.hasher.hash_one((tenant, endpoint)) % LANES as u64;
        self.lanes[usize::try_from(lane).expect("there are few")].lock().await
    }
}
