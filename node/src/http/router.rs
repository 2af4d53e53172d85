//! The paths, and what holds for all of them.

use super::admin::{
    attempts, cluster, connectors, credentials, devices, events, export, import_keys, keys,
    profiles, server_identity, trust_anchors, use_report,
};
use super::health::Health;
use super::problem::Fault;
use super::{Api, auth, health, openapi, pull, trace, version};
use crate::metrics::Metrics;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use claviger_api::Code;
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use tracing::Instrument;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

/// The longest body.
const BODY: usize = 64 * 1024;
/// Where a tenant's things are.
const TENANT: &str = "/api/v1/tenants/{tenant}";
/// Where the cluster is.
const CLUSTER: &str = "/api/v1/cluster";

/// The OpenAPI document, as it is served.
pub(super) static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| document().to_json().expect("texts and numbers become JSON"));

/// All paths.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let for_admin = || from_fn_with_state(api.clone(), auth::require_admin);
    // Behind the layer: an LwM2M server proves itself by a signature instead.
    let of_tenant = admin().route_layer(for_admin()).merge(signed());
    let of_tenant = of_tenant.route_layer(from_fn_with_state(api.clone(), unless_sealed));
    let (router, _) = whole(of_tenant, cluster().route_layer(for_admin())).split_for_parts();
    let (health, metrics) = (api.health.clone(), api.metrics.clone());
    around(router.with_state(api).fallback(no_route), health, metrics)
}

/// The paths of a node that has no API: health and metrics.
pub fn without_api(health: Arc<Health>, metrics: Arc<Metrics>) -> Router {
    around(Router::new().fallback(no_route), health, metrics)
}

/// The same of a node that is to have one, and starts yet.
pub fn starting(health: Arc<Health>, metrics: Arc<Metrics>) -> Router {
    let not_yet = Router::new().fallback(health::not_yet).with_state(health.clone());
    around(not_yet, health, metrics)
}

/// What every node serves, and what holds for all paths.
fn around(router: Router, health: Arc<Health>, metrics: Arc<Metrics>) -> Router {
    let shown = Router::new().route("/metrics", get(health::metrics)).with_state(metrics.clone());
    router
        .route("/livez", get(health::livez))
        .merge(Router::new().route("/readyz", get(health::readyz)).with_state(health))
        .merge(shown)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(metrics, measure))
}

/// What the paths say of themselves.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    whole(admin().merge(signed()), cluster()).into_openapi()
}

/// The paths below `/api`; all that stand in the document.
fn whole(
    of_tenant: OpenApiRouter<Arc<Api>>,
    of_cluster: OpenApiRouter<Arc<Api>>,
) -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(openapi::frame())
        .nest(TENANT, of_tenant)
        .nest(CLUSTER, of_cluster)
        .routes(routes!(openapi::show))
}

/// What the administrator may do.
fn admin() -> OpenApiRouter<Arc<Api>> {
    let unbounded = DefaultBodyLimit::disable();
    OpenApiRouter::default()
        .routes(routes!(connectors::list))
        .routes(routes!(connectors::show, connectors::put, connectors::delete))
        .routes(routes!(profiles::list))
        .routes(routes!(profiles::show, profiles::put, profiles::delete))
        .routes(routes!(devices::list::list, devices::enrol))
        .routes(routes!(devices::bulk::enrol).layer(unbounded))
        .routes(routes!(devices::show, devices::update, devices::delete))
        .routes(routes!(devices::rotate))
        .routes(routes!(devices::timeline))
        .routes(routes!(credentials::list))
        .routes(routes!(credentials::show))
        .routes(routes!(credentials::revoke))
        .routes(routes!(import_keys::list, import_keys::create))
        .routes(routes!(import_keys::show, import_keys::delete))
        .routes(routes!(trust_anchors::list))
        .routes(routes!(trust_anchors::show, trust_anchors::put, trust_anchors::delete))
        .routes(routes!(server_identity::show, server_identity::put))
        .routes(routes!(export::plain, export::with_secrets))
        .routes(routes!(events::list))
        .routes(routes!(devices::audit))
        .routes(routes!(attempts::list))
        .routes(routes!(keys::rotate_tenant))
        .route_layer(from_fn(version::unless_seen))
}

/// What the administrator may do with the cluster.
fn cluster() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(keys::show))
        .routes(routes!(keys::rotate_kek))
        .routes(routes!(keys::drop_kek))
        .routes(routes!(keys::rotate_root))
        .routes(routes!(keys::rotate_edges))
        .routes(routes!(keys::escrow))
        .routes(routes!(keys::prove))
        .routes(routes!(keys::door, keys::unseal))
        .routes(routes!(cluster::show))
        .routes(routes!(cluster::promote))
        .routes(routes!(cluster::transfer))
        .routes(routes!(cluster::remove))
        .routes(routes!(cluster::readmit))
        .routes(routes!(cluster::snapshot))
        .routes(routes!(cluster::replace_authority))
        .routes(routes!(cluster::tokens::list, cluster::tokens::create))
        .routes(routes!(cluster::tokens::revoke))
        .routes(routes!(cluster::backup::take))
}

/// What LwM2M servers may do.
fn signed() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(pull::psk)).routes(routes!(use_report::take))
}

/// Lets nothing about a tenant pass while this node is sealed.
async fn unless_sealed(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    api.unless_sealed()?;
    Ok(next.run(request).await)
}

async fn no_route() -> Fault {
    Fault::new(Code::NoRoute, "there is nothing at this path")
}

async fn no_method() -> Fault {
    Fault::new(Code::MethodNotAllowed, "the path does not take this method")
}

/// Counts and times a request, and keeps caches from keeping its answer.
async fn measure(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = trace::span(route, &request);
    let mut response = next.run(request).instrument(span.clone()).await;
    trace::answered(&span, response.status());
    metrics.answered(route, &method, response.status(), begun.elapsed());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
