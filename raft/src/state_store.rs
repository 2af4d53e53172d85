//! Where a node keeps its rows: a port. [`crate::buffered`] and
//! [`crate::memory`] implement it.

use claviger_ledger::Rows;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What a step of the state machine changes: a value, or nothing where a row is removed.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// All rows of one moment; nobody waits for whoever reads them, or keeps them unread.
pub(crate) trait Moment: Send + Sync {
    /// True if whoever reads it waits for a disk.
    fn on_disk(&self) -> bool;
    /// The record of what is applied.
    fn applied(&self) -> io::Result<Option<Vec<u8>>>;
    fn row(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>>;
    /// Rows behind the key `after`, or from the first, in the order of their keys: so many that
    /// they have `bytes` bytes, if there are; at least one, if there is.
    fn page(&self, after: Option<&[u8]>, bytes: usize) -> io::Result<Vec<Row>>;
}

/// The rows of one node, with the record of up to where the log is applied to them. After a crash
/// they may be older than they were, never in part: the log above that record is applied again.
/// An error is for ever: the node stops.
pub(crate) trait StateStore: Send + Sync + 'static {
    fn applied(&self) -> io::Result<Option<Vec<u8>>>;
    /// Changes rows and the record, all or nothing.
    fn apply(&self, changes: Changes, applied: &[u8]) -> io::Result<()>;
    /// Replaces all rows and the record, all or nothing, and makes them durable. The old ones are
    /// shown until the new ones, which come in the order of their keys, are all there.
    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = io::Result<Row>>,
        applied: &[u8],
    ) -> io::Result<()>;
    fn moment(&self) -> io::Result<Arc<dyn Moment>>;
    /// Shows one consistent set of rows.
    fn view(&self, look: &mut dyn FnMut(&dyn Rows));
    /// Makes durable what was applied.
    fn sync(&self) -> io::Result<()>;
    /// A record of what is applied that is durable already; newer ones may be, too.
    fn durable(&self) -> io::Result<Option<Vec<u8>>>;
}

/// So many of these rows that they have `bytes` bytes.
pub(crate) fn page_of(
    rows: impl Iterator<Item = io::Result<Row>>,
    bytes: usize,
) -> io::Result<Vec<Row>> {
    let (mut page, mut length) = (Vec::new(), 0);
    for row in rows {
        let row = row?;
        length += row.0.len() + row.1.len();
        page.push(row);
        if length >= bytes {
            break;
        }
    }
    Ok(page)
}

/// Rows of `base` in a range, with what changed in that range.
pub(crate) fn changed_range(
    base: &dyn Rows,
    changed: &BTreeMap<&Vec<u8>, &Option<Vec<u8>>>,
    from: &[u8],
    to: &[u8],
    limit: usize,
) -> Vec<Row> {
    if changed.is_empty() {
        return base.range(from, to, limit);
    }
    // Each change can hide one row of the base.
    let more = limit.saturating_add(changed.len());
    let mut rows: BTreeMap<_, _> = base.range(from, to, more).into_iter().collect();
    for (key, change) in changed {
        match change {
            Some(value) => rows.insert((*key).clone(), value.clone()),
            None => rows.remove(*key),
        };
    }
    rows.into_iter().take(limit).collect()
}

/// Rows with the changes of commands that are not stored yet.
pub(crate) struct Overlay<'a> {
    pub(crate) base: &'a dyn Rows,
    pub(crate) changes: Changes,
}

impl Rows for Overlay<'_> {
    fn row(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.changes.get(key) {
            Some(change) => change.clone(),
            None => self.base.row(key),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    fn remove(&mut self, key: &[u8]) {
        self.changes.insert(key.to_vec(), None);
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Row> {
        if from >= to {
            return Vec::new();
        }
        let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Excluded(to));
        let changed = self.changes.range::<[u8], _>(bounds).collect();
        changed_range(self.base, &changed, from, to, limit)
    }
}
