//! `loadtest handshakes`

use super::output::{Format, Progress, warn};
use super::server;
use clap::{Args, ValueEnum};
use claviger_loadtest::{
    Credential, Failure, Goal, Hooks, Kind, Load, Lwm2m, Pace, drive, drive_foreign, measure_by,
};
use core::time::Duration;

/// Handshakes with pre-shared keys; the sessions stay open until the end.
#[derive(Debug, Args)]
#[command(after_help = "\
Which server, and which devices, is as with `loadtest bootstrap`.

Examples:
  loadtest handshakes
  loadtest handshakes --clients webrtc
  loadtest handshakes --devices 100000 --concurrency 256 -o json
  loadtest handshakes --target 127.0.0.1:5684 --server-pid PID --api http://127.0.0.1:8080")]
pub(super) struct Handshakes {
    #[command(flatten)]
    server: server::Options,
    /// Whose clients they are.
    #[arg(long, value_enum, default_value_t)]
    clients: Clients,
    /// How many handshakes there are, each of a device of its own.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..100_000_000))]
    devices: u32,
    /// The number of the first device.
    #[arg(long, default_value_t = 0, value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(..100_000_000))]
    first: u32,
    /// How many begin at a time; the next begins when one is done.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// How long one may take, in seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    patience: u64,
    /// The devices offer to use the server's connection id; ours alone can.
    #[arg(long)]
    cid: bool,
    /// How figures are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// The libraries whose clients there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Clients {
    /// Claviger's own.
    #[default]
    Claviger,
    /// webrtc-dtls.
    Webrtc,
}

impl Handshakes {
    /// Enrols the devices, if need be, and lets them connect.
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.cid && self.clients == Clients::Webrtc {
            return Err(Failure::new("webrtc-dtls has no connection ids: leave --cid away"));
        }
        let kind = Kind { cid: self.cid, version: Lwm2m::V1_1, credential: Credential::Psk };
        let side = self.server.ready(self.first..self.first + self.devices, kind)?;
        let load = Load {
            target: side.target,
            first: self.first,
            devices: self.devices,
            count: self.devices,
            pace: Pace::Closed(self.concurrency),
            patience: Duration::from_secs(self.patience),
            kind,
            goal: Goal::Handshake,
        };
        let mut progress = Progress::new("handshakes", load.count);
        let watch = &mut |done| progress.done(done);
        let mut hooks = Hooks { check: &*side.check, watch };
        let measured = measure_by(&load, side.process, || match self.clients {
            Clients::Claviger => drive(&load, &mut hooks),
            Clients::Webrtc => drive_foreign(&load, &mut hooks),
        });
        let (report, tally) = measured.map_err(Failure::because("cannot measure"))?;
        warn(&report);
        self.output.print(&report, |report| report.table())?;
        tally.all_succeeded()
    }
}
