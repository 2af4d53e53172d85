//! Founding, tenants, connectors, profiles, and enrolling.

use super::*;

#[test]
fn refuses_everything_before_the_founding() {
    let mut rig = Rig::empty();

    let why = rig.refused(create_tenant("default"));

    assert_eq!(why, not_found("ledger", "founded"));
    assert!(rig.rows.0.is_empty());
}

#[test]
fn a_founding_is_known_by_its_cluster() {
    let mut rig = Rig::empty();
    rig.done(Found { cluster: [1; 16] });

    rig.done(Found { cluster: [1; 16] });
    let other = rig.refused(Found { cluster: [2; 16] });

    assert_eq!(other, Refusal::Founded);
    let meta = rig.view().meta().unwrap();
    assert_eq!((meta.cluster, meta.incarnation, meta.level), ([1; 16], 1, 1));
}

#[test]
fn a_newer_level_stops_the_node() {
    let mut rig = Rig::ready();
    let meta = Meta { level: LEVEL + 1, ..rig.view().meta().unwrap() };
    rig.rows.put(key::meta(), frame::encode(&meta));

    let bytes = rig.envelope(create_tenant("new")).encode();
    let fate = apply(&mut rig.rows, 99, &bytes);

    assert_eq!(fate, Err(Damage { what: "the ledger's level", index: 99 }));
}

#[test]
fn a_tenant_has_a_realm_of_its_name() {
    let rig = Rig::ready();

    let tenant = rig.view().tenant("other").unwrap();

    assert_eq!((tenant.realm.as_str(), tenant.created_at), ("other", START));
    assert_eq!(tenant.wrapped_key, [7; 40]);
}

#[test]
fn refuses_a_tenant_whose_name_is_taken() {
    let mut rig = Rig::ready();

    assert_eq!(rig.refused(create_tenant("default")), taken("tenant", "default"));
}

#[test]
fn each_change_raises_a_connectors_and_a_profiles_version() {
    let mut rig = Rig::ready();
    let (before, other) = (versions(&rig), rig.view().profile("other", "meters"));

    rig.done(put_connector("default"));
    rig.done(put_profile("default", "coaps://second.example"));

    assert_eq!(versions(&rig), before.map(|version| version + 1));
    let profiles = rig.view().profiles("default");
    let expected = Profile { version: before[1] + 1, ..profile("coaps://second.example") };
    assert_eq!(profiles, [("meters".to_owned(), expected)]);
    assert_eq!(rig.view().profile("other", "meters"), other);
}

/// The versions of the connector and the profile.
fn versions(rig: &Rig) -> [u64; 2] {
    let view = rig.view();
    let connector = view.connector("default", "hook").unwrap().version;
    [connector, view.profile("default", "meters").unwrap().version]
}

#[test]
fn what_is_deleted_and_made_again_has_no_version_that_it_had() {
    let mut rig = Rig::ready();
    let mut last = [0; 3];
    for changes in [3, 0, 1] {
        rig.done(enrol(1));
        let device = |rig: &Rig| rig.view().device(&device(1)).unwrap().version;
        let [connector, profile] = versions(&rig);
        let first = [connector, profile, device(&rig)];
        assert!(first.iter().zip(last).all(|(first, last)| *first > last), "{first:?} {last:?}");
        for _ in 0..changes {
            rig.done(put_connector("default"));
            rig.done(put_profile("default", "coaps://x"));
            rig.done(note(false));
        }
        last = first.map(|first| first + changes);
        let [connector, profile] = versions(&rig);
        assert_eq!([connector, profile, device(&rig)], last);

        rig.ended(delete());
        rig.done(delete_profile("meters"));
        rig.done(delete_connector("hook"));
        assert_eq!(rig.run(put_connector("default")), Outcome::Made);
        assert_eq!(rig.run(put_profile("default", "coaps://x")), Outcome::Made);
    }
    assert_eq!(rig.run(put_connector("default")), Outcome::Done);
    assert_eq!(rig.run(put_profile("default", "coaps://x")), Outcome::Done);
}

#[test]
fn refuses_connectors_and_profiles_of_nobody() {
    let mut rig = Rig::ready();

    assert_eq!(rig.refused(put_connector("nobody")), not_found("tenant", "nobody"));
    assert_eq!(rig.refused(put_profile("nobody", "coaps://x")), not_found("tenant", "nobody"));
}

#[test]
fn refuses_a_profile_without_its_connector() {
    let mut rig = Rig::ready();
    let mut command = put_profile("default", "coaps://x");
    command.profile.connector = "absent".into();

    assert_eq!(rig.refused(command), not_found("connector", "absent"));
}

#[test]
fn enrolling_makes_a_device_that_its_identity_and_endpoint_lead_to() {
    let mut rig = Rig::ready();

    rig.done(enrol(1));

    let view = rig.view();
    assert_eq!(view.psk_identity("default", b"identity-1"), Some((device(1), cred(1))));
    assert_eq!(view.endpoint("default", "urn:dev:1"), Some(device(1)));
    assert_eq!(view.material(&device(1), cred(1)), Some(vec![1; 48]));
    let credential = view.credential(&device(1), cred(1)).unwrap();
    assert_eq!((credential.origin, credential.state), (Origin::Manufacturer, State::Delivered));
    let device = view.device(&device(1)).unwrap();
    assert_eq!((credential.version, device.version), (1, rig.index));
    assert_eq!(rig.audited(EventCode::DeviceEnrolled), 1);
}

#[test]
fn refuses_what_is_taken_in_the_realm() {
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    let before = rig.rows.clone();
    let rows: [(EnrolDevice, Refusal); 3] = [
        (EnrolDevice { device: device(1), ..enrol(2) }, taken("device", "device-1")),
        (EnrolDevice { endpoint: "urn:dev:1".into(), ..enrol(2) }, taken("endpoint", "urn:dev:1")),
        (
            EnrolDevice { identity: b"identity-1".to_vec(), ..enrol(2) },
            taken("PSK identity", "identity-1"),
        ),
    ];

    for (command, why) in rows {
        assert_eq!(rig.refused(command), why);
    }

    assert_eq!(rig.rows, before);
}

#[test]
fn another_realm_may_use_the_same_names() {
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    let elsewhere = DeviceRef { tenant: "other".into(), ..device(1) };

    rig.done(EnrolDevice { device: elsewhere.clone(), ..enrol(1) });

    assert_eq!(rig.view().psk_identity("other", b"identity-1"), Some((elsewhere, cred(1))));
    assert_eq!(rig.view().psk_identity("default", b"identity-1"), Some((device(1), cred(1))));
}

#[test]
fn refuses_a_device_without_its_tenant_or_profile() {
    let mut rig = Rig::ready();
    let nobody = DeviceRef { tenant: "nobody".into(), ..device(1) };

    let tenant = rig.refused(EnrolDevice { device: nobody, ..enrol(1) });
    let profile = rig.refused(EnrolDevice { profile: "absent".into(), ..enrol(1) });

    assert_eq!(tenant, not_found("tenant", "nobody"));
    assert_eq!(profile, not_found("profile", "absent"));
}

#[test]
fn refuses_names_that_are_too_long_for_a_key() {
    let mut rig = Rig::in_session();
    let before = rig.rows.clone();
    let long = "x".repeat(70_000);
    let mut named = put_profile("default", "coaps://x");
    named.name = long.clone();
    let mut session = open(1, 2);
    session.opened.cid = vec![0; 256];
    let rows: [(Command, &str, u64); 7] = [
        (create_tenant(&long).into(), "tenant's name", 255),
        (
            PutConnector { name: long.clone(), ..put_connector("default") }.into(),
            "connector's name",
            255,
        ),
        (named.into(), "profile's name", 255),
        (
            EnrolDevice { device: DeviceRef { device: long.clone(), ..device(2) }, ..enrol(2) }
                .into(),
            "device's id",
            255,
        ),
        (EnrolDevice { endpoint: long.clone(), ..enrol(2) }.into(), "endpoint name", 1024),
        (EnrolDevice { identity: vec![0; 1025], ..enrol(2) }.into(), "PSK identity", 1024),
        (session.into(), "connection id", 255),
    ];

    for (command, what, limit) in rows {
        assert_eq!(rig.refused(command), Refusal::TooLong { what: what.into(), limit });
    }

    assert_eq!(rig.rows, before);
    assert_eq!(rig.view().tenant(&long), None);
}

#[test]
fn a_put_that_expects_another_version_is_refused() {
    let mut rig = Rig::ready();
    let connector = |expect| PutConnector { expect: Some(expect), ..put_connector("default") };
    let profile =
        |expect| PutProfile { expect: Some(expect), ..put_profile("default", "coaps://x") };

    let versions = versions(&rig);
    for expected in [0, versions[0] + 9] {
        let changed = |actual| Refusal::Changed { expected, actual };
        assert_eq!(rig.refused(connector(expected)), changed(versions[0]));
        assert_eq!(rig.refused(profile(expected)), changed(versions[1]));
    }
    rig.done(connector(versions[0]));
    rig.done(profile(versions[1]));

    let absent = Refusal::Changed { expected: 1, actual: 0 };
    assert_eq!(rig.refused(PutConnector { name: "new".into(), ..connector(1) }), absent);
    assert_eq!(rig.refused(PutProfile { name: "new".into(), ..profile(1) }), absent);
    rig.done(PutConnector { name: "new".into(), ..connector(0) });
    rig.done(PutProfile { name: "new".into(), ..profile(0) });
}

#[test]
fn a_profile_goes_when_no_device_has_it() {
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    rig.done(enrol(2));
    let by =
        |by: &str| Refusal::InUse { what: "profile".into(), name: "meters".into(), by: by.into() };

    assert_eq!(rig.refused(delete_profile("meters")), by("2 devices"));
    rig.ended(delete());
    assert_eq!(rig.refused(delete_profile("meters")), by("a device"));
    rig.ended(DeleteDevice { device: device(2) });
    let actual = versions(&rig)[1];
    let stale = DeleteProfile { expect: Some(2), ..delete_profile("meters") };
    assert_eq!(rig.refused(stale), Refusal::Changed { expected: 2, actual });
    rig.done(delete_profile("meters"));

    assert_eq!(rig.view().profiles("default"), []);
    assert_eq!(rig.refused(delete_profile("meters")), not_found("profile", "meters"));
}

#[test]
fn a_connector_goes_when_no_profile_names_it() {
    let mut rig = Rig::ready();
    let by = "the profile \"meters\"".to_owned();
    let used = Refusal::InUse { what: "connector".into(), name: "hook".into(), by };
    assert_eq!(rig.refused(delete_connector("hook")), used);
    let actual = versions(&rig)[0];
    rig.done(delete_profile("meters"));
    let stale = DeleteConnector { expect: Some(2), ..delete_connector("hook") };
    assert_eq!(rig.refused(stale), Refusal::Changed { expected: 2, actual });

    rig.done(delete_connector("hook"));

    assert_eq!(rig.view().connectors("default"), []);
    assert_eq!(rig.view().connectors("other").len(), 1);
    assert_eq!(rig.refused(delete_connector("hook")), not_found("connector", "hook"));
}

#[test]
fn an_import_key_is_the_tenants_until_another_takes_its_place() {
    let mut rig = Rig::ready();

    rig.done(PutImportKey { expect: Some(1), ..put_import_key() });

    let tenant = rig.view().tenant("default").unwrap();
    let key = ImportKey { public: [3; 32], sealed_private: vec![4; 60], created_at: START };
    assert_eq!((tenant.import_key, tenant.version), (Some(key), 2));
    let changed = Refusal::Changed { expected: 1, actual: 2 };
    assert_eq!(rig.refused(PutImportKey { expect: Some(1), ..put_import_key() }), changed);
    let nobody = PutImportKey { tenant: "nobody".into(), ..put_import_key() };
    assert_eq!(rig.refused(nobody), not_found("tenant", "nobody"));
}

#[test]
fn what_concerns_the_whole_tenant_is_audited_apart() {
    let mut rig = Rig::ready();
    let export = |words: String| NoteExport { tenant: "default".into(), words };
    rig.done(put_import_key());
    rig.done(export("Two keys, to a vault.".into()));

    let audit = rig.view().tenant_audit("default", None, 9);

    let codes: Vec<_> = audit.iter().map(|entry| entry.code).collect();
    assert_eq!(codes, [EventCode::ImportKeyChanged, EventCode::SecretsExported]);
    assert_eq!(rig.view().tenant_audit("default", Some(audit[0].place()), 9), audit[1..]);
    assert_eq!(rig.view().events("default", None, 99).items[2..], audit);
    let limit = Refusal::TooLong { what: "note".into(), limit: 512 };
    assert_eq!(rig.refused(export("x".repeat(513))), limit);
}

#[test]
fn all_tenants_are_listed() {
    let rig = Rig::ready();

    let mut names: Vec<_> = rig.view().tenants().into_iter().map(|(name, _)| name).collect();
    names.sort();

    assert_eq!(names, ["default", "other"]);
}
