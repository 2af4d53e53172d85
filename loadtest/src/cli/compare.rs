//! `loadtest compare`

use super::output::{Format, note};
use clap::{Args, Subcommand};
use claviger_loadtest::{
    Check, Claviger, Comparison, Failure, Kind, Leshan, Load, Lwm2m, Pace, Process, Report, measure,
};
use core::net::SocketAddr;
use core::time::Duration;
use std::path::PathBuf;

/// Within which time a storm's devices begin.
const STORM: Duration = Duration::from_secs(1);
/// How long a bootstrap may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many of the devices that Leshan is warmed up with Claviger is warmed up with, at most.
const OUR_WARM_UP: u32 = 2_000;
/// How many devices at a time a server is warmed up with.
const WARM_UP_AT_ONCE: u32 = 64;
/// Where Leshan 1.5.0 stops to take new sessions; it keeps each for 10 minutes.
const MOST_SESSIONS: u32 = 150_000;

/// What can be compared.
#[derive(Debug, Subcommand)]
pub(super) enum Compare {
    /// Claviger and the bootstrap server of Eclipse Leshan.
    ///
    /// Each is started once and warmed up; then they take turns. Every run has devices that were
    /// not bootstrapped before, and neither server forgets the sessions of those that were.
    #[command(after_help = "\
Examples:
  loadtest compare bootstrap
  loadtest compare bootstrap --runs 1 --warm-up 5000 --concurrency 64 --storm 0 -o json")]
    Bootstrap(Bootstrap),
}

/// How they are compared.
#[derive(Debug, Args)]
pub(super) struct Bootstrap {
    /// Claviger's binary; by default the one beside this.
    #[arg(long, value_name = "FILE")]
    claviger: Option<PathBuf>,
    /// Where Claviger's data folder is made, on a real disk; it is removed at the end.
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    data: PathBuf,
    /// How many runs each server has in each scenario.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// How many bootstraps warm Leshan's virtual machine up.
    #[arg(long, default_value_t = 30_000, value_name = "BOOTSTRAPS")]
    warm_up: u32,
    /// How many devices at a time, in a closed loop.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64", value_name = "DEVICES")]
    concurrency: Vec<u32>,
    /// How many bootstraps a run of a closed loop has.
    #[arg(long, default_value_t = 4_000)]
    count: u32,
    /// How many devices a storm has, all within a second; 0 for no storm.
    #[arg(long, default_value_t = 10_000, value_name = "DEVICES")]
    storm: u32,
    /// The devices offer to use the server's connection id.
    #[arg(long)]
    cid: bool,
    /// How figures are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// A server under test.
struct Side {
    name: &'static str,
    target: SocketAddr,
    process: Process,
    check: Box<Check>,
}

impl Compare {
    /// Compares, and prints the figures.
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self::Bootstrap(options) = self;
        let comparisons = options.compare()?;
        options.output.print(&comparisons, |all| {
            all.iter().map(Comparison::table).collect::<Vec<_>>().join("\n")
        })
    }
}

impl Bootstrap {
    fn compare(&self) -> Result<Vec<Comparison>, Failure> {
        let devices = self.devices()?;
        let folder = tempfile::Builder::new().prefix("loadtest-").tempdir_in(&self.data);
        let folder = folder.map_err(Failure::because("no folder for Claviger's data"))?;
        let claviger = Claviger::start(&self.binary()?, folder.path())?;
        note(format_args!("enrolling {devices} devices at Claviger"));
        let told = claviger.api()?.prepare(0..devices)?;
        note(format_args!("starting Leshan with {devices} devices"));
        let leshan = Leshan::start(devices, self.cid)?;
        let sides = [
            Side {
                name: "Claviger",
                target: claviger.target(),
                process: claviger.process(),
                check: Box::new(move |_, account| told.take(account)),
            },
            Side {
                name: "Leshan",
                target: leshan.target(),
                process: leshan.process(),
                check: Box::new(Leshan::check),
            },
        ];
        self.turns(&sides)
    }

    /// The scenarios, each with the number of its bootstraps.
    fn scenarios(&self) -> Vec<(Pace, u32)> {
        let closed = self.concurrency.iter().map(|at_once| (Pace::Closed(*at_once), self.count));
        let storm = (self.storm > 0).then_some((Pace::Storm(STORM), self.storm));
        closed.chain(storm).collect()
    }

    /// How many devices are needed.
    fn devices(&self) -> Result<u32, Failure> {
        let turns: u32 = self.scenarios().iter().map(|(_, count)| count * self.runs).sum();
        let devices = self.warm_up + turns;
        if devices > MOST_SESSIONS {
            return Err(Failure::new(format!(
                "{devices} bootstraps are more than the {MOST_SESSIONS} sessions that Leshan \
                 keeps; take fewer --runs, a lower --count or --storm"
            )));
        }
        Ok(devices)
    }

    fn binary(&self) -> Result<PathBuf, Failure> {
        if let Some(binary) = &self.claviger {
            return Ok(binary.clone());
        }
        let own = std::env::current_exe();
        let own = own.map_err(Failure::because("name Claviger's binary with --claviger"))?;
        Ok(own.with_file_name("claviger"))
    }

    fn turns(&self, sides: &[Side; 2]) -> Result<Vec<Comparison>, Failure> {
        for (side, count) in sides.iter().zip([self.warm_up.min(OUR_WARM_UP), self.warm_up]) {
            if count > 0 {
                self.turn(side, Pace::Closed(WARM_UP_AT_ONCE), 0, count)?;
            }
        }
        let mut first = self.warm_up;
        let mut comparisons = Vec::new();
        for (pace, count) in self.scenarios() {
            let mut reports = [Vec::new(), Vec::new()];
            for _ in 0..self.runs {
                for (side, reports) in sides.iter().zip(&mut reports) {
                    reports.push(self.turn(side, pace, first, count)?);
                }
                first += count;
            }
            let [claviger, peer] = reports;
            comparisons.extend(Comparison::new(claviger, peer));
        }
        Ok(comparisons)
    }

    fn turn(&self, side: &Side, pace: Pace, first: u32, count: u32) -> Result<Report, Failure> {
        let kind = Kind { cid: self.cid, version: Lwm2m::V1_1 };
        let (target, patience) = (side.target, PATIENCE);
        let load = Load { target, first, devices: count, count, pace, patience, kind };
        let measured = measure(&load, Some(side.process), &*side.check);
        let (report, tally) = measured.map_err(Failure::because("cannot measure"))?;
        note(format_args!("{}, {pace}:\n{}", side.name, report.table()));
        tally.all_succeeded().map_err(Failure::because(side.name))?;
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Bootstrap,
    }

    fn options(more: &[&str]) -> Bootstrap {
        Line::try_parse_from([&["x"], more].concat()).unwrap().options
    }

    #[test]
    fn what_is_compared_by_default_is_within_what_leshan_keeps() {
        assert_eq!(options(&[]).devices(), Ok(140_000));
        assert!(options(&["--storm", "20000"]).devices().is_err());
    }

    #[test]
    fn the_storm_comes_last_or_not_at_all() {
        let paces =
            |options: Bootstrap| options.scenarios().iter().map(|s| s.0).collect::<Vec<_>>();
        let closed = [1, 16, 64].map(Pace::Closed);
        assert_eq!(paces(options(&["--storm", "0"])), closed);
        assert_eq!(paces(options(&[])).last(), Some(&Pace::Storm(STORM)));
    }
}
