//! LwM2M servers that hold one credential an endpoint.

use super::*;

/// Device 1 took the credential 10, which its server holds; the credential 11 is staged. The
/// connector is of `kind`.
fn twice_bootstrapped(kind: ConnectorKind) -> Rig {
    let mut rig = Rig::in_session();
    let name = "demo".to_owned();
    rig.done(PutConnector { name: name.clone(), kind, ..put_connector("default") });
    let mut through = put_profile("default", "coaps://leshan.example:5684");
    through.profile.connector = name;
    rig.done(through);
    rig.run(stage(10));
    rig.done(confirm(10));
    rig.done(deliver(10));
    rig.now += 1;
    rig.run(stage(11));
    rig
}

fn failed(credential: u8) -> NoteFailure {
    NoteFailure { credential: Some(cred(credential)), ..note(false) }
}

fn last_words(rig: &Rig) -> String {
    rig.view().timeline(&device(1)).pop().unwrap().words
}

#[test]
fn the_older_one_ends_when_the_newer_one_is_put_and_the_timeline_says_what_that_means() {
    let mut rig = twice_bootstrapped(ConnectorKind::Leshan);
    assert_eq!((rig.state(10), rig.state(11)), (State::Delivered, State::Staged));

    rig.done(confirm(11));

    assert_eq!((rig.state(10), rig.state(11)), (State::Superseded, State::Staged));
    assert_eq!(rig.audited(EventCode::CredentialSuperseded), 1);
    let words = last_words(&rig);
    assert!(words.contains("took the place of the older one"), "{words}");
    assert!(words.contains("before it can register"), "{words}");
    assert_eq!(rig.view().outbox(), [], "the server knows that it forgot the older one");
}

#[test]
fn one_that_is_active_ends_too() {
    let mut rig = twice_bootstrapped(ConnectorKind::Leshan);
    rig.done(report(10));

    rig.done(confirm(11));

    assert_eq!(rig.state(10), State::Superseded);
}

#[test]
fn a_server_that_holds_both_keeps_the_older_one_until_the_newer_is_used() {
    let mut rig = twice_bootstrapped(ConnectorKind::Webhook);

    rig.done(confirm(11));

    assert_eq!((rig.state(10), rig.state(11)), (State::Delivered, State::Staged));
    assert_eq!(last_words(&rig), "The LwM2M server holds the credential.");
}

#[test]
fn a_first_credential_takes_nobodys_place() {
    let mut rig = twice_bootstrapped(ConnectorKind::Leshan);
    let confirmed = |entry: &&TimelineEntry| entry.code == EventCode::ServerConfirmed;
    let first = rig.view().timeline(&device(1)).iter().find(confirmed).unwrap().words.clone();
    assert_eq!(first, "The LwM2M server holds the credential.");

    rig.done(confirm(11));
    rig.done(deliver(11));
    rig.run(stage(12));
    rig.done(confirm(12));

    assert_eq!((rig.state(10), rig.state(11)), (State::Superseded, State::Superseded));
    assert_eq!(rig.audited(EventCode::CredentialSuperseded), 2);
}

#[test]
fn a_failure_says_that_the_device_cannot_register_from_the_replacement_until_the_delivery() {
    let gap = "until a bootstrap comes to its end, the device cannot register.";
    let mut rig = twice_bootstrapped(ConnectorKind::Leshan);
    rig.done(failed(11));
    assert_eq!(last_words(&rig), "It failed.", "the older one is still there");

    rig.done(confirm(11));
    rig.done(failed(11));
    assert!(last_words(&rig).ends_with(gap), "{}", last_words(&rig));

    rig.done(deliver(11));
    rig.done(failed(11));
    assert_eq!(last_words(&rig), "It failed.", "the device has it");
}

#[test]
fn a_failure_at_a_server_that_holds_both_leaves_no_gap() {
    let mut rig = twice_bootstrapped(ConnectorKind::Webhook);
    rig.done(confirm(11));

    rig.done(failed(11));

    assert_eq!(last_words(&rig), "It failed.");
}

#[test]
fn a_credential_of_another_connector_is_not_touched() {
    let mut rig = twice_bootstrapped(ConnectorKind::Leshan);
    rig.done(put_profile("default", "coaps://second.example:5684"));
    rig.run(stage(12));

    rig.done(confirm(12));

    assert_eq!((rig.state(10), rig.state(12)), (State::Delivered, State::Staged));
}

#[test]
fn the_older_one_ends_also_if_the_newer_one_has_ended_before_it_was_confirmed() {
    let mut rig = twice_bootstrapped(ConnectorKind::Leshan);
    rig.done(report(10));
    rig.ended(revoke(11));

    rig.done(confirm(11));

    assert_eq!((rig.state(10), rig.state(11)), (State::Superseded, State::Revoked));
    let words = last_words(&rig);
    assert!(words.contains("must take another before it can register"), "{words}");
    let item = rig.view().outbox_item(&device(1), cred(11)).unwrap();
    assert!(item.withdrawal.is_some(), "the server is still told of its end");

    let before = rig.view().timeline(&device(1));
    rig.done(confirm(11));
    assert_eq!(rig.view().timeline(&device(1)), before, "a repetition says nothing new");
}

#[test]
fn a_late_confirmation_of_what_has_ended_changes_nothing_at_a_server_that_holds_both() {
    let mut rig = twice_bootstrapped(ConnectorKind::Webhook);
    rig.ended(revoke(11));
    let before = rig.view().timeline(&device(1));

    rig.done(confirm(11));

    assert_eq!((rig.state(10), rig.state(11)), (State::Delivered, State::Revoked));
    assert_eq!(rig.view().timeline(&device(1)), before);
}

#[test]
fn a_late_confirmation_replaces_nothing_that_was_made_since() {
    let mut rig = twice_bootstrapped(ConnectorKind::Leshan);
    rig.ended(revoke(11));
    rig.run(stage(12));
    rig.done(confirm(12));
    rig.done(deliver(12));

    rig.done(confirm(11));

    assert_eq!((rig.state(10), rig.state(12)), (State::Superseded, State::Delivered));
}

#[test]
fn one_whose_record_has_no_connector_is_found_by_its_profile() {
    let mut rig = twice_bootstrapped(ConnectorKind::Leshan);
    let older = rig.view().credential(&device(1), cred(10)).unwrap();
    let row = key::credential(key::Kind::Credential, &device(1), cred(10));
    rig.rows.put(row, frame::encode(&Credential { connector: None, ..older }));

    rig.done(confirm(11));

    assert_eq!(rig.state(10), State::Superseded);
}
