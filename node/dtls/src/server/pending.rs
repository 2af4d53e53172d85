//! All half-open handshakes of an endpoint: by address, by age, by next deadline, by call.

use std::collections::{BTreeMap, BTreeSet};

use core::net::SocketAddr;
use core::time::Duration;

use super::half_open::{HalfOpen, Stage};
use super::output::CallId;

/// At most `capacity` handshakes. One is changed by taking it out and putting it back, which
/// keeps the indexes true.
#[derive(Debug)]
pub(super) struct Pending {
    capacity: usize,
    by_peer: BTreeMap<SocketAddr, HalfOpen>,
    by_age: BTreeSet<(Duration, SocketAddr)>,
    by_wake: BTreeSet<(Duration, SocketAddr)>,
    by_call: BTreeMap<CallId, SocketAddr>,
}

impl Pending {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            by_peer: BTreeMap::new(),
            by_age: BTreeSet::new(),
            by_wake: BTreeSet::new(),
            by_call: BTreeMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_peer.len()
    }

    pub(super) fn peek(&self, peer: SocketAddr) -> Option<&HalfOpen> {
        self.by_peer.get(&peer)
    }

    pub(super) fn take(&mut self, peer: SocketAddr) -> Option<HalfOpen> {
        let half_open = self.by_peer.remove(&peer)?;
        self.by_age.remove(&(half_open.started, peer));
        self.by_wake.remove(&(half_open.wake(), peer));
        if let Stage::Opening { call, .. } = half_open.stage {
            self.by_call.remove(&call);
        }
        Some(half_open)
    }

    pub(super) fn take_call(&mut self, call: CallId) -> Option<(SocketAddr, HalfOpen)> {
        let peer = *self.by_call.get(&call)?;
        Some((peer, self.take(peer)?))
    }

    /// The next handshake whose deadline has come.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<(SocketAddr, HalfOpen)> {
        let (wake, peer) = *self.by_wake.first()?;
        if wake > now {
            return None;
        }
        Some((peer, self.take(peer)?))
    }

    /// Keeps a handshake for an address that has none.
    pub(super) fn put(&mut self, peer: SocketAddr, half_open: HalfOpen) {
        self.by_age.insert((half_open.started, peer));
        self.by_wake.insert((half_open.wake(), peer));
        if let Stage::Opening { call, .. } = half_open.stage {
            self.by_call.insert(call, peer);
        }
        self.by_peer.insert(peer, half_open);
    }

    /// Takes the oldest out if there is no room for one more.
    pub(super) fn evict(&mut self) -> Option<(SocketAddr, HalfOpen)> {
        if self.by_peer.len() < self.capacity {
            return None;
        }
        let (_, peer) = *self.by_age.first()?;
        Some((peer, self.take(peer)?))
    }

    pub(super) fn next_wake(&self) -> Option<Duration> {
        self.by_wake.first().map(|(wake, _)| *wake)
    }
}
