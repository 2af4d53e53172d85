//! Virtual time: tokio's paused clock, counted from a fixed day.

use claviger_actors::Clock;
use core::time::Duration;
use tokio::time::Instant;

/// The time that each world begins at, in seconds since the Unix epoch.
const BEGINNING: u64 = 1_800_000_000;

/// The clock of a world.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    start: Instant,
}

impl VirtualClock {
    /// A clock that begins now; call it within the paused runtime.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The runtime's instant for `time`.
    pub fn instant(&self, time: Duration) -> Instant {
        self.start + time.saturating_sub(Duration::from_secs(BEGINNING))
    }

    /// Milliseconds since the world began.
    pub fn elapsed_ms(&self) -> u128 {
        self.start.elapsed().as_millis()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        Duration::from_secs(BEGINNING) + self.start.elapsed()
    }
}
