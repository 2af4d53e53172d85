//! A simulated device on a real UDP socket.

use claviger_device::{Account, Device, DeviceConfig, DeviceEvent, DeviceOutput, Failure};
use claviger_dtls::Resumption;
use claviger_machine::{Crypto, Draw};
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::UdpSocket;
use zeroize::Zeroizing;

/// A device's way to a server.
pub struct UdpDevice {
    socket: UdpSocket,
    device: Device,
    /// True if its network doubles each datagram that it sends.
    pub doubles: bool,
    /// Of each of its handshakes, whether it resumed a session.
    pub handshakes: Vec<bool>,
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl UdpDevice {
    /// Switches a device on.
    ///
    /// # Panics
    /// If there is no socket to be had.
    pub async fn switch_on(
        server: SocketAddr,
        config: DeviceConfig,
        crypto: Arc<dyn Crypto>,
    ) -> Self {
        // Any address; connecting picks the one that leads there.
        let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a free port");
        socket.connect(server).await.expect("the server's network can be reached");
        let device = Device::new(now(), config, Box::new(Draw(crypto)));
        Self { socket, device, doubles: false, handshakes: Vec::new() }
    }

    /// Asks to be bootstrapped again in the session that is open, and runs as
    /// [`Self::bootstrap`] does.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn bootstrap_again(&mut self) -> Result<Account, Failure> {
        self.device.ask_again(now());
        self.bootstrap().await
    }

    /// Ends its session in good order.
    pub async fn close(&mut self) {
        self.device.close();
        while let Some(output) = self.device.poll() {
            if let DeviceOutput::Datagram(bytes) = output {
                drop(self.socket.send(&bytes).await);
            }
        }
    }

    /// What another device of the same configuration can resume its session by.
    pub fn resumption(&self) -> Option<Resumption> {
        self.device.resumption()
    }

    /// Runs until the device holds an account or has failed.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn bootstrap(&mut self) -> Result<Account, Failure> {
        let mut buffer = [0; 4096];
        loop {
            while let Some(output) = self.device.poll() {
                match output {
                    // A server that is down is met by sending again.
                    DeviceOutput::Datagram(bytes) => {
                        for _ in 0..1 + usize::from(self.doubles) {
                            drop(self.socket.send(&bytes).await);
                        }
                    }
                    DeviceOutput::Event(DeviceEvent::Handshake { resumed, .. }) => {
                        self.handshakes.push(resumed);
                    }
                    DeviceOutput::Event(_) => {}
                    DeviceOutput::Bootstrapped(account) => return Ok(account),
                    DeviceOutput::Failed(failure) => return Err(failure),
                }
            }
            let due = self.device.next_timeout().unwrap_or(now() + Duration::from_secs(1));
            tokio::select! {
                got = self.socket.recv(&mut buffer) => {
                    if let Ok(length) = got {
                        self.device.receive(now(), &buffer[..length]);
                    }
                }
                () = tokio::time::sleep(due.saturating_sub(now())) => {
                    self.device.handle_timeout(now());
                }
            }
        }
    }
}

/// A key of 16 bytes as a device's configuration takes it.
pub fn psk(bytes: [u8; 16]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.to_vec())
}
