//! What went wrong, as RFC 9457 has it, and the closed set of what can.

use core::fmt;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A problem: the body of every answer that is not a success (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI that names the kind of problem: `urn:claviger:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The kind of problem as a stable word; see [`Code`].
    #[schema(value_type = Code)]
    pub code: String,
    /// What went wrong this time; never a secret.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    /// A problem of this kind; `detail` says what went wrong this time.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:claviger:problem:{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            code: code.to_string(),
            detail: detail.into(),
            hint: code.hint().to_owned(),
        }
    }
}

macro_rules! codes {
    ($($name:ident $text:literal $status:literal $title:literal $hint:literal;)*) => {
        /// What can go wrong; a closed set.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code's name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that it comes with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The kind of problem in words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What to do.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)* }
            }
        }
    };
}

codes! {
    Malformed "malformed" 400 "The request cannot be read." "Compare the request with the API's documentation.";
    UnknownParameter "unknown_parameter" 400 "The query has a parameter that is not known or not readable." "Remove it, or correct its name or value.";
    BadCursor "bad_cursor" 400 "The place to go on behind is none of ours." "Begin again without `after`.";
    BadHeader "bad_header" 400 "A header cannot be read." "Send If-Match and If-None-Match as the ETag was given, and an Idempotency-Key of 1 to 255 visible characters.";
    Unauthorized "unauthorized" 401 "The request is not authorized." "Send the admin token as `Authorization: Bearer <token>`; a report of use may be signed instead, within 5 minutes, with the connector's secret.";
    NoRoute "no_route" 404 "There is nothing at this path." "Look at the path; names in it must be percent-encoded.";
    NotFound "not_found" 404 "What the request names does not exist." "Look at the name, or make it first.";
    MethodNotAllowed "method_not_allowed" 405 "The path does not take this method." "Use a method from the Allow header.";
    Slow "slow" 408 "The body comes too slowly." "Send it again, over a better way.";
    Taken "taken" 409 "The name, identity or id is taken." "Choose another one; enrolling a key twice is refused.";
    Changed "changed" 412 "It is not at the version that the request expects." "Read it again and decide again.";
    State "state" 409 "Its state does not allow that." "Look at the state and the timeline of the device.";
    Membership "membership" 409 "The cluster's members do not allow that." "Look at `claviger cluster status`, and at what the detail says.";
    TooLarge "too_large" 413 "The body is too large." "Send less at once.";
    MediaType "media_type" 415 "The body is not of the kind that the path takes." "Send `Content-Type: application/json`, or `application/x-ndjson` to `devices/bulk`.";
    KeyReused "idempotency_key_reused" 422 "The Idempotency-Key was used for another request." "Use a fresh key for each request, and the same one only to repeat it.";
    Invalid "invalid" 422 "A value is outside of what it may be." "Correct the field that is named.";
    TooMany "too_many_requests" 429 "The server of this connector asks too often." "Wait as Retry-After says; keep a key for the time of a handshake.";
    Internal "internal" 500 "Claviger could not do what it should." "Look at the log of the node that answered.";
    Busy "busy" 503 "There are as many readers of events as there may be." "Ask again in a moment, or read the events page by page.";
    KeyProvider "key_provider" 503 "The key provider of this node does not do it." "Look at the detail; what is open stays open.";
    Sealed "sealed" 503 "The node is sealed: it has not opened the root key." "Look at the detail and at `claviger key status`, or ask another node.";
    Unavailable "unavailable" 503 "The ledger does not answer now." "Ask again in a moment; look at /readyz if it lasts.";
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let codes = Self::ALL.iter().map(|code| code.as_str());
        let words = "What can go wrong; a closed set.";
        let object = ObjectBuilder::new().schema_type(Type::String);
        object.description(Some(words)).enum_values(Some(codes)).into()
    }
}

impl ToSchema for Code {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_a_name_and_a_sentence_of_its_own() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let titles: BTreeSet<_> = Code::ALL.iter().map(|code| code.title()).collect();
        assert_eq!((names.len(), titles.len()), (Code::ALL.len(), Code::ALL.len()));
        assert!(Code::ALL.iter().all(|code| (400..600).contains(&code.status())));
    }

    #[test]
    fn a_problem_is_written_as_rfc_9457_has_it() {
        let problem = Problem::new(Code::NotFound, "no device \"x\"");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:claviger:problem:not_found");
        assert_eq!(json["status"], 404);
        assert_eq!(json["detail"], "no device \"x\"");
    }
}
