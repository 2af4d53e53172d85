//! The key-encryption key in a file beside the data, as `claviger dev` keeps it.
//!
//! Whoever has the folder has the secrets: fit for trying things out. Keys from elsewhere come
//! with `claviger server`.

use claviger_machine::Crypto;
use claviger_seal::{KEY, Kek};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why there is no KEK.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// The file cannot be read or made.
    #[error("cannot use the key file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file is not 32 bytes long.
    #[error("the key file {path} is not {KEY} bytes long; restore it from a copy")]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the file.
    #[error("the key file {path} can be read by others; run `chmod 600 {path}`")]
    Open {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the KEK from `path`, or makes it there if `may_make`.
pub fn load_or_make(path: &Path, may_make: bool, crypto: &dyn Crypto) -> Result<Kek, KekError> {
    let io = |source| KekError::Io { path: path.to_owned(), source };
    let missing = File::open(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
    if missing && may_make {
        make(path, crypto).map_err(io)?;
    }
    let mut file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.permissions().mode() & 0o077 != 0 {
        return Err(KekError::Open { path: path.to_owned() });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY + 1));
    Read::by_ref(&mut file).take(KEY as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    let bytes: Zeroizing<[u8; KEY]> = bytes
        .as_slice()
        .try_into()
        .map(Zeroizing::new)
        .map_err(|_| KekError::Length { path: path.to_owned() })?;
    Ok(Kek::new(*bytes))
}

/// Makes the file whole or not at all, and never over one that is there.
fn make(path: &Path, crypto: &dyn Crypto) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0; KEY]);
    crypto.fill(&mut *bytes);
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&*bytes)?;
    file.sync_all()?;
    // Another process may have made one meanwhile: then that one counts.
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SystemCrypto;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn makes_one_key_and_finds_it_again() {
        let folder = folder();
        let path = folder.path().join("kek");

        let made = load_or_make(&path, true, &SystemCrypto).unwrap();
        let found = load_or_make(&path, false, &SystemCrypto).unwrap();

        assert_eq!(made.derive("x"), found.derive("x"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn refuses_a_key_that_others_can_read_or_that_is_cut() {
        let folder = folder();
        let path = folder.path().join("kek");
        load_or_make(&path, true, &SystemCrypto).unwrap();

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load_or_make(&path, true, &SystemCrypto), Err(KekError::Open { .. })));

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, [0; 31]).unwrap();
        assert!(matches!(load_or_make(&path, true, &SystemCrypto), Err(KekError::Length { .. })));
    }

    #[test]
    fn makes_no_new_key_where_one_must_be() {
        let folder = folder();
        let path = folder.path().join("kek");
        assert!(matches!(load_or_make(&path, false, &SystemCrypto), Err(KekError::Io { .. })));
    }
}
