//! What is wrong with a configuration, and where.

use core::fmt;
use std::io;
use std::path::PathBuf;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Its file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// It is wrong in these places.
    #[error("the configuration is wrong:{}", lines(path, faults))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Each place that is known to be wrong.
        faults: Vec<Fault>,
    },
}

/// One wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The key's full path; empty where it belongs to none.
    pub key: String,
    /// What is wrong, and what would be right.
    pub words: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if self.key.is_empty() { "" } else { ": " };
        write!(f, "{}: {}{between}{}", self.line, self.key, self.words)
    }
}

fn lines(path: &std::path::Path, faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {}:{fault}", path.display())).collect()
}
