//! What edges are handed of the cluster's secrets: keys that are made here, of secrets that stay.

use claviger_dtls::{CheckKey, CookieKeys};
use claviger_front::{self as front, CookieKey, Keys};
use claviger_seal::{KEY, Keyring, Sealed};
use core::time::Duration;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Of how many generations ids stay good, the present one among them.
const GOOD: u32 = 4;

/// The secrets behind the keys of edges: every node has the same.
pub(crate) struct EdgeKeys(Arc<Keyring>);

impl EdgeKeys {
    /// They are derived from the cluster secret on this ring.
    pub(crate) const fn new(ring: Arc<Keyring>) -> Self {
        Self(ring)
    }

    /// What an edge is to have at `now`, in this generation: nothing of a node that is sealed, so it
    /// stays silent.
    pub(crate) fn at(&self, now: Duration, generation: u32) -> Keys {
        let oldest = generation.saturating_sub(GOOD - 1).max(1);
        let checks = (oldest..=generation).map(|of| {
            let key = *self.secret("dtls connection id", of)?;
            Ok(front::CheckKey { configuration: configuration(of), key })
        });
        let checks: Result<Vec<_>, Sealed> = checks.collect();
        let (Ok(cookie), Ok(checks)) = (self.secret("dtls cookie", generation), checks) else {
            return Keys { first: 0, cookies: Vec::new(), checks: Vec::new() };
        };
        let CookieKeys { first, keys } = &CookieKeys::at(&cookie, now);
        let cookies = keys.iter().map(|key| CookieKey(*key)).collect();
        Keys { first: *first, cookies, checks }
    }

    fn secret(&self, purpose: &str, generation: u32) -> Result<Zeroizing<[u8; KEY]>, Sealed> {
        match generation {
            // As it was before there were generations.
            0 | 1 => self.0.derive(purpose),
            later => self.0.derive(&format!("{purpose}, generation {later}")),
        }
    }
}

/// The first byte of the ids of a generation: some generations later it is another one's again.
fn configuration(generation: u32) -> u8 {
    let turn = generation.saturating_sub(u32::from(CheckKey::FIRST)) % u32::from(u8::MAX);
    CheckKey::FIRST + u8::try_from(turn).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_seal::{ClusterSecret, RootKey};

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn keys() -> EdgeKeys {
        let keys = Keyring::new(RootKey::new([3; KEY]), ClusterSecret::new([4; KEY]));
        EdgeKeys::new(Arc::new(keys))
    }

    #[test]
    fn a_new_generation_has_other_keys_and_the_older_ids_stay_good_for_a_while() {
        let of = |generation| keys().at(NOW, generation);
        let (first, second, sixth) = (of(1), of(2), of(6));

        // Keys do not print.
        assert!(first.cookies != second.cookies);
        assert!(first.checks.len() == 1 && first.checks[..] == second.checks[..1]);
        let configurations = |keys: &Keys| -> Vec<u8> {
            keys.checks.iter().map(|check| check.configuration).collect()
        };
        assert_eq!(configurations(&second), [1, 2]);
        assert_eq!(configurations(&sixth), [3, 4, 5, 6]);
        assert!(second.checks[1] == of(5).checks[0]);
    }

    #[test]
    fn the_number_of_a_generation_begins_anew_and_is_never_0() {
        let configurations = [1, 2, 255, 256, 257, 510, 511].map(configuration);
        assert_eq!(configurations, [1, 2, 255, 1, 2, 255, 1]);
    }

    #[test]
    fn who_is_sealed_hands_nothing_out() {
        let keys = EdgeKeys::new(Arc::default()).at(NOW, 1);
        assert!(keys.cookies.is_empty() && keys.checks.is_empty());
    }
}
