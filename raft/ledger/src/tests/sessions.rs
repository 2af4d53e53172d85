//! Sessions: opened, continued, closed.

use super::*;
use crate::key::Kind;

fn by_cid(rig: &Rig, cid: u8) -> Option<(DeviceRef, SessionId)> {
    rig.rows
        .row(&key::of_cluster(Kind::ConnectionId, &[&[cid; 8]]))
        .map(|b| frame::decode(&b).unwrap())
}

fn by_address(rig: &Rig, peer: &str) -> Option<(DeviceRef, SessionId)> {
    let row = key::of_cluster(Kind::Address, &[b"main", peer.as_bytes()]);
    rig.rows.row(&row).map(|b| frame::decode(&b).unwrap())
}

/// Gives the credential of device 1 the state `state`.
fn set_state(rig: &mut Rig, number: u8, state: State) {
    let credential = rig.view().credential(&device(1), cred(number)).unwrap();
    let row = key::credential(Kind::Credential, &device(1), cred(number));
    rig.rows.put(row, frame::encode(&Credential { state, ..credential }));
}

#[test]
fn the_first_use_activates_the_credential_once() {
    let mut rig = Rig::in_session();

    rig.run(open(1, 2));

    assert_eq!(rig.state(1), State::Active);
    assert_eq!(rig.audited(EventCode::CredentialActivated), 1);
    assert_eq!(rig.noted(EventCode::SessionOpened), 2);
}

#[test]
fn opening_gives_what_the_edge_needs_and_generation_one() {
    let mut rig = Rig::ready();
    rig.done(enrol(1));

    let outcome = rig.run(open(1, 1));

    let expected = Outcome::Opened {
        session: sess(1),
        device: device(1),
        credential: cred(1),
        endpoint: "urn:dev:1".into(),
        generation: 1,
        closed: vec![],
        staged: None,
    };
    assert_eq!(outcome, expected);
    let session = rig.view().session(&device(1), sess(1)).unwrap();
    assert_eq!((session.generation, session.opened_at), (1, START));
    assert_eq!(by_cid(&rig, 1), Some((device(1), sess(1))));
}

#[test]
fn the_same_handshake_opens_one_session_under_fresh_numbers() {
    let mut rig = Rig::in_session();
    rig.run(raise(1));
    let before = rig.rows.0.len();

    let outcome = rig.run(open(1, 1));

    // Whoever asked again may not know what was numbered since.
    assert!(matches!(outcome, Outcome::Opened { generation: 3, .. }), "{outcome:?}");
    assert_eq!(rig.rows.0.len(), before);
}

#[test]
fn the_same_handshake_is_answered_to_no_other_edge() {
    let at = |edge| OpenSession { opened: Session { edge, ..open(1, 1).opened }, ..open(1, 1) };
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    rig.run(at(Some(7)));
    let before = rig.rows.clone();

    let refused = [rig.refused(at(Some(8))), rig.refused(at(None))];

    assert_eq!(refused, [taken("session", sess(1)), taken("session", sess(1))]);
    assert_eq!(rig.rows, before);
    assert!(matches!(rig.run(at(Some(7))), Outcome::Opened { generation: 2, .. }));
}

#[test]
fn a_closed_sessions_handshake_opens_no_other() {
    let mut rig = Rig::in_session();
    rig.done(close(1));
    let before = rig.rows.clone();

    let why = rig.refused(open(1, 1));

    assert_eq!(why, taken("session", sess(1)));
    assert_eq!(rig.rows, before);
}

#[test]
fn ended_sessions_are_forgotten_when_their_handshake_is_long_stale() {
    let mut rig = Rig::in_session();
    rig.done(close(1));
    rig.now += 600_000;
    rig.run(open(1, 2));
    rig.done(close(2));

    let ended = key::of_device(Kind::Closed, &device(1));
    let kept = rig.rows.range(&ended, &key::end_of(&ended), 9);

    assert_eq!(kept.len(), 1);
    assert!(kept[0].0.ends_with(&[2; 16]));
}

#[test]
fn the_fifth_session_closes_the_oldest_with_its_look_up() {
    let mut rig = Rig::in_session();
    for session in 2..=4 {
        rig.run(open(1, session));
    }

    let outcome = rig.run(open(1, 5));

    assert!(matches!(outcome, Outcome::Opened { closed, .. } if closed == [sess(1)]));
    assert_eq!(rig.view().session(&device(1), sess(1)), None);
    assert_eq!(by_cid(&rig, 1), None);
    let credential = rig.view().credential(&device(1), cred(1)).unwrap();
    assert_eq!(credential.sessions, [2, 3, 4, 5].map(sess));
}

#[test]
fn only_a_later_session_takes_an_address() {
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    rig.run(open_at(1, 1, "a:1"));
    rig.run(open_at(1, 2, "b:1"));

    rig.run(open_at(1, 1, "b:1"));
    assert_eq!(by_address(&rig, "b:1"), Some((device(1), sess(2))));

    rig.run(open_at(1, 3, "a:1"));
    assert_eq!(by_address(&rig, "a:1"), Some((device(1), sess(3))));
}

#[test]
fn closing_a_session_leaves_the_address_to_its_later_holder() {
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    rig.run(open_at(1, 1, "a:1"));
    rig.run(open_at(1, 2, "a:1"));

    rig.done(close(1));
    assert_eq!(by_address(&rig, "a:1"), Some((device(1), sess(2))));

    rig.done(close(2));
    assert_eq!(by_address(&rig, "a:1"), None);
}

#[test]
fn refuses_a_connection_id_that_another_session_has() {
    let mut rig = Rig::in_session();
    rig.done(enrol(2));
    let before = rig.rows.clone();
    let mut command = open(2, 2);
    command.opened.cid = vec![1; 8];

    let why = rig.refused(command);

    assert_eq!(why, taken("connection id", "of this session"));
    assert_eq!(rig.rows, before);
}

#[test]
fn refuses_a_credential_whose_life_is_over_and_audits_it() {
    for state in [State::Superseded, State::Revoked, State::Expired] {
        let mut rig = Rig::in_session();
        set_state(&mut rig, 1, state);

        let why = rig.refused(open(1, 2));

        assert_eq!(why, in_state(state.as_str()));
        assert_eq!(rig.view().session(&device(1), sess(2)), None);
        assert_eq!(rig.audited(EventCode::Refused), 1);
    }
}

#[test]
fn refuses_a_credential_out_of_its_time_in_words() {
    let mut rig = Rig::staged();
    let mut command = open(1, 2);
    command.opened.credential = cred(10);
    rig.now += LIFETIME;

    let why = rig.refused(command);

    assert_eq!(why, in_state("expired"));
    assert_eq!(rig.audited(EventCode::Refused), 1);
}

#[test]
fn one_refused_handshake_has_one_audit_entry_however_often_it_is_repeated() {
    let mut rig = Rig::in_session();
    set_state(&mut rig, 1, State::Revoked);
    rig.refused(open(1, 2));

    let again = rig.refused(open(1, 2));
    assert_eq!((again, rig.audited(EventCode::Refused)), (in_state("revoked"), 1));

    rig.refused(open(1, 3));
    assert_eq!(rig.audited(EventCode::Refused), 2);
}

#[test]
fn a_revoked_credential_does_not_answer_for_its_open_session() {
    let mut rig = Rig::in_session();
    set_state(&mut rig, 1, State::Revoked);

    assert_eq!(rig.refused(open(1, 1)), in_state("revoked"));
}

#[test]
fn a_staged_credential_that_opens_a_session_is_staged_no_more() {
    let mut rig = Rig::staged();
    let mut command = open(1, 2);
    command.opened.credential = cred(10);

    rig.run(command);

    assert_eq!(rig.state(10), State::Active);
    assert_eq!(rig.view().device(&device(1)).unwrap().staged, None);
    rig.run(stage(11));
    assert_eq!(rig.state(10), State::Active);
}

#[test]
fn refuses_a_session_of_nobody_or_of_no_credential() {
    let mut rig = Rig::ready();
    assert_eq!(rig.refused(open(1, 1)), not_found("device", "device-1"));
    rig.done(enrol(1));
    let mut command = open(1, 1);
    command.opened.credential = cred(9);

    assert_eq!(rig.refused(command), not_found("credential", cred(9)));
}

#[test]
fn refuses_to_raise_or_close_a_session_that_is_not_open() {
    let mut rig = Rig::in_session();
    rig.done(close(1));

    assert_eq!(rig.refused(raise(1)), not_found("session", sess(1)));
    assert_eq!(rig.refused(close(1)), not_found("session", sess(1)));
}

#[test]
fn closing_ends_the_session_and_frees_its_place() {
    let mut rig = Rig::in_session();

    rig.done(close(1));

    assert_eq!(rig.view().session(&device(1), sess(1)), None);
    assert_eq!(by_cid(&rig, 1), None);
    assert!(rig.view().credential(&device(1), cred(1)).unwrap().sessions.is_empty());
    assert_eq!(rig.noted(EventCode::SessionClosed), 1);
}

#[test]
fn the_newest_session_is_the_one_opened_last() {
    let mut rig = Rig::in_session();
    for session in [7, 2] {
        rig.now += 1;
        rig.run(open(1, session));
    }

    let newest = |rig: &Rig| rig.view().newest_session(&device(1)).map(|(id, _)| id);

    assert_eq!(newest(&rig), Some(sess(2)));
    rig.done(close(2));
    assert_eq!(newest(&rig), Some(sess(7)));
    assert_eq!(rig.view().newest_session(&device(2)), None);
}
