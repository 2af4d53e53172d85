//! Snapshots as bytes: a version, where they stand, sorted rows, and a checksum.

use crate::frame::{self, Applied};
use crate::state_store::Row;
use minicbor::bytes::ByteVec;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A snapshot: a file of this node, or bytes in memory.
#[derive(Debug, Clone)]
pub(crate) enum Image {
    File(PathBuf),
    Memory(Arc<Vec<u8>>),
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a snapshot that cannot be read")
}

/// The bytes of a snapshot: CBOR of (applied, rows), then CRC-32 of it.
pub(crate) fn write(applied: &Applied, rows: &[Row]) -> Vec<u8> {
    let rows = rows.iter().map(|(k, v)| (ByteVec::from(k.clone()), ByteVec::from(v.clone())));
    let mut bytes = frame::encode(&(applied.clone(), rows.collect::<Vec<_>>()));
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_be_bytes());
    bytes
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

    pub(crate) fn build(&self, applied: &Applied, rows: &[Row]) -> io::Result<Image> {
        self.put(write(applied, rows))
    }

    pub(crate) fn keep(&self, image: &Image) -> io::Result<()> {
        self.put(image.bytes()?.to_vec()).map(drop)
    }

    fn put(&self, bytes: Vec<u8>) -> io::Result<Image> {
        let image = match &self.folder {
            Some(folder) => Image::File(put_file(folder, &bytes)?),
            None => Image::Memory(Arc::new(bytes)),
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
fn put_file(folder: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let (draft, path) = (folder.join("snapshot.new"), folder.join(SNAPSHOT));
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(path)
}
