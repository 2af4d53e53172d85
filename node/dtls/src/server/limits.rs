//! A token bucket for each network prefix, so that what alerts reveal is bounded by rate, and that
//! one prefix cannot fill a queue for all.

use std::collections::BTreeMap;

use core::net::IpAddr;
use core::time::Duration;

/// Most prefixes remembered.
const PREFIXES: usize = 1024;
/// Alerts or handshakes at once.
const BURST: u32 = 8;
/// Time in which one more is allowed.
const REFILL: Duration = Duration::from_secs(1);

/// A token bucket for each /24 (IPv4) and /56 (IPv6), of at most 1,024 at a time.
#[derive(Debug)]
pub struct PrefixLimits {
    burst: u32,
    refill: Duration,
    buckets: BTreeMap<Prefix, Bucket>,
    /// When a full table is looked through again: not for each datagram of a flood.
    look: Duration,
}

/// How long a full table is left as it is.
const LOOK: Duration = Duration::from_millis(100);

impl Default for PrefixLimits {
    fn default() -> Self {
        Self::new(BURST, REFILL)
    }
}

type Prefix = (u8, [u8; 7]);

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    refilled: Duration,
}

/// Forgeries at once that are looked at in a session where each is dear.
const FORGERIES: u32 = 64;
/// Time in which one more is.
const FORGIVEN: Duration = Duration::from_millis(62);

/// The forgeries of one session. While there are too many, nothing of it is looked at: what it
/// costs is bounded, and the session stays.
#[derive(Debug)]
pub(super) struct Forgeries(Bucket);

impl Forgeries {
    pub(super) fn new(now: Duration) -> Self {
        Self(Bucket { tokens: FORGERIES, refilled: now })
    }

    pub(super) fn too_many(&mut self, now: Duration) -> bool {
        self.0.refill(now, FORGIVEN, FORGERIES);
        self.0.tokens == 0
    }

    /// Whether none is remembered any more.
    pub(super) fn are_forgiven(&mut self, now: Duration) -> bool {
        self.0.refill(now, FORGIVEN, FORGERIES);
        self.0.tokens == FORGERIES
    }

    pub(super) fn count(&mut self) {
        self.0.tokens = self.0.tokens.saturating_sub(1);
    }
}

impl PrefixLimits {
    /// `burst` tokens at once, and one more each time that `refill` has passed.
    pub const fn new(burst: u32, refill: Duration) -> Self {
        Self { burst, refill, buckets: BTreeMap::new(), look: Duration::ZERO }
    }

    /// Takes a token of the prefix, if it has one. When the table is full of prefixes in use, a
    /// new prefix has none.
    pub fn allow(&mut self, now: Duration, ip: IpAddr) -> bool {
        let (prefix, burst, refill) = (prefix(ip), self.burst, self.refill);
        if self.buckets.len() >= PREFIXES && !self.buckets.contains_key(&prefix) {
            if now < self.look {
                return false;
            }
            self.look = now + LOOK;
            self.buckets.retain(|_, bucket| {
                bucket.refill(now, refill, burst);
                bucket.tokens < burst
            });
            if self.buckets.len() >= PREFIXES {
                return false;
            }
        }
        let fresh = Bucket { tokens: burst, refilled: now };
        let bucket = self.buckets.entry(prefix).or_insert(fresh);
        bucket.refill(now, refill, burst);
        let allowed = bucket.tokens > 0;
        bucket.tokens = bucket.tokens.saturating_sub(1);
        allowed
    }
}

impl Bucket {
    fn refill(&mut self, now: Duration, period: Duration, burst: u32) {
        let periods = now.saturating_sub(self.refilled).as_nanos() / period.as_nanos().max(1);
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        if periods > 0 {
            self.tokens = self.tokens.saturating_add(periods).min(burst);
            self.refilled = now;
        }
    }
}

fn prefix(ip: IpAddr) -> Prefix {
    let mut bytes = [0; 7];
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            bytes[..3].copy_from_slice(&ip.octets()[..3]);
            (4, bytes)
        }
        IpAddr::V6(ip) => {
            bytes.copy_from_slice(&ip.octets()[..7]);
            (6, bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_prefix_has_a_burst_and_then_one_a_second() {
        let (mut limits, now) = (PrefixLimits::default(), Duration::from_secs(1000));

        let burst = (0..20).filter(|_| limits.allow(now, ip("192.0.2.7"))).count();
        let later = now + Duration::from_secs(1);

        assert_eq!(burst, BURST as usize);
        assert!(limits.allow(later, ip("192.0.2.8")));
        assert!(!limits.allow(later, ip("192.0.2.9")));
    }

    #[test]
    fn prefixes_are_24_and_56_bits_long() {
        assert_eq!(prefix(ip("192.0.2.7")), prefix(ip("192.0.2.200")));
        assert_eq!(prefix(ip("192.0.2.7")), prefix(ip("::ffff:192.0.2.7")));
        assert_ne!(prefix(ip("192.0.2.7")), prefix(ip("192.0.3.7")));
        assert_eq!(prefix(ip("2001:db8:0:1200::1")), prefix(ip("2001:db8:0:12ff::2")));
        assert_ne!(prefix(ip("2001:db8:0:1200::1")), prefix(ip("2001:db8:0:1300::1")));
    }

    #[test]
    fn a_full_table_refuses_new_prefixes_until_others_are_idle() {
        let (mut limits, now) = (PrefixLimits::default(), Duration::from_secs(1000));
        for index in 0..PREFIXES as u32 {
            assert!(limits.allow(now, Ipv4Addr::from_bits(index << 8).into()));
        }

        assert!(!limits.allow(now, ip("203.0.113.1")));
        assert!(limits.allow(now + Duration::from_secs(1), ip("203.0.113.1")));
        assert!(limits.buckets.len() <= PREFIXES);
    }
}
