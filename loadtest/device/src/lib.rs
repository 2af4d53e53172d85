//! Simulated devices: the client halves of the protocols, without I/O.
//!
//! A [`Device`] is a whole LwM2M client with a manufacturer's key: it makes a DTLS handshake,
//! asks to be bootstrapped, and answers what the Bootstrap-Server does to it. A [`Registration`]
//! uses what it was given at an LwM2M server. Neither is a reference: tests against clients that
//! are not ours say whether the server is right.
//!
//! Both are driven alike: hand in datagrams and due times, call `poll` until it gives nothing, and
//! ask `next_timeout` when to come back. Thousands fit into a process.

mod config;
mod device;
mod line;
mod objects;
mod output;
mod registration;

pub use claviger_lwm2m::Format;
pub use config::{DeviceConfig, Keys, Version};
pub use device::Device;
pub use output::{Account, DeviceEvent, DeviceOutput, Failure};
pub use registration::{Registration, RegistrationOutput};
