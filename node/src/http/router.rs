//! The paths, and what holds for all of them.

use super::admin::{attempts, connectors, credentials, devices, events, profiles, use_report};
use super::problem::Fault;
use super::{Api, auth, health, pull, trace};
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use claviger_api::Code;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;

/// The longest body.
const BODY: usize = 64 * 1024;

/// All paths.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    Router::new()
        .nest("/api/v1/tenants/{tenant}", of_tenant(&api))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(api.clone(), measure))
        .with_state(api)
}

fn of_tenant(api: &Arc<Api>) -> Router<Arc<Api>> {
    Router::new()
        .route("/connectors", get(connectors::list))
        .route(
            "/connectors/{name}",
            get(connectors::show).put(connectors::put).delete(connectors::delete),
        )
        .route("/profiles", get(profiles::list))
        .route("/profiles/{name}", get(profiles::show).put(profiles::put).delete(profiles::delete))
        .route("/devices", get(devices::list::list).post(devices::enrol))
        .route("/devices/bulk", post(devices::bulk::enrol).layer(DefaultBodyLimit::disable()))
        .route(
            "/devices/{device}",
            get(devices::show).patch(devices::update).delete(devices::delete),
        )
        .route("/devices/{device}/rotate", post(devices::rotate))
        .route("/devices/{device}/timeline", get(devices::timeline))
        .route("/devices/{device}/credentials", get(credentials::list))
        .route("/devices/{device}/credentials/{credential}", get(credentials::show))
        .route("/devices/{device}/credentials/{credential}/revoke", post(credentials::revoke))
        .route("/events", get(events::list))
        .route("/devices/{device}/audit", get(devices::audit))
        .route("/unproven-attempts", get(attempts::list))
        .route_layer(from_fn_with_state(api.clone(), auth::require_admin))
        // Behind the layer: an LwM2M server proves itself by a signature instead.
        .route("/connectors/{name}/psk", post(pull::psk))
        .route("/devices/{device}/credentials/{credential}/use", post(use_report::take))
}

async fn no_route() -> Fault {
    Fault::new(Code::NoRoute, "there is nothing at this path")
}

async fn no_method() -> Fault {
    Fault::new(Code::MethodNotAllowed, "the path does not take this method")
}

/// Counts and times a request, and keeps caches from keeping its answer.
async fn measure(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = trace::span(route, &request);
    let mut response = next.run(request).instrument(span.clone()).await;
    trace::answered(&span, response.status());
    api.metrics.answered(route, &method, response.status(), begun.elapsed());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
