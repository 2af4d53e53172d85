//! Where a node keeps its log and its own records: a port. [`crate::wal`] is on disk.

use std::io;
use std::sync::Arc;

/// A change of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Entries by index, each index one above the last.
    Append(Vec<(u64, Arc<[u8]>)>),
    Vote(Vec<u8>),
    /// Removes the entries from this index on.
    Truncate(u64),
    /// Removes the entries up to this index, which may be above the last; the bytes are its id.
    Purge(u64, Vec<u8>),
    /// The node's id.
    Node(u64),
}

impl Change {
    /// Length of what it carries, in bytes.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Append(entries) => entries.iter().map(|(_, entry)| entry.len()).sum(),
            Self::Vote(bytes) | Self::Purge(_, bytes) => bytes.len(),
            Self::Truncate(_) | Self::Node(_) => 0,
        }
    }
}

/// The records beside the entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) node: Option<u64>,
    pub(crate) vote: Option<Vec<u8>>,
    /// Up to where entries are purged: index and id.
    pub(crate) purged: Option<(u64, Vec<u8>)>,
}

impl Kept {
    pub(crate) fn note(&mut self, change: &Change) {
        match change {
            Change::Vote(vote) => self.vote = Some(vote.clone()),
            Change::Purge(to, id) => self.purged = Some((*to, id.clone())),
            Change::Node(id) => self.node = Some(*id),
            Change::Append(_) | Change::Truncate(_) => {}
        }
    }

    /// The changes that make these records from none.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let node = self.node.map(Change::Node);
        let vote = self.vote.clone().map(Change::Vote);
        let purged = self.purged.clone().map(|(to, id)| Change::Purge(to, id));
        node.into_iter().chain(vote).chain(purged).collect()
    }
}

/// Called once, when a change is durable or never will be; perhaps on a thread of the store's own.
pub(crate) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// The log of one node. Changes become durable, and are reported, in the order of their calls;
/// after one that failed all fail, for ever: the node stops.
pub(crate) trait LogStore: Send + Sync + 'static {
    /// What is shown includes each change from the moment [`LogStore::change`] returned.
    fn kept(&self) -> Kept;
    fn entries(&self, from: u64, to: u64) -> io::Result<Vec<Arc<[u8]>>>;
    fn last_entry(&self) -> io::Result<Option<Arc<[u8]>>>;
    fn change(&self, change: Change, done: Done);
    /// Ends when all that was asked for is done, and frees the folder; later changes fail.
    fn close(&self);
}
