//! Open sessions, found by connection id, else by the address of their handshake.

use std::collections::{BTreeMap, VecDeque};

use core::fmt;
use core::hash::BuildHasher;
use core::net::SocketAddr;
use core::time::Duration;

use rand_core::CryptoRng;

use super::limits::Forgeries;
use crate::cipher::Cipher;
use crate::handle;
use crate::index::{Index, Key};
use crate::keys::{SessionId, SessionKeys};
use crate::replay::Window;
use crate::sealed::Sealed;
use crate::stored::hello_mark;

/// How long our last flight can be repeated: twice the maximum segment lifetime
/// (RFC 6347 §4.2.4).
pub(super) const FLIGHT_KEPT: Duration = Duration::from_secs(240);
/// How long a session must be unused to rest. It is looked when its last flight is forgotten, and as
/// long after each time that it was used.
const LOOK: Duration = FLIGHT_KEPT;
/// Between two reports that the client repeats itself.
const REPEAT_EVERY: Duration = Duration::from_secs(1);

/// One open session: 160 bytes that stay, and its places in the maps.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) cipher: Cipher,
    pub(super) keys: SessionKeys,
    pub(super) place: Place,
    /// Most application data in a record to the peer.
    pub(super) longest: u16,
    /// Whether the peer answers checks of its address (RFC 9853).
    pub(super) rrc: bool,
    /// The id that we put into ours; empty if none.
    pub(super) peer_cid: Box<[u8]>,
    pub(super) sealed: Sealed,
    pub(super) window: Window,
    /// Our last flight, while it may have to be sent again.
    pub(super) flight: Option<Box<LastFlight>>,
    /// Whose it is, as whoever drives the endpoint says; empty until then.
    pub(super) owner: Box<str>,
    pub(super) watch: Watch,
}

/// In which second a session is looked at next, and in the lowest bit whether it was used since the
/// last time. In one, since there are many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch(u32);

impl Watch {
    const USED: u32 = 1;

    const fn at(second: u32) -> Self {
        // What is cut off comes back after 68 years.
        Self(second << 1)
    }

    /// A record of the session was read or sealed.
    pub(super) const fn used(&mut self) {
        self.0 |= Self::USED;
    }

    const fn is_used(self) -> bool {
        self.0 & Self::USED != 0
    }

    /// Whether the session is looked at in this second. Of one that was here before, there may be
    /// another.
    const fn is_for(self, second: u32) -> bool {
        self.0 & !Self::USED == Self::at(second).0
    }
}

/// What the records of a session are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionName {
    /// The connection id that they bear.
    Cid([u8; 8]),
    /// The address that they come from, that of the handshake.
    Home(SocketAddr),
}

/// What a session is known by, and where its records go.
#[derive(Debug)]
pub(super) enum Place {
    Cid {
        cid: [u8; 8],
        peer: SocketAddr,
    },
    Home {
        home: SocketAddr,
        /// Where its records go, if not there.
        away: Option<Box<SocketAddr>>,
    },
}

impl Place {
    pub(super) fn new(cid: Option<[u8; 8]>, peer: SocketAddr) -> Self {
        cid.map_or(Self::Home { home: peer, away: None }, |cid| Self::Cid { cid, peer })
    }

    fn name(&self) -> SessionName {
        match self {
            Self::Cid { cid, .. } => SessionName::Cid(*cid),
            Self::Home { home, .. } => SessionName::Home(*home),
        }
    }

    pub(super) fn peer(&self) -> SocketAddr {
        match self {
            Self::Cid { peer, .. } => *peer,
            Self::Home { home, away } => away.as_deref().copied().unwrap_or(*home),
        }
    }

    /// Records go to another address from now on.
    pub(super) fn moved(&mut self, to: SocketAddr) {
        match self {
            Self::Cid { peer, .. } => *peer = to,
            Self::Home { home, away } if *home == to => *away = None,
            Self::Home { away: Some(away), .. } => **away = to,
            Self::Home { away, .. } => *away = Some(Box::new(to)),
        }
    }
}

impl Session {
    /// Whether it has its handshake's place here, as its name or beside an id.
    fn is_at(&self, home: SocketAddr) -> bool {
        let is_home = |flight: &LastFlight| flight.home == home;
        self.place.name() == SessionName::Home(home) || self.flight.as_deref().is_some_and(is_home)
    }

    /// The connection id that the client puts into its records; empty if none.
    pub(super) fn cid(&self) -> &[u8] {
        match &self.place {
            Place::Cid { cid, .. } => cid,
            Place::Home { .. } => &[],
        }
    }
}

/// What it takes to send our last flight again, and to know a late ClientHello.
#[derive(Debug)]
pub(super) struct LastFlight {
    /// Where the handshake took place.
    pub(super) home: SocketAddr,
    /// What it says; nothing if the client's flight was the last one.
    pub(super) said: Option<Said>,
    /// Number of our next record of epoch 0. A repetition's is higher by twice the sequence of
    /// its Finished, so that an edge which never saw the handshake needs to remember nothing.
    pub(super) first_record: u64,
    /// The end of the client's random.
    pub(super) hello: [u8; 8],
    /// The record of the client's Finished; empty if another edge has seen it.
    pub(super) finished: Box<[u8]>,
    /// No report of a repetition before this time.
    pub(super) quiet_until: Duration,
}

/// The messages of our last flight.
#[derive(Debug)]
pub(super) struct Said {
    /// Number of the first one.
    pub(super) message: u16,
    /// The ticket that it gives.
    pub(super) ticket: Option<[u8; handle::LENGTH]>,
    pub(super) verify_data: [u8; 12],
}

/// All sessions of an endpoint.
pub(super) struct Sessions {
    /// In boxes: up to half of a map's places are empty, and a session is long.
    by_id: Index<SessionId, Box<Session>>,
    by_cid: Index<[u8; 8], SessionId>,
    /// Sessions without an id, and those whose last flight is kept, by a hash of the address: that
    /// is a quarter as long, and the session itself says whether it is at home there.
    by_home: Index<u64, SessionId>,
    key: Key,
    /// Sessions by the second in which they are looked at: for their last flight, and whether they
    /// rest.
    looks: VecDeque<(u32, SessionId)>,
    /// Whether what is not used is let go.
    pub(super) resting: bool,
    /// Of sessions that were sent some that are dear.
    forgeries: BTreeMap<SessionId, Forgeries>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Sessions {
    pub(super) fn new(rng: &mut dyn CryptoRng) -> Self {
        let key = Key::new(rng);
        Self {
            by_id: Index::new(key),
            by_cid: Index::new(key),
            by_home: Index::new(key),
            key,
            looks: VecDeque::new(),
            resting: false,
            forgeries: BTreeMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Adds a session. A session of the same address that can only be found by it goes, and its
    /// name is given. If the session itself is here, what it has sealed and read stays so.
    pub(super) fn insert(
        &mut self,
        now: Duration,
        id: SessionId,
        mut session: Session,
    ) -> Option<SessionId> {
        if let Some(known) = self.by_id.get(&id) {
            session.sealed = session.sealed.max(known.sealed);
            let finished = core::mem::replace(&mut session.window, known.window).highest();
            session.window.accept(finished);
        }
        self.remove(id);
        let flight = session.flight.as_deref();
        let displaced = flight.and_then(|flight| self.named(SessionName::Home(flight.home)));
        if let Some(older) = displaced {
            self.remove(older);
        }
        self.add(now, id, session);
        displaced
    }

    /// Adds a session whose id and name are free. Its last flight leaves an address alone that is
    /// the name of another session.
    pub(super) fn add(&mut self, now: Duration, id: SessionId, mut session: Session) {
        match session.place.name() {
            SessionName::Cid(cid) => {
                self.by_cid.insert(cid, id);
            }
            SessionName::Home(home) => self.settle(home, id),
        }
        let home = session.flight.as_deref().map(|flight| flight.home);
        if let Some(home) = home.filter(|home| self.named(SessionName::Home(*home)).is_none()) {
            self.settle(home, id);
        }
        if self.resting || session.flight.is_some() {
            let second = second_of(now + LOOK);
            session.watch = Watch::at(second);
            self.looks.push_back((second, id));
        }
        self.by_id.insert(id, Box::new(session));
    }

    fn settle(&mut self, home: SocketAddr, id: SessionId) {
        self.by_home.insert(self.key.hash_one(home), id);
    }

    /// Whether this session is here, or another one of this name.
    pub(super) fn holds(&self, id: SessionId, name: SessionName) -> bool {
        self.named(name).is_some() || self.by_id.get(&id).is_some()
    }

    /// The session of this name. An address where a session with an id had its handshake is
    /// nobody's name.
    fn named(&self, name: SessionName) -> Option<SessionId> {
        let is_named =
            |id: &SessionId| self.by_id.get(id).is_some_and(|it| it.place.name() == name);
        match name {
            SessionName::Cid(cid) => self.with_cid(&cid),
            SessionName::Home(home) => self.at_home(home).filter(is_named),
        }
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        let Some(session) = self.by_id.remove(&id) else {
            return;
        };
        self.forgeries.remove(&id);
        match session.place.name() {
            SessionName::Cid(cid) => {
                self.by_cid.remove(&cid);
            }
            SessionName::Home(home) => self.leave(home, id),
        }
        if let Some(flight) = &session.flight {
            self.leave(flight.home, id);
        }
    }

    /// The session is not found by this address any more, unless another one is already.
    fn leave(&mut self, home: SocketAddr, id: SessionId) {
        let home = self.key.hash_one(home);
        if self.by_home.get(&home) == Some(&id) {
            self.by_home.remove(&home);
        }
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(&id).map(Box::as_mut)
    }

    /// Whether so many forgeries have come for this session that none is looked at now.
    pub(super) fn is_flooded(&mut self, now: Duration, id: SessionId) -> bool {
        self.forgeries.get_mut(&id).is_some_and(|forgeries| forgeries.too_many(now))
    }

    /// A record of this session, which is dear, did not verify.
    pub(super) fn forged(&mut self, now: Duration, id: SessionId) {
        self.forgeries.entry(id).or_insert_with(|| Forgeries::new(now)).count();
    }

    pub(super) fn with_cid(&self, cid: &[u8]) -> Option<SessionId> {
        self.by_cid.get(cid.try_into().ok()?).copied()
    }

    /// Whether an id is in use: a new one must not be.
    pub(super) fn has_cid(&self, cid: [u8; 8]) -> bool {
        self.by_cid.get(&cid).is_some()
    }

    /// The newest session whose handshake took place at this address.
    pub(super) fn at_home(&self, home: SocketAddr) -> Option<SessionId> {
        let id = *self.by_home.get(&self.key.hash_one(home))?;
        self.get(id)?.is_at(home).then_some(id)
    }

    /// Whether this ClientHello opened the session that this address has.
    pub(super) fn knows_hello(&self, home: SocketAddr, client_random: &[u8; 32]) -> bool {
        self.at_home(home)
            .and_then(|id| self.get(id)?.flight.as_deref())
            .is_some_and(|flight| flight.hello == hello_mark(client_random))
    }

    /// Whether a repetition of the client's Finished is worth a report now.
    pub(super) fn repetition(&mut self, now: Duration, id: SessionId) -> bool {
        let flight = self.get_mut(id).and_then(|session| session.flight.as_deref_mut());
        let Some(flight) = flight.filter(|flight| flight.said.is_some()) else { return false };
        let due = now >= flight.quiet_until;
        if due {
            flight.quiet_until = now + REPEAT_EVERY;
        }
        due
    }

    /// Forgets last flights whose time is over; from then on a connection id is all that its
    /// session is found by. Where sessions rest, lets those go that were not used for [`LOOK`] at
    /// least, and for twice that at most, and gives their names.
    pub(super) fn look(&mut self, now: Duration) -> Vec<SessionName> {
        let mut rested = Vec::new();
        if self.next_look().is_some_and(|at| at <= now) {
            self.forgeries.retain(|_, forgeries| !forgeries.are_forgiven(now));
        }
        let (due, again) = (now.as_secs() as u32, second_of(now + LOOK));
        while let Some((second, id)) = self.looks.pop_front_if(|(second, _)| *second <= due) {
            // The session may have been opened again since.
            let watched = |session: &&mut Session| session.watch.is_for(second);
            let Some(session) = self.get_mut(id).filter(watched) else { continue };
            let (name, used) = (session.place.name(), session.watch.is_used());
            session.watch = Watch::at(again);
            self.forget_flight(id);
            if self.resting && used {
                self.looks.push_back((again, id));
            } else if self.resting {
                self.remove(id);
                rested.push(name);
            }
        }
        // After a rush of handshakes the queue gives its memory back.
        if self.looks.capacity() > 64 + 4 * self.looks.len() {
            self.looks.shrink_to(2 * self.looks.len());
        }
        rested
    }

    fn forget_flight(&mut self, id: SessionId) {
        let Some(session) = self.by_id.get_mut(&id) else { return };
        let flight = session.flight.take();
        let home = flight.filter(|_| !session.cid().is_empty()).map(|flight| flight.home);
        home.into_iter().for_each(|home| self.leave(home, id));
    }

    /// When [`Self::look`] has something to do.
    pub(super) fn next_look(&self) -> Option<Duration> {
        self.looks.front().map(|(second, _)| Duration::from_secs((*second).into()))
    }
}

/// The first second that is not before a time.
const fn second_of(time: Duration) -> u32 {
    (time.as_secs() + (time.subsec_nanos() > 0) as u64) as u32
}
