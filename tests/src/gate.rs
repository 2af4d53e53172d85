//! A process's way to its ledger: it ends when the process dies, and waits while it does not run.

use claviger_ledger::{Envelope, Ledger, Outcome, Rows, Unavailable};
use core::future::pending;
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::watch;

/// How the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    /// The process does not run now.
    Stopped,
    /// It has died: what it still wants is not done.
    Closed,
}

/// A ledger until it is closed, and none after.
pub(crate) struct Gate {
    ledger: Arc<dyn Ledger>,
    door: watch::Sender<Door>,
    full: watch::Sender<bool>,
    /// True while no quorum answers.
    alone: watch::Sender<bool>,
}

impl Gate {
    pub(crate) fn new(ledger: Arc<dyn Ledger>) -> Self {
        let (full, alone) = (watch::Sender::new(false), watch::Sender::new(false));
        Self { ledger, door: watch::Sender::new(Door::Open), full, alone }
    }

    /// The process behind it has died.
    pub(crate) fn close(&self) {
        self.door.send_replace(Door::Closed);
    }

    /// The process behind it is stopped, or goes on.
    pub(crate) fn stop(&self, stopped: bool) {
        let to = if stopped { Door::Stopped } else { Door::Open };
        self.door.send_if_modified(|door| {
            let changes = *door != Door::Closed && *door != to;
            *door = if changes { to } else { *door };
            changes
        });
    }

    /// The ledger's disk is full, or has room again.
    pub(crate) fn fill(&self, full: bool) {
        self.full.send_replace(full);
    }

    /// No quorum says that this is the leader's ledger, or one does again.
    pub(crate) fn leave_alone(&self, alone: bool) {
        self.alone.send_replace(alone);
    }

    fn open(&self) -> Option<&dyn Ledger> {
        (*self.door.borrow() != Door::Closed).then_some(&*self.ledger)
    }

    /// Waits while the process does not run; false if it has died.
    async fn runs(&self) -> bool {
        let mut door = self.door.subscribe();
        let door = door.wait_for(|door| *door != Door::Stopped).await;
        door.is_ok_and(|door| *door == Door::Open)
    }
}

impl Ledger for Gate {
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unavailable>> {
        Box::pin(async move {
            if !self.runs().await {
                return Err(Unavailable::Stopped);
            }
            if *self.full.borrow() {
                return Err(Unavailable::OutOfSpace);
            }
            let fate = self.ledger.propose(envelope).await;
            if self.runs().await { fate } else { Err(Unavailable::Stopped) }
        })
    }

    fn confirm(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            if !self.runs().await {
                return Err(Unavailable::Stopped);
            }
            if *self.alone.borrow() {
                return Err(Unavailable::NoLeader);
            }
            let fate = self.ledger.confirm().await;
            if self.runs().await { fate } else { Err(Unavailable::Stopped) }
        })
    }

    fn ready(&self) -> Result<(), Unavailable> {
        if *self.full.borrow() {
            return Err(Unavailable::OutOfSpace);
        }
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
