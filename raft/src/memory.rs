//! Storage in memory, for the seeded world: it loses nothing while the process lives.

use crate::log_store::{Change, Done, Kept, LogStore};
use crate::state_store::{Changes, Moment, Row, StateStore, page_of};
use claviger_ledger::Rows;
use claviger_ledger::memory::MemoryRows;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Entries = BTreeMap<u64, Arc<[u8]>>;

/// A log in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryLog(Mutex<(Kept, Entries)>);

impl LogStore for MemoryLog {
    fn kept(&self) -> Kept {
        lock(&self.0).0.clone()
    }

    fn entries(&self, from: u64, to: u64) -> io::Result<Vec<Arc<[u8]>>> {
        let inner = lock(&self.0);
        Ok(inner.1.range(from..to.max(from)).map(|(_, entry)| entry.clone()).collect())
    }

    fn last_entry(&self) -> io::Result<Option<Arc<[u8]>>> {
        Ok(lock(&self.0).1.values().next_back().cloned())
    }

    fn change(&self, change: Change, done: Done) {
        let mut inner = lock(&self.0);
        let (kept, entries) = &mut *inner;
        kept.note(&change);
        match change {
            Change::Append(new) => entries.extend(new),
            Change::Truncate(from) => drop(entries.split_off(&from)),
            Change::Purge(to, _) => *entries = entries.split_off(&to.saturating_add(1)),
            Change::Vote(_) | Change::Node(_) => {}
        }
        drop(inner);
        done(Ok(()));
    }

    fn close(&self) {}
}

/// Rows in memory, and the record of what is applied.
#[derive(Debug, Default)]
pub(crate) struct MemoryState(Mutex<(Option<Vec<u8>>, MemoryRows)>);

impl StateStore for MemoryState {
    fn applied(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(lock(&self.0).0.clone())
    }

    fn apply(&self, changes: Changes, applied: &[u8]) -> io::Result<()> {
        let mut inner = lock(&self.0);
        for (key, change) in changes {
            match change {
                Some(value) => inner.1.put(key, value),
                None => inner.1.remove(&key),
            }
        }
        inner.0 = Some(applied.to_vec());
        Ok(())
    }

    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = io::Result<Row>>,
        applied: &[u8],
    ) -> io::Result<()> {
        let rows = MemoryRows(rows.collect::<io::Result<_>>()?);
        *lock(&self.0) = (Some(applied.to_vec()), rows);
        Ok(())
    }

    fn moment(&self) -> io::Result<Arc<dyn Moment>> {
        let inner = lock(&self.0);
        Ok(Arc::new(Copied { applied: inner.0.clone(), rows: inner.1.0.clone() }))
    }

    fn view(&self, look: &mut dyn FnMut(&dyn Rows)) {
        look(&lock(&self.0).1);
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn durable(&self) -> io::Result<Option<Vec<u8>>> {
        self.applied()
    }
}

/// The rows as they were.
struct Copied {
    applied: Option<Vec<u8>>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Moment for Copied {
    fn on_disk(&self) -> bool {
        false
    }

    fn applied(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.applied.clone())
    }

    fn row(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.rows.get(key).cloned())
    }

    fn page(&self, after: Option<&[u8]>, bytes: usize) -> io::Result<Vec<Row>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.range::<[u8], _>((from, Bound::Unbounded));
        page_of(rows.map(|(key, value)| Ok((key.clone(), value.clone()))), bytes)
    }
}
