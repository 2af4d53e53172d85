//! The UDP sockets of devices: bound with room for a rush, and asked what did not fit.

use core::net::SocketAddr;
use rustix::net::sockopt;
use std::fs;
use std::io;
use std::net::UdpSocket;

/// A bound socket that does not block; the kernel keeps up to `room` bytes for it each way, or as
/// much as it grants.
///
/// # Errors
/// If the address cannot be bound, or the kernel refuses the socket.
pub fn bind(address: SocketAddr, room: usize) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    let (received, sent) = make_room(&socket, room)?;
    tracing::debug!(%address, received, sent, wanted = room, "buffers of a socket, in bytes");
    if received < room {
        tracing::warn!(
            %address, granted = received, wanted = room,
            "the kernel keeps fewer datagrams than the configuration wants: when many devices come \
             at once, some are lost and sent again; raise net.core.rmem_max, or lower \
             coaps.socket_buffer"
        );
    }
    Ok(socket)
}

/// Asks for `room`, and past the system's limit if this process may; gives what is granted for
/// receiving and for sending. Linux books twice as much, for its own part of each datagram.
fn make_room(socket: &UdpSocket, room: usize) -> io::Result<(usize, usize)> {
    let granted = |booked: io::Result<usize>| booked.map(|bytes| bytes / 2);
    let received = || granted(sockopt::socket_recv_buffer_size(socket).map_err(Into::into));
    let sent = || granted(sockopt::socket_send_buffer_size(socket).map_err(Into::into));
    sockopt::set_socket_recv_buffer_size(socket, room)?;
    sockopt::set_socket_send_buffer_size(socket, room)?;
    // Only the administrator of the network may; for others what is granted above has to do.
    if received()? < room {
        let _ = sockopt::set_socket_recv_buffer_size_force(socket, room);
    }
    if sent()? < room {
        let _ = sockopt::set_socket_send_buffer_size_force(socket, room);
    }
    Ok((received()?, sent()?))
}

/// What the kernel calls a socket, and what it dropped for want of room there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inode(u64);

impl Inode {
    /// That of `socket`.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn of(socket: &UdpSocket) -> io::Result<Self> {
        Ok(Self(rustix::fs::fstat(socket)?.st_ino))
    }

    /// Datagrams that came and were dropped before they were read; 0 where the kernel does not
    /// tell.
    pub fn dropped(self) -> u64 {
        let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
        let tables = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
        tables.filter_map(|table| self.find(&table)).sum()
    }

    /// Behind the head there is a line a socket: its inode is the tenth field, the drops are the
    /// last.
    fn find(self, table: &str) -> Option<u64> {
        table.lines().skip(1).find_map(|line| {
            let inode = line.split_ascii_whitespace().nth(9)?;
            let ours = inode.parse() == Ok(self.0);
            ours.then(|| line.split_ascii_whitespace().last()?.parse().ok()).flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1:0";

    #[test]
    fn a_socket_has_the_room_that_is_granted_without_privilege() {
        let socket = bind(LOOPBACK.parse().unwrap(), 65_536).expect("a free port");

        assert_eq!(make_room(&socket, 65_536).unwrap(), (65_536, 65_536));
    }

    #[test]
    fn what_did_not_fit_is_told_and_nothing_else() {
        let full = bind(LOOPBACK.parse().unwrap(), 8_192).expect("a free port");
        let idle = bind(LOOPBACK.parse().unwrap(), 8_192).expect("a free port");
        let sender = UdpSocket::bind(LOOPBACK).unwrap();
        let (inode, other) = (Inode::of(&full).unwrap(), Inode::of(&idle).unwrap());
        assert_eq!(inode.dropped(), 0);

        // On loopback a datagram is in the buffer, or lost, once it is sent.
        for _ in 0..100 {
            sender.send_to(&[0; 1000], full.local_addr().unwrap()).unwrap();
        }

        let dropped = inode.dropped();
        let mut read = 0;
        while full.recv(&mut [0; 1000]).is_ok() {
            read += 1;
        }
        assert_eq!(dropped + read, 100);
        assert!(dropped > 0 && read > 0, "{dropped} {read}");
        assert_eq!(other.dropped(), 0);
    }
}
