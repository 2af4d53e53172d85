//! `loadtest bootstrap`

use super::output::{Format, Progress, warn};
use super::server;
use clap::Args;
use claviger_loadtest::{
    Credential, Failure, Goal, Hooks, Kind, Load, Lwm2m, Pace, Profile, measure,
};
use core::time::Duration;
use std::path::PathBuf;

/// Within which time a storm's devices begin.
pub(super) const STORM: Duration = Duration::from_secs(1);

/// Devices that bootstrap, each with a name and a key of its own.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --target, Claviger is started and the devices are enrolled there. A target that is Claviger
needs --api, so that they are enrolled, and its webhooks taken: enrolled devices stay, so a next run
with --first goes on where the last ended. Any other server must know them: device 42 is
load-00000042 in identity and endpoint name, and its key is the first 16 bytes of the SHA-256 of that
name.

Examples:
  loadtest bootstrap
  loadtest bootstrap --devices 10000 --storm -o json
  loadtest bootstrap --credential x509
  loadtest bootstrap --target 127.0.0.1:5684 --api http://127.0.0.1:8080 --devices 20000
  loadtest bootstrap --start leshan --warm-up 30000 --concurrency 16
  loadtest bootstrap --devices 50000 --perf perf.data")]
pub(super) struct Bootstrap {
    #[command(flatten)]
    server: server::Options,
    /// How many devices there are.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..100_000_000))]
    devices: u32,
    /// The number of the first device.
    #[arg(long, default_value_t = 0, value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(..100_000_000))]
    first: u32,
    /// How many bootstraps there are; by default one for each device.
    #[arg(long)]
    count: Option<u32>,
    /// How many devices, before these, bootstrap without being counted.
    #[arg(long, default_value_t = 0, value_name = "DEVICES",
        value_parser = clap::value_parser!(u32).range(..100_000_000))]
    warm_up: u32,
    /// How many devices bootstrap at a time; the next begins when one has ended.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// All devices begin within a second, whatever becomes of them.
    #[arg(long, conflicts_with = "concurrency")]
    storm: bool,
    /// How long a bootstrap may take, in seconds.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    patience: u64,
    /// The devices offer to use the server's connection id.
    #[arg(long)]
    cid: bool,
    /// By what the devices prove themselves.
    #[arg(long, value_enum, default_value = "psk", value_name = "KIND")]
    credential: Credential,
    /// The devices' version of LwM2M: 1.0 names no preferred format, 1.1 prefers TLV.
    #[arg(long, value_enum, default_value = "1.1", value_name = "VERSION")]
    lwm2m: Lwm2m,
    /// Records where the server spends its time into this file, by Linux's perf.
    #[arg(long, value_name = "FILE")]
    perf: Option<PathBuf>,
    /// How figures are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Bootstrap {
    /// Enrols the devices, if need be, and drives them.
    pub(super) fn run(self) -> Result<(), Failure> {
        let all = self.first..self.first + self.warm_up + self.devices;
        let kind = Kind { cid: self.cid, version: self.lwm2m, credential: self.credential };
        let side = self.server.ready(all, kind)?;
        let pace = if self.storm { Pace::Storm(STORM) } else { Pace::Closed(self.concurrency) };
        let load = Load {
            target: side.target,
            first: self.first + self.warm_up,
            devices: self.devices,
            count: self.count.unwrap_or(self.devices),
            pace,
            patience: Duration::from_secs(self.patience),
            kind,
            goal: Goal::Bootstrap,
        };
        let drive = |what: &str, load: &Load| {
            let mut progress = Progress::new(what, load.count);
            let watch = &mut |done| progress.done(done);
            let measured = measure(load, side.process, &mut Hooks { check: &*side.check, watch });
            measured.map_err(Failure::because("cannot measure"))
        };
        if self.warm_up > 0 {
            let (first, count) = (self.first, self.warm_up);
            let pace = Pace::Closed(self.concurrency);
            let warm_up = Load { first, devices: count, count, pace, ..load };
            drive("warm-up", &warm_up)?.1.all_succeeded()?;
        }
        let profile = self.perf.as_ref().map(|file| {
            let process = side.process.ok_or_else(|| Failure::new("--perf needs --server-pid"))?;
            Profile::start(process, file)
        });
        let profile = profile.transpose()?;
        let (report, tally) = drive("bootstraps", &load)?;
        profile.map_or(Ok(()), Profile::stop)?;
        warn(&report);
        self.output.print(&report, |report| report.table())?;
        tally.all_succeeded()
    }
}
