//! Credentials that are revoked, rotated, or over.

use super::*;
use crate::key::Kind;

/// Device 1 with the credential 10 in `state`, which its server has confirmed.
fn confirmed_in(state: State) -> Rig {
    let mut rig = Rig::staged();
    rig.done(confirm(10));
    match state {
        State::Staged => {}
        State::Delivered => rig.done(deliver(10)),
        State::Active => rig.done(report(10)),
        State::Superseded => {
            rig.done(deliver(10));
            rig.now += 1;
            rig.run(stage(11));
            rig.done(report(11));
        }
        State::Revoked => {
            rig.ended(revoke(10));
        }
        State::Expired => {
            rig.now += LIFETIME;
            rig.ended(expire(&[10]));
        }
    }
    assert_eq!(rig.state(10), state);
    rig
}

fn withdrawal(rig: &Rig, credential: u8) -> Option<Withdrawal> {
    rig.view().outbox_item(&device(1), cred(credential)).and_then(|item| item.withdrawal)
}

#[test]
fn a_credential_is_revoked_from_every_state_but_that_one() {
    for state in State::ALL {
        let mut rig = confirmed_in(state);

        let outcome = rig.run(revoke(10));

        if state == State::Revoked {
            assert_eq!(outcome, Outcome::Refused(in_state("revoked")));
        } else {
            let withdrawn = vec![(device(1), cred(10))];
            assert_eq!(outcome, Outcome::Ended(Ended { closed: vec![], withdrawn }), "{state}");
        }
        assert_eq!(rig.state(10), State::Revoked);
        assert_eq!(rig.audited(EventCode::CredentialRevoked), 1, "{state}");
        assert_eq!(rig.view().material(&device(1), cred(10)), None, "{state}");
    }
}

#[test]
fn revoking_says_why_on_the_timeline_and_in_the_feed() {
    let mut rig = Rig::staged();

    rig.run(revoke(10));

    let expected = "Revoked: It was found in a drawer. The LwM2M server is told to forget it.";
    let last = rig.view().timeline(&device(1)).pop().unwrap();
    assert_eq!((last.words.as_str(), last.credential), (expected, Some(cred(10))));
    let fed = rig.view().events("default", None, 99).items.pop().unwrap();
    assert_eq!((fed.code, fed.words.as_str()), (EventCode::CredentialRevoked, expected));
}

#[test]
fn a_revoked_manufacturer_credential_opens_nothing_and_leads_nowhere() {
    let mut rig = Rig::in_session();
    rig.run(open(1, 2));

    let ended = rig.ended(revoke(1));

    let closed = vec![(device(1), sess(1)), (device(1), sess(2))];
    assert_eq!(ended, Ended { closed, withdrawn: vec![] });
    assert_eq!(rig.view().psk_identity("default", b"identity-1"), None);
    assert_eq!(rig.view().session(&device(1), sess(1)), None);
    assert!(!rig.rows.0.keys().any(|key| key[2] == Kind::ConnectionId as u8));
    assert_eq!(rig.refused(open(1, 3)), in_state("revoked"));
    assert_eq!(rig.refused(stage(10)), not_found("session", sess(1)));
    assert_eq!(rig.refused(raise(1)), not_found("session", sess(1)));
}

#[test]
fn the_identity_of_a_revoked_credential_is_free() {
    let mut rig = Rig::in_session();
    rig.ended(revoke(1));

    rig.done(EnrolDevice { identity: b"identity-1".to_vec(), ..enrol(2) });

    assert_eq!(rig.view().psk_identity("default", b"identity-1"), Some((device(2), cred(2))));
    // And a second end of the first one's life takes nothing from its new owner.
    rig.ended(delete());
    assert_eq!(rig.view().psk_identity("default", b"identity-1"), Some((device(2), cred(2))));
}

#[test]
fn a_revoked_staged_credential_is_offered_no_more() {
    let mut rig = Rig::staged();

    rig.run(revoke(10));

    assert_eq!(rig.view().device(&device(1)).unwrap().staged, None);
    let outcome = rig.run(stage(11));
    assert!(matches!(outcome, Outcome::Staged { again: false, .. }), "{outcome:?}");
    assert_eq!(rig.refused(deliver(10)), in_state("revoked"));
}

#[test]
fn a_server_that_may_know_is_told_to_forget() {
    let mut untold = Rig::staged();
    untold.now += 7;

    untold.run(revoke(10));

    let item = untold.view().outbox_item(&device(1), cred(10)).unwrap();
    assert_eq!((item.connector.as_str(), item.created_at), ("hook", START + 7));
    let expected = Withdrawal {
        endpoint: "urn:dev:1".into(),
        identity: vec![10; 16],
        parties: vec!["coaps://lwm2m.example:5684".into()],
        state: State::Revoked,
        reason: "It was found in a drawer.".into(),
    };
    assert_eq!(item.withdrawal, Some(expected));
}

#[test]
fn a_server_that_forgot_is_not_told_again() {
    let mut rig = Rig::staged();
    rig.done(confirm(10));
    rig.ended(RotateCredential { device: device(1) });
    rig.done(forgotten(10));
    assert_eq!(rig.view().outbox(), []);

    let ended = rig.ended(revoke(10));

    assert_eq!(ended, Ended::default());
    assert_eq!(rig.view().outbox(), []);
    assert_eq!(rig.noted(EventCode::ServerForgot), 1);
}

#[test]
fn a_late_word_that_the_server_holds_it_does_not_end_the_withdrawal() {
    let mut rig = Rig::staged();
    rig.ended(revoke(10));

    rig.done(confirm(10));

    assert!(withdrawal(&rig, 10).is_some());
    assert_eq!(rig.noted(EventCode::ServerConfirmed), 0);
}

#[test]
fn a_word_that_the_server_forgot_does_not_end_the_telling() {
    let mut rig = Rig::staged();

    rig.done(forgotten(10));

    assert!(rig.view().outbox_item(&device(1), cred(10)).is_some());
}

#[test]
fn a_connector_that_is_asked_is_told_nothing() {
    let mut rig = Rig::in_session();
    rig.done(asking());
    rig.done(asked_profile());

    let outcome = rig.run(stage(10));
    assert!(matches!(outcome, Outcome::Staged { confirmed: true, .. }), "{outcome:?}");
    assert_eq!(rig.view().outbox(), []);
    assert_eq!(rig.view().served("default", &[10; 16]), Some((device(1), cred(10))));

    assert_eq!(rig.ended(revoke(10)), Ended::default());
    assert_eq!(rig.view().outbox(), []);
    assert_eq!(rig.view().served("default", &[10; 16]), None);
}

#[test]
fn a_server_that_is_told_finds_nothing_by_asking() {
    let rig = Rig::staged();

    assert_eq!(rig.view().served("default", &[10; 16]), None);
    assert_eq!(rig.view().served("other", &[10; 16]), None);
}

#[test]
fn a_connector_stays_of_its_kind() {
    let mut rig = Rig::ready();
    let before = rig.rows.clone();

    let why = rig.refused(PutConnector { name: "hook".into(), ..asking() });

    assert_eq!(why, Refusal::OtherKind { what: "connector".into(), name: "hook".into() });
    assert_eq!(rig.rows, before);
}

fn asking() -> PutConnector {
    PutConnector { name: "asking".into(), kind: ConnectorKind::Pull, ..put_connector("default") }
}

fn asked_profile() -> PutProfile {
    let mut command = put_profile("default", "coaps://lwm2m.example:5684");
    command.profile.connector = "asking".into();
    command
}

#[test]
fn refuses_to_revoke_what_is_unknown_or_for_too_long_a_reason() {
    let mut rig = Rig::ready();
    assert_eq!(rig.refused(revoke(10)), not_found("device", "device-1"));
    rig.done(enrol(1));

    assert_eq!(rig.refused(revoke(10)), not_found("credential", cred(10)));
    let long = RevokeCredential { reason: "x".repeat(513), ..revoke(1) };
    assert_eq!(rig.refused(long), Refusal::TooLong { what: "reason".into(), limit: 512 });
}

#[test]
fn a_rotation_takes_back_what_is_staged_and_brings_another() {
    let mut rig = Rig::staged();

    let ended = rig.ended(rotate());

    let withdrawn = vec![(device(1), cred(10))];
    assert_eq!(ended, Ended { closed: vec![], withdrawn });
    assert_eq!(withdrawal(&rig, 10).unwrap().state, State::Superseded);
    assert_eq!((rig.state(10), rig.audited(EventCode::RotationDue)), (State::Superseded, 1));
    let outcome = rig.run(stage(11));
    assert!(matches!(outcome, Outcome::Staged { credential, .. } if credential == cred(11)));
}

#[test]
fn a_rotation_leaves_what_is_in_use() {
    let mut rig = confirmed_in(State::Active);

    assert_eq!(rig.ended(rotate()), Ended::default());

    assert_eq!(rig.state(10), State::Active);
}

#[test]
fn refuses_to_rotate_for_nobody() {
    assert_eq!(Rig::ready().refused(rotate()), not_found("device", "device-1"));
}

#[test]
fn of_the_credentials_named_those_expire_whose_time_is_over() {
    for state in State::ALL {
        let mut early = confirmed_in(state);
        if state != State::Expired {
            early.now = START + LIFETIME - 1;
            assert_eq!(early.ended(expire(&[10, 1, 99])), Ended::default());
            assert_eq!(early.state(10), state);
        }
        let mut rig = confirmed_in(state);
        rig.now = START + LIFETIME;

        let ended = rig.ended(expire(&[10, 1, 99]));

        let lives = state.is_live();
        assert_eq!(ended.withdrawn.len(), usize::from(lives), "{state}");
        let expected = if lives { State::Expired } else { state };
        assert_eq!((rig.state(10), rig.state(1)), (expected, State::Active));
        let audited = rig.audited(EventCode::CredentialExpired);
        assert_eq!(audited, usize::from(lives || state == State::Expired), "{state}");
    }
}

#[test]
fn an_expired_credential_has_no_sessions_and_is_staged_no_more() {
    let mut rig = Rig::staged();
    rig.run(open(1, 2));
    let mut command = open(1, 3);
    command.opened.credential = cred(10);
    rig.run(command);
    rig.now += LIFETIME;

    let ended = rig.ended(expire(&[10]));

    assert_eq!(ended.closed, [(device(1), sess(3))]);
    assert!(rig.view().session(&device(1), sess(2)).is_some());
    assert_eq!(rig.view().device(&device(1)).unwrap().staged, None);
}

#[test]
fn what_is_overdue_is_found_in_pages_and_only_once() {
    let mut rig = Rig::ready();
    for number in 1..=5u8 {
        rig.done(enrol(number));
        rig.run(open(number, number));
        rig.now += 10;
        let (device, session) = (device(number), sess(number));
        rig.run(StageCredential { device, session, ..stage(10 + number) });
    }
    let at = START + 30 + LIFETIME;
    let overdue = |rig: &Rig, after: Option<&[u8]>| rig.view().overdue("default", at, after, 2);

    let first = overdue(&rig, None);
    let second = overdue(&rig, first.next.as_deref());

    let named = |number: u8| (device(number), cred(10 + number));
    assert_eq!(first.items, [named(1), named(2)]);
    assert_eq!((second.items.clone(), second.next), (vec![named(3)], None));
    rig.now = at;
    let credentials = [first.items, second.items].concat();
    let ended = rig.ended(ExpireCredentials { credentials });
    assert_eq!(ended.withdrawn.len(), 3);
    assert_eq!(overdue(&rig, None).items, []);
}

#[test]
fn one_command_expires_no_more_than_its_share() {
    let mut rig = Rig::staged();
    rig.now += LIFETIME;
    let mut command = expire(&[99; ExpireCredentials::MOST]);
    command.credentials.extend(expire(&[10]).credentials);

    rig.ended(command);

    assert_eq!(rig.state(10), State::Staged);
}
