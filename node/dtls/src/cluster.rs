//! Secrets that all edges of a cluster share, so that a cookie, a connection id or a handle made by
//! one is understood by every other.
//!
//! Cookie keys are made for buckets of 64 s from one secret, which an edge does not have: it is
//! handed the keys of the bucket before now, of the present one and of two to come
//! ([`CookieKeys::at`]), and without that of the present one it answers nothing. Check keys have a
//! number, the configuration byte of the ids that they check; the newest makes new ids, the older
//! ones stay good.

use core::fmt;
use core::time::Duration;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::prf::hmac;

/// Seconds of a bucket.
const BUCKET: u64 = 64;
/// For how many buckets keys are handed out: the one before, the present one, and two ahead.
const HANDED_OUT: u64 = 4;

/// Keys of cookies for consecutive buckets of time.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct CookieKeys {
    /// The number of the first one's bucket: seconds since the Unix epoch by 64.
    pub first: u64,
    /// The keys, a bucket each.
    pub keys: Vec<[u8; 32]>,
}

impl CookieKeys {
    /// Those that an edge is to have at `now`.
    pub fn at(secret: &[u8; 32], now: Duration) -> Self {
        let first = Self::bucket(now).saturating_sub(1);
        let keys = (first..first + HANDED_OUT).map(|bucket| derive(secret, bucket)).collect();
        Self { first, keys }
    }

    /// The number of the present bucket: others are to be handed out when it changes.
    pub fn bucket(now: Duration) -> u64 {
        now.as_secs() / BUCKET
    }
}

/// A key that connection ids are checked by; handles are by any of these.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct CheckKey {
    /// The first byte of the ids that it makes.
    pub configuration: u8,
    /// The key.
    pub key: [u8; 32],
}

impl CheckKey {
    /// The configuration byte of a cluster's first check key.
    pub const FIRST: u8 = 1;
}

/// What an endpoint has of the secrets of its cluster.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct ClusterKeys {
    cookies: Cookies,
    /// The newest is the last.
    pub(crate) checks: Vec<CheckKey>,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
enum Cookies {
    /// That of every bucket can be made.
    Secret([u8; 32]),
    HandedOut(CookieKeys),
}

impl Default for Cookies {
    fn default() -> Self {
        Self::HandedOut(CookieKeys { first: 0, keys: Vec::new() })
    }
}

impl ClusterKeys {
    /// For a server that stands alone: `cookie` is the secret behind its cookies' keys, `check` its
    /// first and only check key.
    pub fn new(cookie: [u8; 32], check: [u8; 32]) -> Self {
        let check = CheckKey { configuration: CheckKey::FIRST, key: check };
        Self { cookies: Cookies::Secret(cookie), checks: vec![check] }
    }

    /// What an edge is handed, the newest check key last. The default is none: nothing is answered.
    pub fn handed_out(cookies: CookieKeys, checks: Vec<CheckKey>) -> Self {
        Self { cookies: Cookies::HandedOut(cookies), checks }
    }

    /// Whether they are all there for what comes now.
    pub fn are_current(&self, now: Duration) -> bool {
        let current = match &self.cookies {
            Cookies::Secret(_) => true,
            Cookies::HandedOut(cookies) => cookies.of(CookieKeys::bucket(now)).is_some(),
        };
        current && !self.checks.is_empty()
    }

    /// The key of a bucket's cookies.
    pub(crate) fn cookie(&self, bucket: u64) -> Option<[u8; 32]> {
        match &self.cookies {
            Cookies::Secret(secret) => Some(derive(secret, bucket)),
            Cookies::HandedOut(cookies) => cookies.of(bucket).copied(),
        }
    }
}

impl CookieKeys {
    fn of(&self, bucket: u64) -> Option<&[u8; 32]> {
        let place = usize::try_from(bucket.checked_sub(self.first)?).ok()?;
        self.keys.get(place)
    }
}

fn derive(secret: &[u8; 32], bucket: u64) -> [u8; 32] {
    hmac(secret, &[b"claviger cookie", &bucket.to_be_bytes()])
}

macro_rules! without_secrets {
    ($($name:ident)*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })*
    };
}
without_secrets! { ClusterKeys CookieKeys CheckKey }

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn handed_out(now: Duration) -> ClusterKeys {
        let check = CheckKey { configuration: 1, key: [2; 32] };
        ClusterKeys::handed_out(CookieKeys::at(&[1; 32], now), vec![check])
    }

    #[test]
    fn what_is_handed_out_holds_for_the_bucket_before_and_two_ahead() {
        let (alone, edge) = (ClusterKeys::new([1; 32], [2; 32]), handed_out(NOW));
        let bucket = CookieKeys::bucket(NOW);

        for near in bucket - 1..=bucket + 2 {
            assert_eq!(edge.cookie(near), alone.cookie(near));
        }
        assert_eq!([edge.cookie(bucket - 2), edge.cookie(bucket + 3)], [None, None]);
    }

    #[test]
    fn keys_grow_old_and_some_are_none() {
        let later = |buckets| NOW + Duration::from_secs(buckets * BUCKET);
        let edge = handed_out(NOW);

        assert!(edge.are_current(NOW) && edge.are_current(later(2)));
        assert!(!edge.are_current(later(3)));
        assert!(!ClusterKeys::default().are_current(Duration::ZERO));
        let unchecked = ClusterKeys::handed_out(CookieKeys::at(&[1; 32], NOW), Vec::new());
        assert!(!unchecked.are_current(NOW));
    }

    #[test]
    fn secrets_do_not_print() {
        let check = CheckKey { configuration: 1, key: [0xAB; 32] };
        let cookies = CookieKeys::at(&[1; 32], NOW);

        let printed = format!("{:?} {check:?} {cookies:?}", handed_out(NOW));

        assert_eq!(printed, "ClusterKeys(..) CheckKey(..) CookieKeys(..)");
    }
}
