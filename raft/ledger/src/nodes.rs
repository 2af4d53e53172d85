//! The rows of nodes, while one command is applied.

use crate::key::{self, Kind};
use crate::record::NodeRecord;
use crate::state::{Book, Stop};

/// How many nodes one command looks at, to forget those that are gone.
const LOOK: usize = 64;

impl Book<'_> {
    pub(crate) fn node(&self, node: u64) -> Result<Option<NodeRecord>, Stop> {
        self.load("a node", &key::of_all(Kind::Node, &node.to_be_bytes()))
    }

    pub(crate) fn store_node(&mut self, node: u64, record: &NodeRecord) {
        self.store(key::of_all(Kind::Node, &node.to_be_bytes()), record);
    }

    pub(crate) fn drop_node(&mut self, node: u64) {
        self.drop_row(&key::of_all(Kind::Node, &node.to_be_bytes()));
    }

    /// Forgets edges whose certificates are over: each start of one brings a new id.
    pub(crate) fn forget_edges(&mut self) -> Result<(), Stop> {
        for row in self.keys_under(&key::of_all(Kind::Node, &[]), LOOK) {
            let node: Option<NodeRecord> = self.load("a node", &row)?;
            if node.is_some_and(|node| node.is_gone(self.at)) {
                self.drop_row(&row);
            }
        }
        Ok(())
    }
}
