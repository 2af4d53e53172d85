//! Two servers under the same load, turn by turn.

use crate::report::{Report, Scenario};
use core::fmt::Write;
use serde::Serialize;
use std::collections::BTreeMap;

/// One scenario at Claviger and at its peer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What was driven.
    pub scenario: Scenario,
    /// The figures, by name.
    pub figures: BTreeMap<&'static str, Pair>,
    /// Every run of Claviger.
    pub claviger: Vec<Report>,
    /// Every run of the peer.
    pub peer: Vec<Report>,
}

/// The medians of a figure, and the peer's divided by Claviger's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pair {
    /// Claviger's median.
    pub claviger: f64,
    /// The peer's median.
    pub peer: f64,
    /// Peer by Claviger; none where Claviger's is 0.
    pub ratio: Option<f64>,
}

/// A way to read a figure from a report.
type Figure = (&'static str, fn(&Report) -> f64);

/// The figures that are compared, in the order of the table.
const FIGURES: &[Figure] = &[
    ("bootstraps/s", |report| report.per_second),
    ("p50 ms", |report| report.latency.p50),
    ("p90 ms", |report| report.latency.p90),
    ("p99 ms", |report| report.latency.p99),
    ("max ms", |report| report.latency.max),
    ("all s", |report| report.seconds),
    ("CPU-ms each", |report| report.server.map_or(0.0, |server| server.cpu)),
    ("  user", |report| report.server.map_or(0.0, |server| server.user)),
    ("  system", |report| report.server.map_or(0.0, |server| server.system)),
    ("peak MiB", |report| report.server.map_or(0.0, |server| server.peak_rss_mib)),
    ("lost at server", |report| report.server.map_or(0.0, |server| server.datagrams_lost as f64)),
    ("lost at driver", |report| report.driver.datagrams_lost as f64),
    ("sent again", |report| report.retransmissions as f64),
    ("up each", |report| report.up.datagrams),
    ("up bytes", |report| report.up.bytes),
    ("down each", |report| report.down.datagrams),
    ("down bytes", |report| report.down.bytes),
    ("driver CPU-ms", |report| report.driver.cpu),
    ("others' CPUs", |report| report.others.map_or(0.0, |o| o.processes + o.stolen)),
];

impl Comparison {
    /// Compares the runs of one scenario; none if a side has no run.
    pub fn new(claviger: Vec<Report>, peer: Vec<Report>) -> Option<Self> {
        let scenario = claviger.first()?.scenario.clone();
        let mut figures = BTreeMap::new();
        for (name, figure) in FIGURES {
            let (ours, theirs) = (median(&claviger, *figure)?, median(&peer, *figure)?);
            let ratio = (ours > 0.0).then(|| theirs / ours);
            figures.insert(*name, Pair { claviger: ours, peer: theirs, ratio });
        }
        Some(Self { scenario, figures, claviger, peer })
    }

    /// The figures as lines for people.
    pub fn table(&self) -> String {
        let Scenario { pace, concurrency, .. } = &self.scenario;
        let runs = self.claviger.len();
        let mut text = format!("{pace} {concurrency}, medians of {runs}\n");
        text += &format!("{:<16}{:>12}{:>12}{:>9}\n", "", "Claviger", "Leshan", "ratio");
        for (name, _) in FIGURES {
            let Some(pair) = self.figures.get(name) else { continue };
            let ratio = pair.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            let (ours, theirs) = (short(pair.claviger), short(pair.peer));
            text += &format!("{name:<16}{ours:>12}{theirs:>12}{ratio:>9}\n");
        }
        text
    }
}

/// The comparisons as one table in Markdown: the figures that decide, Claviger's and the peer's, and
/// in parentheses the peer's divided by Claviger's.
pub fn summary(comparisons: &[Comparison]) -> String {
    const COLUMNS: [&str; 6] =
        ["CPU-ms each", "p50 ms", "p99 ms", "all s", "peak MiB", "bootstraps/s"];
    let mut text = format!("| Claviger, Leshan (ratio) | {} |\n|---|", COLUMNS.join(" | "));
    text += &"---|".repeat(COLUMNS.len());
    for comparison in comparisons {
        let Scenario { pace, concurrency, .. } = &comparison.scenario;
        let _ = match pace.as_str() {
            "storm" => write!(text, "\n| storm of {concurrency} |"),
            _ => write!(text, "\n| {concurrency} at a time |"),
        };
        for name in COLUMNS {
            let Some(pair) = comparison.figures.get(name) else { continue };
            let (ours, theirs) = (short(pair.claviger), short(pair.peer));
            let ratio = pair.ratio.map_or_else(|| "-".to_owned(), short);
            let _ = write!(text, " {ours}, {theirs} ({ratio}) |");
        }
    }
    text + "\n"
}

/// A number with three digits that matter, or all before the point.
fn short(number: f64) -> String {
    let decimals = match number.abs() {
        n if n >= 100.0 || n == 0.0 => 0,
        n if n >= 10.0 => 1,
        n if n >= 1.0 => 2,
        _ => 3,
    };
    format!("{number:.decimals$}")
}

fn median(reports: &[Report], figure: fn(&Report) -> f64) -> Option<f64> {
    let mut values: Vec<f64> = reports.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = *values.get(half)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some((values[half - 1] + upper) / 2.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::load::Goal;
    use crate::report::{Each, Latency, Usage};
    use crate::tally::Stall;

    pub(crate) fn report(per_second: f64) -> Report {
        let usage = Usage {
            cpu: 0.0,
            user: 0.0,
            system: 0.0,
            rss_mib: 0.0,
            peak_rss_mib: 0.0,
            datagrams_lost: 0,
        };
        let each = Each { datagrams: 8.0, bytes: 0.0 };
        Report {
            scenario: Scenario {
                pace: "closed".to_owned(),
                goal: Goal::Bootstrap,
                concurrency: 64,
                devices: 1,
                cid: false,
                lwm2m: "1.1".to_owned(),
                credential: "psk".to_owned(),
            },
            done: 1,
            failed: 0,
            seconds: 1.0,
            per_second,
            latency: Latency::default(),
            worst_stall: Stall::default(),
            server: None,
            driver: usage,
            up: each,
            down: each,
            retransmissions: 0,
            others: None,
        }
    }

    #[test]
    fn compares_medians_and_not_means() {
        let ours = [100.0, 400.0, 200.0].map(report).to_vec();
        let theirs = [10.0, 20.0].map(report).to_vec();

        let comparison = Comparison::new(ours, theirs).unwrap();

        let rate = Pair { claviger: 200.0, peer: 15.0, ratio: Some(0.075) };
        assert_eq!(comparison.figures["bootstraps/s"], rate);
        assert_eq!(comparison.figures["CPU-ms each"].ratio, None);
        assert!(comparison.table().contains("bootstraps/s             200        15.0     0.07"));
    }

    #[test]
    fn a_side_without_a_run_is_not_compared() {
        assert_eq!(Comparison::new(vec![report(1.0)], Vec::new()), None);
    }

    #[test]
    fn the_summary_has_a_line_for_each_scenario() {
        let comparison = Comparison::new(vec![report(100.0)], vec![report(25.0)]).unwrap();

        let text = summary(&[comparison.clone(), comparison]);

        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[3].starts_with("| 64 at a time | 0, 0 (-) |"), "{text}");
        assert!(lines[3].ends_with(" 100, 25.0 (0.250) |"), "{text}");
        let columns = |line: &str| line.matches('|').count();
        assert!(lines.iter().all(|line| columns(line) == columns(lines[0])), "{text}");
    }

    #[test]
    fn numbers_have_three_digits_that_matter() {
        let shown = [1234.5, 99.94, 1.234, 0.01234, 0.0].map(short);
        assert_eq!(shown, ["1234", "99.9", "1.23", "0.012", "0"]);
    }
}
