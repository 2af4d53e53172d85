//! The feed: what happened in a tenant, in order, and what the newest [`FEED`] commands told of it.
//!
//! Entries lie in a ring of rows, those of one command in one, so that the oldest go by being
//! written over: no row is ever looked for or removed. One row more than is shown tells whether a
//! reader has missed something.

use crate::event::{EventCode, FeedEntry};
use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, View, frame};
use std::collections::BTreeSet;

/// How many rows of a tenant are shown.
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

/// The row with this number, counted from the tenant's first.
fn row(tenant: &str, number: u64) -> Vec<u8> {
    key::under_tenant(Kind::Feed, tenant, &((number % RING) as u32).to_be_bytes())
}

impl Book<'_> {
    /// Writes what a command tells the feed of `tenant` as one row.
    pub(crate) fn store_feed(&mut self, tenant: &str, entries: &[FeedEntry]) -> Result<(), Stop> {
        let end = key::of_tenant(Kind::FeedEnd, tenant);
        let number: u64 = self.load("the end of the feed", &end)?.unwrap_or(0);
        self.store_all(row(tenant, number), entries);
        self.store(end, &(number + 1));
        Ok(())
    }
}

impl View<'_> {
    /// At most `limit` entries of a tenant's feed behind the place `after`, or from the oldest.
    pub fn events(&self, tenant: &str, after: Option<(u64, u32)>, limit: usize) -> Events {
        let end: u64 = self.load(&key::of_tenant(Kind::FeedEnd, tenant)).unwrap_or(0);
        let oldest = end.saturating_sub(FEED);
        let last = |number| self.feed_row(tenant, number).last().map(FeedEntry::place);
        let first = after.map_or(oldest, |after| {
            behind(oldest, end, |number| last(number).is_some_and(|place| place > after))
        });
        let missed = |after| oldest.checked_sub(1).and_then(last).is_some_and(|gone| gone > after);
        let wanted = usize::try_from(end - first).unwrap_or(usize::MAX).min(limit);
        let items = self.feed_entries(tenant, first, wanted).into_iter();
        let items = items.filter(|entry| after.is_none_or(|after| entry.place() > after));
        let kept = if oldest < end { self.feed_row(tenant, oldest) } else { Vec::new() };
        Events {
            items: items.take(limit).collect(),
            oldest: kept.first().map(FeedEntry::place),
            lost: after.is_some_and(missed),
        }
    }

    /// The place of the newest entry of a tenant's feed: what is behind it has not happened yet.
    pub fn newest_event(&self, tenant: &str) -> Option<(u64, u32)> {
        let end: u64 = self.load(&key::of_tenant(Kind::FeedEnd, tenant))?;
        self.feed_row(tenant, end.checked_sub(1)?).last().map(FeedEntry::place)
    }

    /// Credentials of a tenant that were staged or offered again at `since` (ms since the Unix epoch)
    /// or later, the newest first, of `rows` rows of the feed before row `before`, or of the newest; and the row
    /// to go on before, if there may be more.
    pub fn staged_before(
        &self,
        tenant: &str,
        before: Option<u64>,
        since: u64,
        rows: u64,
    ) -> (Vec<(DeviceRef, CredentialId)>, Option<u64>) {
        let end: u64 = self.load(&key::of_tenant(Kind::FeedEnd, tenant)).unwrap_or(0);
        let oldest = end.saturating_sub(FEED);
        let before = before.unwrap_or(end).min(end);
        let first = before.saturating_sub(rows).max(oldest);
        let count = usize::try_from(before.saturating_sub(first)).unwrap_or(usize::MAX);
        let entries = self.feed_entries(tenant, first, count);
        let more = first > oldest && entries.first().is_some_and(|entry| entry.at >= since);
        let staged = entries.into_iter().rev().filter_map(|entry| {
            let offered = [EventCode::CredentialIssued, EventCode::CredentialReissued];
            let is_staged = entry.at >= since && offered.contains(&entry.code);
            let device = entry.device.filter(|_| is_staged)?;
            Some((DeviceRef { tenant: tenant.to_owned(), device }, entry.credential?))
        });
        let mut seen = BTreeSet::new();
        let staged = staged.filter(|it| seen.insert(it.clone()));
        (staged.collect(), more.then_some(first))
    }

    fn feed_row(&self, tenant: &str, number: u64) -> Vec<FeedEntry> {
        let bytes = self.rows.row(&row(tenant, number));
        bytes.and_then(|bytes| frame::decode_all(&bytes)).unwrap_or_default()
    }

    /// The entries of `count` rows from `first` on; the ring is read in one stretch, or in two at
    /// its end.
    fn feed_entries(&self, tenant: &str, first: u64, count: usize) -> Vec<FeedEntry> {
        let to_its_end = usize::try_from(RING - first % RING).unwrap_or(usize::MAX).min(count);
        let end = key::end_of(&key::of_tenant(Kind::Feed, tenant));
        let mut rows = self.rows.range(&row(tenant, first), &end, to_its_end);
        rows.extend(self.rows.range(&row(tenant, 0), &end, count - to_its_end));
        rows.iter().filter_map(|(_, bytes)| frame::decode_all(bytes)).flatten().collect()
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
