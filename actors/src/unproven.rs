//! Attempts of peers that have proven nothing: a bounded table in memory, for the operator.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Why an attempt came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Nobody is enrolled under the identity.
    UnknownIdentity,
    /// The Finished did not match the key that is enrolled.
    WrongKey,
    /// The handshake was older than it may be.
    Stale,
    /// Nobody is enrolled with the raw public key.
    UnknownKey,
    /// The chain of certificates leads to no trust anchor, or is not valid now.
    UntrustedChain,
    /// The chain is good, and nobody is enrolled for certificates under the name in it.
    UnknownSubject,
    /// The chain is good, and the device that it names was deleted.
    Deleted,
    /// The chain is good, and another device has its name as an id.
    IdTaken,
}

impl Reason {
    /// The reason's name, as the API and the metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownIdentity => "unknown_identity",
            Self::WrongKey => "bad_key",
            Self::Stale => "stale",
            Self::UnknownKey => "unknown_key",
            Self::UntrustedChain => "untrusted_chain",
            Self::UnknownSubject => "unknown_subject",
            Self::Deleted => "deleted",
            Self::IdTaken => "id_taken",
        }
    }

    /// True if it says that something is not there: perhaps it was put there a moment ago.
    pub(crate) const fn is_of_absence(self) -> bool {
        !matches!(self, Self::WrongKey | Self::Stale)
    }

    /// What an operator can do.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::UnknownIdentity => {
                "Nobody is enrolled under this identity, or its credential was revoked: enrol the \
                 device anew, or ignore a stranger."
            }
            Self::WrongKey => "Compare the enrolled key with the one in the device.",
            Self::Stale => "Look at the clocks of this cluster's nodes.",
            Self::UnknownKey => {
                "Nobody is enrolled with the public key of this fingerprint, or its credential was \
                 revoked: enrol the device with it, or ignore a stranger."
            }
            Self::UntrustedChain => {
                "Compare the issuers and the validity of the device's certificates with the trust \
                 anchors of the tenant, or ignore a stranger."
            }
            Self::UnknownSubject => {
                "Enrol the device for certificates under the trust anchor by the name that its \
                 certificate has, look where the anchor says that the name stands, or give the \
                 anchor a profile to enrol unknown devices with."
            }
            Self::Deleted => {
                "The device was deleted, so its trust anchor does not enrol it again: enrol it to \
                 let it in."
            }
            Self::IdTaken => {
                "The name in the certificate is the id of another device: enrol the device of the \
                 certificate under another id."
            }
        }
    }
}

/// What was seen of one claimed identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnprovenAttempt {
    /// The realm that it was tried in.
    pub realm: String,
    /// The claimed PSK identity, the start of the key's fingerprint, or the certificate's subject;
    /// anything a stranger likes to send.
    pub identity: Vec<u8>,
    /// Why it failed.
    pub reason: Reason,
    /// How often.
    pub count: u64,
    /// When last, since the Unix epoch.
    pub last_seen: Duration,
}

type Key = (String, Vec<u8>, Reason);

/// The table; the attempt seen longest ago makes room for a new one.
#[derive(Debug, Default)]
pub struct Unproven {
    rows: Mutex<BTreeMap<Key, (u64, Duration)>>,
}

impl Unproven {
    /// How many rows are kept.
    pub const ROWS: usize = 256;

    /// Counts an attempt.
    pub(crate) fn note(&self, realm: &str, identity: &[u8], reason: Reason, now: Duration) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (realm.to_owned(), identity.to_vec(), reason);
        if !rows.contains_key(&key) && rows.len() >= Self::ROWS {
            let oldest = rows.iter().min_by_key(|(_, (_, seen))| *seen).map(|(key, _)| key.clone());
            oldest.map(|key| rows.remove(&key));
        }
        let row = rows.entry(key).or_default();
        *row = (row.0 + 1, now);
    }

    /// The attempts of a realm, the latest first.
    pub fn attempts(&self, realm: &str) -> Vec<UnprovenAttempt> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let of_realm = rows.iter().filter(|((theirs, ..), _)| theirs == realm);
        let mut attempts: Vec<_> = of_realm
            .map(|((realm, identity, reason), (count, last_seen))| UnprovenAttempt {
                realm: realm.clone(),
                identity: identity.clone(),
                reason: *reason,
                count: *count,
                last_seen: *last_seen,
            })
            .collect();
        attempts.sort_by_key(|attempt| core::cmp::Reverse(attempt.last_seen));
        attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_bounded_and_forgets_the_oldest() {
        let table = Unproven::default();
        for n in 0..=Unproven::ROWS as u64 {
            table.note("r", &n.to_be_bytes(), Reason::WrongKey, Duration::from_secs(n));
        }

        let attempts = table.attempts("r");

        assert_eq!(attempts.len(), Unproven::ROWS);
        assert_eq!(attempts[0].last_seen, Duration::from_secs(Unproven::ROWS as u64));
        assert!(attempts.iter().all(|attempt| attempt.last_seen > Duration::ZERO));
    }
}
