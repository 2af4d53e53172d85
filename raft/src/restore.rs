//! A cluster that goes on from a copy: a backup, or the folder of a node that is left of many.
//!
//! Both make a new folder for a new node, the only voter of a new incarnation of the cluster
//! ([`claviger_ledger::begin_incarnation`]); the others join it with empty folders. The folder
//! appears under its name when all in it is on the disk. The old nodes must not come back: they
//! know nothing of it, and would go on as the cluster that is given up.

use crate::backup::{Backup, open, sync_folder_of};
use crate::buffered::BufferedState;
use crate::disk::DiskState;
use crate::frame::{self, Applied, Ballot, Id, Stored};
use crate::log::durable_now;
use crate::log_store::{Change, LogStore};
use crate::simulated::SimulatedDisk;
use crate::state_store::{Changes, Moment, Overlay, StateStore};
use crate::types::{LeaderId, LogId, Membership, Payload, StoredMembership, Vote};
use crate::wal::{Hand, RealDisk, Wal};
use crate::{OpenError, image};
use claviger_ledger::{Apply, Begun, Damage, begin_incarnation, incarnation_begins};
use openraft::BasicNode;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The node that a copy becomes.
#[derive(Debug, Clone)]
pub struct Successor {
    /// Its folder, which is not there yet, or is empty.
    pub folder: PathBuf,
    /// Its id: a random one, which no node of the cluster ever had.
    pub id: u64,
    /// Where others are to reach it.
    pub address: String,
    /// Now, in ms since the Unix epoch.
    pub now: u64,
}

/// What is left of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Its id.
    pub id: u64,
    /// The last term in its log.
    pub term: u64,
    /// The last index in its log. Of several that are left, the one with the highest term, and of
    /// these with the highest index, has all that was acknowledged, if any has.
    pub last_index: u64,
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words.to_owned())
}

/// Makes a node of a backup.
///
/// # Errors
/// [`OpenError::Folder`] if the backup is damaged, or the folder has something in it.
pub fn restore(backup: &Path, to: &Successor) -> Result<(Backup, Begun), OpenError> {
    let failed = |source| OpenError::Folder { folder: backup.to_owned(), source };
    let (known, rows) = open(backup).map_err(failed)?;
    Ok((known, build(to, |state| fill(state, rows, to.now, to.id))?))
}

impl SimulatedDisk {
    /// Makes a node of a backup on this disk, which is empty, as [`restore`] does in a folder. `id`,
    /// `address` and `now` are as in [`Successor`].
    ///
    /// # Errors
    /// [`OpenError::Folder`] if the backup is damaged.
    pub fn restore(
        &self,
        backup: &Path,
        id: u64,
        address: &str,
        now: u64,
    ) -> Result<Begun, OpenError> {
        let made = || {
            let (state, (_, rows)) = (self.rows()?, open(backup)?);
            let old = fill(&*state, rows, now, id)?;
            let log = Wal::open(self.files(), Path::new("wal"), Hand::Caller, &Arc::default())?;
            begin(&*state, &log, old, Heir { id, address, now })
        };
        made().map_err(|source| OpenError::Folder { folder: backup.to_owned(), source })
    }
}

/// Puts the rows of a backup into a store, and says behind what a new incarnation begins.
fn fill(
    state: &dyn StateStore,
    mut rows: image::Rows<'_>,
    now: u64,
    id: u64,
) -> io::Result<Option<LogId>> {
    let applied = rows.applied.clone();
    state.replace(&mut rows, &frame::encode(&applied))?;
    Ok(applied.log_id().map(|old| before(old, now, id)))
}

/// Makes a node of the folder of one that has stopped, with all that is in its log. That folder is
/// opened as its own node would open it, which cuts a torn tail off, and keeps all it has.
///
/// # Errors
/// [`OpenError::Folder`] if either folder cannot be used.
pub fn recover(from: &Path, apply: Apply, to: &Successor) -> Result<Begun, OpenError> {
    let failed = |source| OpenError::Folder { folder: from.to_owned(), source };
    let Left { log, state } = Left::open(from).map_err(failed)?;
    build(to, |new| {
        let moment = state.show();
        let applied = Applied::of(moment.applied()?)?;
        new.replace(&mut image::all_of(&moment), &frame::encode(&applied))?;
        let Some(old) = log_end(&log, &applied)? else { return Ok(None) };
        replay(&log, new, applied, apply, before(old, to.now, to.id)).map(Some)
    })
}

/// The id before that at which a new incarnation of a copy begins, whose last one is `old`.
fn before(old: LogId, now: u64, id: u64) -> LogId {
    LogId { index: incarnation_begins(old.index, now, id) - 1, ..old }
}

/// The last id in a log, or behind which it begins.
fn log_end(log: &Wal, applied: &Applied) -> io::Result<Option<LogId>> {
    Ok(match log.last_entry()? {
        Some(bytes) => Some(frame::decode_entry(&bytes)?.log_id).max(applied.log_id()),
        None => applied.log_id(),
    })
}

/// What is left in the folder of a node that has stopped.
///
/// # Errors
/// [`OpenError::Folder`] if it cannot be read, or is in use.
pub fn survivor(folder: &Path) -> Result<Survivor, OpenError> {
    let read = Left::open(folder).and_then(|left| {
        let id = left.log.kept().node.ok_or_else(|| invalid("there is no node"))?;
        let last = log_end(&left.log, &Applied::of(left.state.applied()?)?)?;
        let last_index = last.map_or(0, |last| last.index);
        Ok(Survivor { id, term: last.map_or(0, |last| last.leader_id.term), last_index })
    });
    read.map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })
}

/// The stores of a node that has stopped.
struct Left {
    log: Wal,
    state: DiskState,
}

impl Left {
    fn open(folder: &Path) -> io::Result<Self> {
        let wal = folder.join("wal");
        if !wal.try_exists()? {
            return Err(invalid("there is no node in this folder"));
        }
        let log = Wal::open(Arc::new(RealDisk), &wal, Hand::Caller, &Arc::default())?;
        let state = DiskState::open(&folder.join("state"))?;
        if log.kept().purged.is_some() && state.applied()?.is_none() {
            return Err(invalid("its rows are gone, and the log does not reach back far enough"));
        }
        Ok(Self { log, state })
    }
}

/// Applies what the log has behind the rows, from `at` on. Gives where they stand then.
///
/// Nobody knows whether all of it was committed: where it was not, the cluster may have committed
/// something else at the same index, and told of it. So it gets indexes that nothing ever had.
fn replay(
    log: &Wal,
    state: &dyn StateStore,
    mut applied: Applied,
    apply: Apply,
    mut at: LogId,
) -> io::Result<LogId> {
    let mut next = applied.log_id().map_or(0, |id| id.index + 1);
    loop {
        let entries = log.entries(next, next + 256)?;
        if entries.is_empty() {
            return Ok(at);
        }
        let entries = entries.iter().map(|bytes| frame::decode_entry(bytes));
        let entries: Vec<_> = entries.collect::<io::Result<_>>()?;
        next = entries.last().map_or(next, |last| last.log_id.index + 1);
        let first = at.index + 1;
        let changes = changes(state, |rows| {
            for (index, entry) in (first..).zip(&entries) {
                at = LogId { index, ..entry.log_id };
                if let Payload::Normal(command) = &entry.payload {
                    apply(rows, index, &command.0)?;
                }
            }
            Ok(())
        })?;
        applied.last = Some(at.into());
        state.apply(changes, &frame::encode(&applied))?;
    }
}

/// What `make` changes in these rows.
fn changes(
    state: &dyn StateStore,
    mut make: impl FnMut(&mut Overlay<'_>) -> Result<(), Damage>,
) -> io::Result<Changes> {
    let mut made = Ok(Changes::new());
    state.view(&mut |base| {
        let mut rows = Overlay { base, changes: Changes::new() };
        made = make(&mut rows).map(|()| rows.changes);
    });
    made.map_err(|damage| io::Error::new(io::ErrorKind::InvalidData, damage))
}

/// Builds the successor's folder: rows by `fill`, which says behind what the new incarnation begins,
/// then that, and a log that begins behind it.
fn build(
    to: &Successor,
    fill: impl FnOnce(&dyn StateStore) -> io::Result<Option<LogId>>,
) -> Result<Begun, OpenError> {
    let failed = |source| OpenError::Folder { folder: to.folder.clone(), source };
    let built = || {
        let draft = fresh(&to.folder)?;
        let begun = build_in(&draft, to, fill)?;
        fs::rename(&draft, &to.folder)?;
        sync_folder_of(&to.folder)?;
        Ok(begun)
    };
    built().map_err(failed)
}

/// An empty folder beside the one that it becomes.
fn fresh(folder: &Path) -> io::Result<PathBuf> {
    match fs::read_dir(folder).map(|mut inside| inside.next().is_none()) {
        Ok(true) => fs::remove_dir(folder)?,
        Ok(false) => return Err(invalid("there is something in it; name a new folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let draft = folder.with_file_name(name);
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&draft)?;
    Ok(draft)
}

fn build_in(
    draft: &Path,
    to: &Successor,
    fill: impl FnOnce(&dyn StateStore) -> io::Result<Option<LogId>>,
) -> io::Result<Begun> {
    let state = BufferedState::open(&draft.join("state"))?;
    let old = fill(&state)?;
    let log = Wal::open(Arc::new(RealDisk), &draft.join("wal"), Hand::Caller, &Arc::default())?;
    begin(&state, &log, old, Heir { id: to.id, address: &to.address, now: to.now })
}

/// A [`Successor`], wherever it is kept.
struct Heir<'a> {
    id: u64,
    address: &'a str,
    now: u64,
}

/// Begins the incarnation in these rows, behind `old`, with the successor as the only voter,
/// and its log behind them.
fn begin(
    state: &dyn StateStore,
    log: &dyn LogStore,
    old: Option<LogId>,
    to: Heir<'_>,
) -> io::Result<Begun> {
    let old = old.ok_or_else(|| invalid("there is nothing in it"))?;
    let leader_id = LeaderId { term: old.leader_id.term + 1, node_id: to.id };
    let last = LogId { leader_id, index: old.index + 1 };
    let me = BTreeMap::from([(to.id, BasicNode { addr: to.address.to_owned() })]);
    let alone = Membership::new(vec![BTreeSet::from([to.id])], me);
    let alone = alone.map_err(|_| invalid("a node that is its own only voter"))?;
    let membership = Stored::from(&StoredMembership::new(Some(last), alone));
    let mut begun = Begun::default();
    let changes = changes(state, |rows| {
        begun = begin_incarnation(rows, last.index, to.now)?;
        Ok(())
    })?;
    let applied = Applied { last: Some(last.into()), membership };
    state.apply(changes, &frame::encode(&applied))?;
    state.sync()?;
    let vote = Vote { leader_id, committed: true };
    for change in [
        Change::Node(to.id),
        Change::Vote(frame::encode(&Ballot::from(&vote))),
        Change::Purge(last.index, frame::encode(&Id::from(last))),
    ] {
        durable_now(log, change)?;
    }
    Ok(begun)
}
