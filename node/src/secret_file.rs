//! Files that hold a secret: their owner's only, and whole or not there.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why a secret's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read or made.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Others may read it.
    #[error("{path} can be read by others; run `chmod 600 {path}`")]
    Open {
        /// The file.
        path: PathBuf,
    },
}

/// Who may read a secret's file besides its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Nobody.
    Owner,
    /// Its group: so a mounted secret of Kubernetes is, for a pod that is not root.
    Group,
}

/// The first `limit` bytes of `path`; none if there is no such file.
///
/// # Errors
/// If it cannot be read, or others can read it too.
pub fn read(path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, SecretFileError> {
    read_shared(path, limit, Readers::Owner)
}

/// The same, of a file that others may read as `readers` says.
///
/// # Errors
/// If it cannot be read, or more can read it.
pub fn read_shared(
    path: &Path,
    limit: usize,
    readers: Readers,
) -> Result<Option<Zeroizing<Vec<u8>>>, SecretFileError> {
    let closed = match readers {
        Readers::Owner => 0o077,
        Readers::Group => 0o037,
    };
    let io = |source| SecretFileError::Io { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io)?,
    };
    if file.metadata().map_err(io)?.permissions().mode() & closed != 0 {
        return Err(SecretFileError::Open { path: path.to_owned() });
    }
    // Of its full size from the start: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit));
    Read::by_ref(&mut file).take(limit as u64).read_to_end(&mut bytes).map_err(io)?;
    Ok(Some(bytes))
}

/// Makes the file whole or not at all, and never over one that is there: then that one counts.
///
/// # Errors
/// If it cannot be made.
pub fn make(path: &Path, bytes: &[u8]) -> Result<(), SecretFileError> {
    write(path, bytes).map_err(|source| SecretFileError::Io { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // Another process may have made one meanwhile.
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_made_is_its_owners_and_is_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(read(&path, 8).unwrap().is_none());

        make(&path, b"one").unwrap();
        make(&path, b"two").unwrap();

        assert_eq!(read(&path, 8).unwrap().unwrap().as_slice(), b"one");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn refuses_what_others_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for mode in [0o640, 0o604, 0o660] {
            std::fs::write(&path, b"x").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read(&path, 8), Err(SecretFileError::Open { .. })), "{mode:o}");
        }
    }
}
