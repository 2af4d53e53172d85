//! A ledger in memory, for tests: the same commands and rows, without consensus and disk.

use crate::{Envelope, Ledger, Outcome, Rows, Unavailable, apply};
use core::ops::Bound;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Rows in a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryRows(pub BTreeMap<Vec<u8>, Vec<u8>>);

impl Rows for MemoryRows {
    fn row(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.insert(key, value);
    }

    fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        if from >= to {
            return Vec::new();
        }
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let rows = self.0.range::<[u8], _>(bounds).take(limit);
        rows.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// A ledger that commits at once, or not at all while it is [`MemoryLedger::cut_off`].
#[derive(Debug, Default)]
pub struct MemoryLedger {
    state: Mutex<(u64, MemoryRows, bool)>,
}

impl MemoryLedger {
    /// While `cut_off`, nothing is committed or confirmed.
    pub fn cut_off(&self, cut_off: bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).2 = cut_off;
    }
}

impl Ledger for MemoryLedger {
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unavailable>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (index, rows, cut_off) = &mut *state;
        let fate = if *cut_off {
            Err(Unavailable::NoLeader)
        } else {
            *index += 1;
            let outcome = apply(rows, *index, &envelope.encode());
            let outcome = outcome.ok().and_then(|bytes| Outcome::decode(&bytes));
            outcome.ok_or(Unavailable::Stopped)
        };
        Box::pin(core::future::ready(fate))
    }

    fn confirm(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        let cut_off = self.state.lock().unwrap_or_else(PoisonError::into_inner).2;
        let fate = if cut_off { Err(Unavailable::NoLeader) } else { Ok(()) };
        Box::pin(core::future::ready(fate))
    }

    fn read(&self, look: &mut dyn FnMut(&dyn Rows)) {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner).1);
    }
}
