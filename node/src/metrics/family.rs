//! Numbers with a name and labels, as the encoder takes them.

use super::names;
use core::time::Duration;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType, Summary};

/// A name and what it means.
pub(super) type Name = (&'static str, &'static str);

/// The labels of one series.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// One number that only grows.
pub(super) fn counter(name: Name, value: u64) -> MetricFamily {
    counters(name, [(&[][..], value)])
}

/// Numbers that only grow, by labels.
pub(super) fn counters<'a>(
    name: Name,
    series: impl IntoIterator<Item = (Labels<'a>, u64)>,
) -> MetricFamily {
    let metric = |(labels, value): (Labels<'_>, u64)| {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_counter(counter);
        metric
    };
    family(name, MetricType::COUNTER, series.into_iter().map(metric).collect())
}

/// One number that rises and falls.
pub(super) fn gauge(name: Name, value: f64) -> MetricFamily {
    gauges(name, &[], value)
}

/// One number that rises and falls, with labels.
pub(super) fn gauges(name: Name, labels: Labels<'_>, value: f64) -> MetricFamily {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(pairs(labels));
    metric.set_gauge(gauge);
    family(name, MetricType::GAUGE, vec![metric])
}

/// How often something took time, and how long in all.
pub(super) fn summary(name: Name, count: u64, sum: Duration) -> MetricFamily {
    let mut summary = Summary::default();
    summary.set_sample_count(count);
    summary.set_sample_sum(sum.as_secs_f64());
    let mut metric = Metric::default();
    metric.set_summary(summary);
    family(name, MetricType::SUMMARY, vec![metric])
}

/// Which build this is.
pub(super) fn build() -> MetricFamily {
    gauges(names::BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1.0)
}

fn family((name, help): Name, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn pairs(labels: Labels<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}
