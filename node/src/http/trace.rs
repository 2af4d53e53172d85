//! The span of a request to the API.

use crate::telemetry;
use axum::extract::Request;
use axum::http::StatusCode;
use tracing::field::Empty;
use tracing::{Span, info_span};

/// The paths that are asked all the time, and of which nobody wants a trace.
const QUIET: [&str; 4] = ["/livez", "/readyz", "/metrics", "unmatched"];

/// A span under the caller's `traceparent`, where there is one; `route` is a template.
pub(super) fn span(route: &str, request: &Request) -> Span {
    if telemetry::traces().is_none() || QUIET.contains(&route) {
        return Span::none();
    }
    let caller = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    info_span!(
        "http.request",
        traceparent = caller.filter(|caller| telemetry::is_traceparent(caller)),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = request.method().as_str(),
        http.route = route,
        http.response.status_code = Empty,
    )
}

/// Notes the answer.
pub(super) fn answered(span: &Span, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
