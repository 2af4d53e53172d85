//! Stateless cookies (RFC 6347 §4.2.1): any edge of the cluster checks what another one made.
//!
//! A cookie is the low byte of the time bucket and 16 bytes of HMAC-SHA256 under that bucket's
//! key, over the peer's address and every parameter of its ClientHello. It holds for the bucket
//! it was made in and one on either side, so for 64 to 128 seconds and under skewed clocks.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use subtle::ConstantTimeEq;

use crate::prf::{hash, hmac};
use crate::wire::hello::ClientHello;

/// Seconds of a bucket.
const BUCKET: u64 = 64;
/// Bytes of a cookie: with it a HelloVerifyRequest (45 bytes) is no longer than the shortest
/// ClientHello (67), so that nothing is amplified.
pub(crate) const LENGTH: usize = 17;

/// The cookie of this hello from this address.
pub(crate) fn make(
    secret: &[u8; 32],
    now: Duration,
    from: SocketAddr,
    hello: &ClientHello<'_>,
) -> [u8; LENGTH] {
    in_bucket(secret, now.as_secs() / BUCKET, from, hello)
}

/// Whether the hello bears a cookie that the cluster made for it and its address.
pub(crate) fn verify(
    secret: &[u8; 32],
    now: Duration,
    from: SocketAddr,
    hello: &ClientHello<'_>,
) -> bool {
    let Some(low) = hello.cookie.first() else {
        return false;
    };
    let current = now.as_secs() / BUCKET;
    (current.saturating_sub(1)..=current + 1)
        .find(|bucket| *bucket as u8 == *low)
        .is_some_and(|bucket| in_bucket(secret, bucket, from, hello).ct_eq(hello.cookie).into())
}

fn in_bucket(
    secret: &[u8; 32],
    bucket: u64,
    from: SocketAddr,
    hello: &ClientHello<'_>,
) -> [u8; LENGTH] {
    let key = hmac(secret, &[b"claviger cookie", &bucket.to_be_bytes()]);
    let ip = match from.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    // Lengths stand before what varies, so that no two hellos give the same input.
    let fixed = [hello.session_id.len() as u8, hello.compressions.len() as u8];
    let mac = hmac(
        &key,
        &[
            &ip.octets(),
            &from.port().to_be_bytes(),
            &hello.version.to_be_bytes(),
            &hello.random,
            &fixed,
            hello.session_id,
            hello.compressions,
            &hash(&[hello.suites]),
            &hash(&[hello.raw_extensions]),
        ],
    );
    let mut cookie = [0; LENGTH];
    cookie[0] = bucket as u8;
    cookie[1..].copy_from_slice(&mac[..LENGTH - 1]);
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::extension::Extensions;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn peer() -> SocketAddr {
        "192.0.2.1:5000".parse().expect("an address")
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
        let cookie = make(&[9; 32], NOW, peer(), &hello(&[]));

        for (seconds, valid) in [(0, true), (64, true), (128, false), (64 * 256, false)] {
            let (later, earlier) =
                (NOW + Duration::from_secs(seconds), NOW - Duration::from_secs(seconds));
            assert_eq!(verify(&[9; 32], later, peer(), &hello(&cookie)), valid, "+{seconds}");
            assert_eq!(verify(&[9; 32], earlier, peer(), &hello(&cookie)), valid, "-{seconds}");
        }
    }

    #[test]
    fn is_bound_to_the_address_and_the_secret() {
        let cookie = make(&[9; 32], NOW, peer(), &hello(&[]));

        for other in ["192.0.2.2:5000", "192.0.2.1:5001", "[2001:db8::1]:5000"] {
            assert!(!verify(&[9; 32], NOW, other.parse().expect("an address"), &hello(&cookie)));
        }
        assert!(!verify(&[8; 32], NOW, peer(), &hello(&cookie)));
    }

    #[test]
    fn is_bound_to_every_parameter_of_the_hello() {
        let cookie = make(&[9; 32], NOW, peer(), &hello(&[]));
        let base = hello(&cookie);
        let changed = [
            ClientHello { version: 0xFEFF, ..base },
            ClientHello { random: [2; 32], ..base },
            ClientHello { session_id: &[1], ..base },
            ClientHello { suites: &[0xC0, 0xA8, 0, 0xFF], ..base },
            ClientHello { compressions: &[0, 1], ..base },
            ClientHello { raw_extensions: &[0, 0], ..base },
        ];

        assert!(verify(&[9; 32], NOW, peer(), &base));
        for (row, hello) in changed.iter().enumerate() {
            assert!(!verify(&[9; 32], NOW, peer(), hello), "row {row}");
        }
    }

    #[test]
    fn refuses_other_lengths() {
        let cookie = make(&[9; 32], NOW, peer(), &hello(&[]));
        let longer = [&cookie[..], &[0]].concat();

        for cookie in [&cookie[..LENGTH - 1], &cookie[..1], &[], &longer] {
            assert!(!verify(&[9; 32], NOW, peer(), &hello(cookie)));
        }
    }
}
