//! Connections without a request under way, in the order in which they became so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl Quiet {
    fn with<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        change(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until one has become quiet.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Ends the one that has been quiet for the longest time; false if none is.
    pub(super) fn end_the_longest(&self) -> bool {
        let first = self.with(|queue| queue.waiting.pop_first());
        first.is_some_and(|(_, end)| {
            end.notify_one();
            true
        })
    }
}

/// What one connection holds; it is quiet at first.
#[derive(Debug)]
pub(super) struct Seat {
    quiet: Arc<Quiet>,
    end: Arc<Notify>,
    place: Mutex<u64>,
}

impl Seat {
    pub(super) fn take(quiet: &Arc<Quiet>) -> Self {
        let seat =
            Self { quiet: quiet.clone(), end: Arc::new(Notify::new()), place: Mutex::new(0) };
        seat.enter();
        seat
    }

    /// Waits until the connection has to go.
    pub(super) async fn ended(&self) {
        self.end.notified().await;
    }

    /// The connection is not quiet while what this gives is kept.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.leave();
        Busy(self.clone())
    }

    fn enter(&self) {
        let place = self.quiet.with(|queue| {
            queue.next += 1;
            queue.waiting.insert(queue.next, self.end.clone());
            queue.next
        });
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        self.quiet.changed.notify_one();
    }

    fn leave(&self) {
        let place = *self.place.lock().unwrap_or_else(PoisonError::into_inner);
        self.quiet.with(|queue| queue.waiting.remove(&place));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A request is under way.
#[derive(Debug)]
pub(super) struct Busy(Arc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn has_ended(seat: &Seat) -> bool {
        seat.ended().now_or_never().is_some()
    }

    #[test]
    fn the_one_that_is_quiet_for_the_longest_time_goes_first() {
        let quiet = Arc::new(Quiet::default());
        let [first, second] = [(); 2].map(|()| Arc::new(Seat::take(&quiet)));
        drop(first.busy());

        assert!(quiet.end_the_longest());

        assert!(has_ended(&second), "the first has asked since");
        assert!(!has_ended(&first));
    }

    #[test]
    fn who_is_answered_or_gone_is_not_ended() {
        let quiet = Arc::new(Quiet::default());
        let first = Arc::new(Seat::take(&quiet));
        let busy = first.busy();
        drop(Seat::take(&quiet));

        assert!(!quiet.end_the_longest());

        drop(busy);
        assert!(quiet.end_the_longest());
    }
}
