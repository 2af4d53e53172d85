//! One thread that drives many devices.
//!
//! It has no part in what a device does: that is `claviger_device`. It carries datagrams and the
//! time, decides when devices begin ([`Pace`]) and counts ([`Tally`]). Sockets ([`Wire`]) are
//! polled, not waited for in tasks, because the driver shares the machine with what it measures.

use crate::fleet;
use crate::load::{Goal, Hooks, Load};
use crate::pace::Pace;
use crate::tally::{Failed, Tally};
use crate::wire::{Inbox, Line, Wire};
use claviger_device::{Device, DeviceEvent, DeviceOutput, Failure};
use core::cmp::Reverse;
use core::time::Duration;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, Read};
use std::time::Instant;

/// How many devices begin before it is looked whether others have something to read.
const BATCH: u32 = 64;
/// How many devices of a closed loop stay after their end, to answer a Finish that is repeated.
const LINGERING: usize = 1024;
/// How long a closed loop waits at its end for such a Finish. Nothing gets lost there.
const SETTLE: Duration = Duration::from_millis(300);
/// The same for a storm: the server's first repetition comes 2 to 3 s after its Finish.
const SETTLE_STORM: Duration = Duration::from_secs(4);
/// How many of those that were kept ask at a time.
const PROBES_AT_ONCE: usize = 16;

/// Drives a load to its end. The first failure is the last beginning: those under way still end.
///
/// # Errors
/// If the system has no sockets, or they cannot be waited for.
pub fn drive(load: &Load, hooks: &mut Hooks<'_>) -> io::Result<Tally> {
    let mut driver = Driver::new(load, hooks, 0)?;
    driver.run()?;
    driver.end_of_tally()
}

/// As [`drive`], at a server whose nodes die meanwhile: a device whose session is not open after
/// `patience` begins another handshake. What one had that is gone nobody else has, and nobody can tell
/// the device. One that is asked to come later does so, too, and one that is never answered in its
/// session, which is counted.
///
/// # Errors
/// As [`drive`].
pub fn endure(load: &Load, patience: Duration, hooks: &mut Hooks<'_>) -> io::Result<Tally> {
    let mut driver = Driver::new(load, hooks, 0)?;
    driver.handshake = Some(patience);
    driver.run()?;
    driver.end_of_tally()
}

/// A load whose sessions stay open at the server, and what some of its devices say at its end.
///
/// `between` is called when all are open. Then `probes` of them, evenly from the oldest to the
/// newest, ask to be bootstrapped in the session that they have; the second tally is theirs. The
/// others are switched off without a word, since the driver has no room for millions.
///
/// # Errors
/// As [`drive`].
pub fn hold(
    load: &Load,
    probes: usize,
    hooks: &mut Hooks<'_>,
    between: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<(Tally, Tally)> {
    let probes = u32::try_from(probes).unwrap_or(load.count).min(load.count);
    let mut driver = Driver::new(load, hooks, probes)?;
    driver.run()?;
    let opened = driver.end_of_tally()?;
    between()?;
    if opened.failures.is_empty() {
        driver.probe()?;
    }
    let probed = driver.end_of_tally()?;
    Ok((opened, probed))
}

/// A device that is switched on.
struct Flight {
    line: Line,
    device: Device,
    endpoint: String,
    goal: Goal,
    began: Duration,
    /// When it began a handshake that is not at its end.
    opening: Option<Duration>,
    /// When it is looked whether something is due; what is due may come later, never earlier.
    armed: Option<Duration>,
    /// Tells its timers from those of the device that had its place before.
    generation: u64,
    /// When it sent something last, and when something came for it.
    sent: Duration,
    heard: Duration,
    over: bool,
}

struct Driver<'a, 'b> {
    load: &'a Load,
    hooks: &'a mut Hooks<'b>,
    /// How many are kept to the end, to ask again.
    probes: u32,
    /// How long a handshake may take before its device begins another one.
    handshake: Option<Duration>,
    start: Instant,
    /// When what is being counted began.
    counting: Duration,
    /// True while those that were kept ask again.
    probing: bool,
    wire: Wire,
    rng: ChaCha20Rng,
    flights: Vec<Option<Flight>>,
    free: Vec<usize>,
    /// Those that are over and still answer, oldest first.
    lingering: VecDeque<usize>,
    /// Those that are over and kept.
    kept: Vec<usize>,
    timers: BinaryHeap<Reverse<(Duration, usize, u64)>>,
    begun: u32,
    /// Handshakes that were begun again.
    again: u32,
    running: u32,
    lost: u64,
    inbox: Inbox,
    tally: Tally,
}

impl<'a, 'b> Driver<'a, 'b> {
    fn new(load: &'a Load, hooks: &'a mut Hooks<'b>, probes: u32) -> io::Result<Self> {
        Ok(Self {
            load,
            hooks,
            probes,
            handshake: None,
            start: Instant::now(),
            counting: Duration::ZERO,
            probing: false,
            wire: Wire::new(load.target)?,
            rng: seeded()?,
            flights: Vec::new(),
            free: Vec::new(),
            lingering: VecDeque::new(),
            kept: Vec::new(),
            timers: BinaryHeap::new(),
            begun: 0,
            again: 0,
            running: 0,
            lost: 0,
            inbox: Inbox::new(),
            tally: Tally::default(),
        })
    }

    /// Time since the driver began. Devices want only that it grows.
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            let next = self.begin()?;
            if self.running == 0 && next.is_none() {
                break;
            }
            self.step(next)?;
        }
        let settle = match self.load.pace {
            Pace::Closed(_) => SETTLE,
            Pace::Storm(_) => SETTLE_STORM,
        };
        let end = self.now() + settle;
        while self.now() < end {
            self.step(Some(end))?;
        }
        Ok(())
    }

    /// Lets those that were kept ask in their sessions.
    fn probe(&mut self) -> io::Result<()> {
        (self.probing, self.counting) = (true, self.now());
        let mut asked = 0;
        while asked < self.kept.len() || self.running > 0 {
            while asked < self.kept.len() && (self.running as usize) < PROBES_AT_ONCE {
                let slot = self.kept[asked];
                asked += 1;
                self.ask(slot)?;
            }
            self.step(None)?;
        }
        Ok(())
    }

    fn ask(&mut self, slot: usize) -> io::Result<()> {
        let now = self.now();
        let Some(flight) = self.flights[slot].as_mut() else { return Ok(()) };
        (flight.goal, flight.began, flight.over) = (Goal::Bootstrap, now, false);
        flight.device.ask_again(now);
        self.running += 1;
        self.act(slot, false)
    }

    /// What was counted since the last time that this was asked.
    fn end_of_tally(&mut self) -> io::Result<Tally> {
        let lost = self.wire.lost()?;
        self.tally.lost = lost - core::mem::replace(&mut self.lost, lost);
        Ok(core::mem::take(&mut self.tally))
    }

    /// Switches on what is due; when the next one is, if that is only a matter of time.
    fn begin(&mut self) -> io::Result<Option<Duration>> {
        for _ in 0..BATCH {
            let load = self.load;
            let due = load.pace.next(load.count, self.begun, self.running);
            let Some(due) = due.filter(|_| self.tally.failures.is_empty()) else {
                return Ok(None);
            };
            if due > self.now() {
                return Ok(Some(due));
            }
            self.switch_on()?;
        }
        Ok(Some(Duration::ZERO))
    }

    fn switch_on(&mut self) -> io::Result<()> {
        let endpoint = fleet::endpoint(self.load.device(self.begun));
        let slot = self.free.pop().unwrap_or_else(|| {
            self.flights.push(None);
            self.flights.len() - 1
        });
        let line = self.line(slot)?;
        let (began, goal) = (self.now(), self.load.goal);
        let device = self.device(&endpoint, goal);
        let (generation, opening) = (self.number(), Some(began));
        self.flights[slot] = Some(Flight {
            line,
            device,
            endpoint,
            goal,
            began,
            opening,
            armed: None,
            generation,
            sent: began,
            heard: began,
            over: false,
        });
        self.begun += 1;
        self.running += 1;
        self.act(slot, false)
    }

    /// A number of its own for each handshake.
    fn number(&self) -> u64 {
        u64::from(self.begun) + u64::from(self.again)
    }

    /// A line that no server takes for another's.
    fn line(&mut self, slot: usize) -> io::Result<Line> {
        self.wire.open(self.load.first.wrapping_add(self.begun).wrapping_add(self.again), slot)
    }

    fn device(&mut self, endpoint: &str, goal: Goal) -> Device {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let rng = Box::new(ChaCha20Rng::from_seed(seed));
        let mut config = self.load.kind.device(endpoint);
        config.asks = goal == Goal::Bootstrap;
        Device::new(self.now(), config, rng)
    }

    /// The device in this place begins its handshake anew.
    fn open_again(&mut self, slot: usize) -> io::Result<()> {
        let Some(mut flight) = self.flights[slot].take() else { return Ok(()) };
        self.wire.close(flight.line);
        flight.line = self.line(slot)?;
        self.again += 1;
        flight.device = self.device(&flight.endpoint, flight.goal);
        flight.opening = Some(self.now());
        self.flights[slot] = Some(flight);
        self.act(slot, false)
    }

    /// Waits until something happens, at most until `until`, and does it.
    fn step(&mut self, until: Option<Duration>) -> io::Result<()> {
        let timer = self.timers.peek().map(|Reverse((due, ..))| *due);
        let due = [timer, until].into_iter().flatten().min();
        self.wire.wait(due.map(|due| due.saturating_sub(self.now())))?;
        let mut inbox = core::mem::take(&mut self.inbox);
        for _ in 0..BATCH {
            if !self.wire.read(&mut inbox)? {
                break;
            }
            for (slot, datagram) in inbox.datagrams() {
                self.receive(slot, datagram)?;
            }
        }
        self.inbox = inbox;
        self.fire()
    }

    fn receive(&mut self, slot: usize, datagram: &[u8]) -> io::Result<()> {
        let now = self.now();
        // It may have been switched off by one that came in the same call.
        let Some(flight) = self.flights[slot].as_mut() else { return Ok(()) };
        self.tally.down.count(datagram);
        flight.heard = now;
        flight.device.receive(now, datagram);
        self.act(slot, false)
    }

    /// Does what has become due.
    fn fire(&mut self) -> io::Result<()> {
        let now = self.now();
        while let Some(Reverse((due, slot, generation))) = self.timers.peek().copied() {
            if due > now {
                break;
            }
            self.timers.pop();
            let flight = self.flights.get_mut(slot).and_then(Option::as_mut);
            let Some(flight) = flight.filter(|flight| flight.generation == generation) else {
                continue;
            };
            flight.armed = None;
            if !flight.over && flight.began + self.load.patience <= now {
                let why = late(flight, self.load.patience, now);
                self.end(slot, Err(why));
            } else if is_late(flight, self.handshake, now) {
                self.open_again(slot)?;
            } else if flight.device.next_timeout().is_some_and(|due| due <= now) {
                flight.device.handle_timeout(now);
                self.act(slot, true)?;
            } else {
                self.arm(slot);
            }
        }
        Ok(())
    }

    /// Does what a device wants done. `late` if it wants it because time has passed: what it
    /// sends then, it has sent before.
    fn act(&mut self, slot: usize, late: bool) -> io::Result<()> {
        while let Some(flight) = self.flights[slot].as_mut() {
            match flight.device.poll() {
                Some(DeviceOutput::Datagram(bytes)) => {
                    flight.sent = self.start.elapsed();
                    self.wire.send(flight.line, &bytes)?;
                    self.tally.up.count(&bytes);
                    self.tally.retransmissions += u64::from(late);
                }
                Some(DeviceOutput::Event(DeviceEvent::Handshake { .. })) => {
                    flight.opening = None;
                    if flight.goal == Goal::Handshake {
                        self.end(slot, Ok(()));
                    }
                }
                Some(DeviceOutput::Event(_)) => {}
                Some(DeviceOutput::Bootstrapped(account)) => {
                    let checked = (self.hooks.check)(&flight.endpoint, &account);
                    self.end(slot, checked);
                }
                Some(DeviceOutput::Failed(failure)) => {
                    let unheard = failure.hears_nothing();
                    if self.handshake.is_some() && (failure.asks_to_come_later() || unheard) {
                        self.tally.gave_up += u32::from(unheard);
                        return self.open_again(slot);
                    }
                    self.end(slot, Err(words(&failure)));
                }
                None => break,
            }
        }
        self.arm(slot);
        Ok(())
    }

    fn end(&mut self, slot: usize, how: Result<(), String>) {
        let now = self.now();
        let Some(flight) = self.flights[slot].as_mut().filter(|flight| !flight.over) else {
            return;
        };
        flight.over = true;
        let nth = flight.generation;
        self.running -= 1;
        match how {
            Ok(()) => {
                self.tally.took.push(now - flight.began);
                self.tally.ended.push(now - self.counting);
                if !self.probing {
                    (self.hooks.watch)(self.tally.took.len());
                }
            }
            Err(why) => {
                let endpoint = flight.endpoint.clone();
                self.tally.failures.push(Failed { endpoint, why });
            }
        }
        if !self.probing {
            match self.is_probe(nth) {
                true => self.kept.push(slot),
                false => self.lingering.push_back(slot),
            }
        }
        let closed = matches!(self.load.pace, Pace::Closed(_));
        if closed && self.lingering.len() > LINGERING {
            self.switch_off();
        }
    }

    /// Whether the `nth` to begin is one of those that are kept: they are spread evenly.
    fn is_probe(&self, nth: u64) -> bool {
        let before = |nth: u64| nth * u64::from(self.probes) / u64::from(self.load.count);
        before(nth) < before(nth + 1)
    }

    /// Switches the oldest of those off that are over.
    fn switch_off(&mut self) {
        let Some(slot) = self.lingering.pop_front() else { return };
        if let Some(flight) = self.flights[slot].take() {
            self.wire.close(flight.line);
        }
        self.free.push(slot);
    }

    fn arm(&mut self, slot: usize) {
        let Some(flight) = self.flights[slot].as_mut() else { return };
        let patience = (!flight.over).then_some(flight.began + self.load.patience);
        let late = late_at(flight, self.handshake);
        let due = [flight.device.next_timeout(), patience, late].into_iter().flatten().min();
        let Some(due) = due else { return };
        if flight.armed.is_none_or(|armed| due < armed) {
            flight.armed = Some(due);
            self.timers.push(Reverse((due, slot, flight.generation)));
        }
    }
}

/// When a device begins another handshake.
fn late_at(flight: &Flight, patience: Option<Duration>) -> Option<Duration> {
    Some(flight.opening? + patience?).filter(|_| !flight.over)
}

fn is_late(flight: &Flight, patience: Option<Duration>, now: Duration) -> bool {
    late_at(flight, patience).is_some_and(|at| at <= now)
}

/// What is known of one that took too long.
fn late(flight: &Flight, patience: Duration, now: Duration) -> String {
    let session = if flight.opening.is_some() { "no session" } else { "a session" };
    let [sent, heard] = [flight.sent, flight.heard].map(|at| now.saturating_sub(at).as_secs_f32());
    format!(
        "not {} after {patience:?}: it has {session}, sent something {sent:.1} s ago, and heard \
         something {heard:.1} s ago",
        flight.goal
    )
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::Dtls(why) => format!("no DTLS session: {why:?}"),
        Failure::Closed => "the server closed the session".to_owned(),
        Failure::Refused(code, words) => format!("the server answered {code}: {words}"),
        Failure::Unanswered(why) => format!("the server did not answer the request: {why:?}"),
        Failure::NoFinish => "the server did not finish".to_owned(),
    }
}

/// Randomness of the devices, which need no better than what differs between runs.
fn seeded() -> io::Result<ChaCha20Rng> {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(ChaCha20Rng::from_seed(seed))
}
