//! An edge's numbers.

use super::Source;
use super::family::{Labels, Name, counter, counters, gauge, summary};
use super::names;
use crate::edge::Shown;
use claviger_dtls::DropReason;
use claviger_edge::{CREDENTIALS, FAILURES, MODES, Report, SIGNATURES, STRAYS};
use prometheus::proto::MetricFamily;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One edge of this process.
pub(super) struct Edge(pub(super) Arc<Shown>);

impl Source for Edge {
    fn families(&self) -> Vec<MetricFamily> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (received, sent) = (load(&self.0.received), load(&self.0.sent));
        let report = self.0.report();
        let mut families = vec![
            counters(
                names::UDP_RECEIVED,
                [
                    (&[("direction", "received")][..], received),
                    (&[("direction", "sent")][..], sent),
                ],
            ),
            counter(names::UDP_NOT_SENT, load(&self.0.not_sent)),
            counter(names::UDP_OVERFLOWED, self.0.overflowed()),
            counter(names::FRAMES_UNDONE, report.frames_undone),
            counter(names::UDP_CUT_OFF, report.cut_off),
            counter(names::EDGE_FRAMES_LOST, load(&self.0.frames_lost)),
            dropped(&report),
            handshakes(&report),
            opened(&report),
            by(names::SIGNATURES, SIGNATURES, report.signatures),
            by(names::STRAYS, STRAYS, report.strays),
        ];
        families.extend(engine(&report));
        families
    }
}

fn dropped(report: &Report) -> MetricFamily {
    let labels = DropReason::ALL.map(|reason| [("reason", reason.label())]);
    let counts = DropReason::ALL.map(|reason| report.dtls.dropped(reason));
    let series = labels.iter().map(|labels| &labels[..]).zip(counts);
    counters(names::UDP_DROPPED, series)
}

fn handshakes(report: &Report) -> MetricFamily {
    let labels = |result| [("result", result)];
    let ok = labels("ok");
    let failed = FAILURES.map(labels);
    let failed = failed.iter().map(|labels| &labels[..]).zip(report.failed);
    let ok: (Labels<'_>, u64) = (&ok, report.established);
    counters(names::HANDSHAKES, core::iter::once(ok).chain(failed))
}

fn opened(report: &Report) -> MetricFamily {
    let mut series = Vec::new();
    for (credential, counts) in CREDENTIALS.iter().zip(report.opened) {
        for (mode, count) in MODES.iter().zip(counts) {
            series.push(([("credential", *credential), ("mode", *mode)], count));
        }
    }
    counters(names::ESTABLISHED, series.iter().map(|(labels, count)| (&labels[..], *count)))
}

fn by<const N: usize>(name: Name, results: [&str; N], counts: [u64; N]) -> MetricFamily {
    let labels = results.map(|result| [("result", result)]);
    counters(name, labels.iter().map(|labels| &labels[..]).zip(counts))
}

fn engine(report: &Report) -> Vec<MetricFamily> {
    let dtls = &report.dtls;
    vec![
        summary(names::HANDSHAKE_DURATION, report.established, report.handshaking),
        gauge(names::HANDSHAKES_IN_PROGRESS, report.half_open as f64),
        gauge(names::DTLS_SESSIONS, report.sessions as f64),
        counter(names::HELLO_VERIFY, dtls.cookies_sent),
        counter(names::COOKIES, dtls.cookies_accepted),
        counter(names::DTLS_RETRANSMISSIONS, dtls.retransmissions),
        counter(names::RESTORED, dtls.restored),
        counter(names::RESTED, dtls.rested),
        counter(names::OPENS, dtls.opens),
        counter(names::RESUMPTIONS, dtls.resumption_calls),
        counter(names::LATE_ANSWERS, dtls.late_answers),
        counters(
            names::ALERTS,
            [
                (&[("result", "sent")][..], dtls.alerts_sent),
                (&[("result", "held")][..], dtls.alerts_held),
            ],
        ),
        counters(
            names::RECORDS,
            [
                (&[("direction", "opened")][..], dtls.records_opened),
                (&[("direction", "sealed")][..], dtls.records_sealed),
            ],
        ),
    ]
}
