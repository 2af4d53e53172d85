//! Peers of these tests, in the folder of their keys.

use claviger_tests::Peer;
use core::net::SocketAddr;
use std::path::Path;
use tokio::net::UdpSocket;
use tokio::process::Command;

/// Starts a program in a folder; `arguments` are parted by spaces.
pub(crate) fn start(program: &str, folder: &Path, arguments: &str) -> Peer {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).current_dir(folder);
    Peer::start(command)
}

/// An address of loopback that was free a moment ago.
pub(crate) async fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
    socket.local_addr().expect("it is bound")
}
