//! The clock of one process, which an operator or NTP may set.

use crate::VirtualClock;
use claviger_actors::Clock;
use core::time::Duration;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock as the binary has it: a step forward of the machine's clock reaches the process, a step
/// back does only after a restart.
#[derive(Debug)]
pub(crate) struct NodeClock {
    world: VirtualClock,
    /// How far the machine's clock is ahead, in ms.
    machine: AtomicI64,
    /// How far the process's is.
    process: AtomicI64,
}

impl NodeClock {
    pub(crate) const fn new(world: VirtualClock) -> Self {
        Self { world, machine: AtomicI64::new(0), process: AtomicI64::new(0) }
    }

    /// The machine's clock is set: it is this many ms ahead of the world, or behind it.
    pub(crate) fn set(&self, ahead: i64) {
        self.machine.store(ahead, Ordering::Relaxed);
        self.process.fetch_max(ahead, Ordering::Relaxed);
    }

    /// The world's time at which this clock shows `time`.
    pub(crate) fn in_world(&self, time: Duration) -> Duration {
        let ahead = self.process.load(Ordering::Relaxed);
        let distance = Duration::from_millis(ahead.unsigned_abs());
        if ahead < 0 { time + distance } else { time.saturating_sub(distance) }
    }

    /// The process begins anew.
    pub(crate) fn restart(&self) {
        self.process.store(self.machine.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Duration {
        let ahead = self.process.load(Ordering::Relaxed);
        let distance = Duration::from_millis(ahead.unsigned_abs());
        let now = self.world.now();
        if ahead < 0 { now.saturating_sub(distance) } else { now + distance }
    }
}
