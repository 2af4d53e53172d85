//! Who is inside: handshakes under way, strangers, and nodes, each with room of their own.

use crate::gate::Gate;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many addresses are known to be of nodes.
const FAMILIAR: usize = 4096;

/// All who are inside.
pub(crate) struct Guests {
    who: Mutex<Who>,
    nodes: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    familiar: Arc<Semaphore>,
    unfamiliar: Arc<Semaphore>,
    handshakes: usize,
}

#[derive(Default)]
struct Who {
    gate: Gate,
    /// From where nodes have come.
    familiar: BTreeSet<IpAddr>,
    /// How many connections nodes have.
    nodes: BTreeMap<u64, usize>,
}

impl Guests {
    pub(crate) fn new(nodes: usize, strangers: usize, handshakes: usize) -> Self {
        let room = |count| Arc::new(Semaphore::new(count));
        Self {
            who: Mutex::default(),
            nodes: room(nodes),
            strangers: room(strangers),
            familiar: room(handshakes),
            unfamiliar: room(handshakes),
            handshakes,
        }
    }

    fn who(&self) -> MutexGuard<'_, Who> {
        self.who.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a handshake from this address has its room.
    fn room(&self, from: IpAddr) -> &Arc<Semaphore> {
        let familiar = self.who().familiar.contains(&from);
        if familiar { &self.familiar } else { &self.unfamiliar }
    }

    /// How many handshakes are under way where one from this address has its room.
    pub(crate) fn under_way(&self, from: IpAddr) -> usize {
        self.handshakes - self.room(from).available_permits()
    }

    /// Lets one begin a handshake, if there is room.
    pub(crate) fn enter(self: &Arc<Self>, from: IpAddr, now: Duration) -> Option<Guest> {
        let handshake = self.room(from).clone().try_acquire_owned().ok()?;
        if !self.who().gate.enter(from, now) {
            return None;
        }
        Some(Guest { guests: self.clone(), from, _handshake: handshake })
    }
}

/// One whose handshake is under way.
pub(crate) struct Guest {
    guests: Arc<Guests>,
    from: IpAddr,
    _handshake: OwnedSemaphorePermit,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.who().gate.leave(self.from);
    }
}

/// One who stays, until this is dropped.
pub(crate) struct Stay {
    guests: Arc<Guests>,
    node: Option<u64>,
    from: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Guest {
    /// It is this node, which may have so many connections.
    pub(crate) fn into_node(self, node: u64, most: usize) -> Option<Stay> {
        let permit = self.guests.nodes.clone().try_acquire_owned().ok()?;
        let mut who = self.guests.who();
        let count = who.nodes.entry(node).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        if who.familiar.len() < FAMILIAR {
            who.familiar.insert(self.from);
        }
        drop(who);
        let (guests, from) = (self.guests.clone(), self.from);
        Some(Stay { guests, node: Some(node), from, _permit: permit })
    }

    /// It is nobody in particular, and goes on to count as one of its address.
    pub(crate) fn into_stranger(self) -> Option<Stay> {
        let permit = self.guests.strangers.clone().try_acquire_owned().ok()?;
        let (guests, from) = (self.guests.clone(), self.from);
        guests.who().gate.stay(from);
        Some(Stay { guests, node: None, from, _permit: permit })
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut who = self.guests.who();
        let Some(node) = self.node else { return who.gate.leave(self.from) };
        if let Some(count) = who.nodes.get_mut(&node) {
            *count -= 1;
            if *count == 0 {
                who.nodes.remove(&node);
            }
        }
    }
}
