//! Trace context that crosses the border of the process, in the form of the header `traceparent`.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The header's name, and that of the field by which a span names a parent from elsewhere.
pub(super) const TRACEPARENT: &str = "traceparent";

/// One header.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// The context that a `traceparent` names; none if it is not one (Trace Context §3.2).
pub(super) fn parse(traceparent: &str) -> Option<Context> {
    let propagator = TraceContextPropagator::new();
    let context = propagator.extract_with_context(&Context::new(), &Header(traceparent));
    context.span().span_context().is_valid().then_some(context)
}

/// True if the text names a parent.
pub fn is_traceparent(text: &str) -> bool {
    parse(text).is_some()
}

/// What a request to somebody else is to carry: the span that is entered now, if one is.
pub fn current() -> Option<String> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    let flags = span.trace_flags().to_u8();
    span.is_valid().then(|| format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()))
}

/// The ids of the span that is entered now, for a line of the log.
pub(super) fn ids() -> Option<(String, String)> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_that_is_read_is_written_as_it_was() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01";
        let attached = parse(text).unwrap().attach();
        assert_eq!(current().as_deref(), Some(text));
        drop(attached);
        assert_eq!(current(), None);
    }

    #[test]
    fn what_is_no_traceparent_names_no_parent() {
        for text in [
            "",
            "00-00000000000000000000000000000000-00f067aa0b1902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01",
        ] {
            assert!(!is_traceparent(text), "{text}");
        }
    }
}
