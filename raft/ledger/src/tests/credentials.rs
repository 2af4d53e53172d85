//! What becomes of a staged credential: confirmed, delivered, used; or not.

use super::*;

/// The credentials 10 and 11 of device 1 are delivered, 11 a second later.
fn two_delivered() -> Rig {
    let mut rig = Rig::staged();
    rig.done(deliver(10));
    rig.now += 1000;
    rig.run(stage(11));
    rig.done(deliver(11));
    rig
}

#[test]
fn a_confirmation_empties_the_outbox() {
    let mut rig = Rig::staged();
    rig.now += 5;

    rig.done(confirm(10));

    assert_eq!(rig.view().outbox(), []);
    let credential = rig.view().credential(&device(1), cred(10)).unwrap();
    assert_eq!(credential.confirmed_at, Some(START + 5));
    assert_eq!(rig.noted(EventCode::ServerConfirmed), 1);
}

#[test]
fn a_second_confirmation_changes_nothing_of_the_device() {
    let mut rig = Rig::staged();
    rig.done(confirm(10));
    let version = rig.view().device(&device(1)).unwrap().version;

    rig.done(confirm(10));

    assert_eq!(rig.view().device(&device(1)).unwrap().version, version);
    assert_eq!(rig.noted(EventCode::ServerConfirmed), 1);
}

#[test]
fn refuses_what_concerns_no_device_or_no_credential() {
    let mut bare = Rig::ready();
    let mut rig = Rig::in_session();
    let commands: [Command; 3] = [confirm(10).into(), deliver(10).into(), report(10).into()];

    for command in commands {
        assert_eq!(bare.refused(command.clone()), not_found("device", "device-1"));
        assert_eq!(rig.refused(command), not_found("credential", cred(10)));
    }

    assert_eq!(bare.refused(note(true)), not_found("device", "device-1"));
    assert_eq!(bare.refused(close(1)), not_found("device", "device-1"));
}

#[test]
fn a_delivery_makes_the_credential_the_devices() {
    let mut rig = Rig::staged();

    rig.done(deliver(10));

    assert_eq!(rig.state(10), State::Delivered);
    assert_eq!(rig.view().device(&device(1)).unwrap().staged, None);
    assert_eq!(rig.view().session(&device(1), sess(1)).unwrap().highest_read, 9);
    assert_eq!(rig.audited(EventCode::CredentialDelivered), 1);
    let words = &rig.view().timeline(&device(1)).last().unwrap().words.clone();
    assert!(words.contains("Write /0/1"), "{words}");
}

#[test]
fn a_second_acknowledgement_is_no_second_delivery() {
    let mut rig = Rig::staged();
    rig.done(deliver(10));

    rig.done(deliver(10));

    assert_eq!(rig.audited(EventCode::CredentialDelivered), 1);
}

#[test]
fn a_delivery_counts_after_its_session_has_ended() {
    let mut rig = Rig::staged();
    rig.done(close(1));

    rig.done(deliver(10));

    assert_eq!(rig.state(10), State::Delivered);
}

#[test]
fn refuses_to_deliver_or_use_what_was_superseded() {
    let mut rig = Rig::staged();
    rig.done(put_profile("default", "coaps://second.example"));
    rig.run(stage(11));

    assert_eq!(rig.refused(deliver(10)), in_state("superseded"));
    assert_eq!(rig.refused(report(10)), in_state("superseded"));
}

#[test]
fn use_activates_once() {
    let mut rig = Rig::staged();
    rig.done(deliver(10));

    rig.done(report(10));
    rig.done(report(10));

    assert_eq!(rig.state(10), State::Active);
    // The manufacturer's credential became active when it opened the session.
    assert_eq!(rig.audited(EventCode::CredentialActivated), 2);
}

#[test]
fn use_before_the_acknowledgement_acknowledges() {
    let mut rig = Rig::staged();

    rig.done(report(10));
    rig.done(deliver(10));

    assert_eq!(rig.state(10), State::Active);
    assert_eq!(rig.view().device(&device(1)).unwrap().staged, None);
    assert_eq!(rig.audited(EventCode::CredentialDelivered), 0);
}

#[test]
fn use_supersedes_older_ones_for_the_same_party() {
    let mut rig = two_delivered();

    rig.done(report(11));

    assert_eq!((rig.state(10), rig.state(11)), (State::Superseded, State::Active));
    assert_eq!(rig.audited(EventCode::CredentialSuperseded), 1);
    assert_eq!(rig.view().outbox_item(&device(1), cred(10)), None);
}

#[test]
fn use_of_an_older_one_leaves_the_newer() {
    let mut rig = two_delivered();

    rig.done(report(10));
    assert_eq!((rig.state(10), rig.state(11)), (State::Active, State::Delivered));

    rig.done(report(11));
    assert_eq!((rig.state(10), rig.state(11)), (State::Superseded, State::Active));
}

#[test]
fn of_two_made_at_one_time_the_one_in_use_goes_first() {
    let mut rig = Rig::staged();
    rig.done(report(10));
    rig.run(stage(11));
    rig.done(deliver(11));

    rig.done(report(11));

    assert_eq!((rig.state(10), rig.state(11)), (State::Superseded, State::Active));
}

#[test]
fn use_leaves_the_credentials_for_other_parties_and_the_manufacturers() {
    let mut rig = Rig::staged();
    rig.done(deliver(10));
    rig.done(put_profile("default", "coaps://second.example"));
    rig.now += 1000;
    rig.run(stage(11));

    rig.done(report(11));

    assert_eq!(rig.state(10), State::Delivered);
    assert_eq!(rig.state(1), State::Active);
}

#[test]
fn a_refusal_is_audited_and_a_failure_is_not() {
    let mut rig = Rig::in_session();

    rig.done(note(false));
    rig.done(note(true));

    assert_eq!((rig.noted(EventCode::BootstrapFailed), rig.noted(EventCode::Refused)), (1, 1));
    assert_eq!((rig.audited(EventCode::BootstrapFailed), rig.audited(EventCode::Refused)), (0, 1));
}

#[test]
fn the_newest_sixty_four_entries_stay_on_the_timeline_and_all_in_the_audit() {
    let mut rig = Rig::in_session();

    for _ in 0..100 {
        rig.done(note(true));
    }

    assert_eq!(rig.view().timeline(&device(1)).len(), 64);
    assert_eq!(rig.view().timeline(&device(1))[0].code, EventCode::Refused);
    assert_eq!(rig.audited(EventCode::Refused), 100);
    assert_eq!(rig.audited(EventCode::DeviceEnrolled), 1);
}
