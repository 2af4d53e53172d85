//! The edges that are there, and their listeners.
//!
//! An edge is here from its first word to these actors until the way to it has ended. It has an id
//! of its own for each listener and start of its process, so what is kept goes with it.

use crate::{EdgeId, Ports};
use claviger_dtls::PrefixLimits;
use claviger_front::Listen;
use claviger_ledger::View;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::BTreeMap;

/// How many realms the listeners of one edge may stand for.
const REALMS: usize = 256;
/// How many sessions one edge may look for at once, more than it allows itself; and the time in
/// which it may look for one more.
const FINDS: (u32, Duration) = (32_768, Duration::from_micros(62));

/// How many signatures one edge may ask for at once, and the time in which it may for one more.
const SIGNS: (u32, Duration) = (8_192, Duration::from_micros(250));

/// An edge as a prefix.
const WHOLE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Every edge.
#[derive(Default)]
pub(crate) struct Roster {
    edges: BTreeMap<EdgeId, Post>,
}

/// One edge.
struct Post {
    /// By realm.
    listeners: BTreeMap<String, Listen>,
    /// Of which time the keys are that it was sent last.
    keys_of: Option<KeysOf>,
    /// The whole edge is one prefix.
    finds: PrefixLimits,
    signs: PrefixLimits,
}

/// The bucket of cookies, and the generation of the keys of edges.
pub(crate) type KeysOf = (u64, u32);

impl Default for Post {
    fn default() -> Self {
        let finds = PrefixLimits::new(FINDS.0, FINDS.1);
        let signs = PrefixLimits::new(SIGNS.0, SIGNS.1);
        Self { listeners: BTreeMap::new(), keys_of: None, finds, signs }
    }
}

impl Roster {
    /// A listener of `edge` is there, which gets the keys of `keys_of`. False if there is no such
    /// realm, or the edge stands for too many.
    pub(crate) fn listen(
        &mut self,
        ports: &Ports,
        edge: EdgeId,
        listen: Listen,
        keys_of: KeysOf,
    ) -> bool {
        let post = self.edges.entry(edge).or_default();
        post.keys_of = Some(keys_of);
        let mut known = false;
        let realm = &listen.realm;
        ports.ledger.read(&mut |rows| known = View::new(rows).tenant_of_realm(realm).is_some());
        let room = post.listeners.contains_key(realm) || post.listeners.len() < REALMS;
        if known && room {
            post.listeners.insert(listen.realm.clone(), listen);
        }
        known && room
    }

    /// True if a listener of `edge` stands for `realm`.
    pub(crate) fn listens(&self, edge: EdgeId, realm: &str) -> bool {
        self.edges.get(&edge).is_some_and(|post| post.listeners.contains_key(realm))
    }

    /// The edges with a listener for `realm`.
    pub(crate) fn edges(&self, realm: &str) -> Vec<EdgeId> {
        let of_realm = self.edges.iter().filter(|(_, post)| post.listeners.contains_key(realm));
        of_realm.map(|(edge, _)| *edge).collect()
    }

    /// True if the edge is here.
    pub(crate) fn has(&self, edge: EdgeId) -> bool {
        self.edges.contains_key(&edge)
    }

    /// Every edge, and whether it is to have the keys of `keys_of` now.
    pub(crate) fn beat(&mut self, keys_of: KeysOf) -> Vec<(EdgeId, bool)> {
        let edges = self.edges.iter_mut();
        let told = |(edge, post): (&EdgeId, &mut Post)| {
            (*edge, post.keys_of.replace(keys_of) != Some(keys_of))
        };
        edges.map(told).collect()
    }

    /// The way to the edge has ended.
    pub(crate) fn gone(&mut self, edge: EdgeId) {
        self.edges.remove(&edge);
    }

    /// An edge other than `lost` that sends from the address which the devices of this listener send
    /// to. Which node's it is depends on `draw`.
    pub(crate) fn instead(
        &self,
        ports: &Ports,
        lost: Option<EdgeId>,
        listener: &str,
        draw: u64,
    ) -> Option<EdgeId> {
        let is_same = |it: &Listen| it.shared && it.listener == listener;
        let has_it = |post: &Post| post.listeners.values().any(is_same);
        let edges = self.edges.iter().filter(|(edge, post)| Some(**edge) != lost && has_it(post));
        let nodes: BTreeMap<u64, EdgeId> =
            edges.map(|(edge, _)| (ports.edges.node(*edge), *edge)).collect();
        let place = draw.checked_rem(nodes.len() as u64)?;
        nodes.values().nth(usize::try_from(place).ok()?).copied()
    }

    /// Whether an edge may look for a session now.
    pub(crate) fn may_find(&mut self, edge: EdgeId, now: Duration) -> bool {
        self.edges.get_mut(&edge).is_some_and(|post| post.finds.allow(now, WHOLE))
    }

    /// Whether an edge may have something signed now.
    pub(crate) fn may_sign(&mut self, edge: EdgeId, now: Duration) -> bool {
        self.edges.get_mut(&edge).is_some_and(|post| post.signs.allow(now, WHOLE))
    }
}
