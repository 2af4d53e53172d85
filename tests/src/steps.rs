//! How a world goes from one thing that happens to the next.

use crate::VirtualClock;
use claviger_actors::Clock;
use core::time::Duration;

/// What happens in virtual time, step by step.
pub(crate) trait Steps {
    fn clock(&self) -> VirtualClock;

    /// Carries on what edges and devices have said.
    fn drain(&mut self);

    /// When something is due, if nothing is said before.
    fn next_event(&self) -> Option<Duration>;

    /// Does what is due.
    fn due(&mut self);

    /// Waits until somebody says something behind the edges, and takes that with all that is said by
    /// then: what is ready goes out together, as in the binary. Dropped before its end, it has done
    /// nothing.
    async fn hear(&mut self);
}

/// Runs until `done` holds, or the time `limit` has passed; true if it holds.
pub(crate) async fn run_until<W: Steps>(
    world: &mut W,
    limit: Duration,
    done: impl Fn(&W) -> bool,
) -> bool {
    let clock = world.clock();
    let end = clock.now() + limit;
    loop {
        world.drain();
        if done(world) {
            return true;
        }
        if clock.now() >= end {
            return false;
        }
        let due = world.next_event().map_or(end, |due| due.min(end));
        let due = tokio::time::sleep_until(clock.instant(due));
        tokio::select! {
            biased;
            () = world.hear() => {}
            () = due => world.due(),
        }
    }
}
