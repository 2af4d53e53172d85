//! The port between `apply` and whatever keeps the rows: a store on disk, or a map in a test.

/// The rows of the replicated state as `apply` sees them: ordered bytes to bytes.
pub trait Rows {
    /// The value under `key`.
    fn row(&self, key: &[u8]) -> Option<Vec<u8>>;
    /// Writes `value` under `key`, replacing what was there.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);
    /// Removes `key`; nothing happens if it is absent.
    fn remove(&mut self, key: &[u8]);
    /// Rows with `from <= key < to`, in key order, at most `limit` of them.
    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)>;
}

/// Applies one committed command at log index `index` and gives its outcome's bytes.
///
/// Deterministic and keyless. A refusal is an outcome; an `Err` stops the node.
pub type Apply = fn(rows: &mut dyn Rows, index: u64, command: &[u8]) -> Result<Vec<u8>, Damage>;

/// A command or row that this version cannot read: the node stops rather than guess.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ledger cannot read {what} at index {index}; start a version of Claviger that knows it"
)]
pub struct Damage {
    /// What could not be read: a command's or a row's name.
    pub what: &'static str,
    /// The log index being applied.
    pub index: u64,
}
