//! Staging a credential for the LwM2M server.

use super::*;

fn staged(outcome: Outcome) -> (CredentialId, bool, bool) {
    let Outcome::Staged { credential, again, confirmed, .. } = outcome else {
        panic!("{outcome:?}");
    };
    (credential, again, confirmed)
}

#[test]
fn staging_makes_a_credential_for_the_profiles_server() {
    let mut rig = Rig::in_session();

    let outcome = rig.run(stage(10));

    let account = Account {
        server_uri: "coaps://lwm2m.example:5684".into(),
        short_server_id: 101,
        registration_lifetime: 86_400,
        binding: "U".into(),
    };
    let expected = Outcome::Staged {
        credential: cred(10),
        identity: vec![10; 16],
        sealed_key: vec![10; 48],
        again: false,
        confirmed: false,
        account,
        withdrawn: vec![],
    };
    assert_eq!(outcome, expected);
    let credential = rig.view().credential(&device(1), cred(10)).unwrap();
    assert_eq!((credential.origin, credential.state), (Origin::Claviger, State::Staged));
    assert_eq!(credential.parties, ["coaps://lwm2m.example:5684"]);
    assert_eq!(credential.not_after, Some(START + LIFETIME));
    assert_eq!(rig.audited(EventCode::CredentialIssued), 1);
    assert_eq!(rig.view().session(&device(1), sess(1)).unwrap().highest_read, 3);
}

#[test]
fn staging_puts_the_credential_into_the_outbox() {
    let rig = Rig::staged();

    let outbox = rig.view().outbox();

    let item = OutboxItem { connector: "hook".into(), created_at: START, withdrawal: None };
    assert_eq!(rig.view().outbox_item(&device(1), cred(10)), Some(item.clone()));
    assert_eq!(outbox, [(device(1), cred(10), item)]);
}

#[test]
fn a_retry_gets_the_same_staged_credential() {
    let mut rig = Rig::staged();

    let outcome = rig.run(stage(11));

    assert!(matches!(&outcome, Outcome::Staged { sealed_key, .. } if *sealed_key == [10; 48]));
    assert_eq!(staged(outcome), (cred(10), true, false));
    assert_eq!(rig.view().credential(&device(1), cred(11)), None);
    assert_eq!(rig.audited(EventCode::CredentialIssued), 1);
    assert_eq!(rig.noted(EventCode::CredentialReissued), 1);
}

#[test]
fn a_retry_is_told_that_the_server_holds_it() {
    let mut rig = Rig::staged();
    rig.done(confirm(10));

    assert_eq!(staged(rig.run(stage(11))), (cred(10), true, true));
}

#[test]
fn a_changed_profile_supersedes_what_is_staged() {
    let mut rig = Rig::staged();
    rig.done(put_profile("default", "coaps://second.example"));

    let outcome = rig.run(stage(11));

    let told = [cred(10)];
    assert!(matches!(&outcome, Outcome::Staged { withdrawn, .. } if *withdrawn == told));
    assert_eq!(staged(outcome), (cred(11), false, false));
    assert_eq!((rig.state(10), rig.state(11)), (State::Superseded, State::Staged));
    assert_eq!(rig.audited(EventCode::CredentialSuperseded), 1);
    let item = rig.view().outbox_item(&device(1), cred(10)).unwrap();
    assert_eq!(item.withdrawal.unwrap().state, State::Superseded);
    let item = rig.view().outbox_item(&device(1), cred(11)).unwrap();
    assert_eq!(item.withdrawal, None);
}

#[test]
fn what_is_staged_is_superseded_when_half_of_its_time_is_over() {
    let mut rig = Rig::staged();
    rig.now += LIFETIME / 2;
    assert_eq!(staged(rig.run(stage(11))).0, cred(10));
    rig.now += 1;

    assert_eq!(staged(rig.run(stage(12))), (cred(12), false, false));

    assert_eq!(rig.state(10), State::Superseded);
}

#[test]
fn after_a_delivery_the_next_bootstrap_gets_another() {
    let mut rig = Rig::staged();
    rig.done(deliver(10));

    assert_eq!(staged(rig.run(stage(11))), (cred(11), false, false));

    assert_eq!(rig.state(10), State::Delivered);
}

#[test]
fn refuses_a_session_whose_credential_is_not_usable_and_audits_it_once() {
    for state in [State::Superseded, State::Revoked, State::Expired] {
        let mut rig = Rig::in_session();
        let credential = rig.view().credential(&device(1), cred(1)).unwrap();
        let row = key::credential(key::Kind::Credential, &device(1), cred(1));
        rig.rows.put(row, frame::encode(&Credential { state, ..credential }));
        let envelope = rig.envelope(stage(10));

        let refused = Outcome::Refused(in_state(state.as_str()));
        assert_eq!(rig.submit(&envelope), refused);
        assert_eq!(rig.submit(&envelope), refused);

        assert_eq!(rig.view().credential(&device(1), cred(10)), None);
        assert_eq!(rig.audited(EventCode::Refused), 1);
    }
}

#[test]
fn refuses_an_id_that_a_credential_has() {
    let mut rig = Rig::staged();
    rig.done(deliver(10));
    let before = rig.view().credentials(&device(1));

    let delivered = rig.refused(stage(10));
    let manufacturers = rig.refused(stage(1));

    assert_eq!(delivered, taken("credential", cred(10)));
    assert_eq!(manufacturers, taken("credential", cred(1)));
    assert_eq!(rig.view().credentials(&device(1)), before);
    assert_eq!(rig.audited(EventCode::Refused), 2);
}

#[test]
fn refuses_to_offer_what_has_no_key() {
    let mut rig = Rig::staged();
    rig.rows.remove(&key::credential(key::Kind::Material, &device(1), cred(10)));

    assert_eq!(rig.refused(stage(11)), not_found("sealed key", cred(10)));

    assert_eq!(rig.view().credential(&device(1), cred(11)), None);
}

#[test]
fn refuses_to_stage_for_nobody_and_in_no_session() {
    let mut rig = Rig::ready();
    assert_eq!(rig.refused(stage(10)), not_found("device", "device-1"));
    rig.done(enrol(1));

    assert_eq!(rig.refused(stage(10)), not_found("session", sess(1)));
}
