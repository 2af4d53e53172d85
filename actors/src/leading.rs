//! The way to the edges, as long as the node leads: afterwards nothing goes out by it.
//!
//! Who leads no more ends its actors, but not in one moment: what one of them is about to say when
//! the word comes is not said.

use crate::{EdgeId, Edges};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::Zeroizing;

pub(crate) struct WhileLeading {
    edges: Arc<dyn Edges>,
    over: AtomicBool,
}

impl WhileLeading {
    pub(crate) fn new(edges: Arc<dyn Edges>) -> Arc<Self> {
        Arc::new(Self { edges, over: AtomicBool::new(false) })
    }

    /// From now on nothing is sent.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

impl Edges for WhileLeading {
    fn send(&self, edge: EdgeId, frame: Zeroizing<Vec<u8>>) -> bool {
        // Nothing follows from a frame of one that is about to end.
        self.over.load(Ordering::SeqCst) || self.edges.send(edge, frame)
    }

    fn node(&self, edge: EdgeId) -> u64 {
        self.edges.node(edge)
    }
}
