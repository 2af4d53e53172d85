//! A seeded world for tests: devices, edges and actors in one thread under virtual time.
//!
//! The actors, the ledger's content, the edges and the simulated devices are the shipped ones;
//! clock, randomness, network, sockets and the LwM2M server are fakes. It is not a fake of
//! consensus: a test gives the world a ledger, in memory or replicated. Run a test with
//! [`system`], make a [`World`], and drive it with [`World::run_until`]. Beside it stands
//! [`Claviger`], a whole process under test.

mod balancer;
mod capture;
mod cluster;
mod command;
mod crypto;
mod gate;
mod ground;
mod hosts;
mod installed;
mod invariant;
mod keys;
mod linear;
mod net;
mod panics;
mod peer;
mod ports;
mod process;
mod raw;
pub mod secrets;
mod sim_cluster;
mod steps;
mod time;
mod udp;
mod webhook;
mod world;

pub use balancer::{Balancer, Spread};
pub use capture::{Capture, Sender};
pub use cluster::{Cluster, Member, Nature};
pub use command::{Said, command, run};
pub use crypto::SeededCrypto;
pub use ground::{Ground, Lab};
pub use hosts::Balance;
pub use installed::{installed, java};
pub use linear::{Recorded, is_linear};
pub use net::{Datagram, Faults, Net};
pub use peer::Peer;
pub use ports::SimOutbox;
pub use process::{Claviger, Place};
pub use raw::RawSession;
pub use sim_cluster::{Ask, ClusterConfig, Defect, Fault, SimCluster};
pub use time::VirtualClock;
pub use udp::{UdpDevice, psk};
pub use webhook::{Receiver, Told};
pub use world::{Sim, World, WorldConfig, found, system};
