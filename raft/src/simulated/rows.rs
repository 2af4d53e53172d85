//! Rows as a database keeps them that is synced now and then.

use super::{Draw, SimulatedDisk, failed};
use crate::memory::MemoryState;
use crate::state_store::{Changes, Moment, Row, StateStore};
use claviger_ledger::Rows;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What is on the disk of the rows.
#[derive(Debug, Default)]
pub(super) struct Kept {
    applied: Option<Vec<u8>>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    unsynced: Vec<(Changes, Vec<u8>)>,
}

impl Kept {
    /// Makes the first `count` changes durable that are not.
    fn keep(&mut self, count: usize) {
        for (changes, applied) in self.unsynced.drain(..count) {
            for (key, change) in changes {
                match change {
                    Some(value) => drop(self.rows.insert(key, value)),
                    None => drop(self.rows.remove(&key)),
                }
            }
            self.applied = Some(applied);
        }
    }

    fn keep_all(&mut self) {
        self.keep(self.unsynced.len());
    }

    /// Changes are lost from the latest on.
    pub(super) fn crash(&mut self, draw: &mut Draw) {
        let kept = draw.below(self.unsynced.len() as u64 + 1) as usize;
        self.keep(kept);
        self.unsynced.clear();
    }
}

/// The rows of the node that opened them.
pub(super) struct SimulatedRows {
    disk: SimulatedDisk,
    power: u64,
    seen: MemoryState,
}

impl SimulatedDisk {
    /// The rows; what is found is durable then, as with the database.
    pub(crate) fn rows(&self) -> io::Result<Arc<dyn StateStore>> {
        let mut inner = self.inner();
        inner.rows.keep_all();
        let seen = MemoryState::default();
        if let Some(applied) = &inner.rows.applied {
            let mut rows = inner.rows.rows.clone().into_iter().map(Ok);
            seen.replace(&mut rows, applied)?;
        }
        let power = inner.power;
        Ok(Arc::new(SimulatedRows { disk: self.clone(), power, seen }))
    }
}

impl StateStore for SimulatedRows {
    fn applied(&self) -> io::Result<Option<Vec<u8>>> {
        self.seen.applied()
    }

    fn apply(&self, changes: Changes, applied: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.reads(self.power)?;
        inner.rows.unsynced.push((changes.clone(), applied.to_vec()));
        self.seen.apply(changes, applied)
    }

    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = io::Result<Row>>,
        applied: &[u8],
    ) -> io::Result<()> {
        let rows: BTreeMap<_, _> = rows.collect::<io::Result<_>>()?;
        let inner = &mut *self.disk.inner();
        let fails = inner.begin(self.power)?;
        if fails && inner.draw.below(2) == 0 {
            return Err(failed());
        }
        let shown = rows.clone();
        inner.rows = Kept { applied: Some(applied.to_vec()), rows, unsynced: Vec::new() };
        if fails {
            return Err(failed());
        }
        self.seen.replace(&mut shown.into_iter().map(Ok), applied)
    }

    fn moment(&self) -> io::Result<Arc<dyn Moment>> {
        self.seen.moment()
    }

    fn view(&self, look: &mut dyn FnMut(&dyn Rows)) {
        self.seen.view(look);
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        if inner.begin(self.power)? {
            return Err(failed());
        }
        inner.rows.keep_all();
        Ok(())
    }

    fn durable(&self) -> io::Result<Option<Vec<u8>>> {
        let inner = self.disk.inner();
        inner.reads(self.power)?;
        Ok(inner.rows.applied.clone())
    }
}
