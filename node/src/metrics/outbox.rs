//! The outbox's numbers.

use super::Source;
use super::family::{counters, gauge};
use super::names;
use crate::connectors::outbox::Counters;
use prometheus::proto::MetricFamily;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The outbox of this process.
pub(super) struct Outbox(pub(super) Arc<Counters>);

impl Source for Outbox {
    fn families(&self) -> Vec<MetricFamily> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            counters(
                names::WEBHOOKS,
                [
                    (&[("result", "ok")][..], load(&self.0.taken)),
                    (&[("result", "failed")][..], load(&self.0.failed)),
                ],
            ),
            gauge(names::OUTBOX_WAITING, load(&self.0.waiting) as f64),
        ]
    }
}
