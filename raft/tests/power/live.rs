//! The node whose disk is watched: each command fills many rows, so that the database writes, too.

use claviger_ledger::{Damage, Rows};
use claviger_raft::{Alone, Node, NodeConfig, Storage};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// How many rows one command fills.
pub(crate) const ROWS: u32 = 3000;
/// How many commands there are between two starts.
pub(crate) const COMMANDS: u8 = 5;

/// Fills the rows of the number that a command is.
pub(crate) fn fill(rows: &mut dyn Rows, index: u64, command: &[u8]) -> Result<Vec<u8>, Damage> {
    let [number] = *command else { return Err(Damage { what: "a command", index }) };
    for row in 0..ROWS {
        let key = [&[number][..], &row.to_be_bytes()].concat();
        rows.put(key, row.wrapping_mul(2_654_435_761).to_be_bytes().repeat(4));
    }
    Ok(Vec::new())
}

/// Opens the node in `folder`.
pub(crate) async fn open(folder: &Path) -> Result<Node, String> {
    let storage = Storage::Folder(folder.to_owned());
    let config = NodeConfig::new(storage, 7, fill, Arc::new(Alone));
    Node::open_single(config).await.map_err(|error| error.to_string())
}

/// Two lives of the node; each command that is acknowledged is said on the standard output.
pub(crate) async fn live(folder: &Path) {
    for life in 0..2 {
        let node = open(folder).await.expect("it opens");
        for number in life * COMMANDS..(life + 1) * COMMANDS {
            node.propose(vec![number]).await.expect("a single voter commits");
            let mut out = std::io::stdout();
            out.write_all(format!("ack {number}\n").as_bytes()).expect("somebody listens");
            out.flush().expect("somebody listens");
        }
        node.shutdown().await;
    }
}
