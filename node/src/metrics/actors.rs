//! The actors' numbers.

use super::Source;
use super::family::{Labels, counter, counters, gauges};
use super::names;
use claviger_actors::{BOOTSTRAP_RESULTS, Counters, FIND_RESULTS, OPEN_REFUSALS, STAGE_OUTCOMES};
use claviger_coap::Refusal;
use claviger_lwm2m::{Reason, Stage};
use prometheus::proto::MetricFamily;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The actors of this process.
pub(super) struct Actors(pub(super) Arc<Counters>);

impl Source for Actors {
    fn families(&self) -> Vec<MetricFamily> {
        let it = &*self.0;
        let activations: [(Labels<'_>, u64); 2] = [
            (&[("reason", "opened")], load(&it.activations_opened)),
            (&[("reason", "woken")], load(&it.activations_woken)),
        ];
        let started: [(Labels<'_>, u64); 1] =
            [(&[("initiator", "client"), ("security", "psk")], load(&it.bootstraps_started))];
        vec![
            gauges(names::ACTORS, &[("kind", "device")], it.actors.load(Ordering::Relaxed) as f64),
            counters(names::ACTIVATIONS, activations),
            counter(names::MAILBOX_FULL, load(&it.mailbox_full)),
            counter(names::FRAMES_REJECTED, load(&it.frames_rejected)),
            counter(names::REPLAYS, load(&it.replays)),
            counter(names::SESSIONS_OPENED, load(&it.sessions_opened)),
            by(names::OPENS_REFUSED, "reason", OPEN_REFUSALS, &it.opens_refused),
            by(names::FINDS, "result", FIND_RESULTS, &it.finds),
            counter(names::SESSIONS_MOVED, load(&it.sessions_moved)),
            counter(names::SIGNED, load(&it.signatures)),
            counter(names::RESUMPTIONS_ACCEPTED, load(&it.resumptions)),
            counters(names::BOOTSTRAPS_STARTED, started),
            counter(names::BOOTSTRAPS_REVIVED, load(&it.bootstraps_revived)),
            by(names::BOOTSTRAPS_FINISHED, "result", BOOTSTRAP_RESULTS, &it.bootstraps_finished),
            by(names::BOOTSTRAP_FAILURES, "reason", Reason::ALL.map(Reason::as_str), &it.failures),
            stages(it),
            counter(names::COAP_REQUESTS, load(&it.coap_requests)),
            counter(names::COAP_RETRANSMISSIONS, load(&it.coap_retransmissions)),
            counter(names::COAP_DUPLICATES, load(&it.coap_duplicates)),
            by(names::COAP_REFUSED, "reason", Refusal::LABELS, &it.coap_refused),
        ]
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn by<const N: usize>(
    name: super::family::Name,
    label: &str,
    values: [&str; N],
    counts: &[AtomicU64; N],
) -> MetricFamily {
    let labels = values.map(|value| [(label, value)]);
    let series = labels.iter().zip(counts).map(|(labels, count)| (&labels[..], load(count)));
    counters(name, series)
}

fn stages(it: &Counters) -> MetricFamily {
    let mut series = Vec::new();
    for (stage, counts) in Stage::ALL.iter().zip(&it.stages) {
        for (outcome, count) in STAGE_OUTCOMES.iter().zip(counts) {
            series.push(([("outcome", *outcome), ("stage", stage.as_str())], load(count)));
        }
    }
    let series = series.iter().map(|(labels, count)| (&labels[..], *count));
    counters(names::BOOTSTRAP_STAGE, series)
}
