//! `loadtest sessions`

use super::output::{Format, Progress, warn};
use super::server;
use clap::Args;
use claviger_loadtest::{
    Credential, Failure, Goal, Hooks, Kind, Load, Lwm2m, Pace, measure_sessions,
};
use core::time::Duration;

/// Sessions that stay open, more and more of them, and whether the old ones live.
///
/// On loopback each has an address of its own and all share a few sockets, so there can be millions.
/// At the end some of them, evenly from the oldest to the newest, ask to be bootstrapped in the
/// session that they have; each must be.
#[derive(Debug, Args)]
#[command(after_help = "\
Which server, and which devices, is as with `loadtest bootstrap`.

Examples:
  loadtest sessions
  loadtest sessions --sessions 20000 --bootstrap -o json
  loadtest sessions --start leshan --sessions 160000
  loadtest sessions --target 127.0.0.1:5684 --server-pid PID --api http://127.0.0.1:8080")]
pub(super) struct Sessions {
    #[command(flatten)]
    server: server::Options,
    /// How many sessions there are, each of a device of its own.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..100_000_000))]
    sessions: u32,
    /// The number of the first device.
    #[arg(long, default_value_t = 0, value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(..100_000_000))]
    first: u32,
    /// The devices are bootstrapped too; else they only open sessions.
    #[arg(long)]
    bootstrap: bool,
    /// How many devices begin at a time; the next begins when one is done.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// How many of the sessions are used again at the end.
    #[arg(long, default_value_t = 1000, value_name = "SESSIONS")]
    probes: usize,
    /// How long one device may take, in seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    patience: u64,
    /// The devices offer to use the server's connection id.
    #[arg(long)]
    cid: bool,
    /// How figures are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Sessions {
    /// Enrols the devices, if need be, and opens their sessions.
    pub(super) fn run(self) -> Result<(), Failure> {
        let kind = Kind { cid: self.cid, version: Lwm2m::V1_1, credential: Credential::Psk };
        let side = self.server.ready(self.first..self.first + self.sessions, kind)?;
        let load = Load {
            target: side.target,
            first: self.first,
            devices: self.sessions,
            count: self.sessions,
            pace: Pace::Closed(self.concurrency),
            patience: Duration::from_secs(self.patience),
            kind,
            goal: if self.bootstrap { Goal::Bootstrap } else { Goal::Handshake },
        };
        let mut progress = Progress::new("sessions", load.count);
        let watch = &mut |done| progress.done(done);
        let mut hooks = Hooks { check: &*side.check, watch };
        let measured = measure_sessions(&load, self.probes, side.process, &mut hooks);
        let (report, tally) = measured.map_err(Failure::because("cannot measure"))?;
        warn(&report.run);
        self.output.print(&report, |report| report.table())?;
        tally.all_succeeded()
    }
}
