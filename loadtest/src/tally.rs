//! What a run counts.

use crate::Failure;
use core::time::Duration;

/// How many failed bootstraps are named.
const NAMED: usize = 10;

/// What happened in one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How long each bootstrap took, from its first datagram until its answer to Finish, in the
    /// order in which they ended.
    pub took: Vec<Duration>,
    /// From the first datagram of all to the last answer to a Finish.
    pub lasted: Duration,
    /// From the devices to the server.
    pub up: Traffic,
    /// From the server to the devices.
    pub down: Traffic,
    /// How many of the datagrams upwards were sent again, because no answer had come in time.
    pub retransmissions: u64,
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

impl Tally {
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
        Err(Failure::new(format!("{all} bootstraps failed:{lines}{more}")))
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

        assert!(words.starts_with("12 bootstraps failed:\n  d0: x\n"), "{words}");
        assert!(words.ends_with("  d9: x\n  and 2 more"), "{words}");
        assert_eq!(Tally::default().all_succeeded(), Ok(()));
    }
}
