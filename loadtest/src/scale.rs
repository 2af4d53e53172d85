//! What a large fleet costs its server: enrolled, awake, asleep, after a restart, and what a
//! bootstrap takes beside a small fleet.
//!
//! [`run`] starts two servers of its own, each a whole Claviger in one process, and takes the large
//! one through all of it. The two are measured in turns, with the same load. An edge is in the same
//! process, so the memory of its sessions is in what is told.

use crate::fleet::{Credential, Kind, Lwm2m};
use crate::load::{Goal, Hooks, Load};
use crate::pace::Pace;
use crate::peers::Claviger;
use crate::report::Latency;
use crate::{Failure, measure, measure_sessions};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

const ACTORS: &str = "claviger_actors{kind=\"device\"}";
const SNAPSHOTS: &str = "claviger_ledger_snapshots_total{kind=\"built\"}";
/// How many entries there are between two snapshots of a server, less some that come by themselves.
const LOG: u32 = 49_000;
/// How many sessions are opened between two looks whether there was a snapshot.
const PART: u32 = 2_000;
/// The pause between two looks whether all actors sleep.
const LOOK: Duration = Duration::from_secs(1);
/// How long a server that has much to do is waited for.
const SETTLING: Duration = Duration::from_secs(120);
/// How much longer than they should actors may take to fall asleep.
const LATE: Duration = Duration::from_secs(120);

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Claviger's binary.
    pub binary: PathBuf,
    /// Where the data folders are made, on a real disk.
    pub data: PathBuf,
    /// How many devices the large fleet has.
    pub devices: u32,
    /// How many the small one has.
    pub beside: u32,
    /// How many turns each has, before the restart and after it.
    pub rounds: u32,
    /// How many bootstraps a turn has.
    pub bootstraps: u32,
    /// How many devices are under way at a time.
    pub concurrency: u32,
    /// How long an actor stays awake, in seconds: as long as it takes to open all sessions.
    pub sleep_after: u32,
    /// Whether the log is filled up to its bound before the restart.
    pub fill: bool,
}

/// All that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// How many devices the large fleet has.
    pub devices: u32,
    /// How many the small one has.
    pub beside: u32,
    /// How long it took to enrol the large one, in seconds.
    pub enrolled_in: f64,
    /// The server when nothing else had happened yet.
    pub empty: State,
    /// The server with the fleet enrolled.
    pub enrolled: State,
    /// The size of the data folder then, in MiB.
    pub disk_mib: f64,
    /// How long it took to open a session of each device, in seconds.
    pub opened_in: f64,
    /// The server with all of them open.
    pub awake: State,
    /// The same when all actors sleep.
    pub asleep: State,
    /// The size of the log before the server was killed, in MiB.
    pub log_mib: f64,
    /// From the start after it was killed until it was ready, in seconds.
    pub ready_in: f64,
    /// The server then.
    pub restarted: State,
    /// Bootstraps at both before sessions were opened.
    pub before: Vec<Round>,
    /// Bootstraps at both after the restart.
    pub after: Vec<Round>,
}

/// The server at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Actors that are awake.
    pub actors: u64,
    /// Its memory, in MiB.
    pub rss_mib: f64,
    /// The most that it had until then, in MiB, since it was started.
    pub peak_rss_mib: f64,
}

/// The same load at both servers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Beside the small fleet.
    pub small: Turn,
    /// Beside the large one.
    pub large: Turn,
}

/// One load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// How long bootstraps took, in milliseconds.
    pub latency: Latency,
    /// How many in a second.
    pub per_second: f64,
    /// What each cost the server, in CPU milliseconds.
    pub cpu: f64,
}

/// Measures it; `note` hears how it goes.
///
/// # Errors
/// The first thing that did not go as it must.
pub fn run(plan: &Plan, note: &mut dyn FnMut(String)) -> Result<Scale, Failure> {
    let (home, small_home) = (folder(&plan.data)?, folder(&plan.data)?);
    let small = Claviger::serve(&plan.binary, small_home.path(), plan.sleep_after)?;
    small.api()?.prepare_pull(0..plan.beside)?;
    let mut large = Claviger::serve(&plan.binary, home.path(), plan.sleep_after)?;
    let empty = State::of(&large)?;

    let began = Instant::now();
    let watch = &mut |done: usize| note(format!("enrolled: {done} of {}", plan.devices));
    large.api()?.prepare_many(0..plan.devices, watch)?;
    let (enrolled_in, enrolled) = (began.elapsed().as_secs_f64(), State::of(&large)?);
    let disk_mib = size(home.path())?;
    note(format!("enrolled in {enrolled_in:.1} s, {:.0} MiB", enrolled.rss_mib));
    let before = plan.rounds(&small, &large, 0, note)?;

    let opened_in = plan.open(&large, 0..plan.devices, note)?;
    let awake = State::of(&large)?;
    note(format!("opened in {opened_in:.1} s, {:.0} MiB", awake.rss_mib));
    let asleep = plan.fall_asleep(&large)?;
    note(format!("asleep: {:.0} MiB", asleep.rss_mib));

    if plan.fill {
        plan.fill(&large, note)?;
    }
    let log_mib = size(&home.path().join("data/ledger/wal"))?;
    drop(large);
    let began = Instant::now();
    large = Claviger::serve(&plan.binary, home.path(), plan.sleep_after)?;
    let (ready_in, restarted) = (began.elapsed().as_secs_f64(), State::of(&large)?);
    note(format!("killed, and ready again in {ready_in:.2} s with {log_mib:.0} MiB of log"));
    let after = plan.rounds(&small, &large, plan.rounds, note)?;
    Ok(Scale {
        devices: plan.devices,
        beside: plan.beside,
        enrolled_in,
        empty,
        enrolled,
        disk_mib,
        opened_in,
        awake,
        asleep,
        log_mib,
        ready_in,
        restarted,
        before,
        after,
    })
}

impl Plan {
    fn load(&self, server: &Claviger, first: u32, devices: u32, goal: Goal) -> Load {
        Load {
            target: server.target(),
            first,
            devices,
            count: devices,
            pace: Pace::Closed(self.concurrency),
            patience: Duration::from_secs(60),
            kind: Kind { cid: false, version: Lwm2m::V1_1, credential: Credential::Psk },
            goal,
        }
    }

    /// The turns of both, from the round `nth` on: each of other devices, spread over the fleet.
    fn rounds(
        &self,
        small: &Claviger,
        large: &Claviger,
        nth: u32,
        note: &mut dyn FnMut(String),
    ) -> Result<Vec<Round>, Failure> {
        settle(large)?;
        let turn = |server: &Claviger, devices: u32, round: u32| {
            let parts = u64::from(self.rounds.max(1)) * 2;
            let first = u64::from(devices.saturating_sub(self.bootstraps)) * u64::from(round);
            let first = u32::try_from(first / parts).unwrap_or(0);
            let count = self.bootstraps.min(devices);
            let load = self.load(server, first, count, Goal::Bootstrap);
            let mut hooks = Hooks { check: &|_, _| Ok(()), watch: &mut |_| {} };
            let measured = measure(&load, Some(server.process()), &mut hooks);
            let (report, tally) = measured.map_err(Failure::because("cannot measure"))?;
            tally.all_succeeded()?;
            let cpu = report.server.map_or(0.0, |server| server.cpu);
            Ok::<_, Failure>(Turn { latency: report.latency, per_second: report.per_second, cpu })
        };
        let round = |round| {
            let small = turn(small, self.beside, round)?;
            let large = turn(large, self.devices, round)?;
            let (few, many) = (small.latency.p99, large.latency.p99);
            note(format!("round {}: p99 {few:.2} and {many:.2} ms", round + 1));
            Ok(Round { small, large })
        };
        (nth..nth + self.rounds).map(round).collect()
    }

    /// Opens a session of each of these devices; how long that took, in seconds.
    fn open(
        &self,
        server: &Claviger,
        numbers: core::ops::Range<u32>,
        note: &mut dyn FnMut(String),
    ) -> Result<f64, Failure> {
        let load = self.load(server, numbers.start, numbers.len() as u32, Goal::Handshake);
        let all = numbers.len();
        let watch = &mut |done: usize| note(format!("opened: {done} of {all}"));
        let mut hooks = Hooks { check: &|_, _| Ok(()), watch };
        let measured = measure_sessions(&load, 0, Some(server.process()), &mut hooks);
        let (report, tally) = measured.map_err(Failure::because("cannot measure"))?;
        tally.all_succeeded()?;
        match report.run.failed {
            0 => Ok(report.run.seconds),
            failed => Err(Failure::new(format!("{failed} sessions did not open"))),
        }
    }

    /// Waits until all actors sleep.
    fn fall_asleep(&self, server: &Claviger) -> Result<State, Failure> {
        let most = Duration::from_secs(self.sleep_after.into()) + LATE;
        let began = Instant::now();
        loop {
            let state = State::of(server)?;
            if state.actors == 0 {
                return Ok(state);
            }
            if began.elapsed() > most {
                return Err(Failure::new(format!("{} actors do not sleep", state.actors)));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Lets the log grow until it is about to be cut.
    fn fill(&self, server: &Claviger, note: &mut dyn FnMut(String)) -> Result<(), Failure> {
        let api = server.api()?;
        let before = api.metric(SNAPSHOTS)?;
        let part = 0..PART.min(self.devices);
        let mut silent = |_| {};
        while api.metric(SNAPSHOTS)? <= before {
            self.open(server, part.clone(), &mut silent)?;
        }
        for _ in 0..LOG / part.end {
            self.open(server, part.clone(), &mut silent)?;
        }
        note("the log is full".to_owned());
        Ok(())
    }
}

/// Waits until a server has little to do: what it still sorts on its disk after many writes is no
/// part of what comes next.
fn settle(server: &Claviger) -> Result<(), Failure> {
    let cpu = || server.process().cpu().map_err(Failure::because("cannot look at the server"));
    let began = Instant::now();
    let mut before = cpu()?;
    while began.elapsed() < SETTLING {
        std::thread::sleep(LOOK);
        let now = cpu()?;
        if now.total().saturating_sub(before.total()) < LOOK / 20 {
            break;
        }
        before = now;
    }
    Ok(())
}

impl State {
    fn of(server: &Claviger) -> Result<Self, Failure> {
        let resident = server.process().resident();
        let resident = resident.map_err(Failure::because("cannot look at the server"))?;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let actors = server.api()?.metric(ACTORS)? as u64;
        let (rss_mib, peak_rss_mib) = (mib(resident.now), mib(resident.peak));
        Ok(Self { actors, rss_mib, peak_rss_mib })
    }
}

fn folder(data: &Path) -> Result<tempfile::TempDir, Failure> {
    let folder = tempfile::Builder::new().prefix("loadtest-").tempdir_in(data);
    folder.map_err(Failure::because("no folder for Claviger's data"))
}

/// The size of what is in a folder, in MiB.
fn size(folder: &Path) -> Result<f64, Failure> {
    fn bytes(folder: &Path) -> std::io::Result<u64> {
        let mut sum = 0;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                // It may be removed just now.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            sum += if metadata.is_dir() { bytes(&entry.path())? } else { metadata.len() };
        }
        Ok(sum)
    }
    let bytes = bytes(folder).map_err(Failure::because(folder.display()))?;
    Ok(bytes as f64 / f64::from(1 << 20))
}

/// The median of the larger p99 to the smaller, round by round; 0 where there was none.
pub fn ratio(rounds: &[Round]) -> f64 {
    let mut ratios: Vec<f64> =
        rounds.iter().map(|it| it.large.latency.p99 / it.small.latency.p99).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(0.0)
}

impl Scale {
    /// The figures for people.
    pub fn table(&self) -> String {
        let each = |state: &State| {
            let grown = (state.rss_mib - self.empty.rss_mib) * f64::from(1 << 20);
            let each = grown / f64::from(self.devices.max(1));
            let State { actors, rss_mib, peak_rss_mib } = state;
            format!(
                "{rss_mib:.0} MiB ({each:.0} B a device), peak {peak_rss_mib:.0}, {actors} actors"
            )
        };
        let rate = |seconds: f64| {
            format!("{seconds:.1} s, {:.0} /s", f64::from(self.devices) / seconds.max(1e-9))
        };
        let mut lines = vec![
            ("devices", format!("{}, beside {}", self.devices, self.beside)),
            ("empty", each(&self.empty)),
            ("enrolled", format!("{}; {:.0} MiB on disk", rate(self.enrolled_in), self.disk_mib)),
            ("", each(&self.enrolled)),
            ("opened", rate(self.opened_in)),
            ("awake", each(&self.awake)),
            ("asleep", each(&self.asleep)),
            ("restart", format!("ready in {:.2} s, {:.0} MiB of log", self.ready_in, self.log_mib)),
            ("", each(&self.restarted)),
        ];
        for (name, rounds) in [("p99 before", &self.before), ("p99 after", &self.after)] {
            let p99 =
                |it: &Round| format!("{:.2}/{:.2}", it.large.latency.p99, it.small.latency.p99);
            let all: Vec<_> = rounds.iter().map(p99).collect();
            lines.push((name, format!("{:.2} times: {} ms", ratio(rounds), all.join(", "))));
        }
        lines.iter().map(|(name, value)| format!("{name:<12}{value}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_rounds() {
        let round = |small, large| {
            let turn = |p99| {
                let latency = Latency { p99, ..Latency::default() };
                Turn { latency, per_second: 1.0, cpu: 0.1 }
            };
            Round { small: turn(small), large: turn(large) }
        };
        assert_eq!(ratio(&[round(1.0, 9.0), round(2.0, 3.0), round(4.0, 4.0)]), 1.5);
        assert_eq!(ratio(&[]), 0.0);
    }
}
