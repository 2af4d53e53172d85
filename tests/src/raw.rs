//! A DTLS session whose user writes the application data by hand, byte by byte.

use claviger_dtls::{Client, ClientConfig, ClientFailure, ClientOutput};
use claviger_machine::{Crypto, Draw};
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::UdpSocket;

/// A session on a real socket.
pub struct RawSession {
    /// Its socket, connected to the server.
    pub socket: UdpSocket,
    client: Client,
    /// What came in a datagram behind what was asked for.
    kept: VecDeque<ClientOutput>,
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl RawSession {
    /// Begins a handshake; nothing is sent yet.
    ///
    /// # Panics
    /// If there is no socket to be had.
    pub async fn new(server: SocketAddr, config: ClientConfig, crypto: Arc<dyn Crypto>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        socket.connect(server).await.expect("loopback can be reached");
        let client = Client::new(now(), config, &mut Draw(crypto));
        Self { socket, client, kept: VecDeque::new() }
    }

    /// The first datagram, instead of sending it.
    ///
    /// # Panics
    /// If there is none.
    pub fn hello(&mut self) -> Vec<u8> {
        match self.client.poll() {
            Some(ClientOutput::Datagram(bytes)) => bytes,
            other => panic!("no ClientHello: {other:?}"),
        }
    }

    /// Runs the handshake to its end.
    ///
    /// # Errors
    /// Why there is no session.
    pub async fn open(&mut self) -> Result<(), ClientFailure> {
        loop {
            match self.step(None).await {
                Some(ClientOutput::Established { .. }) => return Ok(()),
                Some(ClientOutput::Failed(failure)) => return Err(failure),
                _ => {}
            }
        }
    }

    /// Sends application data as one record.
    ///
    /// # Panics
    /// If the session is not open.
    pub async fn send(&mut self, payload: &[u8]) {
        self.client.send(payload).expect("the session is open");
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Datagram(bytes) => {
                    self.socket.send(&bytes).await.expect("loopback takes it");
                }
                other => self.kept.push_back(other),
            }
        }
    }

    /// The next application data, if any comes within `patience`.
    pub async fn receive(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let end = now() + patience;
        loop {
            match self.step(Some(end)).await {
                Some(ClientOutput::Data(bytes)) => return Some(bytes),
                None if now() >= end => return None,
                _ => {}
            }
        }
    }

    /// Does one thing; gives what came out that is not for the network.
    async fn step(&mut self, end: Option<Duration>) -> Option<ClientOutput> {
        if let Some(output) = self.kept.pop_front() {
            return Some(output);
        }
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Datagram(bytes) => drop(self.socket.send(&bytes).await),
                other => return Some(other),
            }
        }
        let mut buffer = [0; 4096];
        let due = self.client.next_timeout().into_iter().chain(end).min();
        let due = due.unwrap_or(now() + Duration::from_secs(1));
        tokio::select! {
            got = self.socket.recv(&mut buffer) => {
                if let Ok(length) = got {
                    self.client.receive(now(), &buffer[..length]);
                }
            }
            () = tokio::time::sleep(due.saturating_sub(now())) => self.client.handle_timeout(now()),
        }
        self.client.poll().and_then(|output| match output {
            ClientOutput::Datagram(bytes) => {
                drop(self.socket.try_send(&bytes));
                None
            }
            other => Some(other),
        })
    }
}
