//! Rows on disk: a fjall database.
//!
//! All rows and the record of what is applied live in one keyspace, so that no crash, and no
//! repair of the database, leaves rows of one moment with the record of another. The name of that
//! keyspace is a record of its own: a snapshot is loaded beside the rows and switched to at once.
//! Only `sync` and `replace` sync: what a crash takes is applied again from the log. The state
//! machine reaches it through the buffer of [`crate::buffered`].

use crate::state_store::{Changes, Dump, Row};
use claviger_ledger::Rows;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

const ROWS: &str = "rows";
/// The key of what is applied; rows are under [`ROW`] and their own key.
const APPLIED: [u8; 1] = [0];
const ROW: u8 = 1;
const AFTER_ROWS: [u8; 1] = [ROW + 1];
/// How many rows are loaded between two writes.
const LOAD: usize = 4096;

/// The rows in a folder.
pub(crate) struct DiskState {
    database: Database,
    records: Keyspace,
    rows: Mutex<Keyspace>,
}

fn io(error: fjall::Error) -> io::Error {
    io::Error::other(error)
}

fn row_key(key: &[u8]) -> Vec<u8> {
    [&[ROW], key].concat()
}

impl DiskState {
    /// Opens the folder, or makes it. What it finds there is durable afterwards.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let database = Database::builder(folder).open().map_err(io)?;
        let keyspace = |name: &str| database.keyspace(name, KeyspaceCreateOptions::default);
        let records = keyspace("records").map_err(io)?;
        let current = records.get(ROWS).map_err(io)?;
        let current = current.and_then(|name| String::from_utf8(name.to_vec()).ok());
        let rows = keyspace(current.as_deref().unwrap_or("rows-0")).map_err(io)?;
        database.persist(PersistMode::SyncAll).map_err(io)?;
        Ok(Self { database, records, rows: Mutex::new(rows) })
    }

    fn rows(&self) -> MutexGuard<'_, Keyspace> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of one moment: no switch to others comes between keyspace and snapshot.
    fn shown(&self) -> Shown {
        let rows = self.rows();
        Shown { snapshot: self.database.snapshot(), rows: rows.clone() }
    }

    /// Fills a keyspace; nothing refers to it yet.
    fn load(&self, name: &str, rows: Vec<Row>, applied: &[u8]) -> io::Result<Keyspace> {
        let create = || self.database.keyspace(name, KeyspaceCreateOptions::default);
        // What a crash left of an earlier try goes first.
        self.database.delete_keyspace(create().map_err(io)?).map_err(io)?;
        let new = create().map_err(io)?;
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut batch = self.database.batch();
            for (key, value) in rows.by_ref().take(LOAD) {
                batch.insert(&new, row_key(&key), value);
            }
            batch.commit().map_err(io)?;
        }
        new.insert(APPLIED, applied).map_err(io)?;
        self.sync()?;
        Ok(new)
    }
}

struct Shown {
    snapshot: Snapshot,
    rows: Keyspace,
}

impl Shown {
    fn applied(&self) -> fjall::Result<Option<Vec<u8>>> {
        Ok(self.snapshot.get(&self.rows, APPLIED)?.map(|value| value.to_vec()))
    }

    fn between(&self, from: &[u8], to: &[u8], limit: usize) -> fjall::Result<Vec<Row>> {
        let found = self.snapshot.range(&self.rows, from..to).take(limit);
        let read = found.map(|guard| {
            let (key, value) = guard.into_inner()?;
            Ok((key[1..].to_vec(), value.to_vec()))
        });
        read.collect()
    }
}

/// Reading fails only where the disk does: the node stops rather than guess.
fn sound<T>(read: fjall::Result<T>) -> T {
    read.unwrap_or_else(|error| {
        tracing::error!(%error, "the ledger's disk cannot be read");
        std::process::abort();
    })
}

impl Rows for Shown {
    fn row(&self, key: &[u8]) -> Option<Vec<u8>> {
        sound(self.snapshot.get(&self.rows, row_key(key))).map(|value| value.to_vec())
    }

    fn put(&mut self, _: Vec<u8>, _: Vec<u8>) {
        unreachable!("rows are changed through an overlay only");
    }

    fn remove(&mut self, _: &[u8]) {
        unreachable!("rows are changed through an overlay only");
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        if from >= to {
            return Vec::new();
        }
        sound(self.between(&row_key(from), &row_key(to), limit))
    }
}

impl DiskState {
    pub(crate) fn applied(&self) -> io::Result<Option<Vec<u8>>> {
        self.shown().applied().map_err(io)
    }

    /// Changes rows and the record, all or nothing.
    pub(crate) fn write(&self, changes: &Changes, applied: &[u8]) -> io::Result<()> {
        let rows = self.rows().clone();
        let mut batch = self.database.batch();
        for (key, change) in changes {
            match change {
                Some(value) => batch.insert(&rows, row_key(key), value.as_slice()),
                None => batch.remove(&rows, row_key(key)),
            }
        }
        batch.insert(&rows, APPLIED, applied);
        batch.commit().map_err(io)
    }

    pub(crate) fn replace(&self, rows: Vec<Row>, applied: &[u8]) -> io::Result<()> {
        let old = self.rows().clone();
        let number: u64 = old.name().rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let name = format!("rows-{}", number + 1);
        let new = self.load(&name, rows, applied)?;
        let mut current = self.rows();
        self.records.insert(ROWS, name.as_bytes()).map_err(io)?;
        self.sync()?;
        *current = new;
        drop(current);
        self.database.delete_keyspace(old).map_err(io)
    }

    pub(crate) fn dump(&self) -> io::Result<Dump> {
        let shown = self.shown();
        let applied = shown.applied().map_err(io)?;
        Ok((applied, shown.between(&[ROW], &AFTER_ROWS, usize::MAX).map_err(io)?))
    }

    pub(crate) fn view(&self, look: &mut dyn FnMut(&dyn Rows)) {
        look(&self.shown());
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.database.persist(PersistMode::SyncAll).map_err(io)
    }
}
