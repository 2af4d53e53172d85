//! Lists of factories, and exports: counted by the API.

use super::Source;
use super::family::counters;
use super::names;
use core::sync::atomic::{AtomicU64, Ordering};
use prometheus::proto::MetricFamily;

/// What can come of an encrypted key in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// It opened.
    Opened,
    /// It is encrypted to no import key of the tenant.
    UnknownKey,
    /// It was changed, or belongs to another device, identity or tenant.
    DoesNotOpen,
    /// It is not written as such a key is.
    Malformed,
}

impl Import {
    /// In the order of the variants.
    const LABELS: [&str; 4] = ["opened", "unknown_key", "does_not_open", "malformed"];
}

/// The numbers.
#[derive(Debug, Default)]
pub(super) struct Factory {
    imports: [AtomicU64; Import::LABELS.len()],
    /// By whether with secrets, then by whether finished.
    exports: [[AtomicU64; 2]; 2],
}

impl Factory {
    pub(super) fn imported(&self, import: Import) {
        self.imports[import as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn exported(&self, secrets: bool, finished: bool) {
        self.exports[usize::from(secrets)][usize::from(finished)].fetch_add(1, Ordering::Relaxed);
    }
}

impl Source for Factory {
    fn families(&self) -> Vec<MetricFamily> {
        let imports = Import::LABELS.map(|label| [("result", label)]);
        let imports = imports.iter().zip(&self.imports);
        let mut exports = Vec::new();
        for (secrets, of) in ["no", "yes"].iter().zip(&self.exports) {
            for (result, number) in ["begun", "finished"].iter().zip(of) {
                exports.push(([("result", *result), ("secrets", *secrets)], number));
            }
        }
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        vec![
            counters(names::IMPORTS, imports.map(|(labels, number)| (&labels[..], read(number)))),
            counters(
                names::EXPORTS,
                exports.iter().map(|(labels, number)| (&labels[..], read(number))),
            ),
        ]
    }
}
