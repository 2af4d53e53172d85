//! How far a comparison is, and how long it will take.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

/// How long a turn is thought to take before there was any.
const GUESS: Duration = Duration::from_secs(8);

/// A scenario and a server.
type Kind = (usize, usize);

/// The turns of a comparison: every scenario so many times at two servers.
#[derive(Debug)]
pub(super) struct Course {
    scenarios: usize,
    runs: u32,
    done: u32,
    /// How long the last turn of each kind took, and how many of the kind are done.
    took: BTreeMap<Kind, (Duration, u32)>,
}

impl Course {
    /// So many scenarios, each with so many runs of both servers.
    pub(super) const fn new(scenarios: usize, runs: u32) -> Self {
        Self { scenarios, runs, done: 0, took: BTreeMap::new() }
    }

    /// A turn had been made before.
    pub(super) fn skipped(&mut self) {
        self.done += 1;
    }

    /// A turn has ended.
    pub(super) fn took(&mut self, kind: Kind, took: Duration) {
        self.done += 1;
        let count = self.took.get(&kind).map_or(0, |(_, count)| *count);
        self.took.insert(kind, (took, count + 1));
    }

    const fn all(&self) -> u32 {
        self.scenarios as u32 * 2 * self.runs
    }

    /// As long as the last of their kind; of a kind that there was none of, as long as the mean.
    fn left(&self) -> Duration {
        let known: Duration = self.took.values().map(|(took, _)| *took).sum();
        let mean = known.checked_div(self.took.len() as u32).unwrap_or(GUESS);
        let mut left = Duration::ZERO;
        let mut turns = self.all() - self.done;
        for (took, count) in self.took.values() {
            let rest = self.runs.saturating_sub(*count).min(turns);
            turns -= rest;
            left += *took * rest;
        }
        left + mean * turns
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, all) = (self.done, self.all());
        let left = self.left().as_secs();
        match left {
            0..60 => write!(f, "{done} of {all}, {left} s left"),
            _ => write!(f, "{done} of {all}, {} min left", left.div_ceil(60)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_is_known() {
        let mut course = Course::new(2, 3);
        assert_eq!(course.to_string(), "0 of 12, 2 min left");
        course.took((0, 0), Duration::from_secs(2));
        course.took((0, 1), Duration::from_secs(4));

        // Two of each of these kinds, and six of unknown ones.
        assert_eq!(course.left(), Duration::from_secs(2 * 2 + 2 * 4 + 6 * 3));
        assert_eq!(course.to_string(), "2 of 12, 30 s left");
    }

    #[test]
    fn at_the_end_nothing_is_left() {
        let mut course = Course::new(1, 1);
        course.skipped();
        course.took((0, 1), Duration::from_secs(4));
        assert_eq!(course.to_string(), "2 of 2, 0 s left");
    }
}
