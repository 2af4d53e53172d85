//! Whole nodes, and the stores under openraft's own suite.

mod anywhere;
mod cluster;
mod crash;
mod disk;
mod golden;
mod level;
mod members;
mod restore;
mod suite;

use crate::{MemoryTransport, Node, NodeConfig, Storage};
use claviger_ledger::{
    Command, CreateTenant, Damage, Envelope, Found, Ledger, Outcome, RequestId, Rows,
};
use std::fs;
use std::path::Path;

/// Puts `command` under its first four bytes and answers with the log index.
pub(super) fn put(rows: &mut dyn Rows, index: u64, command: &[u8]) -> Result<Vec<u8>, Damage> {
    let (key, _) = command.split_at_checked(4).ok_or(Damage { what: "a command", index })?;
    rows.put(key.to_vec(), command.to_vec());
    Ok(index.to_be_bytes().to_vec())
}

pub(super) fn config(folder: Option<&Path>, id: u64, transport: &MemoryTransport) -> NodeConfig {
    let storage = folder.map_or(Storage::Memory, |folder| Storage::Folder(folder.to_owned()));
    NodeConfig::new(storage, id, put, transport.at(id))
}

/// The same with the ledger's commands.
pub(super) fn ledger_config(folder: &Path, id: u64, transport: &MemoryTransport) -> NodeConfig {
    NodeConfig { apply: claviger_ledger::apply, ..config(Some(folder), id, transport) }
}

async fn propose(node: &Node, number: u8, command: impl Into<Command>) {
    let envelope = Envelope::new(1000, RequestId([number; 16]), command.into());
    let outcome = Ledger::propose(node, envelope).await.unwrap();
    assert!(matches!(outcome, Outcome::Done | Outcome::Made), "{outcome:?}");
}

/// Founds a ledger in the node's group.
pub(super) async fn founded_by(node: &Node) {
    propose(node, 1, Found { cluster: [1; 16] }).await;
}

pub(super) async fn tenant(node: &Node, name: &str) {
    propose(node, 2, CreateTenant { tenant: name.to_owned(), wrapped_key: vec![1; 48], root: 0 })
        .await;
}

/// Copies a folder as it is now.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

pub(super) fn command(number: u32, length: usize) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(length.max(4), 0xa5);
    bytes
}

pub(super) fn rows(node: &Node) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    node.read(&mut |rows| found = rows.range(&[], &[0xff; 8], usize::MAX / 2));
    found
}
