//! Whole nodes, and the stores under openraft's own suite.

mod anywhere;
mod cluster;
mod disk;
mod golden;
mod suite;

use crate::{MemoryTransport, Node, NodeConfig};
use claviger_ledger::{Damage, Rows};
use std::path::Path;

/// Puts `command` under its first four bytes and answers with the log index.
pub(super) fn put(rows: &mut dyn Rows, index: u64, command: &[u8]) -> Result<Vec<u8>, Damage> {
    let (key, _) = command.split_at_checked(4).ok_or(Damage { what: "a command", index })?;
    rows.put(key.to_vec(), command.to_vec());
    Ok(index.to_be_bytes().to_vec())
}

pub(super) fn config(folder: Option<&Path>, id: u64, transport: &MemoryTransport) -> NodeConfig {
    let (folder, transport) = (folder.map(Path::to_owned), transport.at(id));
    NodeConfig { folder, reserve: 0, id, apply: put, transport }
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
