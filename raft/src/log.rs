//! openraft's log over a [`LogStore`].
//!
//! An append is readable when it returns and reported when it is durable; the store joins what
//! waits into one sync. Votes, cuts and purges return when they are durable, in the same order.

use crate::frame::{self, Ballot, Id};
use crate::log_store::{Change, LogStore};
use crate::state_store::StateStore;
use crate::types::{Entry, LogId, Types, Vote};
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use tokio::sync::oneshot;

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
        self.state.sync()?;
        self.change(Change::Purge(upto.index, frame::encode(&Id::from(upto)))).await
    }
}
