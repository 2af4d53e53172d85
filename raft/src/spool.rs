//! Where a snapshot of another node is kept until all of it is there: a file that goes with the
//! last who holds it, or memory for a node in memory.

use crate::image::{Image, Rows};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a node keeps what it receives.
#[derive(Debug, Clone)]
pub(crate) enum Spools {
    Memory,
    Folder(Arc<(PathBuf, AtomicU64)>),
}

impl Spools {
    /// Files in `folder`; what is left there of an earlier run goes.
    pub(crate) fn within(folder: &Path) -> io::Result<Self> {
        let folder = folder.join("incoming");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir(&folder)?;
        Ok(Self::Folder(Arc::new((folder, AtomicU64::new(0)))))
    }

    pub(crate) fn begin(&self) -> io::Result<Receiving> {
        let Self::Folder(folder) = self else { return Ok(Receiving::Memory(Vec::new())) };
        let (folder, next) = &**folder;
        let path = folder.join(next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = BufWriter::new(File::create(&path)?);
        Ok(Receiving::File(Kept(path), file))
    }
}

/// Removes its file when it is dropped.
#[derive(Debug)]
pub(crate) struct Kept(PathBuf);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a snapshot's file stays");
        }
    }
}

/// A snapshot that comes in.
pub(crate) enum Receiving {
    Memory(Vec<u8>),
    File(Kept, BufWriter<File>),
}

impl Receiving {
    /// Takes the next of its bytes.
    pub(crate) fn push(&mut self, part: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => bytes.extend_from_slice(part),
            Self::File(_, file) => file.write_all(part)?,
        }
        Ok(())
    }

    /// All of it, read once to see that it is whole: what is installed must not fail.
    pub(crate) async fn end(self) -> io::Result<Image> {
        let spool = match self {
            Self::Memory(bytes) => Spool::Memory(bytes),
            Self::File(kept, mut file) => {
                file.flush()?;
                Spool::File(kept)
            }
        };
        if let Spool::Memory(_) = spool {
            return spool.checked();
        }
        let checked = tokio::task::spawn_blocking(move || spool.checked()).await;
        checked.map_err(io::Error::other)?
    }
}

/// A snapshot that came in whole.
#[derive(Debug)]
pub(crate) enum Spool {
    Memory(Vec<u8>),
    File(Kept),
}

impl Spool {
    fn checked(self) -> io::Result<Image> {
        self.rows()?.try_for_each(|row| row.map(drop))?;
        Ok(Image::Received(Arc::new(self)))
    }

    /// Its rows, from the first.
    pub(crate) fn rows(&self) -> io::Result<Rows<'_>> {
        let bytes: Box<dyn Read> = match self {
            Self::Memory(bytes) => Box::new(&bytes[..]),
            Self::File(kept) => Box::new(BufReader::with_capacity(1 << 20, File::open(&kept.0)?)),
        };
        Rows::of(bytes)
    }
}
