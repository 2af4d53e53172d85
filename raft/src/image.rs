//! Snapshots as bytes: a version, where they stand, sorted rows, and a checksum.

use crate::frame::{self, Applied};
use crate::state_store::Row;
use crc32fast::Hasher;
use minicbor::Encoder;
use minicbor::bytes::ByteVec;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A snapshot: a file of this node, or bytes in memory.
#[derive(Debug, Clone)]
pub(crate) enum Image {
    File(PathBuf),
    Memory(Arc<Vec<u8>>),
}

/// How many bytes are written at once.
const BUFFER: usize = 1 << 16;
/// After so many bytes the disk is waited for.
const STRIDE: usize = 8 << 20;

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a snapshot that cannot be read")
}

/// Writes a snapshot of `count` rows, one after the other: CBOR of (applied, rows), then CRC-32 of
/// it.
pub(crate) fn write(
    to: &mut dyn Write,
    applied: &Applied,
    count: u64,
    rows: impl Iterator<Item = io::Result<Row>>,
) -> io::Result<()> {
    let mut to = Summed { to: BufWriter::with_capacity(BUFFER, to), crc: Hasher::new() };
    let mut head = Encoder::new(vec![frame::VERSION]);
    let started = head.array(2).and_then(|head| head.encode(applied)?.array(count));
    started.expect("writing to memory does not fail");
    to.write(head.writer())?;
    let mut written = 0;
    for row in rows {
        let (key, value) = row?;
        let mut row = Encoder::new(Vec::with_capacity(key.len() + value.len() + 16));
        let whole = row.array(2).and_then(|row| row.bytes(&key)?.bytes(&value));
        whole.expect("writing to memory does not fail");
        to.write(row.writer())?;
        written += 1;
    }
    if written != count {
        return Err(io::Error::other(format!("{written} rows were found for {count}")));
    }
    to.end()
}

/// What is written, with the checksum of it.
struct Summed<W> {
    to: W,
    crc: Hasher,
}

impl<W: Write> Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.to.write_all(bytes)
    }

    fn end(mut self) -> io::Result<()> {
        self.to.write_all(&self.crc.finalize().to_be_bytes())?;
        self.to.flush()
    }
}

fn read(bytes: &[u8]) -> io::Result<(Applied, Vec<Row>)> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
    if crc32fast::hash(body).to_be_bytes() != *crc {
        return Err(damaged());
    }
    let (applied, rows): (Applied, Vec<(ByteVec, ByteVec)>) = frame::decode(body)?;
    Ok((applied, rows.into_iter().map(|(k, v)| (k.into(), v.into())).collect()))
}

impl Image {
    pub(crate) fn bytes(&self) -> io::Result<Arc<Vec<u8>>> {
        match self {
            Self::File(path) => Ok(Arc::new(std::fs::read(path)?)),
            Self::Memory(bytes) => Ok(bytes.clone()),
        }
    }

    pub(crate) fn read(&self) -> io::Result<(Applied, Vec<Row>)> {
        read(&self.bytes()?)
    }
}

/// Where the latest snapshot is kept.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: Option<PathBuf>,
    memory: Mutex<Option<Image>>,
}

impl Shelf {
    pub(crate) fn on_disk(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()), memory: Mutex::new(None) }
    }

    pub(crate) fn in_memory() -> Self {
        Self { folder: None, memory: Mutex::new(None) }
    }

    pub(crate) fn is_on_disk(&self) -> bool {
        self.folder.is_some()
    }

    pub(crate) fn build(
        &self,
        applied: &Applied,
        count: u64,
        rows: impl Iterator<Item = io::Result<Row>>,
    ) -> io::Result<Image> {
        self.put(|to| write(to, applied, count, rows))
    }

    pub(crate) fn keep(&self, image: &Image) -> io::Result<()> {
        let bytes = image.bytes()?;
        self.put(|to| to.write_all(&bytes)).map(drop)
    }

    fn put(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Image> {
        let image = match &self.folder {
            Some(folder) => Image::File(put_file(folder, write)?),
            None => {
                let mut bytes = Vec::new();
                write(&mut bytes)?;
                Image::Memory(Arc::new(bytes))
            }
        };
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Some(image.clone());
        Ok(image)
    }

    pub(crate) fn current(&self) -> io::Result<Option<Image>> {
        if let Some(folder) = &self.folder {
            let path = folder.join(SNAPSHOT);
            return Ok(path.try_exists()?.then_some(Image::File(path)));
        }
        Ok(self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Its file.
pub(crate) const SNAPSHOT: &str = "snapshot";

/// The file is there whole, or the one before it.
fn put_file(
    folder: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let (draft, path) = (folder.join("snapshot.new"), folder.join(SNAPSHOT));
    let mut steady = Steady { file: File::create(&draft)?, unsynced: 0 };
    write(&mut steady)?;
    let file = steady.file;
    file.sync_all()?;
    std::fs::rename(&draft, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(path)
}

/// A file that the disk keeps up with: one sync of it all at the end would hold up the log's.
struct Steady {
    file: File,
    unsynced: usize,
}

impl Write for Steady {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= STRIDE {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::StoredMembership;

    #[test]
    fn rows_that_are_not_as_many_as_were_said_make_no_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::on_disk(folder.path());
        let applied = Applied { last: None, membership: (&StoredMembership::default()).into() };
        let rows = |count: u8| (0..count).map(|number| Ok((vec![number], vec![number; 300])));
        shelf.build(&applied, 200, rows(200)).unwrap();

        assert!(shelf.build(&applied, 3, rows(2)).is_err());
        assert!(shelf.build(&applied, 3, rows(4)).is_err());

        let (_, kept) = shelf.current().unwrap().unwrap().read().unwrap();
        let expected: Vec<Row> = rows(200).collect::<io::Result<_>>().unwrap();
        assert_eq!(kept, expected, "the one before it");
    }
}
