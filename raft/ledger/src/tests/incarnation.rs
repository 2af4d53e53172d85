//! A new incarnation: what could be used twice has ended, the rest goes on and is marked.

use super::*;
use crate::key::Kind;

/// Where a new incarnation's indexes begin.
const FAR: u64 = 1 << 40;

fn begin(rig: &mut Rig) -> Begun {
    let begun = begin_incarnation(&mut rig.rows, FAR, rig.now + 5).unwrap();
    rig.index = FAR;
    begun
}

fn of_kind(rig: &Rig, kind: Kind) -> usize {
    let rows = |slot| {
        let prefix = key::kind_in_slot(slot, kind);
        rig.rows.range(&prefix, &key::end_of(&prefix), usize::MAX).len()
    };
    (0..key::SLOTS).map(rows).sum()
}

#[test]
fn sessions_end_with_all_that_finds_or_resumes_them_and_none_opens_again() {
    // Given sessions with and without connection ids, and one that can be resumed
    let mut rig = Rig::in_session();
    rig.done(enrol(2));
    rig.run(open_at(1, 2, "192.0.2.7:1000"));
    rig.run(open_resumable(2, 3, 7));
    assert_eq!(of_kind(&rig, Kind::Session), 3);

    // When a new incarnation begins
    let begun = begin(&mut rig);

    // Then all that is gone
    assert_eq!((begun.incarnation, begun.sessions), (2, 3));
    for kind in [Kind::Session, Kind::ConnectionId, Kind::Address, Kind::Resumption] {
        assert_eq!(of_kind(&rig, kind), 0, "{kind:?}");
    }
    let credential = rig.view().credential(&device(1), cred(1)).unwrap();
    assert_eq!((credential.sessions.len(), credential.resumptions.len()), (0, 0));
    // And their handshakes open them no more, where others do.
    assert!(matches!(rig.run(open(1, 1)), Outcome::Refused(_)));
    assert!(matches!(rig.run(open_resumable(2, 3, 7)), Outcome::Refused(_)));
    assert!(matches!(rig.run(open(1, 4)), Outcome::Opened { .. }));
}

#[test]
fn what_was_staged_is_superseded_and_its_server_is_told() {
    let mut rig = Rig::staged();

    let begun = begin(&mut rig);

    assert_eq!((begun.staged, rig.state(10)), (1, State::Superseded));
    assert_eq!(rig.view().device(&device(1)).unwrap().staged, None);
    assert_eq!(rig.audited(EventCode::CredentialSuperseded), 1);
    let item = rig.view().outbox_item(&device(1), cred(10)).unwrap();
    assert_eq!(item.withdrawal.unwrap().identity, [10; 16]);
    // A device that comes now gets another.
    rig.run(open(1, 2));
    let again = rig.run(StageCredential { session: sess(2), ..stage(11) });
    assert!(matches!(again, Outcome::Staged { again: false, .. }), "{again:?}");
}

#[test]
fn live_credentials_go_on_and_are_to_be_reviewed() {
    let mut rig = Rig::staged();
    rig.done(confirm(10));
    rig.done(deliver(10));
    rig.done(report(10));
    rig.done(enrol(2));
    rig.ended(RevokeCredential { device: device(2), credential: cred(2), ..revoke(2) });

    let begun = begin(&mut rig);

    assert_eq!(begun.marked, 2);
    let review = |of, id| rig.view().credential(&device(of), cred(id)).unwrap().review;
    assert!(review(1, 1) && review(1, 10));
    assert!(!review(2, 2), "it is revoked");
    assert_eq!(rig.state(10), State::Active);
}

#[test]
fn every_tenant_is_told_once_and_in_the_order_of_its_feed() {
    let mut rig = Rig::in_session();
    let before = rig.view().newest_event("default").unwrap();

    begin(&mut rig);

    for tenant in ["default", "other"] {
        let told = rig.view().tenant_audit(tenant, None, 99);
        let told: Vec<_> =
            told.iter().filter(|entry| entry.code == EventCode::ClusterRestored).collect();
        assert_eq!(told.len(), 1, "{tenant}");
        assert!(told[0].words.contains("incarnation 2"), "{}", told[0].words);
    }
    let news = rig.view().events("default", Some(before), 99);
    assert!(!news.lost);
    assert!(news.items.iter().all(|entry| entry.index == FAR));
    assert_eq!(news.items.last().map(|entry| entry.code), Some(EventCode::ClusterRestored));
}

#[test]
fn it_has_the_cluster_s_id_and_level_and_the_time_it_began_at() {
    // Given a ledger of before incarnations
    let mut rig = Rig::in_session();
    assert_eq!(rig.view().meta().unwrap().level, 1);

    let begun = begin(&mut rig);

    let meta = rig.view().meta().unwrap();
    assert_eq!((meta.cluster, begun.cluster), ([1; 16], [1; 16]));
    assert_eq!((meta.incarnation, meta.level, meta.time), (2, 2, rig.now + 5));
    let expected = Incarnation { begun_at: rig.now + 5, index: FAR };
    assert_eq!(rig.view().incarnation(), Some(expected));
    // And a level that is above stays: it may be held there.
    let higher = Meta { level: 3, ..meta };
    rig.rows.put(key::meta(), frame::encode(&higher));
    assert_eq!(begin_incarnation(&mut rig.rows, 2 * FAR, 0).unwrap().incarnation, 3);
    assert_eq!(rig.view().meta().unwrap().level, 3);
}

#[test]
fn incarnations_of_one_copy_have_no_index_in_common() {
    const YEAR_2030: u64 = 1_893_456_000_000;
    let day = 86_400_000;
    let first = incarnation_begins(5_000_000, YEAR_2030, 0);

    // A second one of the same copy begins above a thousand entries a millisecond of the first,
    let second = incarnation_begins(5_000_000, YEAR_2030 + day, 0);
    assert!(second > first + 1_000 * day);
    // and so does one of what the first has become.
    assert!(incarnation_begins(first + 5_000_000, YEAR_2030 + day, 0) > first + 1_000 * day);
    // Two of a copy that the first incarnation made soon after it began are apart as well.
    let copy = incarnation_begins(first + 5_000_000, YEAR_2030 + day, 0);
    assert!(incarnation_begins(first + 5_000_000, YEAR_2030 + 2 * day, 0) > copy + 1_000 * day);
    // A clock that stands still or goes back leaves a gap all the same.
    for now in [0, YEAR_2030 - day, YEAR_2030] {
        assert_eq!(incarnation_begins(second, now, 0), second + FAR, "{now}");
    }
    assert_eq!(incarnation_begins(70, 0, 0), 70 + FAR);
    // The node makes it another one where the clock does not, and matters less than a day.
    let places: Vec<_> = (1..=64).map(|node| incarnation_begins(70, 0, node)).collect();
    for (one, other) in places.iter().flat_map(|one| places.iter().map(move |other| (one, other))) {
        assert!(one == other || one.abs_diff(*other) > 1 << 28, "{one} {other}");
        assert!(one.abs_diff(70 + FAR) < day << 12);
    }
    // They are JSON numbers for as long as anybody cares.
    assert!(incarnation_begins(0, YEAR_2030 + 40 * 365 * day, 0) < 1 << 53);
}

#[test]
fn the_same_rows_become_the_same_rows() {
    let mut rig = Rig::staged();
    rig.run(open_resumable(1, 2, 7));
    let mut other = rig.clone();

    assert_eq!(begin(&mut rig), begin(&mut other));

    assert_eq!(rig.rows, other.rows);
}

#[test]
fn rows_that_no_cluster_was_founded_in_are_refused() {
    let refused = begin_incarnation(&mut MemoryRows::default(), FAR, START).unwrap_err();
    assert_eq!(refused.what, "the cluster's record");

    let mut rig = Rig::ready();
    let newer = Meta { level: LEVEL + 1, ..rig.view().meta().unwrap() };
    rig.rows.put(key::meta(), frame::encode(&newer));
    let refused = begin_incarnation(&mut rig.rows, FAR, START).unwrap_err();
    assert_eq!(refused.what, "the ledger's level");
}

#[test]
fn the_level_rises_and_never_falls() {
    let mut rig = Rig::ready();
    assert_eq!(rig.view().meta().unwrap().level, 1);

    rig.done(RaiseLevel { level: 2 });
    rig.done(RaiseLevel { level: 1 });

    assert_eq!(rig.view().meta().unwrap().level, 2);
    let envelope = rig.envelope(RaiseLevel { level: LEVEL + 1 });
    let fate = apply(&mut rig.rows, 99, &envelope.encode());
    assert_eq!(fate, Err(Damage { what: "the ledger's level", index: 99 }));
}

#[test]
fn a_command_of_a_later_version_says_the_level_that_it_needs() {
    assert_eq!(Command::from(Found { cluster: [1; 16] }).level(), 1);
    assert_eq!(Command::from(put_import_key()).level(), 1);
    assert_eq!(Command::from(RaiseLevel { level: 2 }).level(), 2);
}

/// What was written once is read for ever.
#[test]
fn the_bytes_are_what_they_were_at_first() {
    let raised = Envelope::new(START, request(7), RaiseLevel { level: 2 }.into());
    let incarnation = Incarnation { begun_at: START, index: FAR };
    let mut rig = Rig::in_session();
    begin(&mut rig);
    let marked = rig.view().credential(&device(1), cred(1)).unwrap();
    let entry = rig.view().tenant_audit("default", None, 99).pop().unwrap();
    let entry = FeedEntry { words: "It happened.".into(), ..entry };

    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let lines = [
        ("command.RaiseLevel", raised.encode()),
        ("record.incarnation", frame::encode(&incarnation)),
        ("record.credential.review", frame::encode(&marked)),
        ("record.feed.cluster.restored", frame::encode(&entry)),
        ("key.incarnation", key::of_all(Kind::Incarnation, &[])),
    ];
    let lines: String =
        lines.iter().map(|(name, bytes)| format!("{name} {}\n", hex(bytes))).collect();

    assert_eq!(lines, include_str!("golden/incarnation.txt"));
    assert_eq!(frame::decode(&frame::encode(&incarnation)), Some(incarnation));
    assert_eq!(frame::decode(&frame::encode(&marked)), Some(marked));
}
