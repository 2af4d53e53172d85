//! `loadtest scale`

use super::output::{Format, note};
use super::server::Own;
use clap::Args;
use claviger_loadtest::{Failure, busy, scale};
use core::time::Duration;
use std::time::Instant;

/// How long there is no word of how far it is.
const SILENCE: Duration = Duration::from_secs(5);

/// A large fleet: memory enrolled, awake and asleep, the time to restart, and the tail of bootstraps
/// beside a small fleet.
#[derive(Debug, Args)]
#[command(after_help = "\
It starts two servers, enrols a fleet at each, and lets both bootstrap devices in turns. Then each
device of the large fleet opens a session, and sleeps; the server is killed with its log full, and
started again; and both bootstrap devices once more. The servers' LwM2M servers ask for keys when
they need them, so nobody is told of any.

Examples:
  loadtest scale --devices 100000
  loadtest scale -o json")]
pub(super) struct Scale {
    #[command(flatten)]
    own: Own,
    /// How many devices the large fleet has.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..16_000_000))]
    devices: u32,
    /// How many devices the small one has.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..16_000_000))]
    beside: u32,
    /// How many turns each has, before the restart and after it; medians are printed.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How many bootstraps a turn has.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..))]
    bootstraps: u32,
    /// How many devices are under way at a time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// How long actors stay awake, in seconds; by default as long as it takes to open all sessions.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..1_000_000))]
    sleep_after: Option<u32>,
    /// Kill the server with the log that it has, instead of one that is full.
    #[arg(long)]
    no_fill: bool,
    /// How figures are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Scale {
    pub(super) fn run(self) -> Result<(), Failure> {
        note(busy().map_err(Failure::because("cannot look at this machine"))?);
        let plan = scale::Plan {
            binary: self.own.binary()?,
            data: self.own.data.clone(),
            devices: self.devices,
            beside: self.beside,
            rounds: self.rounds,
            bootstraps: self.bootstraps,
            concurrency: self.concurrency,
            sleep_after: self.sleep_after.unwrap_or(self.devices / 1_500 + 60),
            fill: !self.no_fill,
        };
        let mut said = Instant::now();
        let report = scale::run(&plan, &mut |text| {
            let is_step = !text.contains(" of ");
            if is_step || said.elapsed() >= SILENCE {
                said = Instant::now();
                note(text);
            }
        })?;
        if report.awake.actors < u64::from(report.devices) {
            note("warning: some slept before the last was open; give a longer --sleep-after");
        }
        self.output.print(&report, |report| report.table())
    }
}
