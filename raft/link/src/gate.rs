//! How many handshakes one may begin, and have under way: for each address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How many an address may begin at once, and how many more in a second.
const BURST: f64 = 64.0;
const RATE: f64 = 16.0;

/// How many of an address may be under way, and of strangers from there who stay.
const AT_ONCE: u32 = 16;

/// Of how many addresses one keeps count.
const ADDRESSES: usize = 4096;

/// Counts handshakes by address. Time is since any moment, the same for all calls.
#[derive(Default)]
pub(crate) struct Gate(BTreeMap<[u8; 8], Bucket>);

struct Bucket {
    left: f64,
    at: Duration,
    inside: u32,
}

impl Bucket {
    fn at(&self, now: Duration) -> f64 {
        BURST.min(self.left + now.saturating_sub(self.at).as_secs_f64() * RATE)
    }
}

/// An IPv4 address, or the prefix of 64 bits that one has of IPv6.
fn prefix(address: IpAddr) -> [u8; 8] {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [0, 0, 0, 0, a, b, c, d]
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h, ..] = v6.octets();
            [a, b, c, d, e, f, g, h]
        }
    }
}

impl Gate {
    /// Whether one more may begin from this address; if so, it is inside until [`Gate::leave`].
    pub(crate) fn enter(&mut self, address: IpAddr, now: Duration) -> bool {
        let prefix = prefix(address);
        if !self.0.contains_key(&prefix) && self.0.len() >= ADDRESSES {
            self.0.retain(|_, bucket| bucket.inside > 0 || bucket.at(now) < BURST);
            if self.0.len() >= ADDRESSES {
                return false;
            }
        }
        let new = Bucket { left: BURST, at: now, inside: 0 };
        let bucket = self.0.entry(prefix).or_insert(new);
        (bucket.left, bucket.at) = (bucket.at(now), now);
        let enters = bucket.left >= 1.0 && bucket.inside < AT_ONCE;
        if enters {
            bucket.left -= 1.0;
            bucket.inside += 1;
        }
        enters
    }

    /// One of this address who is inside counts once more.
    pub(crate) fn stay(&mut self, address: IpAddr) {
        if let Some(bucket) = self.0.get_mut(&prefix(address)) {
            bucket.inside += 1;
        }
    }

    /// One of this address is done, or known.
    pub(crate) fn leave(&mut self, address: IpAddr) {
        if let Some(bucket) = self.0.get_mut(&prefix(address)) {
            bucket.inside = bucket.inside.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const AT: fn(u64) -> Duration = Duration::from_secs;

    fn v4(last: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + last))
    }

    /// How many of `count` begin, each done at once.
    fn begun(gate: &mut Gate, address: IpAddr, count: usize, now: u64) -> usize {
        let one = |gate: &mut Gate| {
            let enters = gate.enter(address, AT(now));
            if enters {
                gate.leave(address);
            }
            enters
        };
        (0..count).filter(|_| one(gate)).count()
    }

    #[test]
    fn one_address_does_not_use_up_what_another_may() {
        let mut gate = Gate::default();
        assert_eq!(begun(&mut gate, v4(1), 200, 5), 64);
        assert!(gate.enter(v4(2), AT(5)));
        assert_eq!(begun(&mut gate, v4(1), 200, 6), 16);
    }

    #[test]
    fn so_many_of_one_address_are_inside_at_once() {
        let mut gate = Gate::default();
        assert_eq!((0..64).filter(|_| gate.enter(v4(1), AT(0))).count(), 16);
        gate.leave(v4(1));
        assert!(gate.enter(v4(1), AT(0)));
        assert!(!gate.enter(v4(1), AT(60)));
    }

    #[test]
    fn a_site_of_ipv6_is_one() {
        let mut gate = Gate::default();
        let site = |n: u128| IpAddr::V6(Ipv6Addr::from((0x2001_0db8_u128 << 96) | n));
        assert_eq!((0..200).filter(|n| gate.enter(site(*n), AT(0))).count(), 16);
    }

    #[test]
    fn more_addresses_than_it_counts_wait_until_others_are_forgotten() {
        let mut gate = Gate::default();
        for n in 0..4096 {
            assert!(gate.enter(v4(n), AT(0)));
            gate.leave(v4(n));
        }
        assert!(!gate.enter(v4(5000), AT(0)));
        assert!(gate.enter(v4(5000), AT(60)));
    }
}
