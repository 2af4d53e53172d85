//! One thread that drives many devices, each at a UDP socket of its own.
//!
//! It has no part in what a device does: that is `claviger_device`. It carries datagrams and the
//! time, decides when devices begin ([`Pace`]) and counts ([`Tally`]). Sockets are polled, not
//! waited for in tasks, because the driver shares the machine with what it measures.

use crate::fleet::{self, Kind};
use crate::pace::Pace;
use crate::tally::{Failed, Tally};
use claviger_device::{Account, Device, DeviceOutput, Failure};
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, ErrorKind, Read};
use std::time::Instant;

/// The longest datagram that is read.
const DATAGRAM: usize = 4096;
/// How many devices begin before it is looked whether others have something to read.
const BATCH: u32 = 64;
/// How many devices of a closed loop stay after their end, to answer a Finish that is repeated.
const LINGERING: usize = 1024;
/// How long a closed loop waits at its end for such a Finish. Nothing gets lost there.
const SETTLE: Duration = Duration::from_millis(300);
/// The same for a storm: the server's first repetition comes 2 to 3 s after its Finish.
const SETTLE_STORM: Duration = Duration::from_secs(4);

/// What is to be driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Where the devices bootstrap.
    pub target: SocketAddr,
    /// The number of the first device.
    pub first: u32,
    /// How many devices there are.
    pub devices: u32,
    /// How many bootstraps there are; with more than there are devices, these begin anew.
    pub count: u32,
    /// How they follow each other.
    pub pace: Pace,
    /// How long a bootstrap may take.
    pub patience: Duration,
    /// What the devices are.
    pub kind: Kind,
}

impl Load {
    /// The number of the device that begins as the `nth`.
    fn device(&self, nth: u32) -> u32 {
        self.first + nth % self.devices
    }
}

/// Says whether what a device was given is right; if not, why.
pub type Check = dyn Fn(&str, &Account) -> Result<(), String>;

/// Drives a load to its end. The first failure is the last beginning: those under way still end.
///
/// # Errors
/// If the system has no sockets, or they cannot be waited for.
pub fn drive(load: &Load, check: &Check) -> io::Result<Tally> {
    let mut driver = Driver::new(load, check)?;
    driver.run()?;
    Ok(driver.tally)
}

/// A device that is switched on.
struct Flight {
    socket: UdpSocket,
    device: Device,
    endpoint: String,
    began: Duration,
    /// When it is looked whether something is due; what is due may come later, never earlier.
    armed: Option<Duration>,
    /// Tells its timers from those of the device that had its place before.
    generation: u64,
    over: bool,
}

struct Driver<'a> {
    load: &'a Load,
    check: &'a Check,
    start: Instant,
    poll: Poll,
    rng: ChaCha20Rng,
    flights: Vec<Option<Flight>>,
    free: Vec<usize>,
    /// Those that are over and still answer, oldest first.
    lingering: VecDeque<usize>,
    timers: BinaryHeap<Reverse<(Duration, usize, u64)>>,
    begun: u32,
    running: u32,
    buffer: [u8; DATAGRAM],
    tally: Tally,
}

impl<'a> Driver<'a> {
    fn new(load: &'a Load, check: &'a Check) -> io::Result<Self> {
        Ok(Self {
            load,
            check,
            start: Instant::now(),
            poll: Poll::new()?,
            rng: seeded()?,
            flights: Vec::new(),
            free: Vec::new(),
            lingering: VecDeque::new(),
            timers: BinaryHeap::new(),
            begun: 0,
            running: 0,
            buffer: [0; DATAGRAM],
            tally: Tally::default(),
        })
    }

    /// Time since the driver began. Devices want only that it grows.
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let next = self.begin()?;
            if self.running == 0 && next.is_none() {
                break;
            }
            self.step(&mut events, next)?;
        }
        let settle = match self.load.pace {
            Pace::Closed(_) => SETTLE,
            Pace::Storm(_) => SETTLE_STORM,
        };
        let end = self.now() + settle;
        while self.now() < end {
            self.step(&mut events, Some(end))?;
        }
        Ok(())
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
        let number = self.load.device(self.begun);
        let endpoint = fleet::endpoint(number);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.flights.push(None);
            self.flights.len() - 1
        });
        let mut socket = UdpSocket::bind(SocketAddr::new(source(self.load.target, number), 0))?;
        socket.connect(self.load.target)?;
        self.poll.registry().register(&mut socket, Token(slot), Interest::READABLE)?;
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let rng = Box::new(ChaCha20Rng::from_seed(seed));
        let began = self.now();
        let config = self.load.kind.device(&endpoint);
        let device = Device::new(began, config, rng);
        let generation = u64::from(self.begun);
        self.flights[slot] =
            Some(Flight { socket, device, endpoint, began, armed: None, generation, over: false });
        self.begun += 1;
        self.running += 1;
        self.act(slot, false)
    }

    /// Waits until something happens, at most until `until`, and does it.
    fn step(&mut self, events: &mut Events, until: Option<Duration>) -> io::Result<()> {
        let timer = self.timers.peek().map(|Reverse((due, ..))| *due);
        let due = [timer, until].into_iter().flatten().min();
        let wait = due.map(|due| due.saturating_sub(self.now()));
        match self.poll.poll(events, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in events.iter() {
            self.read(event.token().0)?;
        }
        self.fire()
    }

    fn read(&mut self, slot: usize) -> io::Result<()> {
        while let Some(flight) = self.flights.get_mut(slot).and_then(Option::as_mut) {
            match flight.socket.recv(&mut self.buffer) {
                Ok(length) => {
                    let datagram = &self.buffer[..length];
                    self.tally.down.count(datagram);
                    flight.device.receive(self.start.elapsed(), datagram);
                    self.act(slot, false)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // An ICMP message: nobody listens. The device sends again, or gives up.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
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
                let why = format!("not bootstrapped after {:?}", self.load.patience);
                self.end(slot, Err(why));
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
                    send(&flight.socket, &bytes)?;
                    self.tally.up.count(&bytes);
                    self.tally.retransmissions += u64::from(late);
                }
                Some(DeviceOutput::Event(_)) => {}
                Some(DeviceOutput::Bootstrapped(account)) => {
                    let checked = (self.check)(&flight.endpoint, &account);
                    self.end(slot, checked);
                }
                Some(DeviceOutput::Failed(failure)) => {
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
        self.running -= 1;
        match how {
            Ok(()) => {
                self.tally.took.push(now - flight.began);
                self.tally.lasted = now;
            }
            Err(why) => {
                let endpoint = flight.endpoint.clone();
                self.tally.failures.push(Failed { endpoint, why });
            }
        }
        self.lingering.push_back(slot);
        if matches!(self.load.pace, Pace::Closed(_)) && self.lingering.len() > LINGERING {
            self.switch_off();
        }
    }

    /// Switches the oldest of those off that are over.
    fn switch_off(&mut self) {
        let Some(slot) = self.lingering.pop_front() else { return };
        self.flights[slot] = None;
        self.free.push(slot);
    }

    fn arm(&mut self, slot: usize) {
        let Some(flight) = self.flights[slot].as_mut() else { return };
        let patience = (!flight.over).then_some(flight.began + self.load.patience);
        let due = [flight.device.next_timeout(), patience].into_iter().flatten().min();
        let Some(due) = due else { return };
        if flight.armed.is_none_or(|armed| due < armed) {
            flight.armed = Some(due);
            self.timers.push(Reverse((due, slot, flight.generation)));
        }
    }
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

fn send(socket: &UdpSocket, bytes: &[u8]) -> io::Result<()> {
    match socket.send(bytes) {
        // What the system has no room for, or nobody listens to, is lost as on any network.
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::ConnectionRefused | ErrorKind::Interrupted
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// An address to send from: each device has its own where there are enough of them, which is on
/// loopback, so that no server takes two devices for one that has come back.
fn source(target: SocketAddr, number: u32) -> IpAddr {
    match target.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {
            let loopback = u32::from(Ipv4Addr::new(127, 1, 0, 0));
            Ipv4Addr::from(loopback + number % 0x00fe_0000).into()
        }
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Randomness of the devices, which need no better than what differs between runs.
fn seeded() -> io::Result<ChaCha20Rng> {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(ChaCha20Rng::from_seed(seed))
}
