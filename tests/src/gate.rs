//! A way to the ledger that can be closed: what the process behind it still wants is not done.

use claviger_ledger::{Envelope, Ledger, Outcome, Rows, Unavailable};
use core::future::pending;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A ledger until it is closed, and none after.
pub(crate) struct Gate {
    ledger: Arc<dyn Ledger>,
    closed: AtomicBool,
}

impl Gate {
    pub(crate) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, closed: AtomicBool::new(false) }
    }

    /// The process behind it has died.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn open(&self) -> Option<&dyn Ledger> {
        (!self.closed.load(Ordering::Relaxed)).then_some(&*self.ledger)
    }
}

impl Ledger for Gate {
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unavailable>> {
        match self.open() {
            Some(ledger) => ledger.propose(envelope),
            None => Box::pin(async { Err(Unavailable::Stopped) }),
        }
    }

    fn confirm(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        match self.open() {
            Some(ledger) => ledger.confirm(),
            None => Box::pin(async { Err(Unavailable::Stopped) }),
        }
    }

    fn ready(&self) -> Result<(), Unavailable> {
        self.open().ok_or(Unavailable::Stopped)?.ready()
    }

    fn applied(&self) -> u64 {
        self.ledger.applied()
    }

    fn beyond(&self, index: u64) -> BoxFuture<'_, ()> {
        match self.open() {
            Some(ledger) => ledger.beyond(index),
            None => Box::pin(pending()),
        }
    }

    fn read(&self, look: &mut dyn FnMut(&dyn Rows)) {
        if let Some(ledger) = self.open() {
            ledger.read(look);
        }
    }
}
