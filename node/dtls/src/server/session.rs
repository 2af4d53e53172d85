//! Open sessions, found by connection id, else by the address of their handshake.

use std::collections::{BTreeMap, VecDeque};

use core::net::SocketAddr;
use core::time::Duration;

use crate::cipher::Cipher;
use crate::keys::{SessionId, SessionKeys};
use crate::replay::Window;

/// How long our last flight can be repeated: twice the maximum segment lifetime
/// (RFC 6347 §4.2.4).
const FLIGHT_KEPT: Duration = Duration::from_secs(240);
/// Between two reports that the client repeats itself.
const REPEAT_EVERY: Duration = Duration::from_secs(1);

/// One open session: 152 bytes that stay, and its place in the maps.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) cipher: Cipher,
    pub(super) keys: SessionKeys,
    /// Where records go.
    pub(super) peer: SocketAddr,
    pub(super) name: Name,
    /// The id that we put into ours; empty if none.
    pub(super) peer_cid: Box<[u8]>,
    /// Highest sequence sealed.
    pub(super) last_sealed: u64,
    pub(super) window: Window,
}

/// What the records of a session are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The connection id that they bear.
    Cid([u8; 8]),
    /// The address that they come from, that of the handshake.
    Home(SocketAddr),
}

impl Session {
    /// The connection id that the client puts into its records; empty if none.
    pub(super) fn cid(&self) -> &[u8] {
        match &self.name {
            Name::Cid(cid) => cid,
            Name::Home(_) => &[],
        }
    }
}

/// What it takes to send our last flight again, and to know a late ClientHello.
#[derive(Debug)]
pub(super) struct LastFlight {
    /// Where the handshake took place.
    pub(super) home: SocketAddr,
    pub(super) verify_data: [u8; 12],
    /// Number of the Finished message.
    pub(super) message: u16,
    /// Number of our next record of epoch 0.
    pub(super) next_record: u64,
    pub(super) client_random: [u8; 32],
    /// No report of a repetition before this time.
    pub(super) quiet_until: Duration,
}

/// All sessions of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_id: BTreeMap<SessionId, Session>,
    by_cid: BTreeMap<[u8; 8], SessionId>,
    /// Sessions without an id, and those whose last flight is kept.
    by_home: BTreeMap<SocketAddr, SessionId>,
    flights: BTreeMap<SessionId, LastFlight>,
    expiring: VecDeque<(Duration, SessionId)>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Adds a session. A session of the same address that can only be found by it goes, and its
    /// name is given.
    pub(super) fn insert(
        &mut self,
        now: Duration,
        id: SessionId,
        session: Session,
        flight: LastFlight,
    ) -> Option<SessionId> {
        self.remove(id);
        let displaced = self
            .at_home(flight.home)
            .filter(|older| self.by_id.get(older).is_some_and(|older| older.cid().is_empty()));
        if let Some(older) = displaced {
            self.remove(older);
        }
        if let Name::Cid(cid) = session.name {
            self.by_cid.insert(cid, id);
        }
        self.by_home.insert(flight.home, id);
        self.by_id.insert(id, session);
        self.flights.insert(id, flight);
        self.expiring.push_back((now + FLIGHT_KEPT, id));
        displaced
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        let Some(session) = self.by_id.remove(&id) else {
            return;
        };
        let flight = self.flights.remove(&id);
        match session.name {
            Name::Cid(cid) => {
                self.by_cid.remove(&cid);
            }
            Name::Home(home) => self.leave(home, id),
        }
        if let Some(flight) = flight {
            self.leave(flight.home, id);
        }
    }

    /// The session is not found by this address any more, unless another one is already.
    fn leave(&mut self, home: SocketAddr, id: SessionId) {
        if self.by_home.get(&home) == Some(&id) {
            self.by_home.remove(&home);
        }
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    /// A session, with its last flight while that is kept.
    pub(super) fn with_flight(
        &mut self,
        id: SessionId,
    ) -> Option<(&mut Session, Option<&mut LastFlight>)> {
        Some((self.by_id.get_mut(&id)?, self.flights.get_mut(&id)))
    }

    pub(super) fn with_cid(&self, cid: &[u8]) -> Option<SessionId> {
        self.by_cid.get(cid).copied()
    }

    /// Whether an id is in use: a new one must not be.
    pub(super) fn has_cid(&self, cid: [u8; 8]) -> bool {
        self.by_cid.contains_key(&cid)
    }

    /// The newest session whose handshake took place at this address.
    pub(super) fn at_home(&self, home: SocketAddr) -> Option<SessionId> {
        self.by_home.get(&home).copied()
    }

    /// Whether this ClientHello opened the session that this address has.
    pub(super) fn knows_hello(&self, home: SocketAddr, client_random: &[u8; 32]) -> bool {
        self.at_home(home)
            .and_then(|id| self.flights.get(&id))
            .is_some_and(|flight| flight.client_random == *client_random)
    }

    /// Whether a repetition of the client's Finished is worth a report now.
    pub(super) fn repetition(&mut self, now: Duration, id: SessionId) -> bool {
        let Some(flight) = self.flights.get_mut(&id) else {
            return false;
        };
        let due = now >= flight.quiet_until;
        if due {
            flight.quiet_until = now + REPEAT_EVERY;
        }
        due
    }

    /// Forgets last flights whose time is over; from then on a connection id is all that its
    /// session is found by.
    pub(super) fn expire(&mut self, now: Duration) {
        while let Some((_, id)) = self.expiring.pop_front_if(|(at, _)| *at <= now) {
            let Some(flight) = self.flights.remove(&id) else { continue };
            if self.by_id.get(&id).is_some_and(|session| !session.cid().is_empty()) {
                self.leave(flight.home, id);
            }
        }
        // After a rush of handshakes the queue gives its memory back.
        if self.expiring.capacity() > 64 + 4 * self.expiring.len() {
            self.expiring.shrink_to(2 * self.expiring.len());
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.expiring.front().map(|(at, _)| *at)
    }
}
