//! Secrets from files, so that they stand in no argument list.

use super::exit::Failure;
use data_encoding::BASE64;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// The longest secret file.
const LIMIT: u64 = 4096;
/// The longest file of keys and certificates: the API takes no more.
const PUBLIC_LIMIT: u64 = 64 * 1024;

/// What stands in `path`, or comes on standard input for `-`.
///
/// # Errors
/// If it cannot be opened.
pub fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let unreadable = |error| Failure::failed(format!("cannot read {}: {error}", path.display()));
    Ok(Box::new(File::open(path).map_err(unreadable)?))
}

/// A public key in `path`, or of standard input for `-`, in PEM or DER, as the API takes it.
///
/// # Errors
/// If it cannot be read.
pub fn public_key(path: &Path) -> Result<String, Failure> {
    let bytes = public(path)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(der) => Ok(BASE64.encode(der.as_bytes())),
    }
}

/// What stands in `path`, or comes on standard input for `-`: nothing secret.
///
/// # Errors
/// If it cannot be read.
pub fn public(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(PUBLIC_LIMIT).read_to_end(&mut bytes);
    let unreadable = |error| Failure::failed(format!("cannot read {}: {error}", path.display()));
    read.map_err(unreadable).map(|_| bytes)
}

/// The same as text, as PEM is.
///
/// # Errors
/// If it cannot be read, or is no text.
pub fn pem(path: &Path) -> Result<String, Failure> {
    let words = |_| Failure::failed(format!("{} is not in PEM", path.display()));
    String::from_utf8(public(path)?).map_err(words)
}

/// The text in `path`, or of standard input for `-`, without white space around it.
///
/// # Errors
/// If it cannot be read; the words do not quote it.
pub fn secret(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        std::io::stdin().take(LIMIT).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(LIMIT).read_to_string(&mut text))
    };
    let unreadable = |error| Failure::failed(format!("cannot read {}: {error}", path.display()));
    read.map_err(unreadable)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}
