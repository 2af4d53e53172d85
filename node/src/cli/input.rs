//! Secrets from files, so that they stand in no argument list.

use super::exit::Failure;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// The longest secret file.
const LIMIT: u64 = 4096;

/// The text in `path`, or of standard input for `-`, without white space around it.
///
/// # Errors
/// If it cannot be read; the words do not quote it.
pub fn secret(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        std::io::stdin().take(LIMIT).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LIMIT).read_to_string(&mut text))
    };
    let unreadable = |error| Failure::failed(format!("cannot read {}: {error}", path.display()));
    read.map_err(unreadable)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}
