//! What one command tells, gathered until its end: what it tells in one place is one row there.
//!
//! The places are a device's timeline, the audit log and the tenant's feed. An entry has a number
//! of its own in each all the same, as if it were alone in its row: readers are given entries.

use crate::event::{AuditEntry, Event, EventCode, FeedEntry, TimelineEntry};
use crate::key::{self, Kind};
use crate::record::Device;
use crate::state::{Book, Stop};
use crate::{DeviceRef, Rows, frame};
use minicbor::Decode;

/// How many entries of a device's timeline are shown.
pub(crate) const TIMELINE: u64 = 64;
/// How many entries are in one row at most.
pub(crate) const MOST: u64 = 16;
/// A row whose first entry is so far behind the newest has none that is shown.
const GONE: u64 = TIMELINE + MOST;

/// What the command has told and is not written yet.
#[derive(Default)]
pub(crate) struct Story {
    device: Option<OfDevice>,
    feed: Option<(String, Vec<FeedEntry>)>,
    /// How many entries the command has told its tenant's feed.
    fed: u32,
}

/// What is told of one device.
struct OfDevice {
    of: DeviceRef,
    /// The number of the first entry.
    first: u64,
    timeline: Vec<TimelineEntry>,
    /// The number of the first entry that is audited, and all that are.
    audit: Option<(u64, Vec<AuditEntry>)>,
}

impl OfDevice {
    /// True if the entry with this number goes into the same rows.
    fn takes(&self, of: &DeviceRef, number: u64) -> bool {
        let next = self.first + self.timeline.len() as u64;
        self.of == *of && number == next && number - self.first < MOST
    }
}

impl Book<'_> {
    /// Tells `event` on the device's timeline, and in the feed and the audit log as its code says.
    pub(crate) fn record(
        &mut self,
        of: &DeviceRef,
        device: &mut Device,
        event: Event,
    ) -> Result<(), Stop> {
        let entry = self.entry(event);
        let number = device.next_entry;
        device.next_entry += 1;
        if !self.story.device.as_ref().is_some_and(|told| told.takes(of, number)) {
            self.tell_device();
            let (of, timeline) = (of.clone(), Vec::new());
            self.story.device = Some(OfDevice { of, first: number, timeline, audit: None });
        }
        let Some(told) = &mut self.story.device else { return Ok(()) };
        told.timeline.push(entry.clone());
        if entry.code.is_audited() {
            let audit = AuditEntry { device: of.clone(), entry: entry.clone() };
            told.audit.get_or_insert_with(|| (number, Vec::new())).1.push(audit);
        }
        if self.is_fed(entry.code)? { self.feed_device(of, entry) } else { Ok(()) }
    }

    /// Whether the feed tells of this at the ledger's level.
    fn is_fed(&self, code: EventCode) -> Result<bool, Stop> {
        Ok(self.is_at_level(code.fed_since())? && code.is_fed())
    }

    /// `event` as something that happens now.
    pub(crate) fn entry(&self, event: Event) -> TimelineEntry {
        let Event { code, credential, words } = event;
        TimelineEntry { at: self.at, index: self.index, code, credential, words }
    }

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
        let n = self.story.fed;
        let entry = FeedEntry { index, n, at, code, device: None, credential, words };
        if code.is_audited() {
            let place = [&index.to_be_bytes()[..], &n.to_be_bytes()].concat();
            self.store(key::under_tenant(Kind::TenantAudit, tenant, &place), &entry);
        }
        self.feed(tenant, entry)
    }

    fn feed(&mut self, tenant: &str, mut entry: FeedEntry) -> Result<(), Stop> {
        entry.n = self.story.fed;
        self.story.fed += 1;
        let takes = |(of, told): &(String, Vec<_>)| of == tenant && (told.len() as u64) < MOST;
        if !self.story.feed.as_ref().is_some_and(takes) {
            self.tell_feed()?;
        }
        let feed = self.story.feed.get_or_insert_with(|| (tenant.to_owned(), Vec::new()));
        feed.1.push(entry);
        Ok(())
    }

    /// Writes what was told until now.
    pub(crate) fn tell(&mut self) -> Result<(), Stop> {
        self.tell_device();
        self.tell_feed()
    }

    fn tell_device(&mut self) {
        let Some(OfDevice { of, first, timeline, audit }) = self.story.device.take() else {
            return;
        };
        if let Some((number, entries)) = audit {
            // The number tells apart what one command records about one device.
            let place = [self.index.to_be_bytes(), number.to_be_bytes()].concat();
            self.store_all(key::under_device(Kind::Audit, &of, &place), &entries);
        }
        let row = |number: u64| key::under_device(Kind::Timeline, &of, &number.to_be_bytes());
        self.store_all(row(first), &timeline);
        let numbers = first..first + timeline.len() as u64;
        for gone in numbers.filter_map(|number| number.checked_sub(GONE)) {
            self.drop_row(&row(gone));
        }
    }

    fn tell_feed(&mut self) -> Result<(), Stop> {
        match self.story.feed.take() {
            Some((tenant, entries)) => self.store_feed(&tenant, &entries),
            None => Ok(()),
        }
    }
}

/// The entries in rows under `prefix` behind the place `after`, oldest first, at least `limit` where
/// there are as many, each with its place: what its key would have behind the prefix if it were
/// alone in its row.
pub(crate) fn entries<T: for<'b> Decode<'b, ()>>(
    rows: &dyn Rows,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Vec<(Vec<u8>, T)> {
    // The entry behind `after` may stand in a row that begins before it.
    let first = after.and_then(|after| moved(after, |number| number.saturating_sub(MOST - 1)));
    let from = [prefix, first.as_deref().or(after).unwrap_or_default()].concat();
    let most = limit.saturating_add(MOST as usize);
    let found = rows.range(&from, &key::end_of(prefix), most).into_iter();
    let each = found.filter_map(|(key, bytes)| {
        let place = key.get(prefix.len()..)?.to_vec();
        let values = frame::decode_all(&bytes)?.into_iter().zip(0..);
        Some(values.filter_map(move |(value, n): (T, u64)| {
            Some((moved(&place, |number| number.saturating_add(n))?, value))
        }))
    });
    each.flatten().filter(|(place, _)| after.is_none_or(|after| place[..] > *after)).collect()
}

/// A place with another number at its end.
fn moved(place: &[u8], number: impl FnOnce(u64) -> u64) -> Option<Vec<u8>> {
    let (rest, last) = place.split_last_chunk()?;
    Some([rest, &number(u64::from_be_bytes(*last)).to_be_bytes()].concat())
}
