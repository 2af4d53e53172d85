//! The load balancer before the edges.

use core::net::SocketAddr;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

/// How datagrams come to edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Balance {
    /// Those of an address come to one edge, by a hash with this salt.
    Hash(u64),
    /// Each goes where it goes.
    Spread,
}

impl Balance {
    /// Which of `edges` gets a datagram from this address.
    pub(crate) fn pick(
        self,
        from: SocketAddr,
        edges: &[usize],
        rng: &mut ChaCha20Rng,
    ) -> Option<usize> {
        let draw = match self {
            Self::Hash(salt) => {
                let mixed = (u64::from(from.port()) ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                mixed ^ (mixed >> 29)
            }
            Self::Spread => rng.next_u64(),
        };
        let place = usize::try_from(draw % (edges.len().max(1) as u64)).unwrap_or(0);
        edges.get(place).copied()
    }
}
