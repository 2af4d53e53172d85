//! A request acts once, however often it comes: a device that has asked once is not given one credential
//! and then another. A new leader does not know what was asked of the one before, so that this holds
//! within one lead.

use std::collections::BTreeMap;

/// What devices were given since they asked last, and who led then.
#[derive(Debug, Default)]
pub(crate) struct Once {
    lead: u64,
    given: BTreeMap<u64, (u64, Vec<u8>)>,
}

impl Once {
    /// Another node leads, or the same one anew.
    pub(crate) fn another_leads(&mut self) {
        self.lead += 1;
    }

    /// The device of this line asks anew.
    pub(crate) fn asked(&mut self, line: u64) {
        self.given.remove(&line);
    }

    /// The device of this line was given a credential of this identity.
    pub(crate) fn was_given(&mut self, line: u64, identity: &[u8]) -> Option<String> {
        let before = self.given.insert(line, (self.lead, identity.to_vec()));
        let twice = before.is_some_and(|(lead, other)| lead == self.lead && other != identity);
        twice.then(|| format!("the device of line {line} asked once and was given two credentials"))
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
        once.asked(1);
        assert_eq!(once.was_given(1, b"c"), None);
        once.another_leads();
        assert_eq!(once.was_given(1, b"d"), None);

        assert!(once.was_given(1, b"e").is_some());
    }
}
