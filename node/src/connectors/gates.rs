//! How much one connector may have under way, so that a server that is dead or slow takes only its
//! own places and none of another connector's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many messages of one connector are under way at once.
const EACH: usize = 16;
/// With this many gates, those at which nobody is are forgotten.
const TABLE: usize = 1024;

/// The gates, by tenant and connector.
#[derive(Default)]
pub(super) struct Gates(Mutex<BTreeMap<(String, String), Arc<Gate>>>);

/// What the messages of one connector pass.
pub(super) struct Gate {
    places: Semaphore,
    lists: Semaphore,
}

impl Gates {
    /// The gate of a connector.
    pub(super) fn of(&self, tenant: &str, connector: &str) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() >= TABLE {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        gates.entry((tenant.to_owned(), connector.to_owned())).or_default().clone()
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self { places: Semaphore::new(EACH), lists: Semaphore::new(1) }
    }
}

impl Gate {
    /// Waits until one message more may be under way.
    pub(super) async fn enter(&self) -> SemaphorePermit<'_> {
        self.places.acquire().await.expect("the semaphore is never closed")
    }

    /// Waits until nobody reads a list that may be long.
    pub(super) async fn list(&self) -> SemaphorePermit<'_> {
        self.lists.acquire().await.expect("the semaphore is never closed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_connector_that_has_used_up_its_places_takes_none_of_another() {
        let gates = Gates::default();
        let (full, other) = (gates.of("t", "a"), gates.of("t", "b"));
        let places: Vec<_> =
            (0..EACH).map(|_| full.enter().now_or_never().expect("it is free")).collect();

        assert!(gates.of("t", "a").enter().now_or_never().is_none());
        assert!(other.enter().now_or_never().is_some());
        assert!(gates.of("u", "a").enter().now_or_never().is_some());

        drop(places);
        assert!(full.enter().now_or_never().is_some());
    }

    #[test]
    fn gates_at_which_nobody_is_are_forgotten() {
        let gates = Gates::default();
        let kept = gates.of("t", "kept");
        for number in 1..TABLE {
            gates.of("t", &number.to_string());
        }

        gates.of("t", "new");

        assert_eq!(gates.0.lock().unwrap().len(), 2);
        assert!(Arc::ptr_eq(&kept, &gates.of("t", "kept")));
    }
}
