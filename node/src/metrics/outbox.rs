//! The outbox's numbers.

use super::Source;
use super::family::{counters, gauge};
use super::names;
use crate::connectors::outbox::{Counters, Messages};
use prometheus::proto::MetricFamily;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The outbox of this process.
pub(super) struct Outbox(pub(super) Arc<Counters>);

impl Source for Outbox {
    fn families(&self) -> Vec<MetricFamily> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let messages = |name, sent: &Messages| {
            counters(
                name,
                [
                    (&[("result", "ok")][..], load(&sent.taken)),
                    (&[("result", "failed")][..], load(&sent.failed)),
                ],
            )
        };
        vec![
            messages(names::WEBHOOKS, &self.0.webhook),
            messages(names::LESHAN, &self.0.leshan),
            gauge(names::OUTBOX_WAITING, load(&self.0.waiting) as f64),
        ]
    }
}
