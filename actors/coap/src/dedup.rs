//! The message ids that have come, and what they were answered with (RFC 7252 §4.5).

use core::time::Duration;
use zeroize::Zeroizing;

/// What a repetition of a message gets.
pub(crate) enum Again {
    /// Nothing: it was not confirmable, or no answer has left yet.
    Silence,
    /// The same bytes.
    Bytes(Zeroizing<Vec<u8>>),
}

/// A bounded table, oldest first.
#[derive(Default)]
pub(crate) struct Seen {
    entries: Vec<Entry>,
}

struct Entry {
    message_id: u16,
    until: Duration,
    again: Again,
}

impl Seen {
    /// What this message id was answered with, if it is remembered.
    pub(crate) fn find(&self, now: Duration, message_id: u16) -> Option<&Again> {
        self.live(now).find(|entry| entry.message_id == message_id).map(|entry| &entry.again)
    }

    /// Remembers a message id that has not been answered; the oldest of `limit` makes room.
    pub(crate) fn insert(&mut self, now: Duration, message_id: u16, until: Duration, limit: usize) {
        self.entries.retain(|entry| entry.until > now && entry.message_id != message_id);
        while self.entries.len() >= limit.max(1) {
            self.entries.remove(0);
        }
        self.entries.push(Entry { message_id, until, again: Again::Silence });
    }

    /// Sets what a repetition gets.
    pub(crate) fn answer(&mut self, message_id: u16, bytes: &[u8]) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.message_id == message_id) {
            entry.again = Again::Bytes(Zeroizing::new(bytes.to_vec()));
        }
    }

    /// Forgets one message id.
    pub(crate) fn remove(&mut self, message_id: u16) {
        self.entries.retain(|entry| entry.message_id != message_id);
    }

    /// Gives back unused room.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }

    /// Drops what is stale; once nothing is left, the memory too.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.entries.retain(|entry| entry.until > now);
        if self.entries.is_empty() {
            self.entries = Vec::new();
        }
    }

    /// When the last entry is stale: one timer for all, as a stale entry does no harm.
    pub(crate) fn last_expiry(&self) -> Option<Duration> {
        self.entries.iter().map(|entry| entry.until).max()
    }

    fn live(&self, now: Duration) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(247);

    #[test]
    fn forgets_after_the_lifetime() {
        let mut seen = Seen::default();
        seen.insert(Duration::ZERO, 7, LATER, 64);

        assert!(seen.find(LATER - Duration::from_millis(1), 7).is_some());
        assert!(seen.find(LATER, 7).is_none());
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut seen = Seen::default();
        for message_id in 0..3 {
            seen.insert(Duration::ZERO, message_id, LATER, 2);
        }

        assert!(seen.find(Duration::ZERO, 0).is_none());
        assert!(seen.find(Duration::ZERO, 1).is_some());
        assert!(seen.find(Duration::ZERO, 2).is_some());
    }
}
