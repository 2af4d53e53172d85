//! What a bootstrap through edges alone costs the node that leads, hence how much of a fleet one
//! leader carries.

use crate::Failure;
use crate::driver::drive;
use crate::fleet::Kind;
use crate::load::{Goal, Hooks, Load};
use crate::machine::{Machine, Others};
use crate::pace::Pace;
use crate::process::{Cpu, Process};
use crate::report::Latency;
use crate::site::Site;
use crate::tally::Tally;
use claviger_device::Account;
use core::ops::Range;
use core::time::Duration;
use serde::Serialize;
use std::io;
use std::time::Instant;

/// How long one bootstrap may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The figures; CPU time is in milliseconds for a bootstrap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Remote {
    /// How many edges there were.
    pub edges: usize,
    /// How many devices were bootstrapped, and in how many seconds.
    pub done: usize,
    /// The same in a second.
    pub per_second: f64,
    /// How long one took.
    pub latency: Latency,
    /// CPU time of the node that leads.
    pub leader_ms: f64,
    /// CPU time of the two others, together.
    pub followers_ms: f64,
    /// CPU time of the edges, together.
    pub edges_ms: f64,
    /// What others used of the machine.
    pub others: Others,
}

impl Remote {
    /// How many bootstraps a second one CPU of the leader serves.
    pub fn per_cpu(&self) -> f64 {
        1e3 / self.leader_ms.max(f64::MIN_POSITIVE)
    }

    /// How many CPUs of edges one CPU of the leader feeds.
    pub fn edges_per_cpu(&self) -> f64 {
        self.edges_ms / self.leader_ms.max(f64::MIN_POSITIVE)
    }

    /// The figures for people.
    pub fn table(&self) -> String {
        let Self { edges, done, per_second, latency, leader_ms, followers_ms, edges_ms, .. } = self;
        let mut text = format!("{:<22}{done} through {edges} edges, {per_second:.0} a second", "");
        text.replace_range(..10, "bootstraps");
        text += &format!(", p50 {:.2}  p99 {:.2} ms\n", latency.p50, latency.p99);
        text += &format!("{:<22}{leader_ms:.3} CPU-ms each\n", "leader");
        text += &format!("{:<22}{followers_ms:.3} CPU-ms each, both\n", "followers");
        text += &format!("{:<22}{edges_ms:.3} CPU-ms each, all\n", "edges");
        let (rate, fed) = (self.per_cpu(), self.edges_per_cpu());
        text += &format!("{:<22}{rate:.0} bootstraps a second", "a CPU of the leader");
        text + &format!(", {fed:.2} CPUs of edges\n")
    }
}

/// What the kernel has counted.
struct Look {
    leader: Duration,
    followers: Duration,
    edges: Duration,
    own: Duration,
    machine: Machine,
}

fn all(processes: &[Process]) -> io::Result<Duration> {
    processes.iter().map(|process| process.cpu().map(Cpu::total)).sum()
}

impl Look {
    fn at((leader, followers): &(Process, Vec<Process>), edges: &[Process]) -> io::Result<Self> {
        Ok(Self {
            leader: leader.cpu()?.total(),
            followers: all(followers)?,
            edges: all(edges)?,
            own: Process::own().cpu()?.total(),
            machine: Machine::now()?,
        })
    }
}

/// Bootstraps the devices of these numbers through all edges of `site`, so many at a time at each.
///
/// # Errors
/// If a device fails, or nothing can be measured.
pub fn measure_remote(
    site: &Site,
    devices: Range<u32>,
    concurrency: u32,
    kind: Kind,
    check: &(impl Fn(&str, &Account) -> Result<(), String> + Sync + 'static),
) -> Result<Remote, Failure> {
    let cannot = || Failure::because("cannot measure");
    let (nodes, edges) = (site.leader_and_followers()?, site.edge_processes());
    let before = Look::at(&nodes, &edges).map_err(cannot())?;
    let begun = Instant::now();
    let targets = site.edges();
    let share = devices.len() as u32 / targets.len().max(1) as u32;
    let loads = targets.iter().zip(0..).map(|(target, nth)| Load {
        target: *target,
        first: devices.start + nth * share,
        devices: share,
        count: share,
        pace: Pace::Closed(concurrency),
        patience: PATIENCE,
        kind,
        goal: Goal::Bootstrap,
    });
    let loads: Vec<Load> = loads.collect();
    let one = |load: &Load| -> io::Result<Tally> {
        drive(load, &mut Hooks { check, watch: &mut |_| {} })
    };
    let tallies = std::thread::scope(|scope| {
        let one = &one;
        let running: Vec<_> = loads.iter().map(|load| scope.spawn(move || one(load))).collect();
        let ended = running.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a driver panicked")))
        });
        ended.collect::<io::Result<Vec<_>>>()
    });
    let tallies = tallies.map_err(cannot())?;
    let after = Look::at(&nodes, &edges).map_err(cannot())?;
    let ended = tallies.iter().flat_map(|tally| tally.ended.last()).max();
    let seconds = ended.copied().unwrap_or_else(|| begun.elapsed()).as_secs_f64();
    tallies.iter().try_for_each(Tally::all_succeeded)?;
    let took: Vec<Duration> = tallies.into_iter().flat_map(|tally| tally.took).collect();
    let used = |of: fn(&Look) -> Duration| of(&after).saturating_sub(of(&before));
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e3 / took.len().max(1) as f64;
    let of = [|it: &Look| it.leader, |it: &Look| it.followers, |it: &Look| it.edges];
    let [leader, followers, alone] = of.map(used);
    let ours = leader + followers + alone + used(|it| it.own);
    Ok(Remote {
        edges: targets.len(),
        done: took.len(),
        per_second: took.len() as f64 / seconds,
        latency: Latency::of(&took),
        leader_ms: each(leader),
        followers_ms: each(followers),
        edges_ms: each(alone),
        others: after.machine.others_since(&before.machine, ours),
    })
}
