//! What the log holds, in memory: where each entry stands, the newest entries themselves, and the
//! node's own records.

use super::segment::{Segment, damaged};
use crate::log_store::{Change, Kept};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// How many bytes of entries are held for readers, few in tests; those not yet written come on top.
const CACHE: usize = if cfg!(test) { 4 << 10 } else { 8 << 20 };

/// Where an entry stands on the disk.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) segment: Arc<Segment>,
    pub(super) offset: u64,
    pub(super) length: usize,
    /// CRC-32 of the entry: a read is checked, lest rot be replicated.
    pub(super) crc: u32,
}

impl Place {
    fn read(&self) -> io::Result<Arc<[u8]>> {
        let bytes = self.segment.read(self.offset, self.length)?;
        match crc32fast::hash(&bytes) == self.crc {
            true => Ok(bytes.into()),
            false => Err(damaged(&self.segment.path, self.offset)),
        }
    }
}

/// An entry: its bytes, its place, or both.
#[derive(Debug, Clone)]
enum Slot {
    /// Not on the disk yet. The ticket tells it from an earlier entry of the same index.
    Waiting {
        ticket: u64,
        bytes: Arc<[u8]>,
    },
    Cached {
        place: Place,
        bytes: Arc<[u8]>,
    },
    Cold(Place),
}

impl Slot {
    fn cached(&self) -> usize {
        match self {
            Self::Waiting { bytes, .. } | Self::Cached { bytes, .. } => bytes.len(),
            Self::Cold(_) => 0,
        }
    }
}

/// The log as readers see it: with every change that was asked for, written or not.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<u64, Slot>,
    pub(super) kept: Kept,
    ticket: u64,
    cached: usize,
    /// Entries below are cold.
    warm: u64,
}

impl Index {
    /// Takes a change up; its ticket is for [`Index::placed`].
    pub(super) fn change(&mut self, change: &Change) -> u64 {
        self.ticket += 1;
        self.kept.note(change);
        match change {
            Change::Append(entries) => {
                for (index, bytes) in entries {
                    let slot = Slot::Waiting { ticket: self.ticket, bytes: bytes.clone() };
                    self.cached += bytes.len();
                    let old = self.entries.insert(*index, slot);
                    self.cached -= old.as_ref().map_or(0, Slot::cached);
                    self.warm = self.warm.min(*index);
                }
            }
            Change::Truncate(from) => self.forget(|entries| entries.split_off(from)),
            Change::Purge(to, _) => self.forget(|entries| {
                let rest = entries.split_off(&to.saturating_add(1));
                std::mem::replace(entries, rest)
            }),
            Change::Vote(_) | Change::Node(_) => {}
        }
        self.ticket
    }

    fn forget(&mut self, part: impl FnOnce(&mut BTreeMap<u64, Slot>) -> BTreeMap<u64, Slot>) {
        let gone = part(&mut self.entries);
        self.cached -= gone.values().map(Slot::cached).sum::<usize>();
    }

    /// An entry is on the disk, synced; nothing happens if it was removed or replaced meanwhile.
    pub(super) fn placed(&mut self, index: u64, ticket: u64, place: Place) {
        if let Some(slot) = self.entries.get_mut(&index)
            && let Slot::Waiting { ticket: waiting, bytes } = slot
            && *waiting == ticket
        {
            *slot = Slot::Cached { place, bytes: bytes.clone() };
        }
        self.cool();
    }

    fn cool(&mut self) {
        if self.cached <= CACHE {
            return;
        }
        for (index, slot) in self.entries.range_mut(self.warm..) {
            if let Slot::Cached { place, bytes } = slot {
                self.cached -= bytes.len();
                *slot = Slot::Cold(place.clone());
            }
            if self.cached <= CACHE || matches!(slot, Slot::Waiting { .. }) {
                break;
            }
            self.warm = *index + 1;
        }
    }

    /// The entries from `from` to below `to`: those with bytes, and where to read the others.
    pub(super) fn entries(&self, from: u64, to: u64) -> Vec<Found> {
        let range = self.entries.range(from..to.max(from));
        range.map(|(_, slot)| Found(slot.clone())).collect()
    }

    pub(super) fn last(&self) -> Option<Found> {
        self.entries.last_key_value().map(|(_, slot)| Found(slot.clone()))
    }

    /// True if there is an entry for each index from the purged one to the last.
    pub(super) fn is_whole(&self) -> bool {
        let next = match (&self.kept.purged, self.entries.first_key_value()) {
            (Some((purged, _)), _) => purged.saturating_add(1),
            (None, first) => first.map_or(0, |(first, _)| *first).min(1),
        };
        let last = self.entries.last_key_value().map_or(next, |(last, _)| last.saturating_add(1));
        self.entries.range(next..).count() as u64 == last.saturating_sub(next)
    }
}

/// An entry that was found, to be read without the lock.
pub(super) struct Found(Slot);

impl Found {
    pub(super) fn read(self) -> io::Result<Arc<[u8]>> {
        match self.0 {
            Slot::Waiting { bytes, .. } | Slot::Cached { bytes, .. } => Ok(bytes),
            Slot::Cold(place) => place.read(),
        }
    }
}
