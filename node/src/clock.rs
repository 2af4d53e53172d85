//! The system's clock, made to never go back.

use claviger_actors::Clock;
use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall clock at the start plus what has passed since; set forward where the wall clock runs
/// ahead, so that a correction by NTP reaches us and a step back does not.
#[derive(Debug)]
pub struct SystemClock {
    anchor: Mutex<(Duration, Instant)>,
}

impl SystemClock {
    /// A clock that begins with the wall clock.
    pub fn new() -> Self {
        Self { anchor: Mutex::new((wall(), Instant::now())) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let (base, since) = *anchor;
        let now = base + since.elapsed();
        let wall = wall();
        if wall > now {
            *anchor = (wall, Instant::now());
            return wall;
        }
        now
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
