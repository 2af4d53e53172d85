//! The figures of sessions that are kept.

use crate::report::{Latency, Report};
use crate::tally::Tally;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The figures of one run whose devices kept their sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// The figures as of any run. Memory at its end is with all sessions open.
    #[serde(flatten)]
    pub run: Report,
    /// What the server's memory grew by for each session, in bytes, where its process was named.
    pub rss_each: Option<f64>,
    /// How it went on.
    pub steps: Vec<Step>,
    /// The devices that asked again at the end.
    pub probes: Probes,
}

/// So many sessions on the way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// How many are open.
    pub sessions: usize,
    /// When that was, in seconds.
    pub seconds: f64,
    /// How many were opened in a second since the step before.
    pub per_second: f64,
    /// The longest of these handshakes or bootstraps, in milliseconds.
    pub max: f64,
    /// The server's memory, in MiB.
    pub rss_mib: Option<f64>,
}

/// Old sessions that were used again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// How many devices asked to be bootstrapped in the session that they had.
    pub asked: usize,
    /// How many of them were.
    pub bootstrapped: usize,
    /// How long that took.
    pub latency: Latency,
}

impl Step {
    /// The steps of a run, when the server's memory was looked at after each, in bytes.
    pub(crate) fn each(tally: &Tally, resident: &[Option<u64>]) -> Vec<Self> {
        let size = crate::measure::STEP;
        let chunks = tally.ended.chunks(size).zip(tally.took.chunks(size));
        let mut begun = Duration::ZERO;
        let mut sessions = 0;
        let step = |(at, (ended, took)): (usize, (&[Duration], &[Duration]))| {
            let end = ended.last().copied().unwrap_or(begun);
            let seconds = (end.saturating_sub(begun)).as_secs_f64();
            begun = end;
            sessions += ended.len();
            let longest = took.iter().max().copied().unwrap_or_default();
            Self {
                sessions,
                seconds: end.as_secs_f64(),
                per_second: if seconds > 0.0 { ended.len() as f64 / seconds } else { 0.0 },
                max: longest.as_secs_f64() * 1e3,
                rss_mib: resident.get(at).copied().flatten().map(mib),
            }
        };
        chunks.enumerate().map(step).collect()
    }
}

impl Probes {
    /// What became of so many that asked.
    pub(crate) fn new(asked: usize, tally: &Tally) -> Self {
        Self { asked, bootstrapped: tally.took.len(), latency: Latency::of(&tally.took) }
    }
}

impl Sessions {
    /// The figures of a run; `before` was the server's memory before it, in bytes.
    pub(crate) fn new(run: Report, before: Option<u64>, steps: Vec<Step>, probes: Probes) -> Self {
        let grown = run.server.zip(before).map(|(server, before)| server.rss_mib - mib(before));
        let each = grown.map(|mib| mib * f64::from(1 << 20) / run.done.max(1) as f64);
        Self { run, rss_each: each, steps, probes }
    }

    /// The figures for people.
    pub fn table(&self) -> String {
        let mut text = self.run.table();
        if let Some(each) = self.rss_each {
            text += &format!("{:<14}{each:.0} bytes of the server's memory\n", "a session");
        }
        let Probes { asked, bootstrapped, latency } = self.probes;
        text += &format!("{:<14}{bootstrapped} of {asked} old sessions answered", "at the end");
        text += &format!(", p50 {:.2}  max {:.2} ms\n", latency.p50, latency.max);
        text +=
            &format!("\n{:>10}{:>10}{:>10}{:>12}{:>10}\n", "sessions", "s", "/s", "max ms", "MiB");
        for step in &self.steps {
            let rss = step.rss_mib.map_or_else(|| "-".to_owned(), |rss| format!("{rss:.0}"));
            let (rate, max) = (step.per_second, step.max);
            text += &format!("{:>10}{:>10.1}", step.sessions, step.seconds);
            text += &format!("{rate:>10.0}{max:>12.1}{rss:>10}\n");
        }
        text
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::STEP;

    #[test]
    fn each_step_has_the_rate_and_the_memory_of_its_own() {
        let ms = |ms: u64| Duration::from_millis(ms);
        let ended: Vec<_> = (1..=STEP + 1).map(|n| ms(2 * n as u64)).collect();
        let mut took = vec![ms(5); STEP + 1];
        took[3] = ms(70);
        let tally = Tally { ended, took, ..Tally::default() };

        let steps = Step::each(&tally, &[Some(3 << 20)]);

        let first = Step {
            sessions: STEP,
            seconds: 20.0,
            per_second: 500.0,
            max: 70.0,
            rss_mib: Some(3.0),
        };
        let rest = Step { sessions: STEP + 1, seconds: 20.002, max: 5.0, rss_mib: None, ..first };
        assert_eq!(steps, [first, rest]);
    }
}
