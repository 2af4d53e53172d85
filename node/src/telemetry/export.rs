//! The way of a span out of the process: a bounded queue, a thread of its own, and counters.
//!
//! Nobody waits for a collector. What does not fit into the queue is dropped and counted, as is
//! what the collector did not take.

use core::time::Duration;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What became of spans.
#[derive(Debug, Default)]
pub struct Counters {
    /// Taken by the collector.
    pub exported: AtomicU64,
    /// Sent, and not taken.
    pub failed: AtomicU64,
    /// Dropped because too many waited.
    pub dropped: AtomicU64,
    waiting: AtomicUsize,
}

/// The SDK's queue and thread, with a count of what does not fit: it keeps its own to itself.
#[derive(Debug)]
pub(super) struct Queue {
    inner: BatchSpanProcessor,
    counters: Arc<Counters>,
    size: usize,
}

impl Queue {
    /// A queue of `size` spans in front of `exporter`.
    pub(super) fn new<E: SpanExporter + 'static>(
        exporter: E,
        size: usize,
        counters: Arc<Counters>,
    ) -> Self {
        let counted = Counted { inner: exporter, counters: counters.clone(), down: false.into() };
        let config = BatchConfigBuilder::default().with_max_queue_size(size).build();
        Self { inner: BatchSpanProcessor::new(counted, config), counters, size }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.counters.waiting.fetch_add(1, Ordering::Relaxed) >= self.size {
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// An exporter whose results are counted, and told to the log when they change.
#[derive(Debug)]
struct Counted<E> {
    inner: E,
    counters: Arc<Counters>,
    down: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.counters.waiting.fetch_sub(spans, Ordering::Relaxed);
        let result = self.inner.export(batch).await;
        let was_down = self.down.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Ok(()) => {
                self.counters.exported.fetch_add(spans as u64, Ordering::Relaxed);
                if was_down {
                    tracing::info!("the collector takes traces again");
                }
            }
            Err(error) => {
                self.counters.failed.fetch_add(spans as u64, Ordering::Relaxed);
                if !was_down {
                    tracing::warn!(
                        %error,
                        "the collector takes no traces, which are lost until it does; see that it \
                         runs at OTEL_EXPORTER_OTLP_ENDPOINT"
                    );
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
