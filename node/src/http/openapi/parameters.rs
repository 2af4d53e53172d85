//! Parameters in paths and headers that several routes share.

use claviger_api::pattern;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident: $($parameter:ident)*;)*) => {$(
        $(#[$doc])*
        pub(in crate::http) struct $name;

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                vec![$($parameter(),)*]
            }
        }
    )*};
}

parameters! {
    /// What belongs to a tenant.
    OfTenant: tenant;
    /// A connector, profile or trust anchor.
    Named: tenant name;
    /// A device.
    OfDevice: tenant device;
    /// A credential.
    OfCredential: tenant device credential;
    /// An import key.
    OfImportKey: tenant import_key;
    /// A KEK.
    OfKek: kek;
    /// A node of the cluster.
    OfNode: node;
    /// A join token.
    OfToken: join_token;
    /// What a change may be tied to.
    Conditions: if_match if_none_match idempotency_key;
    /// What a change of what is there may be tied to.
    IfThere: if_match idempotency_key;
    /// What a change that has no version may be tied to.
    Repeatable: idempotency_key;
    /// What was seen before.
    Seen: if_none_seen;
    /// Where a reader of events stopped.
    Resume: last_event_id;
    /// What a signed request carries.
    Signed: webhook_id webhook_timestamp;
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn in_path(name: &str, words: &str, schema: ObjectBuilder) -> Parameter {
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path);
    let parameter = parameter.required(Required::True).description(Some(words));
    parameter.schema(Some(schema.build())).build()
}

fn in_header(name: &str, words: &str, pattern: &str, example: &str) -> Parameter {
    let schema = text().examples([example]);
    // What a cache has from elsewhere is no mistake, nor what an administrator need not sign.
    let schema = if pattern.is_empty() { schema } else { schema.pattern(Some(pattern)) };
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
    let parameter = parameter.required(Required::False).description(Some(words));
    parameter.schema(Some(schema.build())).build()
}

fn named(name: &str, words: &str) -> Parameter {
    let schema = text().min_length(Some(1)).max_length(Some(255));
    in_path(name, words, schema.pattern(Some(pattern::NAME)))
}

fn node() -> Parameter {
    let schema = text().pattern(Some("^[0-9a-fA-F]{16}$")).examples(["00c5f1a2b3c4d5e6"]);
    in_path("node", "The node's id.", schema)
}

fn join_token() -> Parameter {
    let schema = text().pattern(Some("^[0-9a-fA-F]{32}$"));
    in_path("join_token", "The token's id.", schema)
}

fn tenant() -> Parameter {
    let schema = text().min_length(Some(1)).max_length(Some(255)).pattern(Some(pattern::NAME));
    in_path("tenant", "The tenant's name.", schema.examples(["default"]))
}

fn name() -> Parameter {
    named("name", "Its name.")
}

fn device() -> Parameter {
    named("device", "The device's id.")
}

fn credential() -> Parameter {
    in_path("credential", "The credential's id.", text().pattern(Some(pattern::ID)))
}

fn kek() -> Parameter {
    named("kek", "The KEK's name, as the status has it.")
}

fn import_key() -> Parameter {
    in_path("key", "The key's thumbprint.", text().pattern(Some(pattern::THUMBPRINT)))
}

fn if_match() -> Parameter {
    in_header("If-Match", "Only at the version with this ETag.", pattern::ETAG, "\"1\"")
}

fn if_none_match() -> Parameter {
    in_header("If-None-Match", "`*`: only if it is not there yet.", r"^\*$", "*")
}

fn if_none_seen() -> Parameter {
    let words = "Only if it is not at the version with this ETag; else 304.";
    in_header("If-None-Match", words, "", "\"1\"")
}

fn idempotency_key() -> Parameter {
    let words = "The same request with the same key acts once, at whichever node; its answer shows \
        what is there by then. The key with another request is refused. A key is remembered for 24 \
        hours, and 16,384 of a tenant; that of a request that was refused is not.";
    in_header("Idempotency-Key", words, pattern::IDEMPOTENCY_KEY, "order-66")
}

fn last_event_id() -> Parameter {
    let words = "The id of the last event that was read; it goes before `after`.";
    in_header("Last-Event-ID", words, pattern::EVENT, "17-0")
}

fn webhook_id() -> Parameter {
    in_header("webhook-id", "An id of the sender's own.", "", "msg_1")
}

fn webhook_timestamp() -> Parameter {
    let words = "When it was sent, in seconds since the Unix epoch; 5 minutes off at most.";
    in_header("webhook-timestamp", words, "", "1795543200")
}
