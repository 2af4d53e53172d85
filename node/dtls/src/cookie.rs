//! Stateless cookies (RFC 6347 §4.2.1): any edge of the cluster checks what another one made.
//!
//! A cookie is the low byte of the time bucket and 16 bytes of SipHash-2-4 under that bucket's key,
//! over the peer's address and every parameter of its ClientHello. It holds for the bucket it was
//! made in and one on either side, so for 64 to 128 seconds and under skewed clocks. It says that
//! somebody reads what is sent to an address and nothing else, which is what kernels make their SYN
//! cookies of SipHash for; every stranger costs one, so it is the cheapest function that nobody can
//! forge.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::cluster::{ClusterKeys, CookieKeys};
use crate::sip;
use crate::wire::hello::ClientHello;

/// Bytes of a cookie: with it a HelloVerifyRequest (45 bytes) is no longer than the shortest
/// ClientHello (67), so that nothing is amplified.
pub(crate) const LENGTH: usize = 17;

/// The cookie of this hello from this address; none without the present bucket's key.
pub(crate) fn make(
    keys: &ClusterKeys,
    now: Duration,
    from: SocketAddr,
    hello: &ClientHello<'_>,
) -> Option<[u8; LENGTH]> {
    in_bucket(keys, CookieKeys::bucket(now), from, hello)
}

/// Whether the hello bears a cookie that the cluster made for it and its address.
pub(crate) fn verify(
    keys: &ClusterKeys,
    now: Duration,
    from: SocketAddr,
    hello: &ClientHello<'_>,
) -> bool {
    let Some(low) = hello.cookie.first() else {
        return false;
    };
    let current = CookieKeys::bucket(now);
    (current.saturating_sub(1)..=current + 1)
        .find(|bucket| *bucket as u8 == *low)
        .and_then(|bucket| in_bucket(keys, bucket, from, hello))
        .is_some_and(|cookie| cookie.ct_eq(hello.cookie).into())
}

fn in_bucket(
    keys: &ClusterKeys,
    bucket: u64,
    from: SocketAddr,
    hello: &ClientHello<'_>,
) -> Option<[u8; LENGTH]> {
    let key = Zeroizing::new(keys.cookie(bucket)?);
    let ip = match from.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    // Lengths stand before what varies, so that no two hellos give the same input; all that has a
    // fixed length is one part, since each costs.
    let mut fixed = [0; 56];
    fixed[..16].copy_from_slice(&ip.octets());
    fixed[16..18].copy_from_slice(&from.port().to_be_bytes());
    fixed[18..20].copy_from_slice(&hello.version.to_be_bytes());
    fixed[20..52].copy_from_slice(&hello.random);
    fixed[52..54].copy_from_slice(&[hello.session_id.len() as u8, hello.compressions.len() as u8]);
    fixed[54..].copy_from_slice(&(hello.suites.len() as u16).to_be_bytes());
    let ClientHello { session_id, compressions, suites, raw_extensions, .. } = hello;
    let mac = sip::mac(&key, &[&fixed, session_id, compressions, suites, raw_extensions]);
    let mut cookie = [0; LENGTH];
    cookie[0] = bucket as u8;
    cookie[1..].copy_from_slice(&mac);
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::extension::Extensions;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn peer() -> SocketAddr {
        "192.0.2.1:5000".parse().expect("an address")
    }

    fn keys(secret: u8) -> ClusterKeys {
        ClusterKeys::new([secret; 32], [0; 32])
    }

    fn made() -> [u8; LENGTH] {
        make(&keys(9), NOW, peer(), &hello(&[])).expect("there is a key")
    }

    fn hello(cookie: &[u8]) -> ClientHello<'_> {
        ClientHello {
            version: 0xFEFD,
            random: [1; 32],
            session_id: &[],
            cookie,
            suites: &[0xC0, 0xA8],
            compressions: &[0],
            raw_extensions: &[],
            extensions: Extensions::default(),
        }
    }

    #[test]
    fn holds_one_bucket_on_either_side_and_no_longer() {
        let cookie = made();

        for (seconds, valid) in [(0, true), (64, true), (128, false), (64 * 256, false)] {
            let (later, earlier) =
                (NOW + Duration::from_secs(seconds), NOW - Duration::from_secs(seconds));
            assert_eq!(verify(&keys(9), later, peer(), &hello(&cookie)), valid, "+{seconds}");
            assert_eq!(verify(&keys(9), earlier, peer(), &hello(&cookie)), valid, "-{seconds}");
        }
    }

    #[test]
    fn is_bound_to_the_address_and_the_secret() {
        let cookie = made();

        for other in ["192.0.2.2:5000", "192.0.2.1:5001", "[2001:db8::1]:5000"] {
            assert!(!verify(&keys(9), NOW, other.parse().expect("an address"), &hello(&cookie)));
        }
        assert!(!verify(&keys(8), NOW, peer(), &hello(&cookie)));
    }

    #[test]
    fn is_bound_to_every_parameter_of_the_hello() {
        let cookie = made();
        let base = hello(&cookie);
        let changed = [
            ClientHello { version: 0xFEFF, ..base },
            ClientHello { random: [2; 32], ..base },
            ClientHello { session_id: &[1], ..base },
            ClientHello { suites: &[0xC0, 0xA8, 0, 0xFF], ..base },
            ClientHello { compressions: &[0, 1], ..base },
            ClientHello { raw_extensions: &[0, 0], ..base },
        ];

        assert!(verify(&keys(9), NOW, peer(), &base));
        for (row, hello) in changed.iter().enumerate() {
            assert!(!verify(&keys(9), NOW, peer(), hello), "row {row}");
        }
    }

    #[test]
    fn what_one_edge_makes_is_good_at_another_that_was_handed_other_keys() {
        let at = |now| ClusterKeys::handed_out(CookieKeys::at(&[9; 32], now), Vec::new());
        let later = NOW + Duration::from_secs(64);

        let cookie = make(&at(NOW), NOW, peer(), &hello(&[])).expect("it has the key");

        assert_eq!(cookie, made());
        assert!(verify(&at(later), later, peer(), &hello(&cookie)));
        assert!(verify(&at(NOW), later, peer(), &hello(&cookie)));
        assert!(!verify(&ClusterKeys::default(), NOW, peer(), &hello(&cookie)));
        assert_eq!(make(&ClusterKeys::default(), NOW, peer(), &hello(&[])), None);
    }

    #[test]
    fn refuses_other_lengths() {
        let cookie = made();
        let longer = [&cookie[..], &[0]].concat();

        for cookie in [&cookie[..LENGTH - 1], &cookie[..1], &[], &longer] {
            assert!(!verify(&keys(9), NOW, peer(), &hello(cookie)));
        }
    }
}
