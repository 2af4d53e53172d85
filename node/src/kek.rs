//! The key-encryption key in a file.

use crate::secret_file::{self, SecretFileError};
use claviger_machine::Crypto;
use claviger_seal::{KEY, Kek};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why there is no KEK.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// The file cannot be used.
    #[error("the key file: {0}")]
    File(#[from] SecretFileError),
    /// There is none, and the ledger has one.
    #[error("the key file {path} is missing; restore the one that belongs to this ledger")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is not 32 bytes long.
    #[error("the key file {path} is not {KEY} bytes long; restore it from a copy")]
    Length {
        /// The file.
        path: PathBuf,
    },
}

/// The KEK in `path`; none if there is no such file.
///
/// # Errors
/// If the file is not fit for it.
pub fn load(path: &Path) -> Result<Option<Kek>, KekError> {
    let Some(bytes) = secret_file::read(path, KEY + 1)? else { return Ok(None) };
    let bytes: Zeroizing<[u8; KEY]> = bytes
        .as_slice()
        .try_into()
        .map(Zeroizing::new)
        .map_err(|_| KekError::Length { path: path.to_owned() })?;
    Ok(Some(Kek::new(*bytes)))
}

/// The KEK in `path`, which is made there if it is missing and `may_make`.
///
/// # Errors
/// If there is none, or the file is not fit for it.
pub fn load_or_make(path: &Path, may_make: bool, crypto: &dyn Crypto) -> Result<Kek, KekError> {
    if let Some(kek) = load(path)? {
        return Ok(kek);
    }
    if may_make {
        let bytes: Zeroizing<[u8; KEY]> = Zeroizing::new(crypto.random());
        secret_file::make(path, &*bytes)?;
    }
    load(path)?.ok_or_else(|| KekError::Missing { path: path.to_owned() })
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
    }

    #[test]
    fn refuses_a_key_that_is_cut_or_too_long() {
        let folder = folder();
        let path = folder.path().join("kek");
        for length in [KEY - 1, KEY + 1] {
            std::fs::remove_file(&path).ok();
            secret_file::make(&path, &vec![0; length]).unwrap();
            let refused = load_or_make(&path, true, &SystemCrypto);
            assert!(matches!(refused, Err(KekError::Length { .. })), "{length}");
        }
    }

    #[test]
    fn makes_no_new_key_where_one_must_be() {
        let folder = folder();
        let path = folder.path().join("kek");
        let refused = load_or_make(&path, false, &SystemCrypto);
        assert!(matches!(refused, Err(KekError::Missing { .. })));
        assert!(!path.exists());
    }
}
