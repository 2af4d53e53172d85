//! Rows on disk: a fjall database.
//!
//! All rows and the record of what is applied live in one keyspace, so that no crash, and no
//! repair of the database, leaves rows of one moment with the record of another. The name of that
//! keyspace is a record of its own: a snapshot is loaded beside the rows and switched to at once.
//! Only `sync` and `replace` sync: what a crash takes is applied again from the log. The state
//! machine reaches it through the buffer of [`crate::buffered`].

use crate::state_store::{Moment, Row, page_of};
use claviger_ledger::Rows;
use fjall::compaction::Leveled;
use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const ROWS: &str = "rows";
/// The key of what is applied; rows are under [`ROW`] and their own key.
const APPLIED: [u8; 1] = [0];
const ROW: u8 = 1;
const AFTER_ROWS: [u8; 1] = [ROW + 1];
/// How many rows are loaded between two writes.
const LOAD: usize = 4096;
/// How many rows that were looked up in one set of rows are kept at hand, twice.
const AT_HAND: usize = 1024;
/// One of fjall's threads keeps itself free for what is to be flushed. Where only one other is left
/// and that merges tables, it turns in circles for as long as the merge takes.
const WORKERS: usize = 3;
/// How many bytes of rows gather in fjall's memory. A look-up goes through them first, and what is
/// small stays in the processor's caches.
const MEMTABLE: u64 = 16 << 20;
/// How many tables gather before they are merged with all that they overlap: with every table that
/// there is, since keys begin with slots.
const TABLES: u8 = 8;

/// The rows in a folder.
pub(crate) struct DiskState {
    database: Database,
    records: Keyspace,
    rows: Mutex<Keyspace>,
}

fn io(error: fjall::Error) -> io::Error {
    io::Error::other(error)
}

fn options() -> KeyspaceCreateOptions {
    let merging = Leveled::default().with_l0_threshold(TABLES);
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE)
        .compaction_strategy(Arc::new(merging))
}

fn row_key(key: &[u8]) -> Vec<u8> {
    [&[ROW], key].concat()
}

impl DiskState {
    /// Opens the folder, or makes it. What it finds there is durable afterwards.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        if !folder.try_exists()? {
            make(folder)?;
        }
        Self::open_at(folder)
    }

    fn open_at(folder: &Path) -> io::Result<Self> {
        let database = Database::builder(folder).worker_threads(WORKERS).open().map_err(io)?;
        let keyspace = |name: &str| database.keyspace(name, options);
        let records = keyspace("records").map_err(io)?;
        let current = records.get(ROWS).map_err(io)?;
        let current = current.and_then(|name| String::from_utf8(name.to_vec()).ok());
        let current = current.unwrap_or_else(|| "rows-0".to_owned());
        let rows = keyspace(&current).map_err(io)?;
        for other in database.list_keyspace_names() {
            // What a crash left of rows that were to take the place of these, or had it before.
            if *other != *"records" && *other != *current {
                database.delete_keyspace(keyspace(&other).map_err(io)?).map_err(io)?;
            }
        }
        database.persist(PersistMode::SyncAll).map_err(io)?;
        Ok(Self { database, records, rows: Mutex::new(rows) })
    }

    fn rows(&self) -> MutexGuard<'_, Keyspace> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of one moment: no switch to others comes between keyspace and snapshot.
    pub(crate) fn show(&self) -> Shown {
        let rows = self.rows();
        let snapshot = self.database.snapshot();
        Shown { snapshot, rows: rows.clone(), at_hand: Mutex::default() }
    }

    /// Fills another keyspace; nothing refers to it yet, and [`DiskState::switch`] will.
    pub(crate) fn load(
        &self,
        rows: &mut dyn Iterator<Item = io::Result<Row>>,
        applied: &[u8],
    ) -> io::Result<Keyspace> {
        let old = self.rows().clone();
        let number: u64 = old.name().rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let name = format!("rows-{}", number + 1);
        let create = || self.database.keyspace(&name, options);
        // What an earlier try left goes first.
        self.database.delete_keyspace(create().map_err(io)?).map_err(io)?;
        let new = create().map_err(io)?;
        let (mut batch, mut count) = (self.database.batch(), 0);
        for row in rows {
            let (key, value) = row?;
            batch.insert(&new, row_key(&key), value);
            count += 1;
            if count % LOAD == 0 {
                std::mem::replace(&mut batch, self.database.batch()).commit().map_err(io)?;
            }
        }
        batch.insert(&new, APPLIED, applied);
        batch.commit().map_err(io)?;
        self.sync()?;
        Ok(new)
    }

    /// Shows the rows of `new` from now on, and after a crash either these or the old ones.
    pub(crate) fn switch(&self, new: Keyspace) -> io::Result<()> {
        let mut current = self.rows();
        self.records.insert(ROWS, new.name().as_bytes()).map_err(io)?;
        self.sync()?;
        let old = std::mem::replace(&mut *current, new);
        drop(current);
        self.database.delete_keyspace(old).map_err(io)
    }
}

/// Makes a database that is there whole, or not at all: one that a crash left half made does not
/// open.
fn make(folder: &Path) -> io::Result<()> {
    let draft = folder.with_extension("new");
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    drop(DiskState::open_at(&draft)?);
    sync_all_in(&draft)?;
    fs::rename(&draft, folder)?;
    folder.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Makes everything in a folder durable.
fn sync_all_in(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync_all_in(&entry.path())?,
            false => File::open(entry.path())?.sync_all()?,
        }
    }
    File::open(folder)?.sync_all()
}

/// The rows of one moment, whatever is written meanwhile.
pub(crate) struct Shown {
    snapshot: Snapshot,
    rows: Keyspace,
    at_hand: Mutex<AtHand>,
}

/// What was looked up lately, and what was not there. Almost every command asks for the same few
/// rows of its tenant, and for the rows of its device that its proposer has just looked at; a
/// look-up in the database costs ten times as much as here.
#[derive(Default)]
struct AtHand {
    young: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Those from before there were many young ones; what is asked for again is young again.
    old: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

impl AtHand {
    fn find(&mut self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        if let Some(found) = self.young.get(key) {
            return Some(found.clone());
        }
        let (key, found) = self.old.remove_entry(key)?;
        self.keep(key, found.clone());
        Some(found)
    }

    fn keep(&mut self, key: Vec<u8>, found: Option<Vec<u8>>) {
        if self.young.len() >= AT_HAND {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, found);
    }
}

impl Shown {
    fn at_hand(&self) -> MutexGuard<'_, AtHand> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn between(&self, from: &[u8], to: &[u8], limit: usize) -> fjall::Result<Vec<Row>> {
        self.snapshot.range(&self.rows, from..to).take(limit).map(row).collect()
    }
}

impl Moment for Shown {
    fn on_disk(&self) -> bool {
        true
    }

    fn applied(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.snapshot.get(&self.rows, APPLIED).map_err(io)?.map(|value| value.to_vec()))
    }

    fn row(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let found = self.snapshot.get(&self.rows, row_key(key)).map_err(io)?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn page(&self, after: Option<&[u8]>, bytes: usize) -> io::Result<Vec<Row>> {
        // The first key behind one is that with a zero more.
        let from = after.map_or(vec![ROW], |after| [&row_key(after)[..], &[0]].concat());
        let rows = self.snapshot.range(&self.rows, from..AFTER_ROWS.to_vec());
        page_of(rows.map(|found| row(found).map_err(io)), bytes)
    }
}

fn row(found: Guard) -> fjall::Result<Row> {
    let (key, value) = found.into_inner()?;
    Ok((key[1..].to_vec(), value.to_vec()))
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
        if let Some(found) = self.at_hand().find(key) {
            return found;
        }
        let found = sound(self.snapshot.get(&self.rows, row_key(key)));
        let found = found.map(|value| value.to_vec());
        self.at_hand().keep(key.to_vec(), found.clone());
        found
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
        self.show().applied()
    }

    /// Changes rows, each once, and the record, all or nothing.
    pub(crate) fn write<'a>(
        &self,
        changes: impl IntoIterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>,
        applied: &[u8],
    ) -> io::Result<()> {
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

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.database.persist(PersistMode::SyncAll).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::copy;

    /// What a start after a crash finds: the record, and how many rows.
    fn after_a_crash(folder: &Path) -> (Option<Vec<u8>>, usize) {
        let crashed = tempfile::tempdir().unwrap();
        copy(folder, crashed.path());
        let state = DiskState::open(crashed.path()).unwrap();
        assert_eq!(state.database.keyspace_count(), 2, "nothing half made is left");
        let shown = state.show();
        (shown.applied().unwrap(), shown.page(None, usize::MAX).unwrap().len())
    }

    /// fjall refuses a journal that was made and never used; `tests/power` found that.
    #[test]
    fn a_database_half_made_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let draft = folder.path().join("state.new");
        fs::create_dir(&draft).unwrap();
        fs::write(draft.join("0.jnl"), b"").unwrap();

        let state = DiskState::open(&folder.path().join("state")).unwrap();

        assert_eq!(state.applied().unwrap(), None);
        assert!(!draft.exists());
    }

    #[test]
    fn a_crash_at_any_step_of_a_replacement_leaves_the_old_rows_or_the_new_ones() {
        let folder = tempfile::tempdir().unwrap();
        let state = DiskState::open(folder.path()).unwrap();
        state.write([(&vec![1], &Some(vec![1]))], b"old").unwrap();
        state.sync().unwrap();
        let (old, new) = ((Some(b"old".to_vec()), 1), (Some(b"new".to_vec()), 10_000));
        let row = |number: u32| (number.to_be_bytes().to_vec(), vec![7; 20]);

        // Each batch of the load, and its end.
        let mut seen = 0;
        let mut rows = (0..10_000).map(|number| {
            if number % 2_500 == 0 {
                assert_eq!(after_a_crash(folder.path()), old);
                seen += 1;
            }
            Ok(row(number))
        });
        let loaded = state.load(&mut rows, b"new").unwrap();
        drop(rows);
        assert_eq!(seen, 4);
        assert_eq!(after_a_crash(folder.path()), old);
        // The switch, before and after it is durable, and before the old ones are gone.
        state.records.insert(ROWS, loaded.name().as_bytes()).unwrap();
        assert_eq!(after_a_crash(folder.path()), new);
        state.sync().unwrap();
        assert_eq!(after_a_crash(folder.path()), new);
        state.switch(loaded).unwrap();
        assert_eq!(after_a_crash(folder.path()), new);
        // And the next one.
        let again = state.load(&mut [Ok(row(1))].into_iter(), b"next").unwrap();
        state.switch(again).unwrap();
        assert_eq!(after_a_crash(folder.path()), (Some(b"next".to_vec()), 1));
    }

    #[test]
    fn what_is_asked_for_again_and_again_stays_at_hand_and_the_rest_does_not_pile_up() {
        let mut at_hand = AtHand::default();
        at_hand.keep(vec![], Some(vec![1]));

        for number in 0..10 * AT_HAND {
            at_hand.keep(number.to_be_bytes().to_vec(), None);
            assert_eq!(at_hand.find(&[]), Some(Some(vec![1])));
        }

        assert_eq!(at_hand.find(&0_usize.to_be_bytes()), None);
        assert!(at_hand.young.len() + at_hand.old.len() <= 2 * AT_HAND);
    }
}
