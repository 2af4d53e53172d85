//! Devices that go on at another edge, with the connection id that they have: how long their first
//! answer there takes, beside one at an edge that holds the session.
//!
//! One device after the other, so that nothing waits for anything else.

use crate::Failure;
use crate::fleet::{self, Kind};
use crate::load::Check;
use crate::report::Latency;
use claviger_device::{Account, Device, DeviceOutput};
use core::net::SocketAddr;
use core::ops::Range;
use core::time::Duration;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::Serialize;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Instant;

/// How long a device may take for one bootstrap.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it took devices to go on at another edge: from a request to the first datagram that comes
/// back, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moving {
    /// How many devices did.
    pub devices: usize,
    /// At the edge that opened the session.
    pub before: Latency,
    /// At the other edge, for the first time.
    pub first: Latency,
    /// There again.
    pub next: Latency,
}

impl Moving {
    /// What the first request at another edge takes longer than the next one there, at the median.
    pub fn added(&self) -> f64 {
        self.first.p50 - self.next.p50
    }

    /// The figures for people.
    pub fn table(&self) -> String {
        let line = |what: &str, Latency { p50, p99, max, .. }: Latency| {
            format!("{what:<22}p50 {p50:.2}  p99 {p99:.2}  max {max:.2} ms\n")
        };
        let mut text = format!("{:<22}{} devices, one at a time\n", "another edge", self.devices);
        text += &line("at the first edge", self.before);
        text += &line("first at another", self.first);
        text += &line("again there", self.next);
        text + &format!("{:<22}{:.2} ms at the median\n", "what it adds", self.added())
    }
}

/// Lets the devices of these numbers open sessions at the first of two edges and go on at the
/// second. `check` looks at what each is given, each time.
///
/// # Errors
/// If one fails.
pub fn measure_moving(
    edges: [SocketAddr; 2],
    devices: Range<u32>,
    kind: Kind,
    check: &Check,
) -> Result<Moving, Failure> {
    let (mut before, mut first, mut next) = (Vec::new(), Vec::new(), Vec::new());
    for number in devices {
        let endpoint = fleet::endpoint(number);
        let mut mover = Mover::new(&endpoint, number, kind)?;
        let mut at = |edge: SocketAddr| {
            let (took, account) = mover.bootstrap(edge)?;
            check(&endpoint, &account).map_err(|why| Failure::new(format!("{endpoint}: {why}")))?;
            mover.device.ask_again(mover.start.elapsed());
            Ok::<_, Failure>(took)
        };
        at(edges[0])?;
        before.push(at(edges[0])?);
        first.push(at(edges[1])?);
        next.push(at(edges[1])?);
    }
    let devices = first.len();
    let [before, first, next] = [before, first, next].map(|each| Latency::of(&each));
    Ok(Moving { devices, before, first, next })
}

struct Mover {
    socket: UdpSocket,
    device: Device,
    start: Instant,
}

impl Mover {
    fn new(endpoint: &str, number: u32, kind: Kind) -> Result<Self, Failure> {
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(Failure::because("no socket"))?;
        // No secret is drawn here that anybody keeps.
        let mut seed = [0x6d; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        seed[4..8].copy_from_slice(&std::process::id().to_be_bytes());
        let rng = Box::new(ChaCha20Rng::from_seed(seed));
        let device = Device::new(Duration::ZERO, kind.device(endpoint), rng);
        Ok(Self { socket, device, start: Instant::now() })
    }

    /// Sends to `edge` until the device is bootstrapped; gives how long its first answer took, and
    /// what it was given.
    fn bootstrap(&mut self, edge: SocketAddr) -> Result<(Duration, Account), Failure> {
        let begun = Instant::now();
        let (mut asked, mut answered) = (None, None);
        let mut buffer = [0; 4096];
        while begun.elapsed() < PATIENCE {
            while let Some(output) = self.device.poll() {
                match output {
                    DeviceOutput::Datagram(bytes) => {
                        asked.get_or_insert_with(Instant::now);
                        let sent = self.socket.send_to(&bytes, edge);
                        sent.map_err(Failure::because("a device cannot send"))?;
                    }
                    DeviceOutput::Bootstrapped(account) => {
                        self.let_go(edge)?;
                        return Ok((answered.unwrap_or_default(), account));
                    }
                    DeviceOutput::Event(_) => {}
                    DeviceOutput::Failed(why) => {
                        return Err(Failure::new(format!("a device failed: {why:?}")));
                    }
                }
            }
            if let Some(length) = self.hear(&mut buffer)? {
                answered = answered.or(asked.map(|asked: Instant| asked.elapsed()));
                self.device.receive(self.start.elapsed(), &buffer[..length]);
            }
            let now = self.start.elapsed();
            if self.device.next_timeout().is_some_and(|due| due <= now) {
                self.device.handle_timeout(now);
            }
        }
        Err(Failure::new(format!("a device was not bootstrapped at {edge} in {PATIENCE:?}")))
    }

    /// Sends what is left to be sent.
    fn let_go(&mut self, edge: SocketAddr) -> Result<(), Failure> {
        while let Some(output) = self.device.poll() {
            if let DeviceOutput::Datagram(bytes) = output {
                let sent = self.socket.send_to(&bytes, edge);
                sent.map_err(Failure::because("a device cannot send"))?;
            }
        }
        Ok(())
    }

    /// Waits for a datagram, no longer than until something is due.
    fn hear(&self, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
        let due = self.device.next_timeout().unwrap_or(PATIENCE);
        let wait = due.saturating_sub(self.start.elapsed());
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_secs(1));
        let heard =
            self.socket.set_read_timeout(Some(wait)).and_then(|()| self.socket.recv(buffer));
        match heard {
            Ok(length) => Ok(Some(length)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(error) => Err(Failure::because("a device hears nothing")(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_move_adds_is_told_against_the_next_request_at_the_same_edge() {
        let latency = |p50| Latency { p50, ..Latency::default() };
        let moving =
            Moving { devices: 1, before: latency(0.5), first: latency(2.5), next: latency(1.0) };

        assert!((moving.added() - 1.5).abs() < 1e-9);
        assert!(moving.table().ends_with("1.50 ms at the median\n"), "{}", moving.table());
    }
}
