//! Whole bootstraps in virtual time, on a seeded network.

mod bootstrap;
mod credentials;
mod edges;
mod replicated;
mod revocation;
mod takeover;
