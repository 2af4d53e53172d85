//! A network that delays, loses, doubles and reorders, by a seed.

use core::net::SocketAddr;
use core::time::Duration;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// What the network does to datagrams, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// How many are lost.
    pub lose: u32,
    /// How many come twice.
    pub double: u32,
}

/// A datagram on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// From.
    pub from: SocketAddr,
    /// To.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// The network.
#[derive(Debug)]
pub struct Net {
    rng: ChaCha20Rng,
    faults: Faults,
    under_way: BTreeMap<(Duration, u64), Datagram>,
    sent: u64,
}

impl Net {
    /// A network for `seed`.
    pub fn new(seed: u64, faults: Faults) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(seed);
        Self { rng, faults, under_way: BTreeMap::new(), sent: 0 }
    }

    /// From now on the network does this.
    pub fn set(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Takes a datagram; it arrives after 1 to 20 ms, or does not.
    pub fn send(&mut self, now: Duration, datagram: Datagram) {
        let copies = match (self.percent(self.faults.lose), self.percent(self.faults.double)) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        for _ in 0..copies {
            let delay = Duration::from_millis(1 + u64::from(self.rng.next_u32() % 20));
            self.under_way.insert((now + delay, self.sent), datagram.clone());
            self.sent += 1;
        }
    }

    fn percent(&mut self, share: u32) -> bool {
        self.rng.next_u32() % 100 < share
    }

    /// When the next datagram arrives.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// What has arrived by `now`, in order.
    pub fn arrived(&mut self, now: Duration) -> Option<Datagram> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}
