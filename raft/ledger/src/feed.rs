//! The feed: what happened in a tenant, in order, and the newest [`FEED`] of it.
//!
//! Entries lie in a ring of rows, so that the oldest goes by being written over: no row is ever
//! looked for or removed. One row more than is shown tells whether a reader has missed something.

use crate::event::{Event, FeedEntry, TimelineEntry};
use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{DeviceRef, View};

/// How many entries of a tenant are kept.
pub(crate) const FEED: u64 = 65_536;
/// How many rows they lie in.
const RING: u64 = FEED + 1;

/// A part of a tenant's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// Entries, oldest first.
    pub items: Vec<FeedEntry>,
    /// The place of the oldest entry that is kept.
    pub oldest: Option<(u64, u32)>,
    /// True if entries behind the place that was asked for are not kept any more.
    pub lost: bool,
}

/// The row of the entry with this number, counted from the tenant's first.
fn row(tenant: &str, number: u64) -> Vec<u8> {
    key::under_tenant(Kind::Feed, tenant, &((number % RING) as u32).to_be_bytes())
}

impl Book<'_> {
    /// Tells the feed of `device` what stands on its timeline.
    pub(crate) fn feed_device(&mut self, of: &DeviceRef, entry: TimelineEntry) -> Result<(), Stop> {
        let TimelineEntry { at, index, code, credential, words } = entry;
        let device = Some(of.device.clone());
        self.feed(&of.tenant, FeedEntry { index, n: 0, at, code, device, credential, words })
    }

    /// Tells the feed, and the audit log where it is audited, what concerns the tenant as a whole.
    pub(crate) fn announce(&mut self, tenant: &str, event: Event) -> Result<(), Stop> {
        let Event { code, credential, words } = event;
        let (index, at) = (self.index, self.at);
        let entry = FeedEntry { index, n: self.fed, at, code, device: None, credential, words };
        if code.is_audited() {
            let place = [&index.to_be_bytes()[..], &entry.n.to_be_bytes()].concat();
            self.store(key::under_tenant(Kind::TenantAudit, tenant, &place), &entry);
        }
        self.feed(tenant, entry)
    }

    fn feed(&mut self, tenant: &str, mut entry: FeedEntry) -> Result<(), Stop> {
        entry.n = self.fed;
        self.fed += 1;
        let end = key::of_tenant(Kind::FeedEnd, tenant);
        let number: u64 = self.load("the end of the feed", &end)?.unwrap_or(0);
        self.store(row(tenant, number), &entry);
        self.store(end, &(number + 1));
        Ok(())
    }
}

impl View<'_> {
    /// At most `limit` entries of a tenant's feed behind the place `after`, or from the oldest.
    pub fn events(&self, tenant: &str, after: Option<(u64, u32)>, limit: usize) -> Events {
        let end: u64 = self.load(&key::of_tenant(Kind::FeedEnd, tenant)).unwrap_or(0);
        let oldest = end.saturating_sub(FEED);
        let place = |number| self.load(&row(tenant, number)).map(|entry: FeedEntry| entry.place());
        let first = after.map_or(oldest, |after| {
            behind(oldest, end, |number| place(number).is_some_and(|place| place > after))
        });
        let missed = |after| oldest.checked_sub(1).and_then(place).is_some_and(|gone| gone > after);
        let wanted = usize::try_from(end - first).unwrap_or(usize::MAX).min(limit);
        Events {
            items: self.feed_entries(tenant, first, wanted),
            oldest: if oldest < end { place(oldest) } else { None },
            lost: after.is_some_and(missed),
        }
    }

    /// The place of the newest entry of a tenant's feed: what is behind it has not happened yet.
    pub fn newest_event(&self, tenant: &str) -> Option<(u64, u32)> {
        let end: u64 = self.load(&key::of_tenant(Kind::FeedEnd, tenant))?;
        let newest: FeedEntry = self.load(&row(tenant, end.checked_sub(1)?))?;
        Some(newest.place())
    }

    /// `count` entries from `first` on; the ring is read in one stretch, or in two at its end.
    fn feed_entries(&self, tenant: &str, first: u64, count: usize) -> Vec<FeedEntry> {
        let to_its_end = usize::try_from(RING - first % RING).unwrap_or(usize::MAX).min(count);
        let end = key::end_of(&key::of_tenant(Kind::Feed, tenant));
        let mut entries = self.range(&row(tenant, first), &end, to_its_end);
        entries.extend(self.range(&row(tenant, 0), &end, count - to_its_end));
        entries
    }

    /// Audit entries of a tenant that concern no device, oldest first: at most `limit` behind
    /// the place `after`, or from the first.
    pub fn tenant_audit(
        &self,
        tenant: &str,
        after: Option<(u64, u32)>,
        limit: usize,
    ) -> Vec<FeedEntry> {
        let prefix = key::of_tenant(Kind::TenantAudit, tenant);
        let from = after.map_or(prefix.clone(), |(index, n)| {
            [&prefix[..], &index.to_be_bytes(), &n.to_be_bytes(), &[0]].concat()
        });
        self.range(&from, &key::end_of(&prefix), limit)
    }
}

/// The first number in `from..to` for which `is_behind` holds, or `to`; those before it come first.
fn behind(mut from: u64, mut to: u64, is_behind: impl Fn(u64) -> bool) -> u64 {
    while from < to {
        let middle = from + (to - from) / 2;
        if is_behind(middle) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}
