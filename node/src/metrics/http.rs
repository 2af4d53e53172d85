//! The numbers of connections to the API.

use super::Source;
use super::family::{counters, gauge};
use super::names;
use crate::http::Counters;
use prometheus::proto::MetricFamily;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The listener of this process.
pub(super) struct Http(pub(super) Arc<Counters>);

impl Source for Http {
    fn families(&self) -> Vec<MetricFamily> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            gauge(names::HTTP_CONNECTIONS, load(&self.0.open) as f64),
            gauge(names::HTTP_READERS, load(&self.0.readers) as f64),
            counters(
                names::HTTP_CLOSED,
                [
                    (&[("reason", "quiet")][..], load(&self.0.quiet)),
                    (&[("reason", "handshake")][..], load(&self.0.handshakes)),
                ],
            ),
        ]
    }
}
