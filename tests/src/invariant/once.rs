//! A request acts once, however often it comes: a device is not given one credential and then another
//! but for a request of each. A new leader does not know what was asked of the one before, so that this holds
//! within one lead.

use std::collections::BTreeMap;

/// What devices were given last, who led then, and how often they have asked for more.
#[derive(Debug, Default)]
pub(crate) struct Once {
    lead: u64,
    given: BTreeMap<u64, (u64, Vec<u8>)>,
    asked: BTreeMap<u64, u64>,
}

impl Once {
    /// Another node leads, or the same one anew.
    pub(crate) fn another_leads(&mut self) {
        self.lead += 1;
    }

    /// The device of this line asks anew, after what it asks when its session is open.
    pub(crate) fn asked(&mut self, line: u64) {
        *self.asked.entry(line).or_default() += 1;
    }

    /// The device of this line was given a credential of this identity.
    pub(crate) fn was_given(&mut self, line: u64, identity: &[u8]) -> Option<String> {
        let before = self.given.insert(line, (self.lead, identity.to_vec()));
        let (lead, _) = before.filter(|(_, other)| other != identity)?;
        let asked = self.asked.entry(line).or_default();
        let unasked = *asked == 0 && lead == self.lead;
        *asked = asked.saturating_sub(1);
        unasked
            .then(|| format!("the device of line {line} asked once and was given two credentials"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_for_one_request_are_seen_within_one_lead() {
        let mut once = Once::default();
        assert_eq!(once.was_given(1, b"a"), None);
        // A Finish that is repeated brings nothing new.
        assert_eq!(once.was_given(1, b"a"), None);
        assert_eq!(once.was_given(2, b"b"), None);
        // Two requests that are under way at once.
        once.asked(1);
        once.asked(1);
        assert_eq!(once.was_given(1, b"c"), None);
        assert_eq!(once.was_given(1, b"d"), None);
        once.another_leads();
        assert_eq!(once.was_given(1, b"e"), None);

        assert!(once.was_given(1, b"f").is_some());
    }
}
