//! Secrets from files, so that they stand in no argument list.

use super::exit::Failure;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// The longest secret file.
const LIMIT: u64 = 4096;

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
