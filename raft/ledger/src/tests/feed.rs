//! A tenant's feed.

use super::*;
use crate::feed::FEED;
use crate::key::Kind;

fn places(events: &Events) -> Vec<(u64, u32)> {
    events.items.iter().map(FeedEntry::place).collect()
}

/// A feed to which `count` entries were written before.
fn grown(count: u64) -> Rig {
    let mut rig = Rig::in_session();
    let end = key::of_tenant(Kind::FeedEnd, "default");
    let mut number: u64 = frame::decode(&rig.rows.row(&end).unwrap()).unwrap();
    let ring = |number: u64| {
        key::under_tenant(Kind::Feed, "default", &((number % (FEED + 1)) as u32).to_be_bytes())
    };
    while number < count {
        let (code, words) = (EventCode::BootstrapFailed, String::new());
        let index = 1000 + number;
        let entry =
            FeedEntry { index, n: 0, at: START, code, device: None, credential: None, words };
        rig.rows.put(ring(number), frame::encode(&entry));
        number += 1;
    }
    rig.rows.put(end, frame::encode(&number));
    rig.index = 1000 + number;
    rig
}

#[test]
fn the_feed_tells_what_happened_in_order() {
    let mut rig = Rig::staged();
    rig.done(deliver(10));
    rig.done(note(false));

    let events = rig.view().events("default", None, 99);

    let codes: Vec<_> = events.items.iter().map(|entry| entry.code).collect();
    use EventCode as E;
    let expected = [
        E::ConnectorChanged,
        E::ProfileChanged,
        E::DeviceEnrolled,
        E::CredentialActivated,
        E::CredentialIssued,
        E::BootstrapFinished,
        E::CredentialDelivered,
        E::BootstrapFailed,
    ];
    assert_eq!(codes, expected);
    assert!(places(&events).is_sorted_by(|a, b| a < b));
    assert_eq!(events.oldest, Some(places(&events)[0]));
    assert!(!events.lost);
    let issued = &events.items[4];
    assert_eq!((issued.device.as_deref(), issued.credential), (Some("device-1"), Some(cred(10))));
}

#[test]
fn what_one_command_tells_is_numbered() {
    let mut rig = Rig::staged();

    rig.done(deliver(10));

    let events = rig.view().events("default", None, 99);
    let last: Vec<_> = places(&events).into_iter().filter(|(i, _)| *i == rig.index).collect();
    assert_eq!(last, [(rig.index, 0), (rig.index, 1)]);
}

#[test]
fn a_reader_goes_on_behind_the_place_it_has_read() {
    let mut rig = Rig::staged();
    rig.done(deliver(10));
    let all = rig.view().events("default", None, 99).items;

    for (read, entry) in all.iter().enumerate() {
        let rest = rig.view().events("default", Some(entry.place()), 2);
        let expected: Vec<_> = all[read + 1..].iter().take(2).cloned().collect();
        assert_eq!(rest.items, expected);
    }

    let between = rig.view().events("default", Some((all[2].index, u32::MAX)), 1);
    assert_eq!(between.items, all[3..4]);
    assert_eq!(rig.view().events("default", Some((u64::MAX, 0)), 9).items, []);
}

#[test]
fn a_tenants_feed_is_its_own() {
    let rig = Rig::staged();

    let other = rig.view().events("other", None, 99);

    let codes: Vec<_> = other.items.iter().map(|entry| entry.code).collect();
    assert_eq!(codes, [EventCode::ConnectorChanged, EventCode::ProfileChanged]);
    let nobody = Events { items: vec![], oldest: None, lost: false };
    assert_eq!(rig.view().events("nobody", None, 99), nobody);
}

#[test]
fn a_full_feed_takes_no_more_rows_and_keeps_the_newest() {
    let mut rig = grown(FEED);
    let of_tenant = key::of_tenant(Kind::Feed, "default");
    let rows = |rig: &Rig| rig.rows.0.keys().filter(|key| key.starts_with(&of_tenant)).count();
    assert_eq!(rows(&rig) as u64, FEED);

    for _ in 0..3 {
        rig.done(note(false));
    }

    let events = rig.view().events("default", None, usize::MAX);
    assert_eq!((rows(&rig) as u64, events.items.len() as u64), (FEED + 1, FEED));
    assert!(places(&events).is_sorted_by(|a, b| a < b));
    assert_eq!(events.items.last().unwrap().index, rig.index);
    assert_eq!(events.oldest, Some(places(&events)[0]));
}

#[test]
fn a_reader_is_told_that_it_missed_something_and_only_then() {
    let mut rig = grown(FEED);
    let first = rig.view().events("default", None, 3).items;
    let lost =
        |rig: &Rig, read: &FeedEntry| rig.view().events("default", Some(read.place()), 1).lost;

    rig.done(note(false));
    assert!(!lost(&rig, &first[0]), "it had read all that is gone");

    rig.done(note(false));
    assert!(lost(&rig, &first[0]));
    assert!(!lost(&rig, &first[1]));
    assert!(!rig.view().events("default", None, 1).lost);
    let oldest = rig.view().events("default", Some(first[0].place()), 1);
    assert_eq!(oldest.items[..], first[2..]);
}

#[test]
fn the_end_of_the_ring_is_no_end_of_the_feed() {
    let mut rig = grown(FEED + 3);
    rig.done(note(false));
    let newest = (1000 + FEED + 2, 0);

    let around = rig.view().events("default", Some((1000 + FEED - 3, 0)), 9);

    let expected: Vec<_> = (FEED - 2..FEED + 3).map(|n| (1000 + n, 0)).collect();
    assert_eq!(places(&around)[..5], expected);
    assert_eq!(places(&around)[5..], [(rig.index, 0)]);
    assert_eq!(rig.view().events("default", Some(newest), 9).items.len(), 1);
}

#[test]
fn what_was_staged_long_ago_and_offered_again_lately_is_found_where_all_nodes_tell_of_it() {
    for (level, expected) in [(3, vec![]), (4, vec![(device(1), cred(10))])] {
        // Given a device whose server was long in taking its credential
        let mut rig = Rig::staged();
        rig.done(RaiseLevel { level });
        rig.now += 600_000;
        let since = rig.now - 90_000;

        // When it asks again, twice
        for number in [11, 12] {
            rig.run(stage(number));
        }

        let found = rig.view().staged_before("default", None, since, 999);
        assert_eq!(found, (expected, None), "at level {level}");
    }
}

#[test]
fn what_was_staged_lately_is_found_from_the_newest_back() {
    // Given three devices that were given something, the first of them long ago
    let mut rig = Rig::ready();
    for number in 1..=3 {
        rig.now += 60_000;
        rig.done(enrol(number));
        rig.run(open_with(number, number, 10 + number));
    }
    let since = rig.now - 90_000;
    let of = |number| (device(number), cred(10 + number));

    // When it is looked for, in one go and by few rows at a time
    let (at_once, more) = rig.view().staged_before("default", None, since, 999);
    let (mut by_few, mut before) = (Vec::new(), None);
    loop {
        let (staged, next) = rig.view().staged_before("default", before, since, 1);
        by_few.extend(staged);
        before = next;
        if before.is_none() {
            break;
        }
    }

    // Then the one of long ago is not among it
    assert_eq!((at_once, more), (vec![of(3), of(2)], None));
    assert_eq!(by_few, [of(3), of(2)]);
}
