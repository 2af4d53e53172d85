//! The numbers of the export of traces.

use super::Source;
use super::family::counters;
use super::names;
use crate::telemetry::Counters;
use prometheus::proto::MetricFamily;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The spans of this process.
pub(super) struct Spans(pub(super) Arc<Counters>);

impl Source for Spans {
    fn families(&self) -> Vec<MetricFamily> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![counters(
            names::SPANS,
            [
                (&[("result", "exported")][..], load(&self.0.exported)),
                (&[("result", "failed")][..], load(&self.0.failed)),
                (&[("result", "dropped")][..], load(&self.0.dropped)),
            ],
        )]
    }
}
