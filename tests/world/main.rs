//! Whole bootstraps in virtual time, on a seeded network.

mod bootstrap;
mod cluster;
mod credentials;
mod edges;
mod mutations;
mod pace;
mod replicated;
mod revocation;
mod takeover;
