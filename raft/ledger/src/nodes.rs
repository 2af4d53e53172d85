//! The rows of nodes, while one command is applied.

use crate::Refusal;
use crate::key::{self, Kind};
use crate::record::{NodeAuthority, NodeRecord};
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

    pub(crate) fn node_authority(&self) -> Result<Option<NodeAuthority>, Stop> {
        self.load("the authority of nodes", &key::of_all(Kind::NodeAuthority, &[]))
    }

    pub(crate) fn store_node_authority(&mut self, authority: &NodeAuthority) {
        self.store(key::of_all(Kind::NodeAuthority, &[]), authority);
    }

    /// Refuses a certificate that the newest authority does not issue: another one took its place
    /// meanwhile, and whoever wants one asks again.
    pub(crate) fn unless_issuer_changed(&self, issuer: Option<[u8; 32]>) -> Result<(), Stop> {
        match (issuer, self.node_authority()?) {
            (Some(issuer), Some(newest)) if issuer != newest.name() => {
                Err(Refusal::not_found("authority that still issues certificates", "nodes").into())
            }
            _ => Ok(()),
        }
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
