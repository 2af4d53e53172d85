//! Load on bootstrap servers, and what it costs them.
//!
//! A load test drives simulated devices ([`claviger_device`]) through whole bootstraps over real
//! sockets ([`drive`]) and reports what came of it ([`measure`], [`Report`]). It knows no server
//! from the inside: what it takes to fill Claviger with devices goes by its HTTP API ([`Api`]),
//! and the LwM2M server that Claviger tells of its credentials is played by [`webhook`].
//!
//! It is a tool beside the product, for Linux: it reads `/proc`.

mod compare;
mod driver;
mod enrol;
mod failure;
mod fleet;
mod measure;
mod pace;
mod peers;
mod process;
mod report;
mod tally;
pub mod webhook;

pub use compare::{Comparison, Pair};
pub use driver::{Check, Load, drive};
pub use enrol::Api;
pub use failure::Failure;
pub use fleet::{Kind, Lwm2m, endpoint, key};
pub use measure::measure;
pub use pace::Pace;
pub use peers::{Claviger, Leshan};
pub use process::{Cpu, Process, Resident};
pub use report::{Each, Latency, Report, Scenario, Usage};
pub use tally::{Failed, Tally, Traffic};
