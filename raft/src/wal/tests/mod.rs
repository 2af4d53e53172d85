//! The log against restarts, torn tails and rot.

mod damage;
mod property;
mod restart;

use super::frame::{self, FRAME, HEADER, Header};
use super::{Hand, RealDisk, Wal};
use crate::counters::Counters;
use crate::log_store::{Change, Kept, LogStore};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock};
use tempfile::{TempDir, tempdir};

/// What a log shows.
type Content = (Kept, Vec<Vec<u8>>);

fn content(log: &dyn LogStore) -> Content {
    let entries = log.entries(0, u64::MAX).expect("entries can be read");
    (log.kept(), entries.iter().map(|entry| entry.to_vec()).collect())
}

fn make(log: &dyn LogStore, change: Change) -> io::Result<()> {
    let (sender, done) = channel();
    log.change(change, Box::new(move |result| sender.send(result).expect("somebody waits")));
    done.recv().expect("a change is reported")
}

fn append(indexes: std::ops::Range<u64>, length: usize) -> Change {
    // No zeros: what is zeroed is lost.
    let entry =
        |index: u64| (index, Arc::from(vec![u8::try_from(index % 255).unwrap() + 1; length]));
    Change::Append(indexes.map(entry).collect())
}

fn open(folder: &Path) -> io::Result<Wal> {
    static COUNTERS: LazyLock<Arc<Counters>> = LazyLock::new(Arc::default);
    Wal::open(Arc::new(RealDisk), folder, Hand::Thread, &COUNTERS)
}

/// Opens and also says whether a torn tail was cut off.
fn open_torn(folder: &Path) -> io::Result<(Wal, bool)> {
    let counters = Arc::new(Counters::default());
    let wal = Wal::open(Arc::new(RealDisk), folder, Hand::Caller, &counters)?;
    Ok((wal, counters.torn_tails.load(Ordering::Relaxed) == 1))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    super::segment::list(&RealDisk, folder).unwrap().into_iter().map(|(_, path)| path).collect()
}

fn newest(folder: &Path) -> PathBuf {
    files(folder).pop().expect("a file")
}

/// The newest file up to where its last seal ends; that may end in zeros itself.
fn written(folder: &Path) -> Vec<u8> {
    let mut bytes = fs::read(newest(folder)).unwrap();
    let salt = Header::decode(&bytes).expect("a header").salt;
    let mut end = HEADER;
    while let Some((_, body)) = frame::read_batch(salt, &bytes[end..]) {
        end += FRAME + body.len();
    }
    bytes.truncate(end);
    bytes
}

/// A copy of the folder, as a crash would leave it.
fn crash_copy(folder: &Path) -> TempDir {
    let to = tempdir().unwrap();
    for path in files(folder) {
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// A folder whose newest file is `bytes`, and zeros behind.
fn with_newest(folder: &Path, bytes: &[u8]) -> TempDir {
    let to = crash_copy(folder);
    let path = newest(to.path());
    let mut whole = bytes.to_vec();
    whole.resize(fs::metadata(&path).unwrap().len().max(bytes.len() as u64) as usize, 0);
    fs::write(path, whole).unwrap();
    to
}
