//! Peers as processes: what they are told on standard input, and what they say.

use core::net::SocketAddr;
use core::time::Duration;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

/// How long anything may take. Nothing here waits that long unless it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running peer. It is killed with its owner.
pub(crate) struct Peer {
    _child: Child,
    input: ChildStdin,
    said: watch::Receiver<String>,
}

impl Peer {
    /// Starts a program in a folder; `arguments` are parted by spaces.
    pub(crate) fn start(program: &str, folder: &Path, arguments: &str) -> Self {
        let mut child = Command::new(program)
            .args(arguments.split_whitespace())
            .current_dir(folder)
            .env("OPENSSL_CONF", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; run tests/setup"));
        let input = child.stdin.take().expect("it is piped");
        let (sender, said) = watch::channel(String::new());
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        tokio::spawn(collect(output, sender.clone()));
        tokio::spawn(collect(errors, sender));
        Self { _child: child, input, said }
    }

    /// Waits until it has said this.
    pub(crate) async fn says(&mut self, words: &str) {
        let found = self.said.wait_for(|said| said.contains(words));
        let found = tokio::time::timeout(PATIENCE, found).await.map(|found| found.is_ok());
        assert_eq!(found, Ok(true), "no {words:?} in: {}", *self.said.borrow());
    }

    /// Writes a line to its standard input.
    pub(crate) async fn tell(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.expect("it runs");
        self.input.flush().await.expect("it runs");
    }
}

async fn collect(mut from: impl AsyncReadExt + Unpin, into: watch::Sender<String>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let words = String::from_utf8_lossy(&buffer[..length]).into_owned();
        into.send_modify(|said| said.push_str(&words));
    }
}

/// An address of loopback that was free a moment ago.
pub(crate) async fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
    socket.local_addr().expect("it is bound")
}
