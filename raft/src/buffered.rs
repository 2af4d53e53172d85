//! Rows on disk behind a buffer in memory.
//!
//! One bootstrap changes the same few rows several times, and reads what it wrote a moment ago. So
//! changes gather in memory, where a later one replaces an earlier, and go to the database in
//! large batches by a thread of their own. What a crash takes is applied again from the log, which
//! is purged only behind [`StateStore::sync`].

use crate::disk::DiskState;
use crate::state_store::{Changes, Dump, Layered, Row, StateStore};
use claviger_ledger::Rows;
use std::io;
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::thread::JoinHandle;

/// A layer of so many rows goes to the database; small in tests.
const FULL: usize = if cfg!(test) { 16 } else { 8192 };
/// Above so many the next change waits for the database.
const CROWDED: usize = 8 * FULL;

/// Changes of one stretch of the log, and the record of its end.
#[derive(Debug, Default)]
struct Layer {
    changes: Changes,
    applied: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Layers {
    young: Layer,
    /// What is on its way to the database.
    old: Option<Arc<Layer>>,
}

struct Shared {
    disk: DiskState,
    layers: RwLock<Layers>,
    /// Held by whoever writes to the database.
    writing: Mutex<()>,
    /// Why it cannot be written any more; an error is for ever.
    failed: OnceLock<String>,
    /// True once the database has a record of what is applied. The first is written at once: rows
    /// without their log must be known for what they are (`node_id`).
    begun: AtomicBool,
}

/// The rows in a folder.
pub(crate) struct BufferedState {
    shared: Arc<Shared>,
    writer: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl BufferedState {
    /// Opens the folder, or makes it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let disk = DiskState::open(folder)?;
        let shared = Arc::new(Shared {
            begun: AtomicBool::new(disk.applied()?.is_some()),
            disk,
            layers: RwLock::default(),
            writing: Mutex::default(),
            failed: OnceLock::new(),
        });
        let (full, called) = sync_channel(1);
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new().name("ledger-rows".to_owned());
        let thread = thread.spawn(move || write_when(&called, &of_thread))?;
        Ok(Self { shared, writer: Some((full, thread)) })
    }
}

impl Drop for BufferedState {
    fn drop(&mut self) {
        let Some((full, thread)) = self.writer.take() else { return };
        drop(full);
        if thread.join().is_err() {
            tracing::error!("the thread of the ledger's rows ended by a panic");
        }
    }
}

/// Writes a layer at each call, until nobody can call any more.
fn write_when(called: &Receiver<()>, shared: &Shared) {
    while called.recv().is_ok() {
        if let Err(error) = shared.write_young(&shared.writing()) {
            tracing::error!(%error, "the ledger's rows cannot be written; this node stops");
        }
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the young layer to the database. It is shown all the while.
    fn write_young(&self, _writing: &MutexGuard<'_, ()>) -> io::Result<()> {
        self.sound()?;
        let mut layers = self.change();
        if layers.old.is_some() {
            // Whoever wrote it has ended in the middle: what is in it must not be written over.
            let words = "a layer of rows was not written to its end";
            let _ = self.failed.set(words.to_owned());
            return self.sound();
        }
        let layer = Arc::new(mem::take(&mut layers.young));
        layers.old = Some(layer.clone());
        drop(layers);
        if let Some(applied) = &layer.applied {
            let written = self.disk.write(&layer.changes, applied);
            written.inspect_err(|error| drop(self.failed.set(error.to_string())))?;
        }
        self.change().old = None;
        Ok(())
    }

    fn sound(&self) -> io::Result<()> {
        self.failed.get().map_or(Ok(()), |error| Err(io::Error::other(error.clone())))
    }
}

impl StateStore for BufferedState {
    fn applied(&self) -> io::Result<Option<Vec<u8>>> {
        let layers = self.shared.read();
        let old = layers.old.as_ref().and_then(|old| old.applied.clone());
        match layers.young.applied.clone().or(old) {
            Some(applied) => Ok(Some(applied)),
            None => self.shared.disk.applied(),
        }
    }

    fn apply(&self, changes: Changes, applied: &[u8]) -> io::Result<()> {
        self.shared.sound()?;
        let mut layers = self.shared.change();
        layers.young.changes.extend(changes);
        layers.young.applied = Some(applied.to_vec());
        let rows = layers.young.changes.len();
        drop(layers);
        let first = !self.shared.begun.swap(true, Ordering::Relaxed);
        if first || rows >= CROWDED {
            return self.shared.write_young(&self.shared.writing());
        }
        if rows >= FULL
            && let Some((full, _)) = &self.writer
        {
            // One call that waits is enough.
            let _ = full.try_send(());
        }
        Ok(())
    }

    fn replace(&self, rows: Vec<Row>, applied: &[u8]) -> io::Result<()> {
        let _writing = self.shared.writing();
        let mut layers = self.shared.change();
        self.shared.disk.replace(rows, applied)?;
        *layers = Layers::default();
        Ok(())
    }

    fn dump(&self) -> io::Result<Dump> {
        let writing = self.shared.writing();
        self.shared.write_young(&writing)?;
        self.shared.disk.dump()
    }

    fn view(&self, look: &mut dyn FnMut(&dyn Rows)) {
        let layers = self.shared.read();
        self.shared.disk.view(&mut |disk| match &layers.old {
            Some(old) => {
                let base = Layered { base: disk, changes: &old.changes };
                look(&Layered { base: &base, changes: &layers.young.changes });
            }
            None => look(&Layered { base: disk, changes: &layers.young.changes }),
        });
    }

    fn sync(&self) -> io::Result<()> {
        let writing = self.shared.writing();
        self.shared.write_young(&writing)?;
        self.shared.disk.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryState;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Apply(Vec<(u8, Option<u8>)>),
        Sync,
        Restart,
        Replace(Vec<(u8, u8)>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let change = (0..40_u8, proptest::option::of(any::<u8>()));
        let step = prop_oneof![
            12 => prop::collection::vec(change, 0..12).prop_map(Step::Apply),
            1 => Just(Step::Sync),
            1 => Just(Step::Restart),
            1 => prop::collection::vec((0..40_u8, any::<u8>()), 0..40).prop_map(Step::Replace),
        ];
        prop::collection::vec(step, 1..40)
    }

    /// The record, all rows, some of a range, and each key by itself.
    type Shown = (Option<Vec<u8>>, Vec<Row>, Vec<Row>, Vec<Option<Vec<u8>>>);

    fn shown(state: &dyn StateStore) -> Shown {
        let (mut all, mut some, mut each) = Default::default();
        state.view(&mut |rows| {
            all = rows.range(&[0], &[255], usize::MAX);
            some = rows.range(&[7], &[30], 5);
            each = (0..40).map(|key| rows.row(&[key])).collect();
        });
        (state.applied().unwrap(), all, some, each)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn shows_what_rows_in_memory_show(steps in steps()) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state");
            let (model, mut state) = (MemoryState::default(), BufferedState::open(&path).unwrap());
            for (number, step) in steps.into_iter().enumerate() {
                let applied = vec![number as u8];
                match step {
                    Step::Apply(changes) => {
                        let value = |value: Option<u8>| value.map(|value| vec![value]);
                        let changes = changes.into_iter().map(|(k, v)| (vec![k], value(v)));
                        let changes: Changes = changes.collect();
                        model.apply(changes.clone(), &applied).unwrap();
                        state.apply(changes, &applied).unwrap();
                    }
                    Step::Sync => state.sync().unwrap(),
                    Step::Restart => {
                        // An orderly one: what was not synced would be applied again from the log.
                        state.sync().unwrap();
                        drop(state);
                        state = BufferedState::open(&path).unwrap();
                    }
                    Step::Replace(rows) => {
                        let rows: std::collections::BTreeMap<_, _> = rows.into_iter().collect();
                        let rows = rows.into_iter().map(|(key, value)| (vec![key], vec![value]));
                        let rows: Vec<Row> = rows.collect();
                        model.replace(rows.clone(), &applied).unwrap();
                        state.replace(rows, &applied).unwrap();
                    }
                }
                prop_assert_eq!(shown(&model), shown(&state));
            }
            prop_assert_eq!(model.dump().unwrap(), state.dump().unwrap());
        }
    }

    #[test]
    fn readers_see_each_row_while_layers_go_to_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(BufferedState::open(&folder.path().join("state")).unwrap());
        let reader = state.clone();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let reading = std::thread::spawn(move || {
            let mut newest = 0;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                let mut seen = None;
                reader.view(&mut |rows| seen = Some((rows.row(&[0]), rows.row(&[1]))));
                let (first, second) = seen.unwrap();
                assert_eq!(first, second, "rows of one step");
                let value = first.map_or(0, |v| u32::from_be_bytes(v.try_into().unwrap()));
                assert!(value >= newest, "{value} after {newest}");
                newest = value;
            }
        });
        for number in 1..2_000_u32 {
            let value = Some(number.to_be_bytes().to_vec());
            let noise = vec![2 + (number % 60) as u8];
            let changes = [(vec![0], value.clone()), (vec![1], value.clone()), (noise, value)];
            state.apply(changes.into_iter().collect(), &number.to_be_bytes()).unwrap();
        }
        drop(stop);
        reading.join().unwrap();
    }
}
