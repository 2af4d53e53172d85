//! How a command ends.

use core::fmt;
use std::process::ExitCode;

/// The exit codes, as the help lists them; 0 is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It could not be done.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// What is named does not exist.
    NotFound = 3,
    /// It is taken, was changed, or its state does not allow it.
    Conflict = 4,
    /// The token is missing or wrong.
    Denied = 5,
    /// The server does not answer, or cannot now.
    Unavailable = 6,
    /// Some of it could not be done; the rest is done.
    Partly = 7,
}

impl Exit {
    /// For an answer of the API with this status.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Denied,
            404 => Self::NotFound,
            409 | 412 => Self::Conflict,
            502..=504 => Self::Unavailable,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed: its exit code, and words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    words: String,
}

impl Failure {
    /// A failure in these words.
    pub fn new(exit: Exit, words: impl Into<String>) -> Self {
        Self { exit, words: words.into() }
    }

    /// One that has no exit code of its own.
    pub fn failed(words: impl Into<String>) -> Self {
        Self::new(Exit::Failed, words)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_the_code_that_the_help_promises() {
        let table =
            [(400, 1), (401, 5), (403, 5), (404, 3), (409, 4), (422, 1), (500, 1), (503, 6)];
        for (status, code) in table {
            assert_eq!(Exit::of_status(status) as u8, code, "{status}");
        }
    }
}
