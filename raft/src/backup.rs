//! Backups: the rows of one moment in a file, taken while the node runs.
//!
//! The file has what the disk has, secrets sealed, and no key. It begins with a magic, then what it
//! is a copy of ([`Backup`]), then the rows as another node gets them ([`crate::image`]). What is
//! made of it is in [`crate::restore`].

use crate::frame::Applied;
use crate::image::{Pieces, Rows, damaged, frame, read_frame};
use crate::space::Space;
use crate::state_store::Moment;
use crate::{Node, OpenError};
use claviger_ledger::Meta;
use minicbor::{Decode, Encode};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"CLVGBAK\x01";

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Backup {
    /// The cluster's id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub cluster: [u8; 16],
    /// The incarnation of the cluster.
    #[n(1)]
    pub incarnation: u64,
    /// The level that its commands were applied by.
    #[n(2)]
    pub level: u32,
    /// The latest time in the ledger, in ms since the Unix epoch: what came later is not in it.
    #[n(3)]
    pub time: u64,
    /// The last log index that is in it.
    #[n(4)]
    pub index: u64,
    /// The node that it was taken from.
    #[n(5)]
    pub node: u64,
    /// The version of the program that took it.
    #[n(6)]
    pub version: String,
}

fn failed(path: &Path, source: io::Error) -> OpenError {
    OpenError::Folder { folder: path.to_owned(), source }
}

impl Node {
    /// Writes what this node's rows hold now into a new file, which is whole or not there. The node
    /// goes on meanwhile. What is acknowledged is in it if [`Node::read_index`] came before.
    ///
    /// # Errors
    /// [`OpenError::Folder`] if the file is there or cannot be written, or no cluster is founded.
    pub async fn backup(&self, path: &Path) -> Result<Backup, OpenError> {
        let (store, id, path) = (self.state.clone(), self.id(), path.to_owned());
        let space = self.space.clone();
        let write = move || {
            let moment = store.moment().map_err(|error| failed(&path, error))?;
            write(&path, moment, id, &space).map_err(|error| failed(&path, error))
        };
        if !self.on_disk() {
            return write();
        }
        let written = tokio::task::spawn_blocking(write);
        written.await.map_err(|error| OpenError::Runtime(error.to_string()))?
    }
}

/// The cluster's record in the rows of a moment.
fn meta(moment: &dyn Moment) -> io::Result<Meta> {
    let key = Meta::key();
    let found = moment.row(&key)?.and_then(|bytes| Meta::decode(&bytes));
    let words = "no cluster is founded here, or a newer version wrote its record";
    found.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, words))
}

fn write(path: &Path, moment: Arc<dyn Moment>, node: u64, space: &Space) -> io::Result<Backup> {
    let Meta { cluster, incarnation, level, time } = meta(&*moment)?;
    let applied = Applied::of(moment.applied()?)?;
    let backup = Backup {
        cluster,
        incarnation,
        level,
        time,
        index: applied.index(),
        node,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    if path.try_exists()? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let draft = draft_of(path);
    match fs::remove_file(&draft) {
        // A crash left it.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = fill(file, &backup, moment, space).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        drop(fs::remove_file(&draft));
    }
    written?;
    sync_folder_of(path)?;
    Ok(backup)
}

fn fill(file: File, backup: &Backup, moment: Arc<dyn Moment>, space: &Space) -> io::Result<()> {
    let mut to = BufWriter::with_capacity(1 << 20, file);
    to.write_all(&MAGIC)?;
    to.write_all(&frame(&minicbor::to_vec(backup).expect("writing to memory does not fail")))?;
    for piece in Pieces::of(moment) {
        let piece = piece?;
        // It may be on the node's own disk.
        space.has_room_for(piece.len() as u64)?;
        to.write_all(&piece)?;
    }
    to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// Makes the name of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Opens a backup.
pub(crate) fn open(path: &Path) -> io::Result<(Backup, Rows<'static>)> {
    let mut from: Box<dyn Read> = Box::new(BufReader::with_capacity(1 << 20, File::open(path)?));
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no backup of Claviger"));
    }
    let backup = minicbor::decode(&read_frame(&mut *from)?).map_err(|_| damaged())?;
    Ok((backup, Rows::of(from)?))
}

impl Backup {
    /// Reads a backup from its beginning to its end and says what it is of.
    ///
    /// # Errors
    /// [`OpenError::Folder`] if it is no backup, or any of it is damaged or missing.
    pub fn check(path: &Path) -> Result<Self, OpenError> {
        let checked = open(path).and_then(|(backup, mut rows)| {
            rows.try_for_each(|row| row.map(drop))?;
            Ok(backup)
        });
        checked.map_err(|error| failed(path, error))
    }
}
