//! The log on a disk: files of batches, written by one thread.
//!
//! A change is in memory, and shown, when it is asked for; it is written, synced and reported by
//! who asks, or by a thread that puts all that waits into one batch ([`Hand`]). Votes go the same
//! way as entries.
//! `recovery` reads the files at start and tells a torn tail, which is cut off, from rot, which is
//! refused. It knows indexes and bytes, not what an entry says.
//!
//! It is made for a file system whose sync is honest: what a lying disk loses behind the last
//! acknowledged batch looks like a torn tail.

mod disk;
mod frame;
#[cfg(test)]
pub(crate) mod golden;
mod index;
mod recovery;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use crate::counters::Counters;
use crate::log_store::{Change, Done, Kept, LogStore};
use crate::runtime::Runtime;
pub(crate) use disk::{Disk, DiskFile, RealDisk};
use index::Index;
use openraft_rt::AsyncRuntime;
use rand_core::Rng;
use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use writer::{Desk, Job, Pen};

/// Whose hand writes a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// That of whoever asks for a change, who waits for the disk. Nothing is handed to another
    /// thread and back, and what comes meanwhile waits in his own queue and goes with his next
    /// change.
    Caller,
    /// A thread's, so that whoever asks can go on: he has others to answer, such as followers.
    Thread,
    /// That of a task, for a disk that is simulated: the same, in virtual time.
    Task,
}

/// The log in a folder. Closing or dropping it waits until all that was asked for is written.
#[derive(Debug)]
pub(crate) struct Wal {
    index: Arc<Mutex<Index>>,
    writer: Mutex<Option<Writer>>,
}

struct Writer {
    way: Way,
    /// Held so that nobody else writes here.
    _lock: Box<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

enum Way {
    Caller(Box<Pen>),
    Thread(Sender<Job>, JoinHandle<()>),
    Task(Arc<Desk>),
}

impl Way {
    fn open(pen: Pen, hand: Hand) -> io::Result<Self> {
        match hand {
            Hand::Caller => return Ok(Self::Caller(Box::new(pen))),
            Hand::Task => return Ok(Self::Task(Desk::open(pen))),
            Hand::Thread => {}
        }
        let (jobs, queue) = channel();
        let thread = std::thread::Builder::new().name("ledger-log".to_owned());
        Ok(Self::Thread(jobs, thread.spawn(move || writer::run(pen, &queue))?))
    }
}

/// Random, and not zero, which is what an empty disk reads as.
fn salt() -> u64 {
    Runtime::thread_rng().next_u64() | 1
}

impl Wal {
    /// Opens the log in `folder`, or makes it.
    ///
    /// # Errors
    /// Kind `InvalidData` if the files are damaged where entries may have been acknowledged.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        hand: Hand,
        counters: &Arc<Counters>,
    ) -> io::Result<Self> {
        disk.make_folder(folder)?;
        let lock = disk.lock(folder)?;
        let found = recovery::recover(disk, folder)?;
        if found.torn {
            Counters::one(&counters.torn_tails);
        }
        let index = Arc::new(Mutex::new(found.index));
        let way = Way::open(Pen::new(found.tail, index.clone(), counters.clone()), hand)?;
        Ok(Self { index, writer: Mutex::new(Some(Writer { way, _lock: lock })) })
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogStore for Wal {
    fn kept(&self) -> Kept {
        self.index().kept.clone()
    }

    fn entries(&self, from: u64, to: u64) -> io::Result<Vec<Arc<[u8]>>> {
        let found = self.index().entries(from, to);
        found.into_iter().map(index::Found::read).collect()
    }

    fn last_entry(&self) -> io::Result<Option<Arc<[u8]>>> {
        let last = self.index().last();
        last.map(index::Found::read).transpose()
    }

    fn change(&self, change: Change, done: Done) {
        // The lock spans both, so that the log has the order that the index has.
        let mut writer = self.writer();
        let ticket = self.index().change(&change);
        let job = Job { change, ticket, done };
        let unsent = match writer.as_mut().map(|writer| &mut writer.way) {
            Some(Way::Thread(jobs, _)) => jobs.send(job).err().map(|unsent| unsent.0),
            Some(Way::Caller(pen)) => {
                pen.write(vec![job]);
                None
            }
            Some(Way::Task(desk)) => {
                desk.put(job);
                None
            }
            None => Some(job),
        };
        drop(writer);
        if let Some(job) = unsent {
            (job.done)(Err(io::Error::other("the log is closed")));
        }
    }

    fn close(&self) {
        let Some(Writer { way, _lock }) = self.writer().take() else { return };
        match way {
            Way::Caller(_) => {}
            Way::Task(desk) => desk.write(),
            Way::Thread(jobs, thread) => {
                drop(jobs);
                if thread.join().is_err() {
                    tracing::error!("the thread that writes the log panicked");
                }
            }
        }
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        self.close();
    }
}
