//! Where a node keeps itself, and whose it is.

use crate::buffered::BufferedState;
use crate::counters::Counters;
use crate::log::durable;
use crate::log_store::{Change, LogStore};
use crate::memory::{MemoryLog, MemoryState};
use crate::simulated::SimulatedDisk;
use crate::space::{self, Space};
use crate::spool::Spools;
use crate::state_store::StateStore;
use crate::wal::{Disk, Hand, RealDisk, Wal};
use claviger_ledger::Meta;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a node keeps its log and its rows.
#[derive(Debug, Clone)]
pub enum Storage {
    /// A folder of its own, which it makes.
    Folder(PathBuf),
    /// Memory, which loses nothing as long as the process lives: for tests.
    Memory,
    /// A disk whose power a test can cut.
    Simulated(SimulatedDisk),
}

/// What a node has open.
pub(crate) struct Stores {
    pub(crate) log: Arc<dyn LogStore>,
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) spools: Spools,
    pub(crate) space: Space,
}

impl Storage {
    /// What errors are about.
    pub(crate) fn folder(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.clone(),
            Self::Memory | Self::Simulated(_) => PathBuf::new(),
        }
    }

    pub(crate) fn on_disk(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    pub(crate) fn open(
        &self,
        hand: Hand,
        reserve: u64,
        counters: &Arc<Counters>,
    ) -> io::Result<Stores> {
        match self {
            Self::Memory => Ok(Stores {
                log: Arc::new(MemoryLog::default()),
                state: Arc::new(MemoryState::default()),
                spools: Spools::Memory,
                space: Space::new(None, reserve),
            }),
            Self::Simulated(disk) => {
                let log = Wal::open(disk.files(), Path::new("wal"), Hand::Task, counters)?;
                let of_space = disk.clone();
                Ok(Stores {
                    log: Arc::new(log),
                    state: disk.rows()?,
                    spools: Spools::Memory,
                    space: Space::simulated(move || Ok(of_space.free()), reserve),
                })
            }
            Self::Folder(folder) => {
                RealDisk.make_folder(folder)?;
                let log = Wal::open(Arc::new(RealDisk), &folder.join("wal"), hand, counters)?;
                let state = BufferedState::open(&folder.join("state"))?;
                Ok(Stores {
                    log: Arc::new(log),
                    state: Arc::new(state),
                    spools: Spools::within(folder)?,
                    space: Space::new(Some(space::of_folder(folder)), reserve),
                })
            }
        }
    }
}

fn refused(words: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words.into())
}

/// The id in the log, or `fresh`, which is written there: an empty disk is a new node.
pub(crate) async fn node_id(
    log: &dyn LogStore,
    state: &dyn StateStore,
    fresh: u64,
) -> io::Result<u64> {
    let kept = log.kept();
    let known = state.applied()?.is_some();
    if kept.purged.is_some() && !known {
        return Err(refused(
            "the log is there but the rows that its beginning went into are gone; restore a \
             backup, or remove this node from its cluster, empty the folder and let it join anew",
        ));
    }
    if let Some(id) = kept.node {
        return Ok(id);
    }
    if known {
        // Its votes are gone: it could vote twice in a term.
        return Err(refused(
            "there are rows but the log is gone; restore a backup, or remove this node from its \
             cluster, empty the folder and let it join anew",
        ));
    }
    durable(log, Change::Node(fresh)).await?;
    Ok(fresh)
}

/// The cluster's record, if the rows have one.
pub(crate) fn meta(state: &dyn StateStore) -> io::Result<Option<Meta>> {
    let mut found = None;
    state.view(&mut |rows| found = rows.row(&Meta::key()));
    let Some(bytes) = found else { return Ok(None) };
    let unread = || refused("the cluster's record is of a newer version: start that version");
    Meta::decode(&bytes).map(Some).ok_or_else(unread)
}

/// Sees that this version knows the level that the rows were written by, and that they are of the
/// cluster that is meant.
pub(crate) fn check(
    state: &dyn StateStore,
    knows: u32,
    cluster: Option<[u8; 16]>,
) -> io::Result<()> {
    let Some(meta) = meta(state)? else { return Ok(()) };
    if meta.level > knows && meta.level <= claviger_ledger::LEVEL {
        return Err(refused(format!(
            "the cluster is at level {} already, and this node is told to hold it at {knows}: take \
             cluster.hold_level out of its configuration, since there is no way back to a version that \
             knows less",
            meta.level
        )));
    }
    if meta.level > knows {
        return Err(refused(format!(
            "the cluster is at level {}, and this version knows no more than {knows}: every node \
             had a newer version once, and an older one would apply its commands in another way; \
             start that version",
            meta.level
        )));
    }
    if cluster.is_some_and(|cluster| cluster != meta.cluster) {
        return Err(refused(
            "this folder is of another cluster than the one that the node is to be in; name its \
             own folder, or an empty one to join anew",
        ));
    }
    Ok(())
}
