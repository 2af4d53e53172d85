//! Credentials that are staged with the session that they are for.

use super::*;

fn prepared(outcome: Outcome) -> Option<Prepared> {
    let Outcome::Opened { staged, .. } = outcome else { panic!("{outcome:?}") };
    staged
}

fn enrolled() -> Rig {
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    rig
}

/// Session 1 of device 1 is open, and the credential 10 was staged with it.
fn opened() -> Rig {
    let mut rig = enrolled();
    let staged = prepared(rig.run(open_with(1, 1, 10)));
    let expected = Prepared { credential: cred(10), confirmed: false, withdrawn: vec![] };
    assert_eq!(staged, Some(expected));
    rig
}

fn offer(rig: &Rig) -> Option<Outcome> {
    rig.view().offer(&device(1), sess(1), cred(10), rig.now, false)
}

#[test]
fn opening_stages_what_a_request_of_its_own_would_stage() {
    let rig = opened();

    let mut other = Rig::in_session();
    let staged = other.run(stage(10));

    assert_eq!(offer(&rig), Some(staged));
    let record = |rig: &Rig| rig.view().credential(&device(1), cred(10));
    assert_eq!(record(&rig), record(&other));
    assert_eq!(rig.view().outbox(), other.view().outbox());
    assert_eq!(rig.view().device(&device(1)).unwrap().staged, Some(cred(10)));
    assert_eq!((rig.audited(EventCode::CredentialIssued), rig.state(1)), (1, State::Active));
}

#[test]
fn a_device_that_opens_sessions_and_asks_for_nothing_has_one_credential() {
    let mut rig = opened();

    for session in 2..6 {
        assert_eq!(prepared(rig.run(open_with(1, session, 10 + session))), None);
    }

    assert_eq!(rig.view().device(&device(1)).unwrap().made, [cred(10)]);
    assert_eq!(rig.audited(EventCode::CredentialIssued), 1);
    assert_eq!(rig.noted(EventCode::CredentialReissued), 0);
    let asked = rig.run(StageCredential { session: sess(5), ..stage(20) });
    assert!(matches!(asked, Outcome::Staged { credential, again: true, .. }
        if credential == cred(10)));
}

#[test]
fn the_same_handshake_stages_once() {
    let mut rig = opened();

    let again = rig.run(open_with(1, 1, 11));

    assert_eq!(prepared(again), None);
    assert_eq!(rig.view().credential(&device(1), cred(11)), None);
}

#[test]
fn what_has_passed_is_superseded_by_the_next_session() {
    let mut rig = opened();
    rig.done(put_profile("default", "coaps://second.example"));

    let staged = prepared(rig.run(open_with(1, 2, 11))).unwrap();

    assert_eq!((staged.credential, staged.withdrawn), (cred(11), vec![cred(10)]));
    assert_eq!((rig.state(10), rig.state(11)), (State::Superseded, State::Staged));
}

#[test]
fn what_has_little_time_left_is_superseded_by_the_next_session() {
    let mut rig = opened();
    rig.now += LIFETIME / 2;
    assert_eq!(prepared(rig.run(open_with(1, 2, 11))), None);
    rig.now += 1;

    let staged = prepared(rig.run(open_with(1, 3, 12))).unwrap();

    assert_eq!((staged.credential, staged.withdrawn), (cred(12), vec![cred(10)]));
    assert_eq!((rig.state(10), rig.state(12)), (State::Superseded, State::Staged));
}

#[test]
fn a_server_that_asks_for_keys_is_not_told() {
    let mut rig = Rig::empty();
    rig.done(Found { cluster: [1; 16] });
    rig.done(create_tenant("default"));
    rig.done(PutConnector { kind: ConnectorKind::Pull, ..put_connector("default") });
    rig.done(put_profile("default", "coaps://lwm2m.example:5684"));
    rig.done(enrol(1));

    let staged = prepared(rig.run(open_with(1, 1, 10))).unwrap();

    assert!(staged.confirmed);
    assert_eq!(rig.view().served("default", &[10; 16]), Some((device(1), cred(10))));
    assert!(matches!(offer(&rig), Some(Outcome::Staged { confirmed: true, .. })));
    assert_eq!(rig.view().outbox(), []);
}

#[test]
fn a_server_that_was_told_meanwhile_is_known_to_hold_it() {
    let mut rig = opened();
    rig.done(confirm(10));

    assert!(matches!(offer(&rig), Some(Outcome::Staged { confirmed: true, again: false, .. })));
}

#[test]
fn what_cannot_be_staged_refuses_no_session_and_is_told_when_it_is_asked_for() {
    for (number, why) in [(1, taken("credential", cred(1))), (10, taken("credential", cred(10)))] {
        let mut rig = opened();
        rig.done(deliver(10));

        let staged = prepared(rig.run(open_with(1, 2, number)));

        assert_eq!((staged, rig.audited(EventCode::Refused)), (None, 0));
        assert!(rig.view().is_open(&device(1), sess(2)));
        let asked = StageCredential { session: sess(2), ..stage(number) };
        assert_eq!((rig.refused(asked), rig.audited(EventCode::Refused)), (why, 1));
    }
}

#[test]
fn a_device_without_a_profile_gets_its_session() {
    let mut rig = enrolled();
    let row = key::named(key::Kind::Profile, "default", "meters");
    rig.rows.remove(&row);

    assert_eq!(prepared(rig.run(open_with(1, 1, 10))), None);

    assert!(!rig.view().wants_fresh(&device(1), rig.now));
    assert_eq!(rig.refused(stage(10)), not_found("profile", "meters"));
}

#[test]
fn nothing_is_offered_that_has_changed_since() {
    let changes: [fn(&mut Rig); 8] = [
        |rig| rig.done(put_profile("default", "coaps://second.example")),
        |rig| drop(rig.ended(rotate())),
        |rig| drop(rig.ended(revoke(10))),
        |rig| drop(rig.ended(revoke(1))),
        |rig| rig.done(deliver(10)),
        |rig| rig.done(close(1)),
        |rig| drop(rig.ended(delete())),
        |rig| rig.now += LIFETIME / 2 + 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut rig = opened();
        assert!(offer(&rig).is_some());

        change(&mut rig);

        assert_eq!(offer(&rig), None, "change {number}");
    }
}

#[test]
fn a_fresh_one_is_wanted_while_none_waits() {
    let mut rig = enrolled();
    let wanted = |rig: &Rig| rig.view().wants_fresh(&device(1), rig.now);
    assert!(wanted(&rig));

    rig.run(open_with(1, 1, 10));
    rig.now += LIFETIME / 2;
    assert!(!wanted(&rig));
    rig.now += 1;
    assert!(wanted(&rig));
    rig.now -= LIFETIME / 2 + 1;
    rig.done(deliver(10));

    assert!(wanted(&rig));
    assert!(!rig.view().wants_fresh(&device(2), rig.now));
}

#[test]
fn a_server_that_holds_one_keeps_it_until_the_device_asks() {
    let mut rig = enrolled();
    let name = "demo".to_owned();
    let kind = ConnectorKind::Leshan;
    rig.done(PutConnector { name: name.clone(), kind, ..put_connector("default") });
    let mut through = put_profile("default", "coaps://leshan.example:5684");
    through.profile.connector = name;
    rig.done(through);

    let staged = prepared(rig.run(open_with(1, 1, 10)));

    assert_eq!(staged, None);
    assert!(!rig.view().wants_fresh(&device(1), rig.now));
    assert!(matches!(rig.run(stage(10)), Outcome::Staged { again: false, .. }));
}
