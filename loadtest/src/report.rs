//! The figures of a run, for people and for programs.

use crate::load::{Goal, Load};
use crate::machine::Others;
use crate::pace::Pace;
use crate::process::{Cpu, Resident};
use crate::tally::{Stall, Tally, Traffic};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The figures of one run. Times are milliseconds unless they say otherwise; what stands as
/// "each" is divided by the number of those that were done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was driven.
    pub scenario: Scenario,
    /// How many bootstraps, or handshakes, were completed.
    pub done: usize,
    /// How many failed.
    pub failed: usize,
    /// From the first datagram to the end of the last, in seconds.
    pub seconds: f64,
    /// How many in a second.
    pub per_second: f64,
    /// How long one took.
    pub latency: Latency,
    /// The longest time in which none was completed.
    pub worst_stall: Stall,
    /// What the server used, where its process was named.
    pub server: Option<Usage>,
    /// What this driver used.
    pub driver: Usage,
    /// From the devices to the server, each.
    pub up: Each,
    /// From the server to the devices, each.
    pub down: Each,
    /// Datagrams that devices sent again.
    pub retransmissions: u64,
    /// What others used of the machine, where the server's process was named.
    pub others: Option<Others>,
}

/// What was measured beside the driver's own counting.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// What the server used.
    pub server: Option<Usage>,
    /// What the driver used.
    pub driver: Usage,
    /// What others used.
    pub others: Option<Others>,
}

/// What was driven.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// `closed` or `storm`.
    pub pace: String,
    /// When a device was done.
    pub goal: Goal,
    /// How many devices at a time; in a storm all.
    pub concurrency: u32,
    /// How many devices.
    pub devices: u32,
    /// True if they offer to use connection ids.
    pub cid: bool,
    /// Their version of LwM2M.
    pub lwm2m: String,
    /// By what they proved themselves.
    #[serde(default)]
    pub credential: String,
}

/// Percentiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50: f64,
    /// Nine of ten took no longer.
    pub p90: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// None took longer.
    pub max: f64,
}

/// What a process used for a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time, each.
    pub cpu: f64,
    /// The part of it in the process's own code.
    pub user: f64,
    /// The part of it in the kernel.
    pub system: f64,
    /// Memory at the end, in MiB.
    pub rss_mib: f64,
    /// Memory at most, in MiB.
    pub peak_rss_mib: f64,
    /// Datagrams lost because a receive buffer of the process was full.
    pub datagrams_lost: u64,
}

/// Datagrams and bytes of UDP payload.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Each {
    /// How many datagrams.
    pub datagrams: f64,
    /// How many bytes.
    pub bytes: f64,
}

impl Report {
    /// The figures of a run.
    pub fn new(load: &Load, tally: &Tally, measured: Measured) -> Self {
        let done = tally.took.len();
        let seconds = tally.lasted().as_secs_f64();
        let Measured { server, driver, others } = measured;
        Self {
            scenario: Scenario::of(load),
            done,
            failed: tally.failures.len(),
            seconds,
            per_second: if seconds > 0.0 { done as f64 / seconds } else { 0.0 },
            latency: Latency::of(&tally.took),
            worst_stall: tally.worst_stall(),
            server,
            driver,
            up: Each::of(tally.up, done),
            down: Each::of(tally.down, done),
            retransmissions: tally.retransmissions,
            others,
        }
    }

    /// What makes the figures doubtful, in words.
    pub fn doubts(&self) -> Vec<String> {
        let others = self.others.filter(Others::disturb);
        let others = others.map(|others| format!("others used this machine: {others}"));
        let lost = self.driver.datagrams_lost;
        let lost = (lost > 0).then(|| {
            format!("the driver lost {lost} datagrams itself; raise the sysctl net.core.rmem_max")
        });
        others.into_iter().chain(lost).collect()
    }

    /// The figures as lines for people.
    pub fn table(&self) -> String {
        self.lines().iter().map(|(name, value)| format!("{name:<14}{value}\n")).collect()
    }

    /// Names and values; what belongs to the line before has no name.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let Latency { p50, p90, p99, max } = self.latency;
        let what = match self.scenario.goal {
            Goal::Handshake => "handshakes",
            Goal::Bootstrap => "bootstraps",
        };
        let Stall { ms, after } = self.worst_stall;
        let mut lines = vec![
            (what, format!("{} in {:.2} s, {} failed", self.done, self.seconds, self.failed)),
            ("rate", format!("{:.0} /s", self.per_second)),
            ("latency", format!("p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  max {max:.2} ms")),
            ("worst stall", format!("{ms:.1} ms, after {after}")),
        ];
        lines.extend(self.server.iter().flat_map(|server| server.lines("server")));
        lines.extend(self.driver.lines("driver"));
        let way = |each: &Each| format!("{:.2} datagrams, {:.0} bytes", each.datagrams, each.bytes);
        // Of clients that are not ours nobody counts them.
        if self.up.datagrams > 0.0 {
            lines.push(("up, each", way(&self.up)));
            lines.push(("down, each", way(&self.down)));
            lines.push(("sent again", format!("{} datagrams", self.retransmissions)));
        }
        lines.extend(self.others.iter().map(|others| ("meanwhile", others.to_string())));
        lines
    }
}

impl Scenario {
    fn of(load: &Load) -> Self {
        let (pace, concurrency) = match load.pace {
            Pace::Closed(at_once) => ("closed", at_once),
            Pace::Storm(_) => ("storm", load.count),
        };
        Self {
            pace: pace.to_owned(),
            goal: load.goal,
            concurrency,
            devices: load.devices,
            cid: load.kind.cid,
            lwm2m: load.kind.version.to_string(),
            credential: load.kind.credential.to_string(),
        }
    }
}

impl Latency {
    pub(crate) fn of(took: &[Duration]) -> Self {
        let mut sorted = took.to_vec();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(rank).map_or(0.0, |took| took.as_secs_f64() * 1e3)
        };
        Self { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

impl Usage {
    /// What a process used between two looks at it, for so many that were done.
    pub fn new(cpu: (Cpu, Cpu), resident: Resident, lost: u64, done: usize) -> Self {
        let each = |before: Duration, after: Duration| {
            after.saturating_sub(before).as_secs_f64() * 1e3 / done.max(1) as f64
        };
        let (before, after) = cpu;
        let (user, system) = (each(before.user, after.user), each(before.system, after.system));
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        Self {
            cpu: user + system,
            user,
            system,
            rss_mib: mib(resident.now),
            peak_rss_mib: mib(resident.peak),
            datagrams_lost: lost,
        }
    }

    fn lines(&self, who: &'static str) -> [(&'static str, String); 3] {
        let Self { cpu, user, system, .. } = self;
        [
            (who, format!("{cpu:.3} CPU-ms each ({user:.3} user, {system:.3} system)")),
            ("", format!("{:.0} MiB, at most {:.0} MiB", self.rss_mib, self.peak_rss_mib)),
            ("", format!("{} datagrams lost at its receive buffer", self.datagrams_lost)),
        ]
    }
}

impl Each {
    fn of(traffic: Traffic, done: usize) -> Self {
        let each = |count: u64| count as f64 / done.max(1) as f64;
        Self { datagrams: each(traffic.datagrams), bytes: each(traffic.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let took: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let expected = Latency { p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 };
        assert_eq!(Latency::of(&took), expected);
        assert_eq!(
            Latency::of(&took[..1]),
            Latency { p50: 200.0, p90: 200.0, p99: 200.0, max: 200.0 }
        );
        assert_eq!(Latency::of(&[]), Latency::default());
    }

    #[test]
    fn usage_is_what_came_between_divided() {
        let ms = Duration::from_millis;
        let before = Cpu { user: ms(100), system: ms(10) };
        let after = Cpu { user: ms(300), system: ms(110) };
        let resident = Resident { now: 1 << 20, peak: 3 << 20 };

        let usage = Usage::new((before, after), resident, 5, 1000);

        assert_eq!((usage.user, usage.system, usage.peak_rss_mib), (0.2, 0.1, 3.0));
        assert_eq!(usage.datagrams_lost, 5);
    }
}
