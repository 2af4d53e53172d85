//! Rows on disk behind a buffer in memory.
//!
//! One bootstrap changes the same few rows several times, and reads what it wrote a moment ago. So
//! changes gather in memory, where a later one replaces an earlier, and go to the database in
//! large batches by a thread of their own. What a crash takes is applied again from the log, which
//! is purged only behind [`StateStore::sync`].

use crate::disk::{DiskState, Shown};
use crate::state_store::{Changes, Moment, Row, StateStore, changed_range};
use claviger_ledger::Rows;
use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

/// A layer of so many rows goes to the database; small in tests.
const FULL: usize = if cfg!(test) { 16 } else { 8192 };
/// Above so many the next change waits for the database.
const CROWDED: usize = 8 * FULL;

/// Changes of one stretch of the log, and the record of its end.
#[derive(Debug, Clone, Default)]
struct Layer {
    changes: Changes,
    applied: Option<Vec<u8>>,
}

impl Layer {
    /// Both as one; what is `above` is the later.
    fn merge(below: Arc<Self>, above: Arc<Self>) -> Self {
        let mut merged = Arc::unwrap_or_clone(below);
        let above = Arc::unwrap_or_clone(above);
        merged.changes.extend(above.changes);
        merged.applied = above.applied.or(merged.applied);
        merged
    }
}

/// All rows of one moment. Whoever looks at them holds no lock, and keeps nobody from writing.
#[derive(Clone)]
struct Layers {
    disk: Arc<Shown>,
    /// What is on its way to the database, oldest first.
    leaving: Vec<Arc<Layer>>,
    /// What somebody looked at when the next change came, oldest first: these stay as they are.
    still: Vec<Arc<Layer>>,
    /// Changed in place, as long as nobody looks at it.
    young: Arc<Layer>,
}

impl Layers {
    fn of(disk: Shown) -> Self {
        let (leaving, still) = (Vec::new(), Vec::new());
        Self { disk: Arc::new(disk), leaving, still, young: Arc::default() }
    }

    /// Oldest first.
    fn all(&self) -> impl DoubleEndedIterator<Item = &Layer> {
        let young = core::iter::once(&self.young);
        self.leaving.iter().chain(&self.still).chain(young).map(|layer| &**layer)
    }

    /// The layer to change; one that somebody looks at gives way to another.
    fn young(&mut self) -> &mut Layer {
        if Arc::get_mut(&mut self.young).is_none() {
            let mut still = mem::take(&mut self.young);
            // Each is more than twice as long as the next: there are few, and a row moves seldom.
            let short = |below: &mut Arc<Layer>, still: &Layer| {
                below.changes.len() <= 2 * still.changes.len()
            };
            while let Some(below) = self.still.pop_if(|below| short(below, &still)) {
                still = Arc::new(Layer::merge(below, still));
            }
            self.still.push(still);
        }
        Arc::get_mut(&mut self.young).expect("nobody has seen a layer that is new")
    }

    /// How many changes wait for the database; some may be of the same row.
    fn waiting(&self) -> usize {
        let still: usize = self.still.iter().map(|layer| layer.changes.len()).sum();
        still + self.young.changes.len()
    }
}

impl Rows for Layers {
    fn row(&self, key: &[u8]) -> Option<Vec<u8>> {
        let changed = self.all().rev().find_map(|layer| layer.changes.get(key));
        changed.map_or_else(|| Rows::row(&*self.disk, key), Clone::clone)
    }

    fn put(&mut self, _: Vec<u8>, _: Vec<u8>) {
        unreachable!("rows are changed through an overlay only");
    }

    fn remove(&mut self, _: &[u8]) {
        unreachable!("rows are changed through an overlay only");
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Row> {
        if from >= to {
            return Vec::new();
        }
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let mut changed = BTreeMap::new();
        for layer in self.all() {
            changed.extend(layer.changes.range::<[u8], _>(bounds));
        }
        changed_range(&*self.disk, &changed, from, to, limit)
    }
}

/// Of each row its last change, in the order of the keys: a row may stand once only in what is
/// written. The layers are in order, so that there is little to sort.
fn last_changes(layers: &[Arc<Layer>]) -> Vec<(&Vec<u8>, &Option<Vec<u8>>)> {
    let count = layers.iter().map(|layer| layer.changes.len()).sum();
    let mut changes = Vec::with_capacity(count);
    layers.iter().rev().for_each(|layer| changes.extend(&layer.changes));
    changes.sort_by(|one, other| one.0.cmp(other.0));
    // The newest layer came first, and rows of one key stay in their order.
    changes.dedup_by(|older, newer| older.0 == newer.0);
    changes
}

struct Shared {
    disk: DiskState,
    layers: Mutex<Layers>,
    /// Held by whoever writes to the database.
    writing: Mutex<()>,
    /// Why it cannot be written any more; an error is for ever.
    failed: OnceLock<String>,
    /// What is durable, as far as it was asked for.
    durable: Mutex<Option<Vec<u8>>>,
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
        let applied = disk.applied()?;
        let shared = Arc::new(Shared {
            begun: AtomicBool::new(applied.is_some()),
            durable: Mutex::new(applied),
            layers: Mutex::new(Layers::of(disk.show())),
            writing: Mutex::default(),
            failed: OnceLock::new(),
            disk,
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
        if let Err(error) = shared.write_waiting(&shared.writing()) {
            tracing::error!(%error, "the ledger's rows cannot be written; this node stops");
        }
    }
}

impl Shared {
    fn layers(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was applied until now, as the database has it. Whoever reads it holds no lock: that
    /// takes as long as there are rows, and a full buffer would wait for it.
    fn settled(&self) -> io::Result<Shown> {
        let writing = self.writing();
        self.write_waiting(&writing)?;
        Ok(self.disk.show())
    }

    fn note_durable(&self, applied: Option<Vec<u8>>) {
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner) = applied;
    }

    /// Writes what waits to the database. It is shown all the while.
    fn write_waiting(&self, _writing: &MutexGuard<'_, ()>) -> io::Result<()> {
        self.sound()?;
        let mut layers = self.layers();
        if !layers.leaving.is_empty() {
            // Whoever wrote it has ended in the middle: what is in it must not be written over.
            let words = "a layer of rows was not written to its end";
            let _ = self.failed.set(words.to_owned());
            return self.sound();
        }
        let mut leaving = mem::take(&mut layers.still);
        leaving.push(mem::take(&mut layers.young));
        layers.leaving.clone_from(&leaving);
        drop(layers);
        if let Some(applied) = leaving.iter().rev().find_map(|layer| layer.applied.as_ref()) {
            let written = match &leaving[..] {
                [one] => self.disk.write(&one.changes, applied),
                more => self.disk.write(last_changes(more), applied),
            };
            written.inspect_err(|error| drop(self.failed.set(error.to_string())))?;
        }
        let disk = Arc::new(self.disk.show());
        let mut layers = self.layers();
        layers.leaving.clear();
        let old = mem::replace(&mut layers.disk, disk);
        drop(layers);
        // What nobody looks at any more is dropped while nobody waits.
        drop((old, leaving));
        Ok(())
    }

    fn sound(&self) -> io::Result<()> {
        self.failed.get().map_or(Ok(()), |error| Err(io::Error::other(error.clone())))
    }
}

impl StateStore for BufferedState {
    fn applied(&self) -> io::Result<Option<Vec<u8>>> {
        let layers = self.shared.layers();
        let newest = layers.all().rev().find_map(|layer| layer.applied.clone());
        drop(layers);
        match newest {
            Some(applied) => Ok(Some(applied)),
            None => self.shared.disk.applied(),
        }
    }

    fn apply(&self, changes: Changes, applied: &[u8]) -> io::Result<()> {
        self.shared.sound()?;
        let mut layers = self.shared.layers();
        let young = layers.young();
        young.changes.extend(changes);
        young.applied = Some(applied.to_vec());
        let rows = layers.waiting();
        drop(layers);
        let first = !self.shared.begun.swap(true, Ordering::Relaxed);
        if first || rows >= CROWDED {
            return self.shared.write_waiting(&self.shared.writing());
        }
        if rows >= FULL
            && let Some((full, _)) = &self.writer
        {
            // One call that waits is enough.
            let _ = full.try_send(());
        }
        Ok(())
    }

    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = io::Result<Row>>,
        applied: &[u8],
    ) -> io::Result<()> {
        let _writing = self.shared.writing();
        self.shared.sound()?;
        // Who looks meanwhile sees the old rows, and waits for nobody.
        let new = self.shared.disk.load(rows, applied)?;
        let mut layers = self.shared.layers();
        self.shared.disk.switch(new)?;
        *layers = Layers::of(self.shared.disk.show());
        self.shared.note_durable(Some(applied.to_vec()));
        Ok(())
    }

    fn moment(&self) -> io::Result<Arc<dyn Moment>> {
        Ok(Arc::new(self.shared.settled()?))
    }

    fn view(&self, look: &mut dyn FnMut(&dyn Rows)) {
        // The lock is free again before anybody looks.
        let shown = self.shared.layers().clone();
        look(&shown);
    }

    fn sync(&self) -> io::Result<()> {
        let applied = self.shared.settled()?.applied()?;
        self.shared.disk.sync()?;
        self.shared.note_durable(applied);
        Ok(())
    }

    fn durable(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.shared.durable.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::all_of;
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

    fn dumped(state: &dyn StateStore) -> (Option<Vec<u8>>, Vec<Row>) {
        let moment = state.moment().unwrap();
        let (mut rows, mut last) = (Vec::new(), None);
        loop {
            let page = moment.page(last.as_deref(), 20).unwrap();
            let Some((key, _)) = page.last() else { break };
            last = Some(key.clone());
            rows.extend(page);
        }
        (moment.applied().unwrap(), rows)
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
                        let rows = || rows.clone().into_iter().map(Ok);
                        model.replace(&mut rows(), &applied).unwrap();
                        state.replace(&mut rows(), &applied).unwrap();
                    }
                }
                prop_assert_eq!(shown(&model), shown(&state));
            }
            prop_assert_eq!(dumped(&model), dumped(&state));
        }
    }

    #[test]
    fn who_looks_keeps_nobody_from_writing_and_sees_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let state = BufferedState::open(&folder.path().join("state")).unwrap();
        let step = |number: u8| {
            let changes = [(vec![0], Some(vec![number])), (vec![number], Some(vec![number]))];
            state.apply(changes.into_iter().collect(), &[number]).unwrap();
        };
        step(1);

        // Within a look: a lock that was held here would never be free.
        state.view(&mut |before| {
            for number in 2..100 {
                state.view(&mut |nested| {
                    step(number);
                    assert_eq!(nested.row(&[0]), Some(vec![number - 1]));
                });
            }
            state.sync().unwrap();
            assert_eq!(before.row(&[0]), Some(vec![1]));
            assert_eq!(before.range(&[0], &[255], 9).len(), 2);
        });

        let mut after = None;
        state.view(&mut |rows| after = Some((rows.row(&[0]), rows.range(&[1], &[255], 200).len())));
        assert_eq!(after, Some((Some(vec![99]), 99)));
        assert_eq!(state.applied().unwrap(), Some(vec![99]));
    }

    fn applies(state: &BufferedState, number: u32) {
        let number = number.to_be_bytes().to_vec();
        let change = (number.clone(), Some(number.clone()));
        state.apply([change].into(), &number).unwrap();
    }

    #[test]
    fn nobody_waits_for_a_moment_to_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let state = BufferedState::open(&folder.path().join("state")).unwrap();
        let crowded = CROWDED as u32;
        (0..crowded).for_each(|number| applies(&state, number));
        let moment = state.moment().unwrap();
        let mut read = all_of(&*moment);
        let first = read.next();
        assert!(first.is_some());

        // With a lock that was held until the last row is read, these would wait for ever.
        (0..11 * crowded).for_each(|number| applies(&state, number));
        state.sync().unwrap();

        let rows: Vec<Row> = first.into_iter().chain(read).collect::<io::Result<_>>().unwrap();
        assert_eq!(moment.applied().unwrap(), Some((crowded - 1).to_be_bytes().to_vec()));
        assert_eq!(rows.len(), CROWDED);
    }

    #[test]
    fn what_is_durable_is_what_was_synced_or_replaced_or_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let state = BufferedState::open(&path).unwrap();
        assert_eq!(state.durable().unwrap(), None);
        applies(&state, 1);
        assert_eq!(state.durable().unwrap(), None);

        state.sync().unwrap();
        applies(&state, 2);
        assert_eq!(state.durable().unwrap(), Some(vec![0, 0, 0, 1]));
        state.replace(&mut [Ok((vec![1], vec![1]))].into_iter(), &[3]).unwrap();
        assert_eq!(state.durable().unwrap(), Some(vec![3]));
        drop(state);

        let again = BufferedState::open(&path).unwrap();
        assert_eq!(again.durable().unwrap(), Some(vec![3]));
    }

    #[test]
    fn rows_that_end_in_an_error_replace_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = BufferedState::open(&folder.path().join("state")).unwrap();
        applies(&state, 1);
        let broken = || Err(io::Error::other("cut off"));

        let refused = state.replace(&mut [Ok((vec![1], vec![1])), broken()].into_iter(), &[3]);

        assert!(refused.is_err());
        assert_eq!(state.applied().unwrap(), Some(vec![0, 0, 0, 1]));
        applies(&state, 2);
        state.replace(&mut [Ok((vec![1], vec![1]))].into_iter(), &[4]).unwrap();
        assert_eq!(dumped(&state), (Some(vec![4]), vec![(vec![1], vec![1])]));
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
