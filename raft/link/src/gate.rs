//! How many handshakes one may begin: a bucket for each address, and a limit for all.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How many an address may begin at once, and how many more in a second.
const BURST: f64 = 64.0;
const RATE: f64 = 16.0;

/// Of how many addresses one keeps count.
const ADDRESSES: usize = 4096;

/// Counts handshakes by address. Time is since any moment, the same for all calls.
#[derive(Default)]
pub(crate) struct Gate(BTreeMap<[u8; 8], Bucket>);

struct Bucket {
    left: f64,
    at: Duration,
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
    /// Whether one more may begin from this address.
    pub(crate) fn admits(&mut self, address: IpAddr, now: Duration) -> bool {
        let prefix = prefix(address);
        if !self.0.contains_key(&prefix) && self.0.len() >= ADDRESSES {
            self.0.retain(|_, bucket| bucket.at(now) < BURST);
            if self.0.len() >= ADDRESSES {
                return false;
            }
        }
        let bucket = self.0.entry(prefix).or_insert(Bucket { left: BURST, at: now });
        let left = bucket.at(now);
        let admits = left >= 1.0;
        *bucket = Bucket { left: if admits { left - 1.0 } else { left }, at: now };
        admits
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

    #[test]
    fn one_address_does_not_use_up_what_another_may() {
        let mut gate = Gate::default();
        let admitted = (0..200).filter(|_| gate.admits(v4(1), AT(5))).count();
        assert_eq!(admitted, 64);
        assert!(gate.admits(v4(2), AT(5)));
        let admitted = (0..200).filter(|_| gate.admits(v4(1), AT(6))).count();
        assert_eq!(admitted, 16);
    }

    #[test]
    fn a_site_of_ipv6_is_one() {
        let mut gate = Gate::default();
        let site = |n: u128| IpAddr::V6(Ipv6Addr::from((0x2001_0db8_u128 << 96) | n));
        assert_eq!((0..200).filter(|n| gate.admits(site(*n), AT(0))).count(), 64);
    }

    #[test]
    fn more_addresses_than_it_counts_wait_until_others_are_forgotten() {
        let mut gate = Gate::default();
        assert!((0..4096).all(|n| gate.admits(v4(n), AT(0))));
        assert!(!gate.admits(v4(5000), AT(0)));
        assert!(gate.admits(v4(5000), AT(60)));
    }
}
