//! How often a device may begin, so that one that loops or means harm costs the others nothing.
//!
//! Whoever has proven a credential opens sessions and asks for bootstraps, and each costs commits.
//! They are counted for each minute in a table of fixed size (a count-min sketch): however many
//! devices come, it grows with none, and one is taken for another only where four hashes fall
//! together with devices that begin as often.

use claviger_ledger::{DeviceRef, NoteFailure};
use core::time::Duration;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// How often within a minute: a bootstrap in a session of its own begins twice.
const BEGINNINGS: u8 = 60;
const MINUTE: u64 = 60;
/// Rows of the table, each with a hash of its own.
const ROWS: usize = 4;
/// Places in a row: 16 bits of the hash say which.
const PLACES: usize = 1 << 16;

/// The table.
#[derive(Debug)]
pub(crate) struct Pace(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    minute: u64,
    counts: Vec<u8>,
}

/// A device has begun too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooOften {
    /// True for the first time within this minute: then it is noted.
    first: bool,
    /// After how many seconds it may begin again.
    pub(crate) wait: u32,
}

impl TooOften {
    /// What the device's timeline says, if that is to be noted.
    pub(crate) fn note(self, device: &DeviceRef) -> Option<NoteFailure> {
        let words = format!(
            "It opened sessions and asked for bootstraps {BEGINNINGS} times within a minute; no more \
             is let in before the next one. Look at why it begins anew: perhaps its LwM2M server \
             does not take it, or its firmware loops."
        );
        let device = device.clone();
        self.first.then_some(NoteFailure { device, credential: None, refused: true, words })
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(Counts { minute: 0, counts: vec![0; ROWS * PLACES] }))
    }
}

impl Pace {
    /// Counts that a device begins at `now`, if it may.
    pub(crate) fn begins(&self, device: &DeviceRef, now: Duration) -> Result<(), TooOften> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).begins(device, now.as_secs())
    }
}

impl Counts {
    fn begins(&mut self, device: &DeviceRef, second: u64) -> Result<(), TooOften> {
        if self.minute != second / MINUTE {
            self.minute = second / MINUTE;
            self.counts.fill(0);
        }
        let mut hasher = DefaultHasher::new();
        (&device.tenant, &device.device).hash(&mut hasher);
        let hash = hasher.finish();
        let place = |row: usize| row * PLACES + usize::from((hash >> (16 * row)) as u16);
        let places: [usize; ROWS] = core::array::from_fn(place);
        let least = places.iter().map(|place| self.counts[*place]).min().unwrap_or(0);
        if least > BEGINNINGS {
            return Err(self.too_often(second, false));
        }
        // Only where it is counted too low: so others are counted too high by less.
        for place in places {
            self.counts[place] = self.counts[place].max(least + 1);
        }
        if least == BEGINNINGS { Err(self.too_often(second, true)) } else { Ok(()) }
    }

    fn too_often(&self, second: u64, first: bool) -> TooOften {
        let wait = MINUTE - second % MINUTE;
        TooOften { first, wait: u32::try_from(wait).unwrap_or(u32::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn device(number: u32) -> DeviceRef {
        DeviceRef { tenant: "t".to_owned(), device: format!("urn:dev:{number}") }
    }

    #[test]
    fn one_that_loops_waits_for_the_next_minute_and_is_noted_once() {
        let pace = Pace::default();
        let at = |second: u64| NOW + Duration::from_secs(second);
        for _ in 0..BEGINNINGS {
            assert_eq!(pace.begins(&device(1), at(0)), Ok(()));
        }

        assert_eq!(pace.begins(&device(1), at(1)), Err(TooOften { first: true, wait: 59 }));
        assert_eq!(pace.begins(&device(1), at(59)), Err(TooOften { first: false, wait: 1 }));
        assert_eq!(pace.begins(&device(2), at(59)), Ok(()));
        assert_eq!(pace.begins(&device(1), at(60)), Ok(()));
    }

    #[test]
    fn a_fleet_in_a_storm_beside_devices_that_loop_is_let_in() {
        let pace = Pace::default();
        for number in 0..100 {
            assert!((0..100).any(|_| pace.begins(&device(number), NOW).is_err()));
        }

        let storm = (100..600_000).map(device);
        let refused = storm.filter(|device| pace.begins(device, NOW).is_err());

        assert_eq!(refused.count(), 0);
    }
}
