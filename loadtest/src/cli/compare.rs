//! `loadtest compare`

use super::bootstrap::STORM;
use super::course::Course;
use super::output::{Progress, note, print, warn};
use super::server::{self, Side};
use clap::{Args, Subcommand, ValueEnum};
use claviger_loadtest::{
    Comparison, Credential, Failure, Goal, Hooks, Journal, Kind, Load, Lwm2m, Pace, Report, Turn,
    busy, measure, summary,
};
use core::time::Duration;
use std::path::PathBuf;
use std::time::Instant;

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
On a machine of two CPUs with nothing else to do it takes some 10 minutes, with --quick one. With
--journal it can be stopped and goes on with the same command; memory is then that of a server that
has seen less.

Examples:
  loadtest compare bootstrap
  loadtest compare bootstrap --quick
  loadtest compare bootstrap --pull
  loadtest compare bootstrap --credential x509 --pull --concurrency 64 --storm 0
  loadtest compare bootstrap --journal turns.ndjson -o markdown
  loadtest compare bootstrap --runs 1 --warm-up 5000 --concurrency 64 --storm 0 -o json")]
    Bootstrap(Bootstrap),
}

/// How they are compared.
#[derive(Debug, Args)]
pub(super) struct Bootstrap {
    #[command(flatten)]
    own: server::Own,
    /// One small run of each scenario, for a look: fewer of everything that is not named.
    #[arg(long)]
    quick: bool,
    /// How many runs each server has in each scenario.
    #[arg(long, default_value_t = 5, default_value_if("quick", "true", "1"),
        value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// How many bootstraps warm Leshan's virtual machine up.
    #[arg(
        long,
        default_value_t = 30_000,
        default_value_if("quick", "true", "5000"),
        value_name = "BOOTSTRAPS"
    )]
    warm_up: u32,
    /// How many devices at a time, in a closed loop.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64", value_name = "DEVICES")]
    concurrency: Vec<u32>,
    /// How many bootstraps a run of a closed loop has.
    #[arg(long, default_value_t = 4_000, default_value_if("quick", "true", "1000"))]
    count: u32,
    /// How many devices a storm has, all within a second; 0 for no storm.
    #[arg(
        long,
        default_value_t = 10_000,
        default_value_if("quick", "true", "2000"),
        value_name = "DEVICES"
    )]
    storm: u32,
    /// The devices offer to use the server's connection id.
    #[arg(long)]
    cid: bool,
    /// By what the devices prove themselves: not by raw public keys, which Leshan is not set up for.
    #[arg(long, value_enum, default_value_t)]
    credential: Credential,
    /// Claviger's LwM2M server asks for keys when it needs them, instead of taking a webhook for
    /// each device: Leshan tells nobody either.
    #[arg(long)]
    pull: bool,
    /// Keeps each run in this file, and makes none again that is there.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// How figures are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: every figure, and the summary.
    #[default]
    Table,
    /// For documents: the summary.
    Markdown,
    /// For programs: every run.
    Json,
}

/// A load that both servers get, so many times.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    pace: Pace,
    count: u32,
}

impl Compare {
    /// Compares, and prints the figures.
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self::Bootstrap(options) = self;
        let comparisons = options.compare()?;
        let tables = || comparisons.iter().map(Comparison::table).collect::<Vec<_>>().join("\n");
        let text = match options.output {
            Format::Table => format!("{}\n{}", tables(), summary(&comparisons)),
            Format::Markdown => summary(&comparisons),
            Format::Json => serde_json::to_string_pretty(&comparisons)
                .map_err(Failure::because("the figures have no JSON"))?,
        };
        print(&text)
    }
}

impl Bootstrap {
    fn compare(&self) -> Result<Vec<Comparison>, Failure> {
        let devices = self.devices()?;
        let mut journal = match &self.journal {
            Some(path) => Journal::open(path, self.compared()?)?,
            None => Journal::default(),
        };
        note(busy().map_err(Failure::because("cannot look at this machine"))?);
        let sides = [
            self.own.start(0..devices, self.pull, self.credential)?,
            server::leshan(devices, self.cid, self.credential)?,
        ];
        self.turns(&sides, &mut journal)
    }

    /// What a journal is of. The number of runs is left out, so that there can be more of them.
    fn compared(&self) -> Result<String, Failure> {
        let Self { warm_up, count, storm, cid, credential, pull, .. } = self;
        let build = self.own.build()?;
        let load = format!("warm-up {warm_up}, runs of {count}, storms of {storm}");
        Ok(format!("{build}; {load}, cid {cid}, {credential}, pull {pull}"))
    }

    /// The scenarios, each with the number of its bootstraps.
    fn scenarios(&self) -> Vec<Scenario> {
        let closed = |at_once: &u32| Scenario { pace: Pace::Closed(*at_once), count: self.count };
        let storm = Scenario { pace: Pace::Storm(STORM), count: self.storm };
        let storm = (self.storm > 0).then_some(storm);
        self.concurrency.iter().map(closed).chain(storm).collect()
    }

    /// How many devices are needed.
    fn devices(&self) -> Result<u32, Failure> {
        let turns: u32 = self.scenarios().iter().map(|scenario| scenario.count * self.runs).sum();
        let devices = self.warm_up + turns;
        if devices > MOST_SESSIONS {
            return Err(Failure::new(format!(
                "{devices} bootstraps are more than the {MOST_SESSIONS} sessions that Leshan \
                 keeps; take fewer --runs, a lower --count or --storm"
            )));
        }
        Ok(devices)
    }

    fn turns(&self, sides: &[Side; 2], journal: &mut Journal) -> Result<Vec<Comparison>, Failure> {
        for (side, count) in sides.iter().zip([self.warm_up.min(OUR_WARM_UP), self.warm_up]) {
            if count > 0 {
                note(format_args!("warming {} up with {count} bootstraps", side.name));
                let pace = Pace::Closed(WARM_UP_AT_ONCE);
                self.turn(side, Scenario { pace, count }, 0)?;
            }
        }
        let mut first = self.warm_up;
        let mut comparisons = Vec::new();
        let scenarios = self.scenarios();
        let mut course = Course::new(scenarios.len(), self.runs);
        for (at, scenario) in scenarios.into_iter().enumerate() {
            let mut reports = [Vec::new(), Vec::new()];
            for round in 0..self.runs {
                for (which, (side, reports)) in sides.iter().zip(&mut reports).enumerate() {
                    let name = scenario.pace.to_string();
                    let kept = journal.find(&name, round, side.name).cloned();
                    if let Some(report) = kept {
                        course.skipped();
                        reports.push(report);
                        continue;
                    }
                    let begun = Instant::now();
                    let report = self.turn(side, scenario, first)?;
                    course.took((at, which), begun.elapsed());
                    self.tell(side, scenario, &report, &course);
                    let (server, report) = (side.name.to_owned(), report);
                    reports.push(report.clone());
                    journal.keep(Turn { scenario: name, round, server, report })?;
                }
                first += scenario.count;
            }
            let [claviger, peer] = reports;
            comparisons.extend(Comparison::new(claviger, peer));
        }
        Ok(comparisons)
    }

    fn tell(&self, side: &Side, scenario: Scenario, report: &Report, course: &Course) {
        let cpu = report.server.map_or(0.0, |server| server.cpu);
        let (rate, p99) = (report.per_second, report.latency.p99);
        note(format_args!(
            "{course}: {}, {}: {cpu:.3} CPU-ms each, {rate:.0} /s, p99 {p99:.1} ms",
            side.name, scenario.pace,
        ));
        warn(report);
    }

    fn turn(&self, side: &Side, scenario: Scenario, first: u32) -> Result<Report, Failure> {
        let kind = Kind { cid: self.cid, version: Lwm2m::V1_1, credential: self.credential };
        let (target, patience, goal) = (side.target, PATIENCE, Goal::Bootstrap);
        let Scenario { pace, count } = scenario;
        let load = Load { target, first, devices: count, count, pace, patience, kind, goal };
        let mut progress = Progress::new(format_args!("  {}, {pace}", side.name), count);
        let watch = &mut |done| progress.done(done);
        let measured = measure(&load, side.process, &mut Hooks { check: &*side.check, watch });
        let (report, tally) = measured.map_err(Failure::because("cannot measure"))?;
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
    fn a_quick_look_is_small_but_in_what_is_named() {
        assert_eq!(options(&["--quick"]).devices(), Ok(10_000));
        assert_eq!(options(&["--quick", "--storm", "10000"]).devices(), Ok(18_000));
    }

    #[test]
    fn the_storm_comes_last_or_not_at_all() {
        let paces =
            |options: Bootstrap| options.scenarios().iter().map(|s| s.pace).collect::<Vec<_>>();
        let closed = [1, 16, 64].map(Pace::Closed);
        assert_eq!(paces(options(&["--storm", "0"])), closed);
        assert_eq!(paces(options(&[])).last(), Some(&Pace::Storm(STORM)));
    }
}
