//! The rows of nodes, while one command is applied.

use crate::key::{self, Kind};
use crate::record::{NodeRecord, NodeRole};
use crate::state::{Book, Stop};

/// How many nodes one command looks at, to forget those that are gone.
const LOOK: usize = 64;

/// How far the clocks of two nodes may be apart, in ms: a day. A certificate is over everywhere
/// before it is forgotten that its node was dismissed.
const SKEW: u64 = 86_400_000;

impl Book<'_> {
    pub(crate) fn node(&self, node: u64) -> Result<Option<NodeRecord>, Stop> {
        self.load("a node", &key::of_all(Kind::Node, &node.to_be_bytes()))
    }

    pub(crate) fn store_node(&mut self, node: u64, record: &NodeRecord) {
        self.store(key::of_all(Kind::Node, &node.to_be_bytes()), record);
    }

    /// Forgets edges whose certificates are over: each start of one brings a new id.
    pub(crate) fn forget_edges(&mut self) -> Result<(), Stop> {
        for row in self.keys_under(&key::of_all(Kind::Node, &[]), LOOK) {
            let node: Option<NodeRecord> = self.load("a node", &row)?;
            let gone = |node: NodeRecord| {
                node.role == NodeRole::Edge && node.certified_until.saturating_add(SKEW) <= self.at
            };
            if node.is_some_and(gone) {
                self.drop_row(&row);
            }
        }
        Ok(())
    }
}
