//! `loadtest peer`

use super::output::{Format, note};
use clap::{Args, Subcommand};
use claviger_loadtest::{Credential, Failure, Leshan};
use serde_json::json;

/// The servers that Claviger is compared with.
#[derive(Debug, Subcommand)]
pub(super) enum Peer {
    /// Run Leshan's bootstrap server on loopback until it is stopped.
    #[command(after_help = "\
Examples:
  loadtest peer leshan --devices 20000
  loadtest bootstrap --target 127.0.0.1:PORT --server-pid PID --devices 20000")]
    Leshan(Options),
}

/// What it runs with.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// How many devices it knows, from number 0.
    #[arg(long, default_value_t = 10_000)]
    devices: u32,
    /// It takes part in connection ids.
    #[arg(long)]
    cid: bool,
    /// By what they prove themselves.
    #[arg(long, value_enum, default_value_t)]
    credential: Credential,
    /// How its address is printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Peer {
    /// Runs it.
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self::Leshan(options) = self;
        let leshan = Leshan::start(options.devices, options.cid, options.credential)?;
        let (target, pid) = (leshan.target().to_string(), leshan.process().0);
        let ready = json!({ "target": target, "pid": pid });
        options.output.print(&ready, |_| format!("--target {target} --server-pid {pid}"))?;
        note("Ctrl-C stops it.");
        leshan.wait()
    }
}
