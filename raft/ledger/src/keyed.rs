//! Requests under keys: each acts once, for a day, and for the newest [`KEYS`] of a tenant.
//!
//! A row stands under each key. A second row under each number, which are given in the order of the
//! commits, says which key it is, so that the oldest can make room without a search.

use crate::key::{self, Kind};
use crate::record::{DoneOnce, DoneSpan, Keyed};
use crate::state::{Book, Stop};
use crate::{Damage, Outcome, Refusal, frame};

/// How long a key is remembered, in ms.
const DAY: u64 = 86_400_000;
/// How many keys of a tenant are remembered.
pub(crate) const KEYS: u64 = 16_384;
/// How many keys whose time is over go with one command.
const SWEPT: u64 = 4;

/// The row of what was done under a key, of the key with this number, and of the span of numbers.
fn by_key(tenant: &str, key: [u8; 16]) -> Vec<u8> {
    key::under_tenant(Kind::Keyed, tenant, &[&[0], &key[..]].concat())
}

fn by_number(tenant: &str, number: u64) -> Vec<u8> {
    key::under_tenant(Kind::Keyed, tenant, &[&[1], &number.to_be_bytes()[..]].concat())
}

fn span(tenant: &str) -> Vec<u8> {
    key::under_tenant(Kind::Keyed, tenant, &[2])
}

impl Book<'_> {
    /// What a request under `keyed` came to, if it was done before.
    ///
    /// Refuses another request under the same key.
    pub(crate) fn done_before(&self, tenant: &str, keyed: Keyed) -> Result<Option<Outcome>, Stop> {
        let row: Option<DoneOnce> =
            self.load("a request under a key", &by_key(tenant, keyed.key))?;
        let Some(done) = row.filter(|done| self.at < done.until) else { return Ok(None) };
        if done.fingerprint != keyed.fingerprint {
            return Err(Refusal::KeyReused.into());
        }
        let damage = Damage { what: "a remembered outcome", index: self.index };
        frame::decode(&done.outcome).map(Some).ok_or(Stop::Damaged(damage))
    }

    /// Remembers what a request under `keyed` came to.
    pub(crate) fn remember_done(
        &mut self,
        tenant: &str,
        keyed: Keyed,
        outcome: &Outcome,
    ) -> Result<(), Stop> {
        let mut span_row: DoneSpan =
            self.load("the span of keys", &span(tenant))?.unwrap_or_default();
        self.forget_done(tenant, &mut span_row)?;
        let number = span_row.next;
        span_row.next += 1;
        let done = DoneOnce {
            fingerprint: keyed.fingerprint,
            until: self.at.saturating_add(DAY),
            number,
            outcome: frame::encode(outcome).into(),
        };
        self.store(by_key(tenant, keyed.key), &done);
        self.store(by_number(tenant, number), &minicbor::bytes::ByteArray::from(keyed.key));
        self.store(span(tenant), &span_row);
        Ok(())
    }

    /// Makes room for one more, and lets some go whose time is over.
    fn forget_done(&mut self, tenant: &str, span: &mut DoneSpan) -> Result<(), Stop> {
        for _ in 0..SWEPT {
            if span.oldest == span.next {
                break;
            }
            let row = by_number(tenant, span.oldest);
            let key: Option<minicbor::bytes::ByteArray<16>> =
                self.load("the number of a key", &row)?;
            let at = key.map(|key| by_key(tenant, *key));
            let done: Option<DoneOnce> = match &at {
                Some(at) => self.load("a request under a key", at)?,
                None => None,
            };
            // A key that was used again after its time has a newer number.
            let done = done.filter(|done| done.number == span.oldest);
            let full = span.next - span.oldest >= KEYS;
            if !full && done.as_ref().is_some_and(|done| self.at < done.until) {
                break;
            }
            if let (Some(at), Some(_)) = (at, done) {
                self.drop_row(&at);
            }
            self.drop_row(&row);
            span.oldest += 1;
        }
        Ok(())
    }
}
