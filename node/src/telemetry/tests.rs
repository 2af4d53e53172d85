//! Spans as they leave, and what they cost where they do not.

use super::*;
use crate::telemetry::settings::Export;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use tracing::{Span, info, info_span};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;

const SESSION: [u8; 16] = *b"\x01session-of-one\xff";

/// A collector in memory; it can be made to take its time.
#[derive(Debug, Clone, Default)]
struct Taken(Arc<Mutex<Vec<SpanData>>>);

impl opentelemetry_sdk::trace::SpanExporter for Taken {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// A collector that takes nothing until it is let.
#[derive(Debug, Clone, Default)]
struct Stuck(Arc<Mutex<()>>);

impl opentelemetry_sdk::trace::SpanExporter for Stuck {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        drop(self.0.lock());
        Err(opentelemetry_sdk::error::OTelSdkError::InternalFailure("down".into()))
    }
}

fn export(ratio: f64, queue: usize) -> Export {
    Export { ratio, parent_based: true, queue, service_name: Some("claviger") }
}

fn handshake() -> Handshake {
    Handshake {
        trace: SESSION,
        span: *SESSION.first_chunk().unwrap(),
        peer: "192.0.2.1:5684".parse().unwrap(),
        suite: 0xc0a8,
        cid: true,
        ended: Duration::from_secs(1_800_000_000),
        took: Duration::from_millis(25),
    }
}

fn parent() -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("00-{}-{}-01", hex(&SESSION), hex(&SESSION[..8]))
}

#[test]
fn a_span_from_elsewhere_and_its_children_belong_to_the_handshake() {
    let taken = Taken::default();
    let traces = Traces::to(taken.clone(), &export(1.0, 100));
    traces.handshake(&handshake());
    let subscriber = tracing_subscriber::registry().with(traces.layer());

    tracing::subscriber::with_default(subscriber, || {
        let outer = info_span!("outer", traceparent = parent());
        outer.in_scope(|| drop(info_span!("inner")));
    });
    traces.provider.force_flush().unwrap();

    let spans = taken.0.lock().unwrap();
    let span = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (root, outer, inner) = (span("dtls.handshake"), span("outer"), span("inner"));
    let trace = TraceId::from_bytes(SESSION);
    assert!(spans.iter().all(|span| span.span_context.trace_id() == trace));
    assert_eq!(root.parent_span_id, SpanId::INVALID);
    assert_eq!(outer.parent_span_id, root.span_context.span_id());
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    assert_eq!(root.end_time.duration_since(root.start_time).unwrap(), handshake().took);
}

#[test]
fn ids_that_nobody_decides_are_fresh() {
    let taken = Taken::default();
    let traces = Traces::to(taken.clone(), &export(1.0, 100));
    traces.handshake(&handshake());
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || drop((info_span!("a"), info_span!("b"))));
    traces.provider.force_flush().unwrap();

    let spans = taken.0.lock().unwrap();
    let ids: std::collections::BTreeSet<_> =
        spans.iter().map(|span| span.span_context.trace_id().to_bytes()).collect();
    assert_eq!((spans.len(), ids.len()), (3, 3));
}

#[test]
fn a_handshake_that_is_not_sampled_leaves_nothing() {
    let taken = Taken::default();
    let traces = Traces::to(taken.clone(), &export(0.0, 100));
    traces.handshake(&handshake());
    traces.provider.force_flush().unwrap();
    assert!(taken.0.lock().unwrap().is_empty());
}

#[test]
fn a_collector_that_is_down_holds_nobody_up_and_what_is_lost_is_counted() {
    // Given a queue of 16 spans and a collector that does not answer
    let stuck = Stuck::default();
    let held = stuck.0.lock().unwrap();
    let traces = Traces::to(stuck.clone(), &export(1.0, 16));

    // When more spans end than fit, then nobody waits, and the rest is dropped
    for _ in 0..1000 {
        traces.handshake(&handshake());
    }
    let counters = traces.counters();
    let dropped = counters.dropped.load(Ordering::Relaxed);
    assert!((900..=984).contains(&dropped), "{dropped}");

    // And when it answers, the others are counted as not taken
    drop(held);
    let _ = traces.provider.force_flush();
    let failed = counters.failed.load(Ordering::Relaxed);
    assert_eq!((dropped + failed, counters.exported.load(Ordering::Relaxed)), (1000, 0));
}

#[test]
fn no_span_is_made_where_only_logs_are_written() {
    for level in ["info", "trace"] {
        let logs = super::super::logs::text(EnvFilter::new(level));
        let subscriber = tracing_subscriber::registry().with(logs);
        tracing::subscriber::with_default(subscriber, || {
            let span = info_span!("lwm2m.bootstrap", n = 1);
            assert!(span.is_disabled(), "{level}");
            let _entered = span.enter();
            assert!(Span::current().is_none(), "{level}");
            info!("a line is written all the same");
        });
    }
}
