//! A credential in a file: a byte of version, then CBOR. It holds a private key in the clear, for
//! its owner only.

use crate::credential::{BadCredential, Credential, FreshKey};
use minicbor::{Decode, Encode};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

const VERSION: u8 = 1;

#[derive(Encode, Decode)]
struct Kept<'a> {
    #[cbor(n(0), with = "minicbor::bytes")]
    key: &'a [u8],
    #[cbor(n(1), with = "minicbor::bytes")]
    certificate: &'a [u8],
    #[cbor(n(2), with = "minicbor::bytes")]
    authority: &'a [u8],
}

impl<'a> Kept<'a> {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let room = self.key.len() + self.certificate.len() + self.authority.len() + 32;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        bytes.push(VERSION);
        minicbor::encode(self, &mut *bytes).expect("writing to memory succeeds");
        bytes
    }

    fn decode(bytes: &'a [u8]) -> Option<Self> {
        minicbor::decode(bytes.strip_prefix(&[VERSION])?).ok()
    }
}

/// Why a file gives no credential.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is something else, or damaged.
    #[error("it holds no credential of a node")]
    Damaged,
    /// What is in it does not hold.
    #[error(transparent)]
    BadCredential(#[from] BadCredential),
}

impl Credential {
    /// Keeps it in a file, in place of what was there, all or nothing.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn keep(&self, path: &Path) -> io::Result<()> {
        let key = self.expose_key();
        let kept = Kept { key, certificate: self.certificate(), authority: self.authority() };
        let bytes = kept.encode();
        let new = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    /// The one that a file keeps; nothing if there is no file.
    ///
    /// # Errors
    /// [`BadFile`]; one whose time is over among them.
    pub fn kept(path: &Path, now: Duration) -> Result<Option<Self>, BadFile> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let kept = Kept::decode(&bytes).ok_or(BadFile::Damaged)?;
        let key = FreshKey::of(Zeroizing::new(kept.key.to_vec()));
        let key = key.map_err(|_| BadFile::Damaged)?;
        let (certificate, authority) = (kept.certificate.to_vec(), kept.authority.to_vec());
        Ok(Some(Self::new(&key, certificate, authority, now)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stays_the_bytes_that_it_was_at_first() {
        let bytes = b"\x01\x83\x42\x01\x01\x43\x02\x02\x02\x41\x03";
        let kept = Kept { key: &[1; 2], certificate: &[2; 3], authority: &[3] };
        assert_eq!(**kept.encode(), bytes[..]);
        let read = Kept::decode(bytes).unwrap();
        assert_eq!(
            (read.key, read.certificate, read.authority),
            (&[1; 2][..], &[2; 3][..], &[3][..])
        );
        assert!(Kept::decode(&bytes[1..]).is_none());
        assert!(Kept::decode(&bytes[..bytes.len() - 1]).is_none());
    }
}
