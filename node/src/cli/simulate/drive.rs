//! A simulated device at a UDP socket.

use super::print::{self, Story};
use crate::cli::exit::Failure;
use claviger_actors::Clock;
use claviger_device::{Account, Device, DeviceOutput, Registration, RegistrationOutput};
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use tokio::net::UdpSocket;

/// A socket that speaks with one server, and the time.
pub(super) struct Wire<'a> {
    socket: UdpSocket,
    clock: &'a dyn Clock,
    buffer: Vec<u8>,
}

impl<'a> Wire<'a> {
    /// A socket towards `server`.
    pub(super) async fn new(server: SocketAddr, clock: &'a dyn Clock) -> Result<Self, Failure> {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let failed =
            |error: io::Error| Failure::failed(format!("no UDP towards {server}: {error}"));
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        socket.connect(server).await.map_err(failed)?;
        Ok(Self { socket, clock, buffer: vec![0; 4096] })
    }

    /// Sends; what the system does not take is lost, as on any network.
    async fn send(&self, bytes: &[u8]) {
        if let Err(error) = self.socket.send(bytes).await {
            tracing::debug!(%error, "a datagram of the simulated device was not sent");
        }
    }

    /// A datagram, or none when it is time for what is due.
    async fn wait(&mut self, due: Option<Duration>) -> Option<&[u8]> {
        let wait =
            due.map_or(Duration::from_secs(3600), |due| due.saturating_sub(self.clock.now()));
        let read = tokio::time::timeout(wait, self.socket.recv(&mut self.buffer)).await;
        match read {
            Ok(Ok(length)) => Some(&self.buffer[..length]),
            // An error is an ICMP message: nobody listens yet, and retransmission will tell.
            Ok(Err(_)) => {
                tokio::time::sleep(wait.min(Duration::from_millis(100))).await;
                None
            }
            Err(_) => None,
        }
    }
}

/// Runs a device until it is bootstrapped.
pub(super) async fn bootstrap(
    device: &mut Device,
    wire: &mut Wire<'_>,
    story: Story,
) -> Result<Account, Failure> {
    loop {
        let mut account = None;
        while let Some(output) = device.poll() {
            match output {
                DeviceOutput::Datagram(bytes) => wire.send(&bytes).await,
                DeviceOutput::Event(event) => story.say(&print::event(&event))?,
                // The answer to Finish comes behind it.
                DeviceOutput::Bootstrapped(given) => account = Some(given),
                DeviceOutput::Failed(why) => return Err(Failure::failed(print::failure(&why))),
            }
        }
        if let Some(account) = account {
            return Ok(account);
        }
        let datagram = wire.wait(device.next_timeout()).await.map(<[u8]>::to_vec);
        match datagram {
            Some(datagram) => device.receive(wire.clock.now(), &datagram),
            None => device.handle_timeout(wire.clock.now()),
        }
    }
}

/// Ends a device's session in good order.
pub(super) async fn close(device: &mut Device, wire: &Wire<'_>) {
    device.close();
    while let Some(output) = device.poll() {
        if let DeviceOutput::Datagram(bytes) = output {
            wire.send(&bytes).await;
        }
    }
}

/// Runs a registration until the LwM2M server took it.
pub(super) async fn register(
    registration: &mut Registration,
    wire: &mut Wire<'_>,
    story: Story,
) -> Result<(), Failure> {
    loop {
        let mut registered = false;
        while let Some(output) = registration.poll() {
            match output {
                RegistrationOutput::Datagram(bytes) => wire.send(&bytes).await,
                RegistrationOutput::Handshake { suite, cid } => {
                    story.say(&print::handshake("the LwM2M server", suite, cid.as_deref()))?;
                }
                RegistrationOutput::Registered => registered = true,
                RegistrationOutput::Failed(why) => {
                    let words = format!("not registered: {}", print::failure(&why));
                    return Err(Failure::failed(words));
                }
            }
        }
        if registered {
            return Ok(());
        }
        let datagram = wire.wait(registration.next_timeout()).await.map(<[u8]>::to_vec);
        match datagram {
            Some(datagram) => registration.receive(wire.clock.now(), &datagram),
            None => registration.handle_timeout(wire.clock.now()),
        }
    }
}
