//! What a run counts.

use crate::Failure;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// How many failed bootstraps are named.
const NAMED: usize = 10;

/// What happened in one run. Who is done is told by [`crate::Goal`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How long each took that ended well, from its first datagram until its answer to Finish, or
    /// until its session was open, in the order in which they ended.
    pub took: Vec<Duration>,
    /// When each ended, from the first datagram of all.
    pub ended: Vec<Duration>,
    /// From the devices to the server.
    pub up: Traffic,
    /// From the server to the devices.
    pub down: Traffic,
    /// How many of the datagrams upwards were sent again, because no answer had come in time.
    pub retransmissions: u64,
    /// Datagrams that the driver lost, because a receive buffer of its own was full.
    pub lost: u64,
    /// Devices that were never answered in a session, however often they sent, and began anew.
    pub gave_up: u32,
    /// Those that failed.
    pub failures: Vec<Failed>,
}

/// Datagrams one way; bytes are those of UDP's payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub datagrams: u64,
    /// How long in all.
    pub bytes: u64,
}

/// A bootstrap that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The device.
    pub endpoint: String,
    /// Why, in words.
    pub why: String,
}

impl Traffic {
    pub(crate) fn count(&mut self, datagram: &[u8]) {
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
    }
}

/// The longest time in which nobody was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// How long, in milliseconds.
    pub ms: f64,
    /// How many were done before.
    pub after: usize,
}

impl Tally {
    /// From the first datagram of all to the last end.
    pub fn lasted(&self) -> Duration {
        self.ended.last().copied().unwrap_or_default()
    }

    /// The longest time between two ends, or before the first.
    pub fn worst_stall(&self) -> Stall {
        let before = core::iter::once(&Duration::ZERO).chain(&self.ended);
        let gaps = before.zip(&self.ended).map(|(before, end)| end.saturating_sub(*before));
        let worst = gaps.enumerate().max_by_key(|(_, gap)| *gap);
        worst.map_or_else(Stall::default, |(after, gap)| Stall {
            ms: gap.as_secs_f64() * 1e3,
            after,
        })
    }

    /// Whether every bootstrap went through.
    ///
    /// # Errors
    /// Which failed, and why.
    pub fn all_succeeded(&self) -> Result<(), Failure> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let named = self.failures.iter().take(NAMED);
        let lines: String =
            named.map(|failed| format!("\n  {}: {}", failed.endpoint, failed.why)).collect();
        let more = match self.failures.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("\n  and {more} more"),
        };
        let all = self.failures.len();
        let what = if all == 1 { "device" } else { "devices" };
        Err(Failure::new(format!("{all} {what} failed:{lines}{more}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_named_with_their_reason() {
        let failed = |number: u32| Failed { endpoint: format!("d{number}"), why: "x".to_owned() };
        let tally = Tally { failures: (0..12).map(failed).collect(), ..Tally::default() };

        let words = tally.all_succeeded().unwrap_err().to_string();

        assert!(words.starts_with("12 devices failed:\n  d0: x\n"), "{words}");
        assert!(words.ends_with("  d9: x\n  and 2 more"), "{words}");
        assert_eq!(Tally::default().all_succeeded(), Ok(()));
    }

    #[test]
    fn the_worst_stall_is_the_longest_time_without_an_end() {
        let ended = [30, 31, 91, 95].map(Duration::from_millis).to_vec();
        let stall =
            |ended: &[Duration]| Tally { ended: ended.to_vec(), ..Tally::default() }.worst_stall();

        assert_eq!(stall(&ended), Stall { ms: 60.0, after: 2 });
        assert_eq!(stall(&ended[..2]), Stall { ms: 30.0, after: 0 });
        assert_eq!(stall(&[]), Stall::default());
    }
}
