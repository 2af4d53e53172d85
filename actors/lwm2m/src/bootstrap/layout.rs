//! Where on the device to write, and what to delete before.

use crate::discover::Discovery;
use std::collections::BTreeSet;

/// Drawn from the answer to Discover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// The Security instance to write: the lowest id that no bootstrap account has.
    pub(super) security: u16,
    /// The Server instance to write.
    pub(super) server: u16,
    /// Discover shows a Security instance that is no bootstrap account.
    pub(super) stale_security: bool,
    /// Discover shows a Server instance.
    pub(super) stale_server: bool,
}

impl Layout {
    /// `None` where no bootstrap account is to be seen: any id could be its own.
    pub(super) fn of(discovery: &Discovery) -> Option<Self> {
        let accounts: BTreeSet<u16> = discovery.bootstrap_accounts().collect();
        if accounts.is_empty() {
            return None;
        }
        // 65535 is no instance id (Core §7.1), and Discover has no room for so many accounts.
        let security = (0..u16::MAX).find(|id| !accounts.contains(id))?;
        Some(Self {
            security,
            // Delete spares the bootstrap account, which has no Server instance: of object 1
            // nothing is left when it is written.
            server: 0,
            stale_security: discovery.security.iter().any(|s| !accounts.contains(&s.id)),
            stale_server: !discovery.servers.is_empty(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(answer: &str) -> Option<Layout> {
        Layout::of(&Discovery::parse(answer.as_bytes()).expect("readable"))
    }

    #[test]
    fn takes_the_lowest_id_that_no_bootstrap_account_has() {
        for (answer, id) in [
            ("</0/0>", 1),
            ("</0/1>", 0),
            ("</0/0>,</0/1>;ssid=5", 1),
            ("</0/0>;ssid=5,</0/1>", 0),
            ("</0/0>,</0/1>,</0/3>", 2),
            ("</0/0>;ssid=5,</0/0>", 1),
            ("</0/0>;ssid=65535,</0/1>;ssid=5", 1),
        ] {
            assert_eq!(layout(answer).map(|l| l.security), Some(id), "{answer}");
        }
    }

    #[test]
    fn deletes_only_what_is_there() {
        for (answer, stale) in [
            ("</0/0>", (false, false)),
            ("</0>,</1>,</0/0>", (false, false)),
            ("</0/0>,</0/1>;ssid=5", (true, false)),
            ("</0/0>,</1/0>;ssid=5", (false, true)),
            ("</0/0>,</0/7>;ssid=5,</1/0>", (true, true)),
        ] {
            let found = layout(answer).map(|l| (l.stale_security, l.stale_server));

            assert_eq!(found, Some(stale), "{answer}");
        }
    }

    #[test]
    fn finds_no_place_without_a_bootstrap_account() {
        for answer in ["</>;lwm2m=1.1,</1/0>;ssid=1", "</0>,</3/0>", "</0/0>;ssid=101", ""] {
            assert_eq!(layout(answer), None, "{answer}");
        }
    }
}
