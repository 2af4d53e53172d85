//! Enrolling many devices at once.

use crate::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What became of one line of `POST /api/v1/tenants/{tenant}/devices/bulk`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkAnswer {
    /// The line's number, from 1.
    pub line: u64,
    /// The device's id, if the line could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What became of it.
    pub status: BulkStatus,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What can become of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkStatus {
    /// The device is enrolled.
    Enrolled,
    /// It would be; nothing was written.
    WouldEnrol,
    /// It was enrolled before, with the same endpoint, profile, identity and key.
    Exists,
    /// It is not enrolled; the problem says why.
    Refused,
}
