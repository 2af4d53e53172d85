//! What came of look-ups, counted.

use core::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What came of a look-up; a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The server was given the key.
    Found,
    /// There is no valid key for that server.
    NotFound,
    /// It was not signed by the connector's server.
    Unsigned,
    /// The server had asked too often.
    Limited,
    /// It could not be read, or the ledger did not answer.
    Failed,
}

impl Lookup {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Found, Self::NotFound, Self::Unsigned, Self::Limited, Self::Failed];

    /// As the metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::NotFound => "not_found",
            Self::Unsigned => "unsigned",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }
}

/// How many look-ups there were, by what came of them.
#[derive(Default)]
pub struct Lookups([AtomicU64; Lookup::ALL.len()]);

impl Lookups {
    /// Counts one.
    pub(super) fn count(&self, lookup: Lookup) {
        self.0[lookup as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn counted(&self, lookup: Lookup) -> u64 {
        self.0[lookup as usize].load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(Lookup::ALL.map(|lookup| self.counted(lookup))).finish()
    }
}
