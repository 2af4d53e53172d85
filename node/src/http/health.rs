//! Whether the process lives, whether it can serve, and its numbers.

use super::Api;
use super::problem::Fault;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// 200 while the process lives.
pub(super) async fn livez() -> &'static str {
    "alive\n"
}

/// 200 while the node is not sealed, and the ledger answers and can be written; else 503 with its
/// reason.
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Result<&'static str, Fault> {
    api.unless_sealed()?;
    api.ledger.ready()?;
    api.ledger.confirm().await?;
    Ok("ready\n")
}

/// The numbers in the text format of Prometheus.
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let mut response = api.metrics.text().into_response();
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, format);
    response
}
