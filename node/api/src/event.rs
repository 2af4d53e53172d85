//! What happened in a tenant.

use crate::{Timestamp, pattern};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One entry of a tenant's feed: a line of `GET /api/v1/tenants/{tenant}/events`, or the data of
/// one server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// `index-n`: the index of the ledger's entry, and its number among what that entry told.
    #[schema(value_type = pattern::EventId)]
    pub id: String,
    /// When.
    pub time: Timestamp,
    /// What, as a code of the closed list of events: `credential.delivered`.
    pub code: String,
    /// The device concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The credential concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The same in words, with what to do where something went wrong.
    pub words: String,
}

/// A page of a tenant's feed, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The entries.
    pub items: Vec<Event>,
    /// Give it back as `after` for what comes behind; absent where there is no more yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// True if entries behind the place that was asked for are not kept any more.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub gap: bool,
}
