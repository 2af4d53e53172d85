//! Whole bootstraps in virtual time, on a seeded network.

mod bootstrap;
mod replicated;
mod revocation;
