//! A disk in memory that forgets what was not synced, for the seeded world.
//!
//! It has the node's log, byte by byte, under the same code that writes to a real disk, and the
//! node's rows as their database keeps them: changes that were not synced may be lost, the latest
//! first. Cut its power ([`SimulatedDisk::cut_power`]), let an operation fail, or let it be full;
//! then open another node on it. Which unsynced bytes were on the disk already follows from its
//! seed.

mod files;
mod rows;
#[cfg(test)]
mod tests;

use files::Files;
use rows::Kept;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the disk does at an operation that a test has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power is lost in its middle: it, and all that follows, fails.
    PowerLoss,
    /// It fails, and what it was to do may be done in part.
    Error,
}

#[derive(Debug)]
struct Inner {
    files: Files,
    rows: Kept,
    /// Raised when the power is cut: what was opened before cannot reach the disk any more.
    power: u64,
    on: bool,
    /// How many operations are left before this happens.
    fault: Option<(u64, Fault)>,
    /// How many operations there were.
    operations: u64,
    /// True if the sync of a file does nothing.
    lies: bool,
    draw: Draw,
}

/// One disk; clones are the same one.
#[derive(Debug, Clone)]
pub struct SimulatedDisk(Arc<Mutex<Inner>>);

impl SimulatedDisk {
    /// An empty disk with room for `room` bytes of files.
    pub fn new(seed: u64, room: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            files: Files::new(room),
            rows: Kept::default(),
            power: 0,
            on: true,
            fault: None,
            operations: 0,
            lies: false,
            draw: Draw(seed),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power, if it is not lost already, and gives it back. Of each write that was not
    /// synced, any sectors may be there; the node that was open here reaches the disk no more.
    pub fn cut_power(&self) {
        let inner = &mut *self.inner();
        inner.files.crash(&mut inner.draw);
        inner.rows.crash(&mut inner.draw);
        inner.power += 1;
        inner.on = true;
        inner.fault = None;
    }

    /// Lets the operation behind the next `operations` ones (writes, syncs, and changes of names)
    /// end so.
    pub fn fail_after(&self, operations: u64, fault: Fault) {
        self.inner().fault = Some((operations, fault));
    }

    /// Lets the sync of a file say that it is done and do nothing, as a disk does that lies, or a log
    /// that does not sync.
    pub fn skip_syncs(&self) {
        self.inner().lies = true;
    }

    /// True unless the power was lost in an operation.
    pub fn is_on(&self) -> bool {
        self.inner().on
    }

    /// How many operations there were, by which a test finds where to let one fail.
    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// Gives the files room for `room` bytes.
    pub fn resize(&self, room: u64) {
        self.inner().files.room = room;
    }

    /// Bytes that files do not take yet.
    pub fn free(&self) -> u64 {
        let inner = self.inner();
        inner.files.room.saturating_sub(inner.files.taken())
    }
}

impl Inner {
    /// Stands before each operation: true if it is to be done in part, and then to fail.
    fn begin(&mut self, power: u64) -> io::Result<bool> {
        if !self.on || power != self.power {
            return Err(io::Error::other("the disk has no power"));
        }
        self.operations += 1;
        match &mut self.fault {
            Some((0, fault)) => {
                self.on = *fault != Fault::PowerLoss;
                self.fault = None;
                Ok(true)
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(false)
            }
            None => Ok(false),
        }
    }

    fn reads(&self, power: u64) -> io::Result<()> {
        match self.on && power == self.power {
            true => Ok(()),
            false => Err(io::Error::other("the disk has no power")),
        }
    }
}

fn failed() -> io::Error {
    io::Error::other("a fault of the simulated disk")
}

/// What is drawn follows from the seed.
#[derive(Debug)]
struct Draw(u64);

impl Draw {
    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        let (state, word) = crate::runtime::split_mix(self.0);
        self.0 = state;
        word % limit.max(1)
    }
}
