//! A ledger in memory, for tests: the same commands and rows, without consensus and disk.

use crate::{Envelope, Ledger, Outcome, Rows, Unavailable, apply, begin_incarnation};
use core::ops::Bound;
use futures::channel::oneshot;
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

/// A ledger that commits at once, or not at all while it [`refuses`](MemoryLedger::refuse).
#[derive(Debug, Default)]
pub struct MemoryLedger {
    state: Mutex<(u64, MemoryRows, Option<Unavailable>)>,
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
}

impl MemoryLedger {
    /// From now on nothing is committed, for this reason; or everything again.
    pub fn refuse(&self, why: Option<Unavailable>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).2 = why;
    }
}

impl MemoryLedger {
    /// Begins a new incarnation at `now` (ms since the Unix epoch), as a restore does.
    ///
    /// # Panics
    /// If a row cannot be read.
    pub fn begin_incarnation(&self, now: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (index, rows, _) = &mut *state;
        *index += 1;
        begin_incarnation(rows, *index, now).expect("the rows were written by this version");
    }
}

impl Ledger for MemoryLedger {
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unavailable>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (index, rows, refuses) = &mut *state;
        let fate = if let Some(why) = refuses {
            Err(why.clone())
        } else {
            *index += 1;
            let outcome = apply(rows, *index, &envelope.encode());
            let outcome = outcome.ok().and_then(|bytes| Outcome::decode(&bytes));
            outcome.ok_or(Unavailable::Stopped)
        };
        drop(state);
        // Whoever waits looks again.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Box::pin(core::future::ready(fate))
    }

    fn confirm(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        // A full disk keeps nobody from reading.
        let fate = self.ready();
        let fate =
            fate.or_else(|why| if why == Unavailable::OutOfSpace { Ok(()) } else { Err(why) });
        Box::pin(core::future::ready(fate))
    }

    fn ready(&self) -> Result<(), Unavailable> {
        let refuses = self.state.lock().unwrap_or_else(PoisonError::into_inner).2.clone();
        refuses.map_or(Ok(()), Err)
    }

    fn applied(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn beyond(&self, index: u64) -> BoxFuture<'_, ()> {
        if self.applied() > index {
            return Box::pin(core::future::ready(()));
        }
        let (waiting, news) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
        Box::pin(async move {
            let _ = news.await;
        })
    }

    fn read(&self, look: &mut dyn FnMut(&dyn Rows)) {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner).1);
    }
}
