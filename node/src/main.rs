//! Claviger: a key distribution center for IoT fleets, in one binary.
//!
//! `cli` reads the command line; `app` wires a server together. Run `claviger demo` to see a device
//! being bootstrapped, `claviger help` for everything else.

#![expect(
    unreachable_pub,
    reason = "a binary has no outside: `pub` is what a module offers to others"
)]

mod admin_token;
mod app;
mod cli;
mod clock;
mod cluster;
mod config;
mod connectors;
mod crypto;
mod edge;
#[cfg(test)]
mod fixtures;
mod http;
mod hygiene;
mod identity;
mod jwk;
mod kek;
mod keys;
mod metrics;
mod public;
mod secret_file;
mod socket;
mod sweeper;
mod telemetry;
mod thread;
mod wiped;

/// Messages are made in one thread and dropped in another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
