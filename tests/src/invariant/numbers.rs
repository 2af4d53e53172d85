//! A (key, nonce) pair is used once: no number of a session is given out twice by all actors that
//! ever were, and none is sealed twice by all edges.

use std::collections::{BTreeMap, BTreeSet};

type Session = [u8; 16];

/// The numbers of records.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    given: BTreeSet<(Session, u64)>,
    sealed: BTreeMap<(Session, u64), usize>,
}

impl Numbers {
    /// An actor numbers a record.
    pub(crate) fn given(&mut self, session: Session, number: u64) -> Option<String> {
        let first = self.given.insert((session, number));
        (!first).then(|| format!("{} of {} is given twice", words(number), hex(session)))
    }

    /// An edge has sealed a record.
    pub(crate) fn sealed(&mut self, edge: usize, session: Session, number: u64) -> Option<String> {
        let before = self.sealed.insert((session, number), edge)?;
        let (number, session) = (words(number), hex(session));
        Some(format!("{number} of {session} is sealed by edge {edge}, and was by edge {before}"))
    }
}

fn words(number: u64) -> String {
    format!("number {} of generation {}", number & 0xff_ffff, number >> 24)
}

fn hex(session: Session) -> String {
    session.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
