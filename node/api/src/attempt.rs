//! What was tried without proof.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was seen of one claimed identity: it proves nothing about who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnprovenAttempt {
    /// The claimed PSK identity, in which what is not UTF-8 is replaced by U+FFFD; of a public key
    /// the first half of its fingerprint, of a certificate its subject.
    pub identity: String,
    /// Why it failed: `unknown_identity`, `bad_key`, `stale`, `unknown_key`, `untrusted_chain`,
    /// `unknown_subject`, `id_taken` or `deleted`.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_seen: Timestamp,
    /// What can be done.
    pub advice: String,
}

/// The attempts that are still remembered, the latest first: `GET .../unproven-attempts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnprovenAttempts {
    /// The attempts.
    pub attempts: Vec<UnprovenAttempt>,
}
