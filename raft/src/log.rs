//! openraft's log over a [`LogStore`].
//!
//! An append is readable when it returns and reported when it is durable; the store joins what
//! waits into one sync. Votes, cuts and purges return when they are durable, in the same order.

use crate::frame::{self, Applied, Ballot, Id};
use crate::log_store::{Change, LogStore};
use crate::state_store::StateStore;
use crate::transport::FRAME_LIMIT;
use crate::types::{Entry, LogId, Types, Vote};
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use tokio::sync::oneshot;

/// How many bytes of entries go to another node at once, if they are more than one.
const ENTRIES: usize = FRAME_LIMIT / 4;

/// The log.
#[derive(Clone)]
pub(crate) struct Log {
    store: Arc<dyn LogStore>,
    state: Arc<dyn StateStore>,
}

impl Log {
    /// A log, with the rows that its entries were applied to: these become durable before a part
    /// of the log goes.
    pub(crate) fn new(store: Arc<dyn LogStore>, state: Arc<dyn StateStore>) -> Self {
        Self { store, state }
    }

    /// True if the rows need no entry up to `upto` any more, as after the snapshot that the log is
    /// purged for. A sync would keep whoever proposes waiting.
    fn outlives(&self, upto: LogId) -> io::Result<bool> {
        let durable = self.state.durable()?;
        let durable: Option<Applied> = durable.map(|bytes| frame::decode(&bytes)).transpose()?;
        let last = durable.and_then(|applied| applied.last);
        Ok(last.is_some_and(|last| LogId::from(last).index >= upto.index))
    }

    async fn change(&self, change: Change) -> io::Result<()> {
        durable(&*self.store, change).await
    }
}

/// Makes a change and waits until it is durable.
pub(crate) async fn durable(store: &dyn LogStore, change: Change) -> io::Result<()> {
    let (sender, done) = oneshot::channel();
    store.change(change, Box::new(move |result| drop(sender.send(result))));
    done.await.map_err(|_| io::Error::other("the log has ended"))?
}

/// The same for a store that writes by the hand of whoever asks, who need not be in a task.
pub(crate) fn durable_now(store: &dyn LogStore, change: Change) -> io::Result<()> {
    let (sender, done) = std::sync::mpsc::channel();
    store.change(change, Box::new(move |result| drop(sender.send(result))));
    done.recv().map_err(|_| io::Error::other("the log has ended"))?
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(from) => from + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(to) => to + 1,
            Bound::Excluded(to) => *to,
            Bound::Unbounded => u64::MAX,
        };
        self.store.entries(from, to)?.iter().map(|bytes| frame::decode_entry(bytes)).collect()
    }

    /// The first of the entries up to `to`, as many as fit one frame.
    async fn limited_get_log_entries(&mut self, from: u64, to: u64) -> io::Result<Vec<Entry>> {
        let mut room = ENTRIES;
        let mut fits = |bytes: &Arc<[u8]>| {
            let first = room == ENTRIES;
            let fits = first || bytes.len() <= room;
            room = room.saturating_sub(bytes.len().max(1));
            fits
        };
        let entries = self.store.entries(from, to)?;
        let fitting = entries.iter().take_while(|bytes| fits(bytes));
        fitting.map(|bytes| frame::decode_entry(bytes)).collect()
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        let vote = self.store.kept().vote;
        let ballot: Option<Ballot> = vote.map(|bytes| frame::decode(&bytes)).transpose()?;
        Ok(ballot.map(Vote::from))
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let purged = self.store.kept().purged;
        let purged: Option<Id> = purged.map(|(_, id)| frame::decode(&id)).transpose()?;
        let purged = purged.map(LogId::from);
        let last = self.store.last_entry()?.map(|bytes| frame::decode_entry(&bytes)).transpose()?;
        let last = last.map(|entry| entry.log_id).max(purged);
        Ok(LogState { last_purged_log_id: purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.change(Change::Vote(frame::encode(&Ballot::from(vote)))).await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().map(|e| (e.log_id.index, frame::encode_entry(e).into()));
        let done = Box::new(move |result| callback.io_completed(result));
        self.store.change(Change::Append(entries.collect()), done);
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.change(Change::Truncate(last.map_or(0, |last| last.index + 1))).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        if !self.outlives(upto)? {
            self.state.sync()?;
        }
        self.change(Change::Purge(upto.index, frame::encode(&Id::from(upto)))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryLog, MemoryState};
    use crate::state_store::{Changes, Moment, Row};
    use crate::types::{Command, LeaderId, Payload, StoredMembership};
    use claviger_ledger::Rows;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Rows that are durable up to where they were synced last.
    #[derive(Default)]
    struct Synced {
        rows: MemoryState,
        syncs: AtomicUsize,
        durable: std::sync::Mutex<Option<Vec<u8>>>,
    }

    impl StateStore for Synced {
        fn applied(&self) -> io::Result<Option<Vec<u8>>> {
            self.rows.applied()
        }

        fn apply(&self, changes: Changes, applied: &[u8]) -> io::Result<()> {
            self.rows.apply(changes, applied)
        }

        fn replace(
            &self,
            rows: &mut dyn Iterator<Item = io::Result<Row>>,
            applied: &[u8],
        ) -> io::Result<()> {
            self.rows.replace(rows, applied)
        }

        fn moment(&self) -> io::Result<Arc<dyn Moment>> {
            self.rows.moment()
        }

        fn view(&self, look: &mut dyn FnMut(&dyn Rows)) {
            self.rows.view(look);
        }

        fn sync(&self) -> io::Result<()> {
            self.syncs.fetch_add(1, Ordering::Relaxed);
            *self.durable.lock().unwrap() = self.rows.applied()?;
            Ok(())
        }

        fn durable(&self) -> io::Result<Option<Vec<u8>>> {
            Ok(self.durable.lock().unwrap().clone())
        }
    }

    fn id(index: u64) -> LogId {
        LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index }
    }

    #[tokio::test]
    async fn as_many_entries_are_read_for_another_node_as_fit_a_frame_and_never_none() {
        let store: Arc<dyn LogStore> = Arc::new(MemoryLog::default());
        let entry = |index, length| {
            let payload = Payload::Normal(Command(vec![7; length]));
            (index, frame::encode_entry(Entry { log_id: id(index), payload }).into())
        };
        let lengths = [10, ENTRIES / 2, ENTRIES / 3, ENTRIES / 3, 2 * ENTRIES, 10];
        let entries = (1..).zip(lengths).map(|(index, length)| entry(index, length));
        durable(&*store, Change::Append(entries.collect())).await.unwrap();
        let mut log = Log::new(store, Arc::new(Synced::default()));
        let mut read = async |from| {
            let entries = log.limited_get_log_entries(from, 7).await.unwrap();
            entries.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>()
        };

        assert_eq!(read(1).await, [1, 2, 3]);
        assert_eq!(read(4).await, [4]);
        assert_eq!(read(5).await, [5]);
        assert_eq!(read(6).await, [6]);
    }

    #[tokio::test]
    async fn a_purge_syncs_only_rows_that_would_need_what_goes() {
        let state = Arc::new(Synced::default());
        let mut log = Log::new(Arc::new(MemoryLog::default()), state.clone());
        let syncs = || state.syncs.load(Ordering::Relaxed);
        let applied = |index| {
            let membership = (&StoredMembership::default()).into();
            let applied = Applied { last: Some(id(index).into()), membership };
            state.apply(Changes::new(), &frame::encode(&applied)).unwrap();
        };
        applied(300);

        log.purge(id(100)).await.unwrap();
        assert_eq!(syncs(), 1, "nothing was durable");
        log.purge(id(300)).await.unwrap();
        assert_eq!(syncs(), 1);
        applied(301);
        log.purge(id(301)).await.unwrap();
        assert_eq!(syncs(), 2);
    }
}
