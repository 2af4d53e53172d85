//! Ids of spans: random, but for a handshake's, which its session's trace decides.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use std::cell::Cell;

thread_local! {
    /// The ids of the span that this thread is making.
    static DECIDED: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// The SDK's ids, unless [`decided`] says others: its spans cannot be given ids when they are made.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        DECIDED.get().map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        DECIDED.get().map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}

/// Runs `make`; the root span that it makes has these ids.
pub(super) fn decided<T>(trace: [u8; 16], span: [u8; 8], make: impl FnOnce() -> T) -> T {
    DECIDED.set(Some((TraceId::from_bytes(trace), SpanId::from_bytes(span))));
    let made = make();
    DECIDED.set(None);
    made
}
