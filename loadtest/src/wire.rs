//! The sockets of a driver: which device is meant by a datagram, and from where one sends.
//!
//! A server knows its peers by address and port. On loopback, which has millions of addresses, all
//! devices share a few sockets, and each sends from an address of its own: so there can be more
//! sessions than a process may have files, and room for what comes at once. Elsewhere each device
//! has a socket. Nothing here waits but [`Wire::wait`].

use crate::process;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, IoSliceMut};

/// How many sockets devices share on loopback. Few, so that one call reads much; together their
/// buffers hold some 40,000 datagrams.
const SHARED: usize = 4;
/// The receive buffer that a shared socket asks for. The system may grant less.
const RECEIVE: usize = 4 << 20;
/// What one datagram can take; the system may hand over several as one.
const DATAGRAM: usize = 1 << 16;
/// The first address that a device sends from on loopback.
const LOOPBACK: u32 = u32::from_be_bytes([127, 1, 0, 0]);
/// How many addresses there are from there.
const ADDRESSES: u32 = 0x00fe_0000;

/// A device's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    port: usize,
    /// Its own address, where it shares the socket.
    ip: Option<IpAddr>,
}

struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
}

/// All sockets of a driver.
pub(crate) struct Wire {
    target: SocketAddr,
    poll: Poll,
    events: Events,
    /// True if devices share them.
    shared: bool,
    ports: Vec<Option<Port>>,
    free: Vec<usize>,
    /// Sockets that may have more to read.
    ready: VecDeque<usize>,
    owners: HashMap<Line, usize>,
}

/// Datagrams that were read at once. The default one has room for none.
#[derive(Default)]
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    /// For whom, and where in the buffer.
    arrived: Vec<(usize, Range<usize>)>,
}

impl Inbox {
    /// One with room for as many as are read at once.
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; DATAGRAM * BATCH_SIZE], arrived: Vec::new() }
    }

    /// The owners and the datagrams that [`Wire::read`] brought.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.arrived.iter().map(|(owner, at)| (*owner, &self.buffer[at.clone()]))
    }
}

impl Wire {
    /// Sockets for devices that speak with `target`.
    pub(crate) fn new(target: SocketAddr) -> io::Result<Self> {
        let shared = matches!(target.ip(), IpAddr::V4(ip) if ip.is_loopback());
        let mut wire = Self {
            target,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            shared,
            ports: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            owners: HashMap::new(),
        };
        let sockets = if shared { SHARED } else { 0 };
        for _ in 0..sockets {
            let port = wire.bind()?;
            if let Some(Port { socket, state }) = &wire.ports[port] {
                state.set_recv_buffer_size(UdpSockRef::from(socket), RECEIVE)?;
            }
        }
        Ok(wire)
    }

    /// A line for the `nth` device, whose datagrams are `owner`'s. A number that is open already
    /// moves to the new owner where sockets are shared.
    pub(crate) fn open(&mut self, nth: u32, owner: usize) -> io::Result<Line> {
        let line = if self.shared {
            let ip = Ipv4Addr::from(LOOPBACK + nth % ADDRESSES);
            Line { port: nth as usize % SHARED, ip: Some(ip.into()) }
        } else {
            Line { port: self.bind()?, ip: None }
        };
        self.owners.insert(line, owner);
        Ok(line)
    }

    /// Ends a line. What still comes there is dropped.
    pub(crate) fn close(&mut self, line: Line) {
        self.owners.remove(&line);
        if !self.shared {
            self.ports[line.port] = None;
            self.free.push(line.port);
        }
    }

    /// Sends from a line. What the system has no room for is lost, as on any network.
    pub(crate) fn send(&self, line: Line, bytes: &[u8]) -> io::Result<()> {
        let Some(Port { socket, state }) = &self.ports[line.port] else { return Ok(()) };
        let transmit = Transmit {
            destination: self.target,
            ecn: None,
            contents: bytes,
            segment_size: None,
            src_ip: line.ip,
        };
        match state.try_send(UdpSockRef::from(socket), &transmit) {
            Err(error) if !passes(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits until there is something to read, at most so long.
    pub(crate) fn wait(&mut self, most: Option<Duration>) -> io::Result<()> {
        let most = if self.ready.is_empty() { most } else { Some(Duration::ZERO) };
        match self.poll.poll(&mut self.events, most) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            if !self.ready.contains(&event.token().0) {
                self.ready.push_back(event.token().0);
            }
        }
        Ok(())
    }

    /// Reads from one socket that has something, and says whether there was one.
    pub(crate) fn read(&mut self, inbox: &mut Inbox) -> io::Result<bool> {
        inbox.arrived.clear();
        let Some(port) = self.ready.pop_front() else { return Ok(false) };
        let Some(Port { socket, state }) = &self.ports[port] else { return Ok(true) };
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut parts = inbox.buffer.chunks_exact_mut(DATAGRAM);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            core::array::from_fn(|_| IoSliceMut::new(parts.next().unwrap_or_default()));
        let count = match state.recv(UdpSockRef::from(socket), &mut slices, &mut metas) {
            Ok(count) => count,
            // An ICMP message: nobody listens. The device sends again, or gives up.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => BATCH_SIZE,
            Err(error) if passes(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        // With fewer, there was no more: the next to come makes an event.
        if count == BATCH_SIZE {
            self.ready.push_back(port);
        }
        for (nth, meta) in metas.iter().enumerate().take(count).filter(|(_, meta)| meta.len > 0) {
            let line = Line { port, ip: meta.dst_ip.filter(|_| self.shared) };
            // Nobody's, or a stranger's.
            let Some(owner) = self.owners.get(&line).filter(|_| meta.addr == self.target) else {
                continue;
            };
            let (begin, end) = (nth * DATAGRAM, nth * DATAGRAM + meta.len);
            let starts = (begin..end).step_by(meta.stride.max(1));
            let each = starts.map(|start| (*owner, start..end.min(start + meta.stride)));
            inbox.arrived.extend(each);
        }
        Ok(true)
    }

    /// Datagrams that were lost because a receive buffer here was full.
    pub(crate) fn lost(&self) -> io::Result<u64> {
        let ports = self.ports.iter().flatten().map(|port| Ok(port.socket.local_addr()?.port()));
        process::dropped_at(&ports.collect::<io::Result<Vec<_>>>()?)
    }

    /// Binds a socket to any port and waits for what comes there.
    fn bind(&mut self) -> io::Result<usize> {
        let ip = match self.target.ip() {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let mut socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        if !self.shared {
            // So that what others send does not reach it.
            socket.connect(self.target)?;
        }
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let port = self.free.pop().unwrap_or(self.ports.len());
        self.poll.registry().register(&mut socket, Token(port), Interest::READABLE)?;
        let bound = Some(Port { socket, state });
        match self.ports.get_mut(port) {
            Some(free) => *free = bound,
            None => self.ports.push(bound),
        }
        Ok(port)
    }
}

/// Whether an error says no more than that a datagram did not get through, or that none is there.
fn passes(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::ConnectionRefused | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Sends what each of two lines says back to it, and gives what came and from where it came.
    fn echoed(server: &str) -> (Vec<(usize, Vec<u8>)>, BTreeSet<SocketAddr>) {
        let server = std::net::UdpSocket::bind(server).unwrap();
        let mut wire = Wire::new(server.local_addr().unwrap()).unwrap();
        let mut seen = BTreeSet::new();
        for owner in [7, 8] {
            // Numbers that share a socket where sockets are shared.
            let line = wire.open(owner as u32 * SHARED as u32, owner).unwrap();
            wire.send(line, &[owner as u8; 20]).unwrap();
            let mut buffer = [0; 64];
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            seen.insert(from);
            server.send_to(&buffer[..length], from).unwrap();
        }
        let (mut inbox, mut came) = (Inbox::new(), Vec::new());
        while came.len() < 2 {
            wire.wait(None).unwrap();
            while wire.read(&mut inbox).unwrap() {
                came.extend(inbox.datagrams().map(|(owner, bytes)| (owner, bytes.to_vec())));
            }
        }
        came.sort();
        assert_eq!(wire.lost().unwrap(), 0);
        (came, seen)
    }

    #[test]
    fn devices_that_share_a_socket_have_addresses_of_their_own() {
        let (came, seen) = echoed("127.0.0.1:0");

        assert_eq!(came, [(7, vec![7; 20]), (8, vec![8; 20])]);
        let addresses: Vec<_> = seen.iter().map(|from| from.ip().to_string()).collect();
        assert_eq!(addresses, ["127.1.0.28", "127.1.0.32"]);
        assert_eq!(seen.iter().map(SocketAddr::port).collect::<BTreeSet<_>>().len(), 1);
    }

    #[test]
    fn devices_with_one_address_have_sockets_of_their_own() {
        let (came, seen) = echoed("[::1]:0");

        assert_eq!(came, [(7, vec![7; 20]), (8, vec![8; 20])]);
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn a_line_that_is_closed_hears_nothing() {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut wire = Wire::new(server.local_addr().unwrap()).unwrap();
        let (closed, open) = (wire.open(0, 1).unwrap(), wire.open(SHARED as u32, 2).unwrap());
        for line in [closed, open] {
            wire.send(line, b"x").unwrap();
        }
        wire.close(closed);
        for _ in 0..2 {
            let (_, from) = server.recv_from(&mut [0; 8]).unwrap();
            server.send_to(b"y", from).unwrap();
        }

        let (mut inbox, mut came) = (Inbox::new(), Vec::new());
        while came.is_empty() {
            wire.wait(None).unwrap();
            while wire.read(&mut inbox).unwrap() {
                came.extend(inbox.datagrams().map(|(owner, _)| owner));
            }
        }

        assert_eq!(came, [2]);
    }
}
