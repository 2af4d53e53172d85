//! The hub: the leader's way to the edges, and theirs to its actors.
//!
//! Every node of the ledger has one. It is open while the node leads ([`Hub::open`]); then each edge
//! that is connected has a seat, and its frames go to the actors of this term. Edges of this process
//! take a seat by [`Hub::sit`], those of others by [`Hub::serve`]. Everything is bounded: a frame
//! for an edge that is behind is dropped and counted.

use super::way::{Frame, ToTask};
use claviger_actors::{Devices, EdgeId, Edges};
use claviger_front::{Believed, EdgeReport, WhyRefused};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Instant, SystemTime};
use tokio::sync::{mpsc, watch};

/// How many edges may be connected.
const SEATS: usize = 4_096;
/// The pause between two heartbeats.
pub const BEAT: Duration = Duration::from_millis(500);

/// The time in which this node leads without a break.
#[derive(Debug, Clone)]
pub struct Reign {
    /// Which one it is, counted since the start of the process.
    serial: u64,
    /// The term.
    pub term: u64,
    /// Since when.
    since: SystemTime,
    /// The actors.
    pub devices: Devices,
}

/// Who sits somewhere, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The edge: one listener of one process.
    pub edge: EdgeId,
    /// The node whose it is.
    pub node: u64,
    /// Where that node is reached from.
    pub address: String,
    /// The listener.
    pub listener: String,
    /// The realm that it stands for.
    pub realm: String,
    /// The version of Claviger there.
    pub version: String,
    /// Since when it has been connected.
    pub since: SystemTime,
}

/// Where frames for an edge go.
#[derive(Debug, Clone)]
pub enum Seat {
    /// To a task of this process.
    Here(mpsc::Sender<ToTask>),
    /// To another node.
    There(mpsc::Sender<Frame>),
}

impl Seat {
    fn take(&self, frame: Frame) -> bool {
        match self {
            Self::Here(task) => task.try_send(ToTask::Frame(frame)).is_ok(),
            Self::There(stream) => stream.try_send(frame).is_ok(),
        }
    }
}

/// What is counted.
#[derive(Debug, Default)]
pub struct Counters {
    /// Edges that sit here now.
    pub connected: AtomicU64,
    /// Those of them that say that they answer no device, for they lack a leader or keys.
    pub mute: AtomicU64,
    /// Frames for edges that were behind, or gone.
    pub lost: AtomicU64,
    /// Edges that were let in.
    pub welcomed: AtomicU64,
    /// Edges that were turned away: too many, or an id that is another's.
    pub refused: AtomicU64,
}

struct Taken {
    about: About,
    seat: Seat,
    /// When the edge was heard last.
    heard: Arc<Heard>,
}

#[derive(Default)]
struct State {
    reign: Option<Reign>,
    seats: BTreeMap<EdgeId, Taken>,
}

/// When an edge was heard last.
#[derive(Debug)]
pub struct Heard {
    from: Instant,
    /// Ms since then.
    last: AtomicU64,
    /// What the edge said of itself.
    report: Mutex<Option<EdgeReport>>,
}

impl Default for Heard {
    fn default() -> Self {
        Self { from: Instant::now(), last: AtomicU64::new(0), report: Mutex::default() }
    }
}

impl Heard {
    /// It is heard now.
    pub fn now(&self) {
        let ms = u64::try_from(self.from.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(ms, Ordering::Relaxed);
    }

    /// It has said how it stands.
    pub fn say(&self, report: EdgeReport) {
        self.now();
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    fn said(&self) -> Option<EdgeReport> {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ago(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.from.elapsed().saturating_sub(last)
    }
}

/// The hub of one node.
pub struct Hub {
    state: RwLock<State>,
    reigns: watch::Sender<Option<Reign>>,
    /// Whom nodes are to believe, once that is known.
    believed: watch::Sender<Option<Believed>>,
    serial: AtomicU64,
    counters: Arc<Counters>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            state: RwLock::default(),
            reigns: watch::Sender::new(None),
            believed: watch::Sender::new(None),
            serial: AtomicU64::new(0),
            counters: Arc::default(),
        }
    }
}

impl core::fmt::Debug for Hub {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hub")
    }
}

/// The way to the edges, for the actors of one reign. Once that has ended, it leads nowhere.
struct Voice {
    hub: Arc<Hub>,
    serial: u64,
}

impl Edges for Voice {
    fn send(&self, edge: EdgeId, frame: Frame) -> bool {
        self.hub.send(self.serial, edge, frame)
    }

    fn node(&self, edge: EdgeId) -> u64 {
        let state = self.hub.read();
        // One that has gone is nobody else's.
        state.seats.get(&edge).map_or(edge.0, |taken| taken.about.node)
    }
}

impl Hub {
    /// What it counts.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A way to the edges for the actors of the reign that is to come, and its number for
    /// [`Hub::open`].
    pub fn voice(self: &Arc<Self>) -> (u64, Arc<dyn Edges>) {
        let serial = 1 + self.serial.fetch_add(1, Ordering::Relaxed);
        (serial, Arc::new(Voice { hub: self.clone(), serial }))
    }

    /// This node leads: edges may come.
    pub fn open(&self, serial: u64, term: u64, devices: Devices) {
        let reign = Reign { serial, term, since: SystemTime::now(), devices };
        self.write().reign = Some(reign.clone());
        self.reigns.send_replace(Some(reign));
    }

    /// It leads no more: all seats are empty, at once. Gives the actors that spoke here.
    pub fn close(&self) -> Option<Devices> {
        let mut state = self.write();
        let reign = state.reign.take();
        state.seats.clear();
        self.counters.connected.store(0, Ordering::Relaxed);
        self.counters.mute.store(0, Ordering::Relaxed);
        drop(state);
        self.reigns.send_replace(None);
        reign.map(|reign| reign.devices)
    }

    /// The reign, and each change of it.
    pub fn reigns(&self) -> watch::Receiver<Option<Reign>> {
        self.reigns.subscribe()
    }

    /// Nodes are to believe these from now on: edges of other nodes are told while this node leads.
    pub fn believe(&self, believed: Believed) {
        self.believed.send_replace(Some(believed));
    }

    /// Whom nodes are to believe, and each change of it.
    pub fn believed(&self) -> watch::Receiver<Option<Believed>> {
        self.believed.subscribe()
    }

    /// The actors, while this node leads.
    pub fn devices(&self) -> Option<Devices> {
        self.read().reign.as_ref().map(|reign| reign.devices.clone())
    }

    /// Since when this node has led, while it does.
    pub fn reigning_since(&self) -> Option<SystemTime> {
        self.read().reign.as_ref().map(|reign| reign.since)
    }

    /// The edges that are connected, for how long each has been silent, and what it said of itself.
    pub fn seated(&self) -> Vec<(About, Duration, Option<EdgeReport>)> {
        let seats = self.read();
        let seats = seats.seats.values();
        let silent = |taken: &Taken| match taken.seat {
            // It shares the process, and lives as long.
            Seat::Here(_) => Duration::ZERO,
            Seat::There(_) => taken.heard.ago(),
        };
        seats.map(|taken| (taken.about.clone(), silent(taken), taken.heard.said())).collect()
    }

    /// Gives an edge its seat for as long as the guard lives.
    ///
    /// # Errors
    /// Nothing if `reign` has ended; else why it has none.
    pub fn sit(
        self: &Arc<Self>,
        reign: &Reign,
        about: About,
        seat: Seat,
    ) -> Result<Seated, Option<WhyRefused>> {
        let mut state = self.write();
        if state.reign.as_ref().is_none_or(|now| now.serial != reign.serial) {
            return Err(None);
        }
        let edge = about.edge;
        let refused = match state.seats.get(&edge) {
            Some(other) => (other.about.node != about.node).then_some(WhyRefused::Taken),
            None => (state.seats.len() >= SEATS).then_some(WhyRefused::Full),
        };
        if refused.is_some() {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(refused);
        }
        let heard = Arc::<Heard>::default();
        let taken = Taken { about, seat: seat.clone(), heard: heard.clone() };
        state.seats.insert(edge, taken);
        self.counters.connected.store(state.seats.len() as u64, Ordering::Relaxed);
        self.counters.welcomed.fetch_add(1, Ordering::Relaxed);
        Ok(Seated { hub: self.clone(), edge, seat, heard })
    }

    /// Who leads is confirmed: every edge is told so, with all that it must know.
    pub fn beat(&self) {
        let state = self.read();
        if let Some(reign) = &state.reign {
            reign.devices.beat();
        }
        let said = state.seats.values().filter_map(|taken| taken.heard.said());
        let mute = said.filter(|report| !report.serves).count();
        self.counters.mute.store(mute as u64, Ordering::Relaxed);
    }

    /// False if there is no way to that edge: it has gone, or this node does not lead.
    fn send(&self, serial: u64, edge: EdgeId, frame: Frame) -> bool {
        let state = self.read();
        let reigns = state.reign.as_ref().is_some_and(|reign| reign.serial == serial);
        let taken = state.seats.get(&edge).filter(|_| reigns);
        if taken.is_some_and(|taken| taken.seat.take(frame)) {
            return true;
        }
        // A line for each would be one more load on what is behind already.
        let lost = self.counters.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost.is_power_of_two() {
            tracing::warn!(edge = edge.0, lost, "frames were dropped: the edge is behind, or gone");
        }
        taken.is_some()
    }
}

/// An edge's seat.
#[derive(Debug)]
pub struct Seated {
    hub: Arc<Hub>,
    edge: EdgeId,
    seat: Seat,
    /// To be told when the edge is heard.
    pub heard: Arc<Heard>,
}

impl Drop for Seated {
    fn drop(&mut self) {
        let mut state = self.hub.write();
        // One that came again sits in its place already.
        let mine = state.seats.get(&self.edge).is_some_and(|taken| taken.seat.same_as(&self.seat));
        if mine {
            state.seats.remove(&self.edge);
            if let Some(reign) = &state.reign {
                reign.devices.edge_gone(self.edge);
            }
        }
        self.hub.counters.connected.store(state.seats.len() as u64, Ordering::Relaxed);
    }
}

impl Seat {
    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Here(one), Self::Here(other)) => one.same_channel(other),
            (Self::There(one), Self::There(other)) => one.same_channel(other),
            _ => false,
        }
    }
}
