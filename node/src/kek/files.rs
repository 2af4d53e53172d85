//! KEKs in files: one, or a folder of versions as a mounted secret of Kubernetes is.

use super::{KekError, KeyProvider};
use crate::secret_file::{self, Readers};
use claviger_ledger::Wrapping;
use claviger_machine::Crypto;
use claviger_seal::{ClusterSecret, KEY, Kek, RootKey};
use data_encoding::HEXLOWER;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// How the names of keys in a folder begin; a number follows, and the highest wraps.
const NAME: &str = "kek-";

/// KEKs of 32 random bytes, each in a file. A KEK is named by its bytes, not by its file: a file
/// that is copied into a folder is the same KEK there.
pub struct Files {
    place: Place,
    crypto: Arc<dyn Crypto>,
    /// By version; a single file is the version 0.
    keks: RwLock<BTreeMap<u64, Kek>>,
}

enum Place {
    File(PathBuf),
    Folder(PathBuf),
}

/// What a KEK in a file is called.
fn name(kek: &Kek) -> String {
    format!("file:{}", HEXLOWER.encode(&kek.id()))
}

/// The KEK in `path`; none if there is no such file.
fn load(path: &Path, readers: Readers) -> Result<Option<Kek>, KekError> {
    let Some(bytes) = secret_file::read_shared(path, KEY + 1, readers)? else { return Ok(None) };
    let bytes: Zeroizing<[u8; KEY]> = bytes
        .as_slice()
        .try_into()
        .map(Zeroizing::new)
        .map_err(|_| KekError::Length { path: path.to_owned() })?;
    Ok(Some(Kek::new(*bytes)))
}

/// Makes a KEK in `path`, if there is none.
///
/// # Errors
/// If it cannot be made.
pub fn make(path: &Path, crypto: &dyn Crypto) -> Result<(), KekError> {
    let bytes: Zeroizing<[u8; KEY]> = Zeroizing::new(crypto.random());
    if !path.exists() {
        secret_file::make(path, &*bytes)?;
    }
    Ok(())
}

impl Place {
    fn read(&self) -> Result<BTreeMap<u64, Kek>, KekError> {
        match self {
            Self::File(path) => {
                let found = load(path, Readers::Owner)?;
                let found = found.ok_or_else(|| KekError::Missing { path: path.clone() })?;
                Ok(BTreeMap::from([(0, found)]))
            }
            Self::Folder(path) => of_folder(path),
        }
    }
}

fn of_folder(path: &Path) -> Result<BTreeMap<u64, Kek>, KekError> {
    let io = |source| secret_file::SecretFileError::Io { path: path.to_owned(), source };
    let mut keks = BTreeMap::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        let version =
            entry.file_name().to_str().and_then(|name| name.strip_prefix(NAME)?.parse().ok());
        let Some(version) = version else { continue };
        if let Some(kek) = load(&entry.path(), Readers::Group)? {
            keks.insert(version, kek);
        }
    }
    if keks.is_empty() { Err(KekError::Empty { path: path.to_owned() }) } else { Ok(keks) }
}

impl Files {
    /// The KEK in this file.
    pub fn of_file(path: PathBuf, crypto: Arc<dyn Crypto>) -> Self {
        Self::new(Place::File(path), crypto)
    }

    /// The KEKs in this folder.
    pub fn of_folder(path: PathBuf, crypto: Arc<dyn Crypto>) -> Self {
        Self::new(Place::Folder(path), crypto)
    }

    fn new(place: Place, crypto: Arc<dyn Crypto>) -> Self {
        // What cannot be read now may be there later: whoever asks is told why it is not.
        let keks = RwLock::new(place.read().unwrap_or_default());
        Self { place, crypto, keks }
    }

    /// The keys, read again if there are none.
    fn keks(&self) -> Result<BTreeMap<u64, Kek>, KekError> {
        let known = self.keks.read().unwrap_or_else(PoisonError::into_inner).clone();
        if !known.is_empty() {
            return Ok(known);
        }
        self.read()?;
        Ok(self.keks.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn read(&self) -> Result<(), KekError> {
        let keks = self.place.read()?;
        *self.keks.write().unwrap_or_else(PoisonError::into_inner) = keks;
        Ok(())
    }

    fn named(&self, kek: &str) -> Result<Kek, KekError> {
        let found = self.keks()?.into_values().find(|it| name(it) == kek);
        found.ok_or_else(|| KekError::Unknown { keks: kek.to_owned() })
    }

    fn newest(&self) -> Result<Kek, KekError> {
        let newest = self.keks()?.pop_last().map(|(_, kek)| kek);
        let (Place::File(path) | Place::Folder(path)) = &self.place;
        newest.ok_or_else(|| KekError::Empty { path: path.clone() })
    }
}

impl KeyProvider for Files {
    fn kek(&self) -> Result<String, KekError> {
        self.newest().map(|kek| name(&kek))
    }

    fn has(&self, kek: &str) -> bool {
        self.keks().is_ok_and(|keks| keks.values().any(|it| name(it) == kek))
    }

    fn wrap(&self, kek: &str, version: u32, root: &RootKey) -> Result<Wrapping, KekError> {
        let bytes = self.named(kek)?.wrap(version, root, self.crypto.random());
        Ok(Wrapping { kek: kek.to_owned(), bytes })
    }

    fn unwrap(&self, version: u32, wrapping: &Wrapping) -> Result<RootKey, KekError> {
        let root = self.named(&wrapping.kek)?.unwrap(version, &wrapping.bytes);
        root.map_err(|_| KekError::DoesNotOpen { kek: wrapping.kek.clone() })
    }

    fn reload(&self) -> Result<bool, KekError> {
        match self.place {
            Place::File(_) => Ok(false),
            Place::Folder(_) => self.read().map(|()| true),
        }
    }

    fn before_roots(&self) -> Vec<(RootKey, ClusterSecret)> {
        let keks = self.keks().unwrap_or_default();
        keks.values().map(|kek| (kek.before_roots(), kek.cluster_before_roots())).collect()
    }
}
