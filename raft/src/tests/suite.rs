//! openraft's contract for storage, over both stores.

use crate::buffered::BufferedState;
use crate::log::Log;
use crate::log_store::LogStore;
use crate::memory::{MemoryLog, MemoryState};
use crate::state::Machine;
use crate::state_store::StateStore;
use crate::types::Types;
use crate::wal::{Hand, RealDisk, Wal};
use claviger_ledger::{Damage, Rows};
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use std::sync::Arc;
use tempfile::TempDir;

/// The suite's commands are its own text.
fn accept(_: &mut dyn Rows, _: u64, _: &[u8]) -> Result<Vec<u8>, Damage> {
    Ok(Vec::new())
}

struct Disk(Hand);
struct Memory;

fn parts(log: Arc<dyn LogStore>, state: Arc<dyn StateStore>, on_disk: bool) -> (Log, Machine) {
    let machine = Machine::new(state.clone(), accept, Arc::default(), Arc::default(), on_disk);
    (Log::new(log, state), machine)
}

impl StoreBuilder<Types, Log, Machine, TempDir> for Disk {
    async fn build(&self) -> Result<(TempDir, Log, Machine), StorageError<Types>> {
        let folder = tempfile::tempdir().expect("a folder");
        let wal =
            Wal::open(Arc::new(RealDisk), &folder.path().join("wal"), self.0, &Arc::default());
        let wal = wal.expect("the log opens");
        let state = BufferedState::open(&folder.path().join("state")).expect("the rows open");
        let (log, machine) = parts(Arc::new(wal), Arc::new(state), true);
        Ok((folder, log, machine))
    }
}

impl StoreBuilder<Types, Log, Machine, ()> for Memory {
    async fn build(&self) -> Result<((), Log, Machine), StorageError<Types>> {
        let (log, state) = (Arc::new(MemoryLog::default()), Arc::new(MemoryState::default()));
        let (log, machine) = parts(log, state, false);
        Ok(((), log, machine))
    }
}

#[tokio::test]
async fn the_stores_on_disk_keep_openrafts_contract() {
    for hand in [Hand::Caller, Hand::Thread] {
        Suite::test_all(Disk(hand)).await.expect("the suite passes");
    }
}

#[tokio::test]
async fn the_stores_in_memory_keep_openrafts_contract() {
    Suite::test_all(Memory).await.expect("the suite passes");
}
