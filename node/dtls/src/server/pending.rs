//! All handshakes of one kind at an endpoint: by address, by age, by next deadline, by call.

use std::collections::{BTreeMap, BTreeSet};

use core::net::SocketAddr;
use core::time::Duration;

use super::output::CallId;

/// A handshake under way.
pub(super) trait Waiting {
    /// When its cookie came.
    fn started(&self) -> Duration;
    /// When it wants to be woken.
    fn wake(&self) -> Duration;
    /// The question that is out.
    fn call(&self) -> Option<CallId>;
}

/// At most `capacity` handshakes. One is changed by [`Self::change`], or by taking it out and putting
/// it back, which keeps the indexes true.
#[derive(Debug)]
pub(super) struct Pending<H> {
    capacity: usize,
    /// In boxes: the nodes of a map are moved about, and a handshake is long.
    by_peer: BTreeMap<SocketAddr, Box<H>>,
    by_age: BTreeSet<(Duration, SocketAddr)>,
    by_wake: BTreeSet<(Duration, SocketAddr)>,
    by_call: BTreeMap<CallId, SocketAddr>,
}

impl<H: Waiting> Pending<H> {
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

    /// Whether the next one pushes another out.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    pub(super) fn peek(&self, peer: SocketAddr) -> Option<&H> {
        self.by_peer.get(&peer).map(Box::as_ref)
    }

    /// Changes a handshake where it is; `None` if there is none.
    pub(super) fn change<R>(
        &mut self,
        peer: SocketAddr,
        change: impl FnOnce(&mut H) -> R,
    ) -> Option<R> {
        let one = self.by_peer.get_mut(&peer)?;
        let (wake, call) = (one.wake(), one.call());
        let result = change(one);
        let (wake_now, call_now) = (one.wake(), one.call());
        if wake_now != wake {
            self.by_wake.remove(&(wake, peer));
            self.by_wake.insert((wake_now, peer));
        }
        if call_now != call {
            call.and_then(|call| self.by_call.remove(&call));
            call_now.and_then(|call| self.by_call.insert(call, peer));
        }
        Some(result)
    }

    pub(super) fn take(&mut self, peer: SocketAddr) -> Option<Box<H>> {
        let one = self.by_peer.remove(&peer)?;
        self.by_age.remove(&(one.started(), peer));
        self.by_wake.remove(&(one.wake(), peer));
        if let Some(call) = one.call() {
            self.by_call.remove(&call);
        }
        Some(one)
    }

    /// The address of the handshake that waits for the answer to this call.
    pub(super) fn asker(&self, call: CallId) -> Option<SocketAddr> {
        self.by_call.get(&call).copied()
    }

    /// The handshake that waits for the answer to this call, if it is one to such a question.
    pub(super) fn take_call(
        &mut self,
        call: CallId,
        asked: impl FnOnce(&H) -> bool,
    ) -> Option<(SocketAddr, Box<H>)> {
        let peer = self.asker(call)?;
        if asked(self.by_peer.get(&peer)?) { Some((peer, self.take(peer)?)) } else { None }
    }

    /// The handshakes whose questions are out, and what one of them makes of it.
    pub(super) fn asked<T>(&self, ask: impl Fn(SocketAddr, &H) -> Option<T>) -> Vec<T> {
        let out = self.by_call.values().filter_map(|peer| Some((*peer, self.by_peer.get(peer)?)));
        out.filter_map(|(peer, one)| ask(peer, one)).collect()
    }

    /// The next handshake whose deadline has come.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<(SocketAddr, Box<H>)> {
        let (wake, peer) = *self.by_wake.first()?;
        if wake > now {
            return None;
        }
        Some((peer, self.take(peer)?))
    }

    /// Keeps a handshake for an address that has none.
    pub(super) fn put(&mut self, peer: SocketAddr, one: Box<H>) {
        self.by_age.insert((one.started(), peer));
        self.by_wake.insert((one.wake(), peer));
        if let Some(call) = one.call() {
            self.by_call.insert(call, peer);
        }
        self.by_peer.insert(peer, one);
    }

    /// Takes the oldest out if there is no room for one more.
    pub(super) fn evict(&mut self) -> Option<SocketAddr> {
        if !self.is_full() {
            return None;
        }
        let (_, peer) = *self.by_age.first()?;
        self.take(peer).map(|_| peer)
    }

    pub(super) fn next_wake(&self) -> Option<Duration> {
        self.by_wake.first().map(|(wake, _)| *wake)
    }
}
