//! How often an LwM2M server may ask: so many keys a second for each connector, and some at once.
//!
//! Only who has signed is counted, so a stranger uses up nobody's share, and the table holds no
//! more than there are connectors. The arithmetic is that of the leaky bucket as a meter (GCRA).

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How much of a connector's share one look-up takes: 500 a second.
const EACH: Duration = Duration::from_millis(2);
/// How far a connector may be ahead of its share: 1,000 look-ups at once.
const AHEAD: Duration = Duration::from_secs(2);
/// With this many connectors in the table, those that have their whole share again are forgotten.
const TABLE: usize = 1024;

/// By tenant and connector, until when its share is used up.
#[derive(Default)]
pub(super) struct Rates(Mutex<BTreeMap<(String, String), Duration>>);

impl Rates {
    /// Takes one look-up at `now` from the share of a connector.
    ///
    /// # Errors
    /// If there is nothing left: how long to wait for the next one.
    pub(super) fn take(
        &self,
        tenant: &str,
        connector: &str,
        now: Duration,
    ) -> Result<(), Duration> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= TABLE {
            table.retain(|_, used| *used > now);
        }
        let used = table.entry((tenant.to_owned(), connector.to_owned())).or_default();
        if *used > now + AHEAD {
            // No more is ever lent: the clock has been set back.
            *used = now;
        }
        let until = (*used).max(now) + EACH;
        match until.checked_sub(now + AHEAD) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                *used = until;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn taken(rates: &Rates, connector: &str, now: Duration) -> usize {
        (0..5000).take_while(|_| rates.take("t", connector, now).is_ok()).count()
    }

    #[test]
    fn a_connector_has_its_share_and_no_more() {
        let rates = Rates::default();

        assert_eq!(taken(&rates, "a", NOW), 1000);
        assert_eq!(rates.take("t", "a", NOW), Err(EACH));
        assert_eq!(taken(&rates, "a", NOW + Duration::from_secs(1)), 500);
        assert_eq!(taken(&rates, "a", NOW + Duration::from_secs(3600)), 1000);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let rates = Rates::default();
        taken(&rates, "a", NOW);

        assert_eq!(taken(&rates, "a", NOW - Duration::from_secs(3600)), 1000);
    }

    #[test]
    fn one_connector_does_not_use_up_the_share_of_another() {
        let rates = Rates::default();
        taken(&rates, "a", NOW);

        assert_eq!(taken(&rates, "b", NOW), 1000);
        assert_eq!(rates.take("other", "a", NOW), Ok(()));
    }

    #[test]
    fn the_table_forgets_those_that_have_their_share_again() {
        let rates = Rates::default();
        for number in 0..TABLE {
            rates.take("t", &number.to_string(), NOW).unwrap();
        }

        rates.take("t", "new", NOW + AHEAD).unwrap();

        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}
