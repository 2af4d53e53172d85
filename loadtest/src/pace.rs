//! When devices are switched on.

use core::fmt;
use core::time::Duration;

/// How devices follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// So many at a time: the next one begins when one has ended.
    Closed(u32),
    /// All within this time, evenly, whatever becomes of them.
    Storm(Duration),
}

impl Pace {
    /// How long after the beginning the next of `count` devices is due, `begun` having begun and
    /// `running` of them being under way; none while it has to wait for another to end.
    pub fn next(self, count: u32, begun: u32, running: u32) -> Option<Duration> {
        if begun >= count {
            return None;
        }
        match self {
            Self::Closed(at_once) => (running < at_once).then_some(Duration::ZERO),
            Self::Storm(within) => Some(within * begun / count),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(at_once) => write!(f, "{at_once} at a time"),
            Self::Storm(within) => write!(f, "all within {within:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_loop_waits_until_one_has_ended() {
        let pace = Pace::Closed(2);
        assert_eq!(pace.next(9, 5, 1), Some(Duration::ZERO));
        assert_eq!(pace.next(9, 5, 2), None);
        assert_eq!(pace.next(9, 9, 0), None);
    }

    #[test]
    fn a_storm_waits_for_nobody() {
        let pace = Pace::Storm(Duration::from_secs(1));
        assert_eq!(pace.next(1000, 0, 0), Some(Duration::ZERO));
        assert_eq!(pace.next(1000, 999, 999), Some(Duration::from_millis(999)));
        assert_eq!(pace.next(1000, 1000, 1000), None);
    }
}
