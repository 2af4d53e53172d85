//! Files and their names, as they are seen and as they are on the disk.

use super::{Draw, SimulatedDisk, failed};
use crate::wal::{Disk, DiskFile};
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Debug)]
struct Write {
    offset: usize,
    bytes: Vec<u8>,
}

/// The content of one file.
#[derive(Debug, Default)]
struct Content {
    seen: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Write>,
}

fn put(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    let end = offset + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(new);
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.seen, offset, bytes);
        self.unsynced.push(Write { offset, bytes: bytes.to_vec() });
    }

    fn sync(&mut self) {
        for Write { offset, bytes } in std::mem::take(&mut self.unsynced) {
            put(&mut self.synced, offset, &bytes);
        }
    }

    /// Of each unsynced write all, nothing, or any of its sectors reached the disk.
    fn crash(&mut self, draw: &mut Draw) {
        for Write { offset, bytes } in std::mem::take(&mut self.unsynced) {
            let fate = draw.below(3);
            let mut at = 0;
            while at < bytes.len() {
                let end = (((offset + at) / SECTOR + 1) * SECTOR - offset).min(bytes.len());
                if fate == 0 || (fate == 1 && draw.below(2) == 0) {
                    put(&mut self.synced, offset + at, &bytes[at..end]);
                }
                at = end;
            }
        }
        self.seen.clone_from(&self.synced);
    }
}

#[derive(Debug)]
enum Naming {
    Create(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

type Names = BTreeMap<PathBuf, u64>;

/// Changes names; an error if there is no such file.
fn change(names: &mut Names, naming: &Naming) -> io::Result<()> {
    let none = || io::Error::from(io::ErrorKind::NotFound);
    match naming {
        Naming::Create(path, file) => drop(names.insert(path.clone(), *file)),
        Naming::Rename(from, to) => {
            let file = names.remove(from).ok_or_else(none)?;
            names.insert(to.clone(), file);
        }
        Naming::Remove(path) => drop(names.remove(path).ok_or_else(none)?),
    }
    Ok(())
}

/// All files of one disk.
#[derive(Debug)]
pub(super) struct Files {
    contents: BTreeMap<u64, Content>,
    seen: Names,
    synced: Names,
    /// A file system keeps changes of names in their order.
    unsynced: Vec<Naming>,
    next: u64,
    pub(super) room: u64,
}

impl Files {
    pub(super) fn new(room: u64) -> Self {
        let (contents, seen, synced) = Default::default();
        Self { contents, seen, synced, unsynced: Vec::new(), next: 0, room }
    }

    pub(super) fn taken(&self) -> u64 {
        let files = self.seen.values().filter_map(|file| self.contents.get(file));
        files.map(|content| content.seen.len() as u64).sum()
    }

    fn change(&mut self, naming: Naming) -> io::Result<()> {
        change(&mut self.seen, &naming)?;
        self.unsynced.push(naming);
        Ok(())
    }

    fn sync_names(&mut self) {
        self.synced.clone_from(&self.seen);
        self.unsynced.clear();
    }

    pub(super) fn crash(&mut self, draw: &mut Draw) {
        let kept = draw.below(self.unsynced.len() as u64 + 1) as usize;
        for naming in std::mem::take(&mut self.unsynced).iter().take(kept) {
            change(&mut self.synced, naming).expect("it was done in this order before");
        }
        self.seen.clone_from(&self.synced);
        self.contents.retain(|file, _| self.seen.values().any(|named| named == file));
        self.contents.values_mut().for_each(|content| content.crash(draw));
    }
}

/// The disk as whoever opened it while it had this power sees it.
#[derive(Debug, Clone)]
pub(super) struct Powered {
    pub(super) disk: SimulatedDisk,
    pub(super) power: u64,
}

impl SimulatedDisk {
    pub(crate) fn files(&self) -> Arc<dyn Disk> {
        let power = self.inner().power;
        Arc::new(Powered { disk: self.clone(), power })
    }
}

impl Powered {
    /// A change of names, which is done, or not, where it fails.
    fn name(&self, naming: impl FnOnce(&mut Files) -> Naming) -> io::Result<()> {
        let inner = &mut *self.disk.inner();
        let fails = inner.begin(self.power)?;
        if fails && inner.draw.below(2) == 0 {
            return Err(failed());
        }
        let naming = naming(&mut inner.files);
        inner.files.change(naming)?;
        if fails { Err(failed()) } else { Ok(()) }
    }
}

impl Disk for Powered {
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        Ok(Box::new(()))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let inner = self.disk.inner();
        inner.reads(self.power)?;
        let there = inner.files.seen.keys().filter(|path| path.parent() == Some(folder));
        Ok(there.cloned().collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut file = 0;
        self.name(|files| {
            files.next += 1;
            file = files.next;
            files.contents.insert(file, Content::default());
            Naming::Create(path.to_owned(), file)
        })?;
        Ok(Arc::new(OpenFile { powered: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inner = self.disk.inner();
        inner.reads(self.power)?;
        let file = *inner.files.seen.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(OpenFile { powered: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.name(|_| Naming::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.name(|_| Naming::Remove(path.to_owned()))
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        let mut inner = self.disk.inner();
        if inner.begin(self.power)? {
            return Err(failed());
        }
        inner.files.sync_names();
        Ok(())
    }
}

#[derive(Debug)]
struct OpenFile {
    powered: Powered,
    file: u64,
}

impl OpenFile {
    /// Looks at the content; that of a file without a name lives as long as the power.
    fn read<T>(&self, look: impl FnOnce(&Content) -> io::Result<T>) -> io::Result<T> {
        let inner = self.powered.disk.inner();
        inner.reads(self.powered.power)?;
        look(inner.files.contents.get(&self.file).ok_or(io::ErrorKind::NotFound)?)
    }
}

impl DiskFile for OpenFile {
    fn length(&self) -> io::Result<u64> {
        self.read(|content| Ok(content.seen.len() as u64))
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        OpenFile::read(self, |content| {
            let rest = content.seen.get(offset as usize..).unwrap_or_default();
            let found = rest.get(..bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            bytes.copy_from_slice(found);
            Ok(())
        })
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let inner = &mut *self.powered.disk.inner();
        let fails = inner.begin(self.powered.power)?;
        let taken = inner.files.taken();
        let room = inner.files.room.saturating_sub(taken);
        let content = inner.files.contents.get_mut(&self.file).ok_or(io::ErrorKind::NotFound)?;
        let grows = (offset + bytes.len() as u64).saturating_sub(content.seen.len() as u64);
        if grows > room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let done = match fails {
            true => inner.draw.below(bytes.len() as u64 + 1) as usize,
            false => bytes.len(),
        };
        content.write(offset as usize, &bytes[..done]);
        if fails { Err(failed()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let inner = &mut *self.powered.disk.inner();
        if inner.begin(self.powered.power)? {
            return Err(failed());
        }
        let content = inner.files.contents.get_mut(&self.file).ok_or(io::ErrorKind::NotFound)?;
        if !inner.lies {
            content.sync();
        }
        Ok(())
    }
}
