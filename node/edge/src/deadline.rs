//! Whether a record came in time, though the clocks of two machines differ.
//!
//! The deadline of a record is a time of the node that runs the actors. With each beat that says
//! what its clock shows; what an edge's own is ahead of that is what their clocks differ by and how
//! long the beat was under way. The least of the last few beats is nearly the first alone.

use core::time::Duration;
use std::collections::VecDeque;

/// How many beats are remembered: a clock that was set is known within two seconds.
const BEATS: usize = 4;

/// What the last beats said.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(VecDeque<i64>);

impl Deadlines {
    /// A beat that came `now` and was sent at `theirs`, in ms of the sender's clock.
    pub(crate) fn beat(&mut self, now: Duration, theirs: u64) {
        self.0.truncate(BEATS - 1);
        self.0.push_front(millis(now).saturating_sub_unsigned(theirs));
    }

    /// Another node is listened to, with another clock.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    /// Whether the time `deadline`, in ms of the sender's clock, is over.
    pub(crate) fn is_over(&self, now: Duration, deadline: u64) -> bool {
        let ahead = self.0.iter().min().copied().unwrap_or(0);
        millis(now).saturating_sub(ahead).saturating_sub_unsigned(deadline) > 0
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn a_deadline_is_a_time_of_the_senders_clock() {
        for theirs in [1_000_000, 940_000, 1_060_000] {
            let mut deadlines = Deadlines::default();
            deadlines.beat(NOW, theirs);

            assert!(!deadlines.is_over(NOW, theirs));
            assert!(deadlines.is_over(NOW + Duration::from_millis(1), theirs));
        }
    }

    #[test]
    fn beats_that_were_long_under_way_put_no_deadline_off() {
        let mut deadlines = Deadlines::default();
        deadlines.beat(NOW, 1_000_000);
        let late = NOW + Duration::from_secs(10);

        for beat in 1..4 {
            deadlines.beat(late, 1_000_000 + 500 * beat);
        }

        assert!(deadlines.is_over(late, 1_005_000));
    }

    #[test]
    fn a_clock_that_was_set_is_known_after_a_few_beats() {
        let mut deadlines = Deadlines::default();
        deadlines.beat(NOW, 1_000_000);
        for beat in 1..=4 {
            // Ours was set forward by a minute.
            deadlines.beat(NOW + Duration::from_secs(60 + beat), 1_000_000 + 1000 * beat);
        }

        assert!(!deadlines.is_over(NOW + Duration::from_secs(64), 1_004_000));
    }
}
