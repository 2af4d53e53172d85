//! The reserve of free space: below it nothing is proposed any more.
//!
//! A log that meets a full disk stops its node, and a node that cannot write cannot make room
//! either. So proposals end while there is still space for what runs on without them: votes,
//! syncs and the compaction of rows. They begin again by themselves when there is room.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// How often the disk is asked, in ms.
const INTERVAL: u64 = 100;

/// How much is free, in bytes.
type Measure = Box<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// How to measure a folder.
pub(crate) fn of_folder(folder: &Path) -> Measure {
    let folder = folder.to_owned();
    Box::new(move || {
        let disk = rustix::fs::statvfs(&folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    })
}

/// The space of one node.
pub(crate) struct Space {
    /// None for a node in memory.
    measure: Option<Measure>,
    /// In bytes.
    reserve: u64,
    /// How often the disk is asked, in ms.
    interval: u64,
    begun: Instant,
    /// When it was measured last, in ms after `begun`, plus one; 0 for never.
    measured: AtomicU64,
    free: AtomicU64,
    short: AtomicBool,
}

impl Space {
    pub(crate) fn new(measure: Option<Measure>, reserve: u64) -> Self {
        Self {
            measure,
            reserve,
            interval: INTERVAL,
            begun: Instant::now(),
            measured: AtomicU64::new(0),
            free: AtomicU64::new(u64::MAX),
            short: AtomicBool::new(false),
        }
    }

    /// Space that is measured at each look, whatever the time is.
    pub(crate) fn simulated(
        measure: impl Fn() -> io::Result<u64> + Send + Sync + 'static,
        reserve: u64,
    ) -> Self {
        Self { interval: 0, ..Self::new(Some(Box::new(measure)), reserve) }
    }

    /// True if there is less than the reserve; it must be exceeded by an eighth to be false again.
    pub(crate) fn is_short(&self) -> bool {
        if let Some(measure) = &self.measure
            && self.is_due()
        {
            match measure() {
                Ok(free) => self.found(free),
                Err(error) => tracing::warn!(%error, "free space cannot be measured"),
            }
        }
        self.short.load(Ordering::Relaxed)
    }

    /// Sees that `bytes` more leave the reserve free: what can wait must not take the room of what
    /// cannot, the log.
    pub(crate) fn has_room_for(&self, bytes: u64) -> io::Result<()> {
        let short = self.is_short();
        let wanted = self.reserve.saturating_add(bytes);
        if short || self.free().is_some_and(|free| free < wanted) {
            let words = "it would take the free space below the reserve; make room";
            return Err(io::Error::new(io::ErrorKind::StorageFull, words));
        }
        Ok(())
    }

    /// The bytes that were free when it was measured last; none for a node in memory.
    pub(crate) fn free(&self) -> Option<u64> {
        self.measure.as_ref().map(|_| self.free.load(Ordering::Relaxed))
    }

    fn is_due(&self) -> bool {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
        let before = self.measured.load(Ordering::Relaxed);
        let due = before == 0 || now - before.min(now) >= self.interval;
        due && self
            .measured
            .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    fn found(&self, free: u64) {
        let reserve = self.reserve;
        self.free.store(free, Ordering::Relaxed);
        let was = self.short.load(Ordering::Relaxed);
        let wanted = if was { reserve + reserve / 8 } else { reserve };
        let short = free < wanted;
        self.short.store(short, Ordering::Relaxed);
        match (was, short) {
            (false, true) => tracing::error!(
                free,
                reserve,
                "too little free space: nothing is written until there is more"
            ),
            (true, false) => tracing::info!(free, "there is free space again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_the_reserve_it_is_short_until_there_is_an_eighth_more() {
        let space = Space::new(None, 800);
        for (free, short) in [(800, false), (799, true), (800, true), (899, true), (900, false)] {
            space.found(free);
            assert_eq!(space.is_short(), short, "{free} bytes free");
        }
    }

    #[test]
    fn what_would_take_the_reserve_has_no_room() {
        let space = Space::simulated(|| Ok(1000), 800);
        assert!(space.has_room_for(200).is_ok());
        assert!(space.has_room_for(201).is_err());
        assert!(Space::simulated(|| Ok(700), 800).has_room_for(0).is_err());
        assert!(Space::new(None, u64::MAX).has_room_for(u64::MAX).is_ok());
    }

    #[test]
    fn a_node_in_memory_is_never_short() {
        let space = Space::new(None, u64::MAX);
        assert!(!space.is_short());
        assert_eq!(space.free(), None);
    }

    #[test]
    fn a_folder_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Space::new(Some(of_folder(folder.path())), u64::MAX).is_short());
        let space = Space::new(Some(of_folder(folder.path())), 1);
        assert!(!space.is_short());
        assert!(space.free().is_some_and(|free| free > 1));
    }
}
