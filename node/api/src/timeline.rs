//! What happened to a device.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// When.
    pub time: Timestamp,
    /// The index of the ledger's entry that recorded it.
    pub index: u64,
    /// What, as a code of the closed list of events: `credential.delivered`.
    pub code: String,
    /// The credential concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The same in words, with what to do where something went wrong.
    pub words: String,
}

/// A device's audit entries, oldest first: `GET /api/v1/tenants/{tenant}/devices/{device}/audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// The entries.
    pub entries: Vec<TimelineEntry>,
    /// Where the next page begins, if there is one: give it back as `after`. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What happened to a device, oldest first; the newest 64 entries are kept:
/// `GET /api/v1/tenants/{tenant}/devices/{device}/timeline`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// The entries.
    pub entries: Vec<TimelineEntry>,
    /// Where the next page begins, if there is one: give it back as `after`. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
