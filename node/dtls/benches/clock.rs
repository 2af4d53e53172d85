//! The thread's time on a processor.

use core::time::Duration;
use rustix::time::{ClockId, clock_gettime};

pub(crate) fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
