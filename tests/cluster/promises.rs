//! What devices and their LwM2M server were told of credentials, and how long nobody was told anything.

use claviger_device::Account;
use core::time::Duration;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many credentials that were made for a device the ledger keeps; the oldest go.
const KEPT: usize = 16;
/// A device sends a request again for 31 s at least (RFC 7252 §4.8.2). One that is never answered in
/// that time, while others are, has met a defect.
const OUTAGE: Duration = Duration::from_secs(30);

/// What the outside was told of one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// The device wrote it down.
    Held,
    /// The API answered the report of its use.
    Used,
}

/// By device and identity: the promise, and when the first promise of it was made.
pub(crate) type Promised = BTreeMap<(String, String), (Promise, usize)>;

struct Book {
    promised: Promised,
    /// When the last was made.
    last: Instant,
    /// The longest time in which none was.
    longest: Duration,
}

/// All promises that were made.
#[derive(Clone)]
pub(crate) struct Promises(Arc<Mutex<Book>>);

impl Default for Promises {
    fn default() -> Self {
        let (promised, last, longest) = (BTreeMap::new(), Instant::now(), Duration::ZERO);
        Self(Arc::new(Mutex::new(Book { promised, last, longest })))
    }
}

impl Promises {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a device was told.
    pub(crate) fn made(&self, device: &str, account: &Account, what: Promise) {
        let identity = String::from_utf8(account.identity.clone()).expect("ours are text");
        let mut book = self.lock();
        book.longest = book.longest.max(book.last.elapsed());
        book.last = Instant::now();
        let place = (device.to_owned(), identity);
        let order = book.promised.get(&place).map_or(book.promised.len(), |(_, order)| *order);
        book.promised.insert(place, (what, order));
    }

    /// What has been promised so far.
    pub(crate) fn all(&self) -> Promised {
        self.lock().promised.clone()
    }

    /// What was promised later is forgotten.
    pub(crate) fn go_back_to(&self, promised: Promised) {
        self.lock().promised = promised;
    }

    /// Whether there was a time in which the cluster served no device at all, as when the machine is
    /// too busy for it, that a device may have sent all in vain.
    pub(crate) fn nobody_was_served(&self) -> bool {
        let book = self.lock();
        book.longest.max(book.last.elapsed()) > OUTAGE
    }
}

/// Sees that the ledger has what was promised of a device.
pub(crate) fn check(name: &str, device: &Value, promises: &Promised) {
    let credentials = device["credentials"].as_array().expect("a list");
    let made = credentials.iter().filter(|credential| credential["origin"] == "claviger");
    let made: Vec<&str> = made.filter_map(|credential| credential["identity"].as_str()).collect();
    for ((_, identity), (what, order)) in promises.iter().filter(|((device, _), _)| device == name)
    {
        let found = credentials.iter().find(|it| it["identity"] == identity.as_str());
        let Some(found) = found else {
            // Only the oldest of more than are kept may be gone.
            let place = |made: &&str| promises.get(&(name.to_owned(), (*made).to_owned()));
            let newer = made.iter().filter_map(place).all(|(_, other)| other > order);
            assert!(made.len() >= KEPT && newer, "{identity} is gone: {device}");
            continue;
        };
        let state = found["state"].as_str().expect("a text");
        let allowed: &[&str] = match what {
            Promise::Held => &["staged", "delivered", "active", "superseded"],
            Promise::Used => &["active", "superseded"],
        };
        assert!(allowed.contains(&state), "{identity} is {state} and was {what:?}");
    }
}
