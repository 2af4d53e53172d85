//! The administrator's token in a file.

use crate::http::AdminToken;
use crate::secret_file::{self, SecretFileError};
use claviger_machine::Crypto;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The shortest token: what guesses at it must have no hope.
const SHORTEST: usize = 32;
/// The longest file.
const LIMIT: usize = 4096;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    /// The file cannot be used.
    #[error("the admin token's file: {0}")]
    File(#[from] SecretFileError),
    /// What is in it is no token.
    #[error(
        "the admin token in {path} must have {SHORTEST} to {LIMIT} characters of ASCII without \
         spaces; remove the file to have one made"
    )]
    Unfit {
        /// The file.
        path: PathBuf,
    },
}

/// The token in `path`; none if there is no such file.
///
/// # Errors
/// If the file is not fit for it.
pub fn load(path: &Path) -> Result<Option<AdminToken>, AdminTokenError> {
    let Some(bytes) = secret_file::read(path, LIMIT + 1)? else { return Ok(None) };
    let text = bytes.trim_ascii();
    let fits = (SHORTEST..=LIMIT).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
    let token = core::str::from_utf8(text).ok().filter(|_| fits).map(AdminToken::of);
    token.map(Some).ok_or_else(|| AdminTokenError::Unfit { path: path.to_owned() })
}

/// The token in `path`, which is made there if it is missing.
///
/// # Errors
/// If it cannot be made, or the file is not fit for it.
pub fn load_or_make(path: &Path, crypto: &dyn Crypto) -> Result<AdminToken, AdminTokenError> {
    if let Some(token) = load(path)? {
        return Ok(token);
    }
    let (text, token) = AdminToken::make(crypto);
    let line = Zeroizing::new(format!("{}\n", *text));
    secret_file::make(path, line.as_bytes())?;
    // Another process may have made one meanwhile: then that one counts.
    Ok(load(path)?.unwrap_or(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SystemCrypto;

    #[test]
    fn makes_one_token_and_finds_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(load(&path).unwrap().is_none());

        let made = load_or_make(&path, &SystemCrypto).unwrap();

        assert_eq!(load_or_make(&path, &SystemCrypto).unwrap(), made);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(AdminToken::of(text.trim()), made);
    }

    #[test]
    fn refuses_what_could_be_guessed_or_cannot_stand_in_a_header() {
        let folder = tempfile::tempdir().unwrap();
        for (index, text) in ["", "short\n", &"a b".repeat(20), &"ü".repeat(40)].iter().enumerate()
        {
            let path = folder.path().join(index.to_string());
            secret_file::make(&path, text.as_bytes()).unwrap();
            assert!(matches!(load(&path), Err(AdminTokenError::Unfit { .. })), "{text}");
        }
    }
}
