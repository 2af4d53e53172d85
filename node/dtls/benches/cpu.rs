//! Time of this thread on a processor, so that others on the same machine do not count.

use super::clock::now;
use core::time::Duration;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};

/// Thread CPU time, shown like wall time.
pub(crate) struct Cpu(WallTime);

impl Cpu {
    pub(crate) fn new() -> Self {
        Self(WallTime)
    }
}

impl Measurement for Cpu {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        now()
    }

    fn end(&self, start: Duration) -> Duration {
        now().saturating_sub(start)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        self.0.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self.0.formatter()
    }
}
