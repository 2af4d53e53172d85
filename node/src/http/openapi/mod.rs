//! The OpenAPI document of the API, made from the routes themselves.
//!
//! A route that is added with `routes!` is in it; what its handler says stands at the handler. Here
//! is what several share: [`parameters`], and the [`problems`] that each kind of request may meet.
//! The types describe themselves in `claviger-api`. The document that was made last is committed as
//! `node/api/openapi.json`, and a test compares the two.

pub(super) mod parameters;
pub(super) mod problems;

use super::router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

const WORDS: &str = "Devices, their credentials, and how LwM2M servers come to these.

A name in a path is percent-encoded. Times are in UTC. What comes in refuses unknown fields; what \
goes out may gain fields, which a reader passes over. Every problem is an \
`application/problem+json` with a `code` that stays and a `hint` that says what to do. Lengths of \
texts are counted in bytes of UTF-8.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Claviger", description = WORDS),
    tags(
        (name = "devices", description = "Who may bootstrap, and what became of them."),
        (name = "credentials", description = "What devices prove themselves by; never a key."),
        (name = "profiles", description = "What a bootstrap writes into a device."),
        (name = "connectors", description = "How LwM2M servers come to their devices' keys."),
        (name = "trust", description = "Whose certificates devices may have, and the server's own key."),
        (name = "factory", description = "Keys on their way: lists from factories, and exports."),
        (name = "events", description = "What happened in a tenant."),
        (name = "servers", description = "What LwM2M servers ask and report."),
        (name = "keys", description = "The keys that the ledger is sealed by: their versions, rotation and escrow."),
        (name = "cluster", description = "The nodes, and who belongs to them."),
        (name = "document", description = "This document."),
    ),
    components(schemas(claviger_api::Problem, claviger_api::BulkAnswer, claviger_api::ExportLine)),
    modifiers(&Schemes)
)]
struct Frame;

/// How a request proves who sends it.
struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let bearer =
            bearer.description(Some("The admin token, as the server wrote or printed it."));
        components.add_security_scheme("admin", SecurityScheme::Http(bearer.build()));
        let words = "Signed with the connector's secret as Standard Webhooks has it: `v1,` and the \
            base64 of HMAC-SHA256 over `webhook-id`, `.`, `webhook-timestamp`, `.` and the body.";
        let signature = ApiKeyValue::with_description("webhook-signature", words);
        components
            .add_security_scheme("signature", SecurityScheme::ApiKey(ApiKey::Header(signature)));
    }
}

/// What the document says before any route is in it.
pub(super) fn frame() -> utoipa::openapi::OpenApi {
    Frame::openapi()
}

/// The document as JSON, for people too.
pub fn document() -> String {
    router::document().to_pretty_json().expect("texts and numbers become JSON")
}

/// Serves the document. It holds nothing that is not public, so nobody is asked for a token.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", operation_id = "showDocument", tag = "document",
    security(()),
    responses(
        (status = 200, description = "This document.", body = Object,
            content_type = "application/json"),
    )
)]
pub(super) async fn show() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], super::router::DOCUMENT.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn the_committed_document_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/api/openapi.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed.strip_suffix('\n') == Some(&document()),
            "the API has changed: run `just openapi`, look at the difference, and commit it"
        );
    }
}
