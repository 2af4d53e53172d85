//! The traces of this process.

use super::export::{Counters, Queue};
use super::ids::{self, Ids};
use super::remote::WithRemote;
use super::settings::Export;
use claviger_edge::Sampling;
use core::net::SocketAddr;
use core::time::Duration;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// How long the last spans may take at the end of the process.
const LAST: Duration = Duration::from_secs(3);

/// Where spans go.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    sampling: Sampling,
    counters: Arc<Counters>,
}

/// A handshake that ended with a session.
#[derive(Debug, Clone, Copy)]
pub struct Handshake {
    /// The trace's id.
    pub trace: [u8; 16],
    /// The span's id.
    pub span: [u8; 8],
    /// The address of the peer.
    pub peer: SocketAddr,
    /// IANA number of the cipher suite.
    pub suite: u16,
    /// Whether it has a connection id.
    pub cid: bool,
    /// When it ended, since the Unix epoch.
    pub ended: Duration,
    /// How long it took.
    pub took: Duration,
}

impl Traces {
    /// Traces to the collector that the environment names.
    ///
    /// # Errors
    /// Words about what in the environment cannot be used.
    pub(super) fn new(export: &Export) -> Result<Self, String> {
        let exporter = SpanExporter::builder().with_http().build();
        Ok(Self::to(exporter.map_err(|error| error.to_string())?, export))
    }

    fn to<E: opentelemetry_sdk::trace::SpanExporter + 'static>(
        exporter: E,
        export: &Export,
    ) -> Self {
        let counters = Arc::new(Counters::default());
        let mut resource = Resource::builder()
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if let Some(name) = export.service_name {
            resource = resource.with_service_name(name);
        }
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Queue::new(exporter, export.queue, counters.clone()))
            .with_sampler(export.sampler())
            .with_id_generator(Ids::default())
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("claviger");
        Self { provider, tracer, sampling: export.sampling(), counters }
    }

    /// What makes spans of `tracing` into ours: those of Claviger, with the events of its log.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        WithRemote(layer).with_filter(Targets::new().with_target("claviger", Level::INFO))
    }

    /// Which handshakes are traced.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// What became of spans.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Adds the span of a handshake, if its trace is sampled. Its ids are those that the frames of
    /// the session carry as their parent.
    pub fn handshake(&self, it: &Handshake) {
        if !self.sampling.takes(&it.trace) {
            return;
        }
        let ended = UNIX_EPOCH + it.ended;
        let span = SpanBuilder::from_name("dtls.handshake")
            .with_kind(SpanKind::Server)
            .with_start_time(ended.checked_sub(it.took).unwrap_or(ended))
            .with_attributes([
                KeyValue::new("network.transport", "udp"),
                KeyValue::new("network.peer.address", it.peer.ip().to_string()),
                KeyValue::new("network.peer.port", i64::from(it.peer.port())),
                KeyValue::new("tls.protocol.name", "dtls"),
                KeyValue::new("tls.cipher", format!("0x{:04x}", it.suite)),
                KeyValue::new("claviger.connection_id", it.cid),
            ]);
        let make = || self.tracer.build_with_context(span, &Context::new());
        ids::decided(it.trace, it.span, make).end_with_timestamp(ended);
    }

    /// Sends what is left, as far as that goes quickly.
    pub(super) fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST) {
            tracing::debug!(%error, "the last spans were not exported");
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
