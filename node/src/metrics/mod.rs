//! What Prometheus sees: names in one module ([`names`]), numbers from the counters of others.
//!
//! The crates count into plain numbers; a [`Source`] gives them names and closed labels at the
//! moment of a scrape, so every series exists from the start, at 0. No label holds an id, a name
//! or an address. Only the API's own numbers are counted here.

mod actors;
mod cluster;
mod edge;
mod edges;
mod factory;
mod family;
mod http;
mod keys;
mod ledger;
mod lookups;
mod names;
mod outbox;
mod traces;

pub use factory::Import;

use crate::edge::Shown;
use axum::http::{Method, StatusCode};
use claviger_raft::Node;
use core::time::Duration;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, TextEncoder};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Numbers that somebody else counts.
pub trait Source: Send + Sync {
    /// The numbers as they are now, with their names.
    fn families(&self) -> Vec<MetricFamily>;
}

/// All numbers of this process.
pub struct Metrics {
    sources: Vec<Box<dyn Source>>,
    http: HistogramVec,
    factory: factory::Factory,
}

/// What shows how edges and the leader meet.
pub fn meeting(
    hub: Arc<crate::cluster::hub::Counters>,
    uplinks: Arc<crate::cluster::uplink::Counters>,
    link: crate::cluster::link::Late,
    draining: Arc<AtomicBool>,
) -> Box<dyn Source> {
    Box::new(cluster::Cluster { hub, uplinks, link, draining })
}

/// Who counts, in a process with all roles.
pub struct Sources {
    /// The ledger's node.
    pub node: Arc<Node>,
    /// The actors.
    pub actors: Arc<claviger_actors::Counters>,
    /// The edges.
    pub edges: Vec<Arc<Shown>>,
    /// The outbox.
    pub outbox: Arc<crate::connectors::outbox::Counters>,
    /// The look-ups by LwM2M servers.
    pub lookups: Arc<crate::http::Lookups>,
    /// The listener of the API.
    pub http: Arc<crate::http::Counters>,
    /// The keys of the cluster.
    pub keeper: Arc<crate::keys::Keeper>,
    /// What is done with them.
    pub keys: Arc<crate::keys::Counters>,
    /// What exports traces.
    pub traces: Arc<crate::telemetry::Counters>,
}

impl Metrics {
    /// The numbers of a process with all roles; `meeting` is as [`meeting`] gives it.
    pub fn new(sources: Sources, meeting: Box<dyn Source>) -> Self {
        Self::of(vec![
            Box::new(edges::Edges(sources.edges)),
            Box::new(actors::Actors(sources.actors)),
            Box::new(ledger::Ledger(sources.node)),
            meeting,
            Box::new(outbox::Outbox(sources.outbox)),
            Box::new(lookups::Lookups(sources.lookups)),
            Box::new(keys::Keys(sources.keeper, sources.keys)),
            Box::new(http::Http(sources.http)),
            Box::new(traces::Spans(sources.traces)),
        ])
    }

    /// The numbers of a process that is an edge alone.
    pub fn of_edge(
        edges: Vec<Arc<Shown>>,
        meeting: Box<dyn Source>,
        http: Arc<crate::http::Counters>,
    ) -> Self {
        Self::of(vec![Box::new(edges::Edges(edges)), meeting, Box::new(http::Http(http))])
    }

    /// The numbers of these sources and of the API.
    pub fn of(sources: Vec<Box<dyn Source>>) -> Self {
        let (name, help) = names::HTTP_DURATION;
        let labels = &["route", "method", "status"];
        let http = HistogramVec::new(HistogramOpts::new(name, help), labels);
        let http = http.expect("the name and the labels are well-formed");
        Self { sources, http, factory: factory::Factory::default() }
    }

    /// Counts an answer of the API; `route` is a template, never a path.
    pub fn answered(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "_OTHER",
        };
        let labels = [route, method, status.as_str()];
        self.http.with_label_values(&labels).observe(took.as_secs_f64());
    }

    /// Counts an encrypted key of a list.
    pub fn imported(&self, import: Import) {
        self.factory.imported(import);
    }

    /// Counts an export that has begun, or has come to its end.
    pub fn exported(&self, secrets: bool, finished: bool) {
        self.factory.exported(secrets, finished);
    }

    /// Everything in the text format.
    pub fn text(&self) -> String {
        let mut families: Vec<_> = self.sources.iter().flat_map(|s| s.families()).collect();
        families.extend(self.factory.families());
        families.push(family::build());
        families.extend(self.http.collect());
        // The encoder refuses a family without a series: before the first request there is one.
        families.retain(|family| !family.get_metric().is_empty());
        TextEncoder::new().encode_to_string(&families).unwrap_or_else(|error| {
            tracing::error!(%error, "the metrics cannot be written");
            String::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn metrics() -> Metrics {
        Metrics::of(vec![
            Box::new(edge::Edge(Arc::default())),
            Box::new(actors::Actors(Arc::default())),
            Box::new(cluster::Cluster::default()),
            Box::new(outbox::Outbox(Arc::default())),
            Box::new(lookups::Lookups(Arc::default())),
            Box::new(http::Http(Arc::default())),
            Box::new(traces::Spans(Arc::default())),
        ])
    }

    #[test]
    fn every_series_is_there_from_the_start() {
        let text = metrics().text();

        for series in [
            "claviger_dtls_handshakes_total{result=\"ok\"} 0",
            "claviger_dtls_handshakes_total{result=\"bad_key\"} 0",
            "claviger_udp_datagrams_dropped_total{reason=\"bad_cookie\"} 0",
            "claviger_bootstrap_stage_total{outcome=\"ok\",stage=\"discover\"} 0",
            "claviger_bootstrap_sessions_finished_total{result=\"delivered\"} 0",
            "claviger_edges_came_total{result=\"refused\"} 0",
            "claviger_psk_lookups_total{result=\"limited\"} 0",
            "claviger_leshan_attempts_total{result=\"failed\"} 0",
            "claviger_http_connections_closed_total{reason=\"quiet\"} 0",
            "claviger_traces_spans_total{result=\"dropped\"} 0",
            "claviger_factory_keys_total{result=\"unknown_key\"} 0",
            "claviger_exports_total{result=\"begun\",secrets=\"yes\"} 0",
        ] {
            assert!(text.contains(series), "{series} is missing in\n{text}");
        }
        assert!(text.contains("claviger_build_info{version="));
    }

    #[test]
    fn no_name_is_given_twice_and_each_begins_as_it_should() {
        let text = metrics().text();
        let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let names: Vec<_> = names.iter().filter_map(|line| line.split(' ').next()).collect();
        let once: BTreeSet<_> = names.iter().collect();
        assert_eq!(once.len(), names.len());
        assert!(names.iter().all(|name| name.starts_with("claviger_")), "{names:?}");
    }

    #[test]
    fn an_answer_is_counted_by_its_route() {
        let metrics = metrics();
        let took = Duration::from_millis(3);
        metrics.answered("/livez", &Method::GET, StatusCode::OK, took);
        metrics.answered("/livez", &"BREW".parse().unwrap(), StatusCode::OK, took);
        let text = metrics.text();
        let series = |method| {
            format!(
                "http_server_request_duration_seconds_count{{method=\"{method}\",route=\"/livez\",status=\"200\"}} 1"
            )
        };
        assert!(text.contains(&series("GET")), "{text}");
        assert!(text.contains(&series("_OTHER")), "{text}");
    }
}
