//! Where the log keeps its files: a port. [`RealDisk`] is the machine's; a test has one that loses
//! what was not synced ([`crate::SimulatedDisk`]).

use std::any::Any;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder's files and names. What a call did is durable only after the sync that is for it.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Makes the folder, durably, where it is not there.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    /// Keeps others from the folder as long as what it gives is held.
    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    /// Makes a file, empty also where there was one.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in `folder` durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// A file that can be read and written at any place.
pub(crate) trait DiskFile: Debug + Send + Sync {
    fn length(&self) -> io::Result<u64>;
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes durable what was written.
    fn sync(&self) -> io::Result<()>;
}

/// The machine's file system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        for folder in folder.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            if folder.try_exists()? {
                break;
            }
            missing.push(folder);
        }
        fs::create_dir_all(folder)?;
        for made in missing {
            let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
            self.sync_folder(parent.unwrap_or(Path::new(".")))?;
        }
        Ok(())
    }

    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().map_err(|error| io::Error::other(format!("the log is in use: {error}")))?;
        Ok(Box::new(lock))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        // The length is metadata that a reader needs, hence synced as well.
        self.0.sync_data()
    }
}
