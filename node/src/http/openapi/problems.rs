//! The problems that a request may meet, by the kind of request.

use axum::http::StatusCode;
use claviger_api::{Code, Problem};
use std::collections::BTreeMap;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $($code:ident)*;)*) => {$(
        $(#[$doc])*
        pub(in crate::http) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                answers(&[$(Code::$code,)*])
            }
        }
    )*};
}

problems! {
    /// Of any request.
    Any: Malformed UnknownParameter Unauthorized NoRoute NotFound Internal Busy Sealed Unavailable;
    /// Of one for a page.
    Pages: Malformed UnknownParameter BadCursor Unauthorized NoRoute NotFound Invalid Internal
        Busy Sealed Unavailable;
    /// Of a change without a body.
    Changes: Malformed UnknownParameter BadHeader Unauthorized NoRoute NotFound Slow Taken State
        Changed TooLarge KeyReused Invalid Internal Busy Sealed Unavailable;
    /// Of a change with a body.
    ChangesTo: Malformed UnknownParameter BadHeader Unauthorized NoRoute NotFound Slow Taken State
        Changed TooLarge MediaType KeyReused Invalid Internal Busy Sealed Unavailable;
    /// Of a change of keys without a body.
    KeyChanges: Malformed UnknownParameter BadHeader Unauthorized NoRoute NotFound Slow Taken State
        Changed TooLarge Invalid Internal Busy KeyProvider Sealed Unavailable;
    /// Of a change of keys with a body.
    KeyChangesTo: Malformed UnknownParameter BadHeader Unauthorized NoRoute NotFound Slow Taken
        State Changed TooLarge MediaType Invalid Internal Busy KeyProvider Sealed Unavailable;
    /// Of a change of the cluster.
    ClusterChanges: Malformed UnknownParameter BadHeader Unauthorized NoRoute NotFound Slow Membership TooLarge
        MediaType Invalid Internal Busy Sealed Unavailable;
    /// Of many enrolments in one body; each line has its own besides.
    Bulk: Malformed UnknownParameter Unauthorized NoRoute NotFound Slow MediaType Internal Busy
        Sealed Unavailable;
    /// Of what an LwM2M server sends.
    Servers: Malformed UnknownParameter Unauthorized NoRoute NotFound Slow State TooLarge Invalid
        TooMany Internal Busy Sealed Unavailable;
}

/// One answer for each status of `codes`.
fn answers(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().push(*code);
    }
    let answers = by_status.into_iter();
    answers.map(|(status, codes)| (status.to_string(), answer(&codes).into())).collect()
}

fn answer(codes: &[Code]) -> Response {
    let words: Vec<_> = codes.iter().map(|c| format!("`{c}`: {}", c.title())).collect();
    let schema = Ref::from_schema_name(Problem::name());
    let first = Problem::new(codes[0], codes[0].title());
    let example = serde_json::to_value(first).expect("texts and numbers become JSON");
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
    let response = ResponseBuilder::new().description(words.join(" "));
    let response = response.content("application/problem+json", content);
    let header = |words, kind| {
        let schema = ObjectBuilder::new().schema_type(kind).build();
        HeaderBuilder::new().schema(Some(schema)).description(Some(words)).build()
    };
    match StatusCode::from_u16(codes[0].status()) {
        Ok(StatusCode::UNAUTHORIZED) => {
            let words = "How to prove oneself.";
            response.header("WWW-Authenticate", header(words, Type::String)).build()
        }
        Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
            let words = "Ask again after so many seconds.";
            response.header("Retry-After", header(words, Type::Integer)).build()
        }
        _ => response.build(),
    }
}
