//! Writing the log: one batch at a time is unsynced.
//!
//! Whatever was asked for while the thread of [`run`] was busy goes into its next batch. When that
//! is synced it is sealed, and only then reported. The seal itself is not synced: it goes with the next batch, and
//! tells a start after a crash of the process, or rot found later, that the batch before it was
//! acknowledged.

use super::disk::Disk;
use super::frame::{self, FRAME, HEADER, Header, Span};
use super::index::{Index, Place};
use super::segment::{STEP, Segment};
use crate::counters::Counters;
use crate::log_store::{Change, Done, Kept};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A file takes no more batches above this length; small in tests, which try every byte.
const FULL: u64 = if cfg!(test) { 64 << 10 } else { 16 << 20 };
/// A batch takes no more changes above this length.
const BATCH: usize = 4 << 20;
/// Room for a batch that is kept for the next one.
const ROOM: usize = 256 << 10;

/// A change, its ticket of [`Index::change`], and whom to tell.
pub(super) struct Job {
    pub(super) change: Change,
    pub(super) ticket: u64,
    pub(super) done: Done,
}

/// A file that is full, and the highest index in it.
#[derive(Debug)]
pub(super) struct Full {
    pub(super) segment: Arc<Segment>,
    pub(super) highest: Option<u64>,
}

/// The end of the log, where batches are written.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: PathBuf,
    pub(super) segment: Arc<Segment>,
    pub(super) highest: Option<u64>,
    /// Where the next batch goes, and up to where the file has bytes.
    pub(super) offset: u64,
    pub(super) length: u64,
    /// The sequence of the next batch.
    pub(super) sequence: u64,
    /// What is on the disk already, for the head of the next file.
    pub(super) kept: Kept,
    pub(super) full: VecDeque<Full>,
    /// Room for the body of a batch and for the whole: new room for each costs more than to fill it.
    pub(super) room: (Vec<u8>, Vec<u8>),
}

/// Whoever holds it writes the log. After an error nothing is written again: what a failed sync
/// left on the disk cannot be known.
#[derive(Debug)]
pub(super) struct Pen {
    tail: Tail,
    index: Arc<Mutex<Index>>,
    counters: Arc<Counters>,
    failed: Option<io::Error>,
}

impl Pen {
    pub(super) fn new(tail: Tail, index: Arc<Mutex<Index>>, counters: Arc<Counters>) -> Self {
        Self { tail, index, counters, failed: None }
    }

    /// Writes and syncs these changes as one batch, and reports them.
    pub(super) fn write(&mut self, batch: Vec<Job>) {
        if self.failed.is_none() {
            self.failed = self.tail.write(&batch, &self.index, &self.counters).err();
            if let Some(error) = &self.failed {
                tracing::error!(%error, "the log cannot be written; this node stops");
            }
        }
        for job in batch {
            let again = |e: &io::Error| io::Error::new(e.kind(), e.to_string());
            (job.done)(self.failed.as_ref().map_or(Ok(()), |error| Err(again(error))));
        }
    }
}

/// Writes until nobody can ask any more.
pub(super) fn run(mut pen: Pen, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        pen.write(gather(first, jobs));
    }
}

/// How long a simulated disk takes; tokio's clock knows nothing shorter.
const SLOW: Duration = Duration::from_millis(1);

/// Where changes wait for a task that writes them, a moment after the first of them came.
pub(super) struct Desk {
    waiting: Mutex<Vec<Job>>,
    pen: Mutex<Pen>,
    called: Arc<Notify>,
}

impl Desk {
    /// A desk, with its task, which ends with it.
    pub(super) fn open(pen: Pen) -> Arc<Self> {
        let called = Arc::new(Notify::new());
        let (waiting, pen) = (Mutex::default(), Mutex::new(pen));
        let desk = Arc::new(Self { waiting, pen, called: called.clone() });
        tokio::spawn(write_at(Arc::downgrade(&desk), called));
        desk
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Job>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, job: Job) {
        self.waiting().push(job);
        self.called.notify_one();
    }

    /// Writes what waits.
    pub(super) fn write(&self) {
        let jobs = std::mem::take(&mut *self.waiting());
        if !jobs.is_empty() {
            self.pen.lock().unwrap_or_else(PoisonError::into_inner).write(jobs);
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.called.notify_one();
    }
}

async fn write_at(desk: Weak<Desk>, called: Arc<Notify>) {
    loop {
        called.notified().await;
        tokio::time::sleep(SLOW).await;
        match desk.upgrade() {
            Some(desk) => desk.write(),
            None => return,
        }
    }
}

fn gather(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let mut length = first.change.length();
    let mut batch = vec![first];
    while length < BATCH
        && let Ok(next) = jobs.try_recv()
    {
        length += next.change.length();
        batch.push(next);
    }
    batch
}

impl Tail {
    /// The first file of a new log.
    pub(super) fn create(disk: Arc<dyn Disk>, folder: PathBuf, salt: u64) -> io::Result<Self> {
        let segment = Segment::create(&*disk, &folder, Header { number: 1, first: 1, salt })?;
        Ok(Self {
            disk,
            folder,
            segment: Arc::new(segment),
            highest: None,
            offset: HEADER as u64,
            length: STEP,
            sequence: 1,
            kept: Kept::default(),
            full: VecDeque::new(),
            room: Default::default(),
        })
    }

    fn write(&mut self, jobs: &[Job], index: &Mutex<Index>, counters: &Counters) -> io::Result<()> {
        let mut body = std::mem::take(&mut self.room.0);
        let (mut spans, mut tickets) = (Vec::new(), Vec::new());
        for job in jobs {
            frame::put(&job.change, &mut body, &mut spans);
            tickets.resize(spans.len(), job.ticket);
        }
        let begun = Instant::now();
        let offset = self.put(&body)?;
        counters.fsync_took(begun.elapsed());
        let mut shown = index.lock().unwrap_or_else(PoisonError::into_inner);
        for (span, ticket) in spans.iter().zip(tickets) {
            self.highest = self.highest.max(Some(span.index));
            shown.placed(span.index, ticket, self.place(offset, span, &body));
        }
        drop(shown);
        body.clear();
        body.shrink_to(ROOM);
        self.room.0 = body;
        jobs.iter().for_each(|job| self.kept.note(&job.change));
        match jobs.iter().any(|job| matches!(job.change, Change::Purge(..))) {
            true => self.remove_purged(),
            false => Ok(()),
        }
    }

    fn place(&self, offset: u64, span: &Span, body: &[u8]) -> Place {
        let entry = &body[span.offset..span.offset + span.length];
        Place {
            segment: self.segment.clone(),
            offset: offset + (FRAME + span.offset) as u64,
            length: span.length,
            crc: crc32fast::hash(entry),
        }
    }

    /// Writes, syncs and seals one batch; gives where it begins.
    fn put(&mut self, body: &[u8]) -> io::Result<u64> {
        if self.offset > HEADER as u64 && self.offset + body.len() as u64 > FULL {
            self.begin_file()?;
        }
        let begin = self.offset;
        let batch = &mut self.room.1;
        frame::put_batch(self.segment.header.salt, self.sequence, body, batch);
        let end = begin + batch.len() as u64;
        self.grow(end + FRAME as u64)?;
        self.segment.write(begin, &self.room.1)?;
        self.room.1.shrink_to(ROOM);
        self.segment.sync()?;
        self.seal(end, self.sequence)?;
        self.sequence += 1;
        Ok(begin)
    }

    /// Says that the batch `sequence`, which ends at `end`, is synced.
    fn seal(&mut self, end: u64, sequence: u64) -> io::Result<()> {
        let seal = frame::batch(self.segment.header.salt, sequence, &[]);
        self.segment.write(end, &seal)?;
        self.offset = end + FRAME as u64;
        Ok(())
    }

    /// Makes durable what a start found: the last batch, which ends at `end`, may never have been
    /// synced, and a newest file without a batch may lack the records.
    pub(super) fn settle(&mut self, end: u64, first: u64) -> io::Result<()> {
        self.grow(self.offset)?;
        self.segment.sync()?;
        if self.sequence > first {
            return self.seal(end, self.sequence - 1);
        }
        match self.full.is_empty() {
            true => Ok(()),
            false => self.put_records(),
        }
    }

    fn grow(&mut self, end: u64) -> io::Result<()> {
        let wanted = end.next_multiple_of(STEP);
        if wanted > self.length {
            self.segment.zero(self.length, wanted)?;
            self.length = wanted;
        }
        Ok(())
    }

    /// Goes on in a new file. It begins with the records, so that the files before can go.
    fn begin_file(&mut self) -> io::Result<()> {
        let number = self.segment.header.number + 1;
        let header = Header { number, first: self.sequence, salt: super::salt() };
        let segment = Arc::new(Segment::create(&*self.disk, &self.folder, header)?);
        let old = std::mem::replace(&mut self.segment, segment);
        self.full.push_back(Full { segment: old, highest: self.highest.take() });
        (self.offset, self.length) = (HEADER as u64, STEP);
        self.put_records()
    }

    fn put_records(&mut self) -> io::Result<()> {
        let mut body = Vec::new();
        for record in self.kept.changes() {
            frame::put(&record, &mut body, &mut Vec::new());
        }
        if !body.is_empty() {
            self.put(&body)?;
        }
        Ok(())
    }

    /// Removes the oldest files as long as all in them is purged.
    fn remove_purged(&mut self) -> io::Result<()> {
        let purged = self.kept.purged.as_ref().map(|(to, _)| *to);
        let mut removed = false;
        while let Some(full) = self.full.pop_front_if(|full| full.highest <= purged) {
            self.disk.remove(&full.segment.path)?;
            removed = true;
        }
        if removed { self.disk.sync_folder(&self.folder) } else { Ok(()) }
    }
}
