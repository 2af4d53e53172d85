//! Devices that are changed and deleted, and the room that they take.

use super::*;
use crate::key::Kind;

/// The kinds of the rows of device 1.
fn kinds(rig: &Rig) -> Vec<u8> {
    let name = b"device-1";
    let mut kinds: Vec<u8> = rig
        .rows
        .0
        .iter()
        .filter(|(key, _)| key.windows(name.len()).any(|part| part == name))
        .map(|(key, _)| key[2])
        .collect();
    kinds.dedup();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[test]
fn nothing_of_a_deleted_device_stays_but_what_must() {
    let mut rig = Rig::staged();
    rig.done(confirm(10));
    rig.done(deliver(10));
    rig.run(stage(11));
    rig.now += 600_000;

    let ended = rig.ended(delete());

    let mut kept = [Kind::Audit, Kind::Outbox, Kind::Closed].map(|kind| kind as u8);
    kept.sort_unstable();
    assert_eq!(kinds(&rig), kept);
    assert_eq!(ended.closed, [(device(1), sess(1))]);
    assert_eq!(ended.withdrawn, [(device(1), cred(10)), (device(1), cred(11))]);
    assert_eq!(rig.view().device(&device(1)), None);
    assert_eq!(rig.view().profile_use("default", "meters"), 0);
    assert_eq!(rig.view().overdue("default", u64::MAX, None, 9).items, []);
}

#[test]
fn each_credential_and_the_device_have_an_audit_entry_of_their_end() {
    let mut rig = Rig::staged();
    rig.ended(revoke(10));

    rig.ended(delete());

    assert_eq!(rig.audited(EventCode::CredentialRevoked), 2);
    assert_eq!(rig.audited(EventCode::DeviceDeleted), 1);
    let last = rig.view().events("default", None, 99).items.pop().unwrap();
    assert_eq!((last.code, last.device), (EventCode::DeviceDeleted, Some("device-1".into())));
}

#[test]
fn its_id_endpoint_and_identity_are_free() {
    let mut rig = Rig::staged();
    rig.ended(delete());

    rig.done(EnrolDevice { credential: cred(2), ..enrol(1) });

    assert_eq!(rig.view().psk_identity("default", b"identity-1"), Some((device(1), cred(2))));
    assert_eq!(rig.view().device(&device(1)).unwrap().version, rig.index);
    assert_eq!(rig.view().timeline(&device(1)).len(), 1);
}

#[test]
fn a_session_of_before_opens_no_second_time_when_the_device_is_back() {
    let mut rig = Rig::in_session();
    rig.ended(delete());
    rig.done(enrol(1));

    assert_eq!(rig.refused(open(1, 1)), taken("session", sess(1)));
}

#[test]
fn the_server_forgets_also_what_was_of_a_deleted_device() {
    let mut rig = Rig::staged();
    rig.ended(delete());
    let item = rig.view().outbox_item(&device(1), cred(10)).unwrap();
    assert_eq!(item.withdrawal.unwrap().endpoint, "urn:dev:1");

    rig.done(forgotten(10));

    assert_eq!(rig.view().outbox(), []);
    assert_eq!(kinds(&rig), [Kind::Audit as u8, Kind::Closed as u8]);
}

#[test]
fn a_deletion_is_remembered_by_its_request_when_the_device_is_gone() {
    let mut rig = Rig::staged();
    let envelope = rig.envelope(delete());
    let first = rig.submit(&envelope);
    for number in 2..40 {
        rig.done(enrol(number));
        rig.ended(DeleteDevice { device: device(number) });
    }

    assert_eq!(rig.submit(&envelope), first);
    assert_eq!(rig.refused(delete()), not_found("device", "device-1"));
}

#[test]
fn another_profile_holds_from_the_next_bootstrap() {
    let mut rig = Rig::staged();
    rig.done(PutProfile { name: "others".into(), ..put_profile("default", "coaps://second") });

    let ended = rig.ended(update("others"));

    assert_eq!(ended.withdrawn, [(device(1), cred(10))]);
    assert_eq!((rig.state(10), rig.audited(EventCode::DeviceChanged)), (State::Superseded, 1));
    let used = ["meters", "others"].map(|name| rig.view().profile_use("default", name));
    assert_eq!(used, [0, 1]);
    let outcome = rig.run(stage(11));
    assert!(matches!(outcome, Outcome::Staged { account, .. }
        if account.server_uri == "coaps://second"));
}

#[test]
fn the_same_profile_is_no_change() {
    let mut rig = Rig::staged();
    let before = rig.view().device(&device(1));

    assert_eq!(rig.ended(update("meters")), Ended::default());

    assert_eq!(rig.view().device(&device(1)), before);
}

#[test]
fn refuses_a_profile_that_is_not_there_and_a_device_that_is_not() {
    assert_eq!(Rig::ready().refused(update("meters")), not_found("device", "device-1"));
    assert_eq!(Rig::staged().refused(update("absent")), not_found("profile", "absent"));
}

#[test]
fn a_device_keeps_the_newest_sixteen_credentials_and_the_one_in_use() {
    let mut rig = Rig::in_session();
    rig.run(stage(10));
    rig.done(confirm(10));
    rig.done(report(10));
    for number in 11..30 {
        rig.now += 1;
        rig.run(stage(number));
        rig.done(deliver(number));
    }

    let kept = rig.view().credentials(&device(1));

    let made = rig.view().device(&device(1)).unwrap().made;
    assert_eq!((kept.len(), made.len()), (17, 16));
    assert_eq!(made[..2], [cred(10), cred(15)]);
    assert_eq!(rig.state(10), State::Active);
    assert_eq!(rig.audited(EventCode::CredentialSuperseded), 4);
    assert_eq!(rig.view().material(&device(1), cred(11)), None);
    let item = rig.view().outbox_item(&device(1), cred(11)).unwrap();
    assert_eq!(item.withdrawal.unwrap().identity, [11; 16]);
}
