//! Requests under keys.

use super::*;
use crate::keyed::KEYS;

const HOUR: u64 = 3_600_000;

fn keyed(key: u64, fingerprint: u8) -> Keyed {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&key.to_be_bytes());
    Keyed { key: bytes, fingerprint: [fingerprint; 16] }
}

impl Rig {
    /// Applies `command` under a key, and a request id of its own.
    fn under(&mut self, keyed: Keyed, command: impl Into<Command>) -> Outcome {
        let envelope = Envelope { keyed: Some(keyed), ..self.envelope(command) };
        self.submit(&envelope)
    }

    fn rows_of_keys(&self) -> usize {
        let prefix = key::of_tenant(key::Kind::Keyed, "default");
        self.rows.0.keys().filter(|key| key.starts_with(&prefix)).count()
    }
}

fn version(rig: &Rig) -> u64 {
    rig.view().profile("default", "meters").unwrap().version
}

fn put(uri: &str) -> PutProfile {
    put_profile("default", uri)
}

#[test]
fn a_key_acts_once_however_many_requests_come_between() {
    let mut rig = Rig::ready();
    let first = rig.under(keyed(1, 1), put("coaps://a"));
    for _ in 0..100 {
        rig.done(put("coaps://b"));
    }
    rig.now += 23 * HOUR;
    let before = version(&rig);

    let again = rig.under(keyed(1, 1), put("coaps://a"));

    assert_eq!((first, again), (Outcome::Done, Outcome::Done));
    assert_eq!(version(&rig), before);
}

#[test]
fn a_repetition_has_the_outcome_of_the_first() {
    let mut rig = Rig::staged();
    let first = rig.under(keyed(1, 1), revoke(10));
    assert!(matches!(first, Outcome::Ended(_)), "{first:?}");
    assert_eq!(rig.under(keyed(1, 1), revoke(10)), first);
}

#[test]
fn a_key_with_another_request_is_refused_and_changes_nothing() {
    let mut rig = Rig::ready();
    rig.under(keyed(1, 1), put("coaps://a"));
    let before = rig.rows.clone();

    let other = rig.under(keyed(1, 2), put("coaps://b"));

    assert_eq!(other, Outcome::Refused(Refusal::KeyReused));
    assert_eq!(rig.rows, before);
}

#[test]
fn a_key_is_one_tenants_own() {
    let mut rig = Rig::ready();
    rig.under(keyed(1, 1), put("coaps://a"));
    let other = rig.under(keyed(1, 2), put_profile("other", "coaps://a"));
    assert_eq!(other, Outcome::Done);
}

#[test]
fn the_key_of_a_refused_request_may_be_used_again() {
    let mut rig = Rig::ready();
    let refused = rig.under(keyed(1, 1), delete_profile("none"));
    assert!(matches!(refused, Outcome::Refused(_)));
    assert_eq!(rig.under(keyed(1, 2), put("coaps://a")), Outcome::Done);
}

#[test]
fn a_key_acts_again_after_a_day() {
    let mut rig = Rig::ready();
    rig.under(keyed(1, 1), put("coaps://a"));
    let before = version(&rig);
    rig.now += 24 * HOUR;

    rig.under(keyed(1, 2), put("coaps://a"));

    assert_eq!(version(&rig), before + 1);
    // And from then on it stands for the newer request.
    assert_eq!(rig.under(keyed(1, 1), put("coaps://a")), Outcome::Refused(Refusal::KeyReused));
}

#[test]
fn what_is_over_leaves_no_row() {
    let mut rig = Rig::ready();
    for number in 0..10 {
        rig.under(keyed(number, 1), put("coaps://a"));
    }
    rig.now += 24 * HOUR;
    for number in 10..14 {
        rig.under(keyed(number, 1), put("coaps://a"));
    }
    assert_eq!(rig.rows_of_keys(), 2 * 4 + 1);
}

#[test]
fn the_oldest_key_makes_room() {
    let mut rig = Rig::ready();
    for number in 0..=KEYS {
        rig.under(keyed(number, 1), put("coaps://a"));
    }
    assert_eq!(rig.rows_of_keys() as u64, 2 * KEYS + 1);
    let kept = rig.under(keyed(1, 2), put("coaps://a"));
    assert_eq!(kept, Outcome::Refused(Refusal::KeyReused));
    assert_eq!(rig.under(keyed(0, 2), put("coaps://a")), Outcome::Done);
}

#[test]
fn the_bytes_stay_as_they_are() {
    let mut rig = Rig::ready();
    let envelope = Envelope { keyed: Some(keyed(1, 2)), ..rig.envelope(delete_profile("meters")) };
    let envelope = Envelope { request: request(7), ..envelope };
    rig.submit(&envelope);
    let prefix = key::of_tenant(key::Kind::Keyed, "default");
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);

    let mut lines = format!("command.keyed {}\n", hex(&envelope.encode()));
    let why = Outcome::Refused(Refusal::KeyReused);
    lines += &format!("outcome.refused.key_reused {}\n", hex(&frame::encode(&why)));
    for (key, value) in rig.rows.0.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        lines += &format!("{} {}\n", hex(key), hex(value));
    }

    assert_eq!(lines, include_str!("golden/keyed.txt"));
}
