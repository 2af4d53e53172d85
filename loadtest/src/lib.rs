//! Load on bootstrap servers, and what it costs them.
//!
//! A load test drives simulated devices ([`claviger_device`]) through handshakes or whole bootstraps
//! over real sockets ([`drive`], [`hold`]) and reports what came of it ([`measure`], [`Report`];
//! [`measure_sessions`], [`Sessions`]). It knows no server from the inside: what it takes to fill
//! Claviger with devices goes by its HTTP API ([`Api`]), and the LwM2M server that Claviger tells of
//! its credentials is played by [`webhook`].
//!
//! [`ledger`] measures what the nodes keep, against etcd; [`measure_remote`] and [`measure_moving`] a
//! whole cluster ([`Site`]).
//!
//! It is a tool beside the product, for Linux: it reads `/proc`.

mod compare;
mod driver;
mod enrol;
mod failure;
mod fleet;
mod foreign;
mod journal;
mod keys;
pub mod ledger;
mod load;
mod machine;
mod measure;
mod moving;
mod pace;
mod peers;
mod process;
mod profile;
mod remote;
mod report;
pub mod scale;
mod sessions;
mod site;
mod tally;
pub mod webhook;
mod wire;

pub use compare::{Comparison, Pair, summary};
pub use driver::{drive, endure, hold};
pub use enrol::Api;
pub use failure::Failure;
pub use fleet::{Credential, Kind, Lwm2m, endpoint, key};
pub use foreign::drive_foreign;
pub use journal::{Journal, Turn};
pub use load::{Check, Goal, Hooks, Load};
pub use machine::{Machine, Others, busy};
pub use measure::{can_look_at, measure, measure_by, measure_sessions};
pub use moving::{Moving, measure_moving};
pub use pace::Pace;
pub use peers::{Claviger, Leshan, end_all};
pub use process::{Cpu, Process, Resident};
pub use profile::Profile;
pub use remote::{Remote, measure_remote};
pub use report::{Each, Latency, Measured, Report, Scenario, Usage};
pub use sessions::{Probes, Sessions, Step};
pub use site::Site;
pub use tally::{Failed, Stall, Tally, Traffic};
