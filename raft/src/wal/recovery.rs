//! Reading the log at start.
//!
//! A batch that is not sound is a torn tail only in the newest file, and only if no sound batch or
//! seal of its sequence or above stands anywhere behind it: then it was never acknowledged, and it
//! is cut off. Everything else means that what was acknowledged may be gone: the log is refused,
//! with the file and the byte. When the log is open, all that counts as there is synced and sealed.

use super::disk::Disk;
use super::frame::{self, FRAME, HEADER};
use super::index::{Index, Place};
use super::segment::{Segment, damaged, list};
use super::writer::{Full, Tail};
use crate::log_store::Change;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A log that was read.
pub(super) struct Recovered {
    pub(super) index: Index,
    pub(super) tail: Tail,
    /// True if a torn tail was cut off.
    pub(super) torn: bool,
}

/// Reads the log in `folder`; makes one if there is none.
pub(super) fn recover(disk: Arc<dyn Disk>, folder: &Path) -> io::Result<Recovered> {
    let mut files = list(&*disk, folder)?;
    let Some((number, path)) = files.pop() else {
        let tail = Tail::create(disk, folder.to_owned(), super::salt())?;
        return Ok(Recovered { index: Index::default(), tail, torn: false });
    };
    let (index, full) = (Index::default(), VecDeque::new());
    let mut reader = Reader { disk, index, full, joint: None };
    for (number, path) in files {
        let (file, _) = reader.read(number, path)?;
        reader.full.push_back(Full { segment: file.segment, highest: file.highest });
    }
    let (file, bytes) = reader.read(number, path)?;
    reader.finish(folder, file, &bytes)
}

/// A file as far as it is sound.
struct Sound {
    segment: Arc<Segment>,
    /// Where the last sound batch ends, without its seal; the header's end if there is none.
    end: usize,
    /// The sequence that would follow.
    sequence: u64,
    highest: Option<u64>,
}

/// What the files before must join.
struct Joint {
    number: u64,
    sequence: u64,
    path: PathBuf,
    end: usize,
}

struct Reader {
    disk: Arc<dyn Disk>,
    index: Index,
    full: VecDeque<Full>,
    joint: Option<Joint>,
}

impl Reader {
    /// Reads the next file, which must go on where the one before ended.
    fn read(&mut self, number: u64, path: PathBuf) -> io::Result<(Sound, Vec<u8>)> {
        let (segment, bytes) = Segment::open(&*self.disk, number, path)?;
        if let Some(joint) = &self.joint
            && (joint.number + 1, joint.sequence) != (number, segment.header.first)
        {
            return Err(damaged(&joint.path, joint.end as u64));
        }
        let sequence = segment.header.first;
        let mut file = Sound { segment: Arc::new(segment), end: HEADER, sequence, highest: None };
        let mut at = HEADER;
        while let Some((sequence, body)) = sound_batch(&file, &bytes, at) {
            self.replay(&mut file, at + FRAME, body)?;
            file.sequence = sequence + 1;
            file.end = at + FRAME + body.len();
            at = file.end + FRAME;
        }
        let (path, end) = (file.segment.path.clone(), file.end);
        self.joint = Some(Joint { number, sequence: file.sequence, path, end });
        Ok((file, bytes))
    }

    fn replay(&mut self, file: &mut Sound, offset: usize, body: &[u8]) -> io::Result<()> {
        let mut at = 0;
        while at < body.len() {
            // Its checksum holds: another version wrote it.
            let record = frame::read_record(body, &mut at);
            let (change, content) =
                record.ok_or_else(|| damaged(&file.segment.path, (offset + at) as u64))?;
            let ticket = self.index.change(&change);
            let Change::Append(entries) = change else { continue };
            for (index, entry) in entries {
                file.highest = file.highest.max(Some(index));
                let place = Place {
                    segment: file.segment.clone(),
                    offset: (offset + content) as u64,
                    length: entry.len(),
                    crc: crc32fast::hash(&entry),
                };
                self.index.placed(index, ticket, place);
            }
        }
        Ok(())
    }

    /// Cuts the newest file's torn tail, and makes what is left durable.
    fn finish(self, folder: &Path, file: Sound, bytes: &[u8]) -> io::Result<Recovered> {
        let Self { disk, index, full, .. } = self;
        let Sound { segment, end, sequence, highest } = file;
        if !index.is_whole() {
            return Err(damaged(&segment.path, 0));
        }
        let first = segment.header.first;
        // The place of a seal says nothing by what is wrong with it.
        let begin = if sequence > first { end + FRAME } else { end };
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if let Some(at) = sound_behind(segment.header.salt, bytes, end, sequence) {
            tracing::error!(path = %segment.path.display(), sound = at, "sound bytes follow");
            return Err(damaged(&segment.path, begin as u64));
        }
        let torn = written > begin;
        if torn {
            tracing::warn!(path = %segment.path.display(), at = begin, "a torn tail is cut off");
            segment.zero(begin as u64, bytes.len() as u64)?;
        }
        let (begin, length) = (begin as u64, bytes.len() as u64);
        let kept = index.kept.clone();
        let (folder, room) = (folder.to_owned(), Default::default());
        let offset = begin;
        let mut tail =
            Tail { disk, folder, segment, highest, offset, length, sequence, kept, full, room };
        tail.settle(end as u64, first)?;
        Ok(Recovered { index, tail, torn })
    }
}

/// The batch at `at`, if it is the one that must come next.
fn sound_batch<'b>(file: &Sound, bytes: &'b [u8], at: usize) -> Option<(u64, &'b [u8])> {
    let found = frame::read_batch(file.segment.header.salt, bytes.get(at..)?)?;
    Some(found).filter(|(sequence, body)| *sequence == file.sequence && !body.is_empty())
}

/// Where behind `from` a sound batch or seal stands that is not below `sequence`: a sign that the
/// batch of that sequence was acknowledged.
fn sound_behind(salt: u64, bytes: &[u8], from: usize, sequence: u64) -> Option<usize> {
    let magic = salt.to_be_bytes();
    let rest = bytes.get(from..)?;
    let mut places = rest.windows(magic.len()).enumerate().filter(|(_, found)| **found == magic);
    places.find_map(|(at, _)| {
        let (found, _) = frame::read_batch(salt, &rest[at..])?;
        (found >= sequence).then_some(from + at)
    })
}
