//! One file of the log.
//!
//! It grows by zeros in steps, so that a sync of a batch within a step writes no metadata. It
//! appears under its name only when its header is on the disk: a file without a sound header is
//! rot, never a file half made.

use super::disk::{Disk, DiskFile};
use super::frame::{HEADER, Header};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files grow by so much at a time; small in tests, which try every byte.
pub(super) const STEP: u64 = if cfg!(test) { 16 << 10 } else { 1 << 20 };
const ENDING: &str = "wal";
const DRAFT: &str = "new";

/// A file that is open for reads and, while it is the newest, for writes.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) header: Header,
    pub(super) path: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl Segment {
    /// Makes a file that is there whole, or not at all. It is [`STEP`] bytes long.
    pub(super) fn create(disk: &dyn Disk, folder: &Path, header: Header) -> io::Result<Self> {
        let path = folder.join(format!("{:016x}.{ENDING}", header.number));
        let draft = path.with_extension(DRAFT);
        let file = disk.create(&draft)?;
        file.write(0, &header.encode())?;
        let segment = Self { header, path, file };
        segment.zero(HEADER as u64, STEP)?;
        segment.sync()?;
        disk.rename(&draft, &segment.path)?;
        disk.sync_folder(folder)?;
        Ok(segment)
    }

    /// Opens a file and gives all its bytes; an error of kind `InvalidData` if its header is bad.
    pub(super) fn open(disk: &dyn Disk, number: u64, path: PathBuf) -> io::Result<(Self, Vec<u8>)> {
        let file = disk.open(&path)?;
        let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        file.read(0, &mut bytes)?;
        match Header::decode(&bytes).filter(|header| header.number == number) {
            Some(header) => Ok((Self { header, path, file }, bytes)),
            None => Err(damaged(&path, 0)),
        }
    }

    pub(super) fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write(offset, bytes)
    }

    /// Writes zeros from `from` to `to`.
    pub(super) fn zero(&self, mut from: u64, to: u64) -> io::Result<()> {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        while from < to {
            let length = usize::try_from(to - from).unwrap_or(usize::MAX).min(ZEROS.len());
            self.file.write(from, &ZEROS[..length])?;
            from += length as u64;
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

/// The files of a folder in order; files half made are removed.
pub(super) fn list(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for path in disk.list(folder)? {
        let number = path.file_stem().and_then(|stem| u64::from_str_radix(stem.to_str()?, 16).ok());
        match (number, path.extension().and_then(|ending| ending.to_str())) {
            (Some(number), Some(ENDING)) => found.push((number, path)),
            (Some(_), Some(DRAFT)) => disk.remove(&path)?,
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

/// The refusal of a log that cannot be trusted.
pub(super) fn damaged(path: &Path, offset: u64) -> io::Error {
    let path = path.display();
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "{path} is damaged at byte {offset}, in what may have been acknowledged. Restore this \
             node's folder from a copy, or remove the node from its cluster and let it join anew \
             with an empty folder"
        ),
    )
}
