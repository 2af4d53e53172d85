//! All edges of this process as one: their numbers added.

use super::Source;
use super::edge::Edge;
use crate::edge::Shown;
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType, Summary};
use std::sync::Arc;

/// The edges of this process, one for each listener.
pub(super) struct Edges(pub(super) Vec<Arc<Shown>>);

impl Source for Edges {
    fn families(&self) -> Vec<MetricFamily> {
        let edges = self.0.iter().map(|shown| Edge(shown.clone()).families());
        edges.reduce(added).unwrap_or_default()
    }
}

/// Both in one. Every edge has the same families with the same series, in the same order.
fn added(mut sums: Vec<MetricFamily>, more: Vec<MetricFamily>) -> Vec<MetricFamily> {
    for (sum, more) in sums.iter_mut().zip(more) {
        debug_assert_eq!(sum.name(), more.name());
        let kind = more.get_field_type();
        for (sum, more) in sum.mut_metric().iter_mut().zip(more.get_metric()) {
            debug_assert_eq!(sum.get_label(), more.get_label());
            add(kind, sum, more);
        }
    }
    sums
}

fn add(kind: MetricType, sum: &mut Metric, more: &Metric) {
    match kind {
        MetricType::COUNTER => {
            let mut counter = Counter::default();
            counter.set_value(sum.get_counter().get_value() + more.get_counter().get_value());
            sum.set_counter(counter);
        }
        MetricType::GAUGE => {
            let mut gauge = Gauge::default();
            gauge.set_value(sum.get_gauge().get_value() + more.get_gauge().get_value());
            sum.set_gauge(gauge);
        }
        MetricType::SUMMARY => {
            let (one, other) = (sum.get_summary(), more.get_summary());
            let mut summary = Summary::default();
            summary.set_sample_count(one.sample_count() + other.sample_count());
            summary.set_sample_sum(one.sample_sum() + other.sample_sum());
            sum.set_summary(summary);
        }
        kind => debug_assert!(false, "no edge has a {kind:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::family::{counters, gauge, summary};
    use core::time::Duration;

    #[test]
    fn numbers_of_two_edges_are_added_by_their_labels() {
        let edge = |times: u64| {
            let series = [(&[("r", "a")][..], times), (&[("r", "b")][..], 10 * times)];
            let took = summary(("s", "s"), times, Duration::from_secs(times));
            vec![counters(("c", "c"), series), gauge(("g", "g"), times as f64), took]
        };

        assert_eq!(added(edge(1), edge(2)), edge(3));
    }

    #[test]
    fn an_edge_has_no_number_that_cannot_be_added() {
        let one = Edges(vec![Arc::default()]).families();
        let two = Edges(vec![Arc::default(), Arc::default()]).families();
        assert_eq!(one, two);
        assert!(!one.is_empty());
    }
}
