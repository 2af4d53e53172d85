//! Manufacturers' credentials of each kind, trust anchors, and the key of a tenant's listeners.

use super::*;
use crate::key::Kind;

/// The trust anchor, which gives a profile to who comes with a good chain.
fn anchored(enrol_with: Option<&str>) -> Rig {
    let mut rig = Rig::ready();
    assert_eq!(rig.run(put_trust_anchor(enrol_with)), Outcome::Made);
    rig
}

fn version(rig: &Rig) -> u64 {
    rig.view().trust_anchor("default", "factory").unwrap().version
}

/// A session of a device whose chain was validated by the trust anchor as it is now.
fn open_by_chain(rig: &Rig, of: u8, session: u8) -> OpenSession {
    OpenSession { anchor: Some(version(rig)), ..open(of, session) }
}

/// The same of a device that is not there yet.
fn first_contact(rig: &Rig, of: u8, session: u8) -> OpenSession {
    let enrol = Some(Box::new(enrol_certificate(of)));
    OpenSession { enrol, ..open_by_chain(rig, of, session) }
}

fn words(rig: &Rig, code: EventCode) -> String {
    let timeline = rig.view().timeline(&device(1));
    timeline.iter().rev().find(|entry| entry.code == code).unwrap().words.clone()
}

#[test]
fn a_public_key_leads_to_its_device_and_is_enrolled_once_in_a_realm() {
    let mut rig = Rig::ready();

    rig.done(enrol_key(1));

    let spki = [1; 91];
    assert_eq!(rig.view().public_key("default", &spki), Some((device(1), cred(1))));
    assert_eq!(rig.view().public_key("other", &spki), None);
    assert_eq!(rig.view().material(&device(1), cred(1)), None);
    let name = CredentialKind::PublicKey.name(&spki);
    let again = EnrolDevice { identity: spki.to_vec(), ..enrol_key(2) };
    assert_eq!(rig.refused(again), taken("public key", &name));
    let elsewhere = DeviceRef { tenant: "other".into(), ..device(1) };
    rig.done(EnrolDevice { device: elsewhere, ..enrol_key(1) });
    assert!(words(&rig, EventCode::DeviceEnrolled).contains(&name), "{name}");
}

#[test]
fn the_timeline_says_what_was_proven() {
    let mut rig = anchored(None);
    rig.done(enrol_key(1));
    rig.run(open(1, 1));
    let by_key = words(&rig, EventCode::SessionOpened);
    rig.ended(delete());
    rig.done(enrol_certificate(1));
    rig.run(open_by_chain(&rig, 1, 2));
    let by_chain = words(&rig, EventCode::SessionOpened);

    let name = CredentialKind::PublicKey.name(&[1; 91]);
    let of = |proven: String| {
        format!("Proved {proven} from 192.0.2.1:49152; DTLS session with a connection id.")
    };
    assert_eq!(by_key, of(format!("the public key with the fingerprint \"{name}\"")));
    assert_eq!(by_chain, of("a certificate under the trust anchor \"factory\"".into()));
}

#[test]
fn a_revoked_key_cannot_be_looked_up_and_may_be_enrolled_anew() {
    let mut rig = Rig::ready();
    rig.done(enrol_key(1));
    rig.run(open(1, 1));

    let ended = rig.ended(RevokeCredential { credential: cred(1), ..revoke(1) });

    assert_eq!(ended.closed, [(device(1), sess(1))]);
    assert_eq!(rig.view().public_key("default", &[1; 91]), None);
    assert_eq!(rig.refused(open(1, 2)), in_state("revoked"));
    rig.done(EnrolDevice { identity: vec![1; 91], ..enrol_key(2) });
}

#[test]
fn a_revoked_certificate_is_refused_and_audited_though_its_chain_is_good() {
    let mut rig = anchored(Some("meters"));
    rig.done(enrol_certificate(1));
    rig.ended(RevokeCredential { credential: cred(1), ..revoke(1) });

    let why = rig.refused(first_contact(&rig, 1, 1));

    assert_eq!(why, in_state("revoked"));
    assert_eq!(rig.audited(EventCode::Refused), 1);
}

#[test]
fn a_device_for_certificates_needs_its_trust_anchor() {
    let mut rig = Rig::ready();
    assert_eq!(rig.refused(enrol_certificate(1)), not_found("trust anchor", "factory"));
    rig.run(put_trust_anchor(None));
    rig.done(enrol_certificate(1));
    let by_chain = open_by_chain(&rig, 1, 1);
    assert!(matches!(rig.run(by_chain.clone()), Outcome::Opened { .. }));
    rig.run(stage(10));

    rig.done(delete_trust_anchor());

    let gone = in_state("without its trust anchor \"factory\"");
    assert_eq!(rig.refused(OpenSession { session: sess(2), ..by_chain }), gone);
    assert_eq!(rig.refused(stage(11)), gone);
    assert_eq!(rig.refused(raise(1)), gone);
    let at = rig.now;
    assert_eq!(rig.view().offer(&device(1), sess(1), cred(10), at, false), None);
}

#[test]
fn a_chain_that_was_validated_by_an_older_anchor_opens_nothing() {
    let mut rig = anchored(Some("meters"));
    rig.done(enrol_certificate(1));
    let (known, unknown) = (open_by_chain(&rig, 1, 1), first_contact(&rig, 2, 2));
    let before = version(&rig);
    rig.done(put_trust_anchor(Some("meters")));
    let rows = rig.rows.clone();

    let why = rig.refused(known);
    let stranger = rig.refused(unknown);

    assert_eq!(why, Refusal::Changed { expected: before, actual: before + 1 });
    assert_eq!(stranger, not_found("trust anchor for enrolment", "factory"));
    let unasked = rig.refused(open(1, 1));
    assert_eq!(unasked, Refusal::Changed { expected: 0, actual: before + 1 });
    assert_eq!(rig.rows, rows);
}

#[test]
fn an_unknown_device_is_enrolled_in_the_commit_that_opens_its_session() {
    let mut rig = anchored(Some("meters"));
    let fresh = open_with(1, 1, 10).fresh;
    let command = OpenSession { fresh, ..first_contact(&rig, 1, 1) };

    let outcome = rig.run(command);

    let Outcome::Opened { endpoint, staged, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((endpoint.as_str(), staged.unwrap().credential), ("urn:dev:1", cred(10)));
    assert_eq!(rig.view().endpoint("default", "urn:dev:1"), Some(device(1)));
    assert_eq!(rig.view().profile_use("default", "meters"), 1);
    let codes = [EventCode::DeviceEnrolled, EventCode::CredentialActivated];
    assert_eq!(codes.map(|code| rig.audited(code)), [1, 1]);
    // The next one finds it.
    assert!(matches!(rig.run(first_contact(&rig, 1, 2)), Outcome::Opened { .. }));
    assert_eq!(rig.audited(EventCode::DeviceEnrolled), 1);
}

#[test]
fn nobody_is_enrolled_where_the_anchor_does_not_say_so() {
    for enrol_with in [None, Some("meters")] {
        let mut rig = anchored(enrol_with);
        let mut command = first_contact(&rig, 1, 1);
        if let (Some(_), Some(enrol)) = (enrol_with, &mut command.enrol) {
            // Another profile than the anchor's.
            rig.done(PutProfile { name: "others".into(), ..put_profile("default", "coaps://b") });
            enrol.profile = "others".into();
        }
        let before = rig.rows.clone();

        let why = rig.refused(command);

        assert_eq!(why, not_found("trust anchor for enrolment", "factory"));
        assert_eq!(rig.rows, before);
    }
}

#[test]
fn trust_anchors_are_bounded_and_versioned() {
    let mut rig = anchored(None);
    let put = |anchor: TrustAnchor| PutTrustAnchor { anchor, ..put_trust_anchor(None) };
    let with = |certificates: Vec<Vec<u8>>| TrustAnchor {
        certificates: certificates.into_iter().map(Into::into).collect(),
        ..TrustAnchor::default()
    };
    let actual = version(&rig);
    let stale = PutTrustAnchor { expect: Some(0), ..put_trust_anchor(None) };
    assert_eq!(rig.refused(stale), Refusal::Changed { expected: 0, actual });
    assert_eq!(rig.refused(put(with(vec![]))), not_found("certificate", "of the trust anchor"));
    let full = Refusal::Full { what: "certificates".into(), limit: 8 };
    assert_eq!(rig.refused(put(with(vec![vec![1]; 9]))), full);
    let long = Refusal::TooLong { what: "trust anchor".into(), limit: 16_384 };
    assert_eq!(rig.refused(put(with(vec![vec![1; 16_385]]))), long);
    assert_eq!(rig.refused(put_trust_anchor(Some("absent"))), not_found("profile", "absent"));
    for n in 1..16 {
        rig.done(PutTrustAnchor { name: n.to_string(), ..put_trust_anchor(None) });
    }
    let one_more = PutTrustAnchor { name: "16".into(), ..put_trust_anchor(None) };
    let full = Refusal::Full { what: "trust anchors".into(), limit: 16 };
    assert_eq!(rig.refused(one_more), full);
    rig.done(put_trust_anchor(Some("meters")));
    let used = Refusal::InUse {
        what: "profile".into(),
        name: "meters".into(),
        by: "the trust anchor \"factory\"".into(),
    };
    assert_eq!(rig.refused(delete_profile("meters")), used);
    assert_eq!(rig.view().trust_anchors("default").len(), 16);
    rig.done(delete_trust_anchor());
    assert_eq!(rig.refused(delete_trust_anchor()), not_found("trust anchor", "factory"));
}

#[test]
fn a_tenants_listeners_have_one_key_at_a_time() {
    let mut rig = Rig::ready();
    assert_eq!(rig.view().server_identity("default"), None);

    assert_eq!(rig.run(put_server_identity()), Outcome::Made);
    let first = rig.view().server_identity("default").unwrap();
    let stale = PutServerIdentity { expect: Some(0), ..put_server_identity() };
    let actual = first.version;
    assert_eq!(rig.refused(stale), Refusal::Changed { expected: 0, actual });
    rig.done(PutServerIdentity { expect: Some(actual), ..put_server_identity() });

    let second = rig.view().server_identity("default").unwrap();
    assert_eq!(second, ServerIdentity { version: actual + 1, ..first });
    assert_eq!(rig.view().server_identity("other"), None);
    let mut long = put_server_identity();
    long.identity.chain = vec![vec![0; 8192].into()];
    let limit = Refusal::TooLong { what: "chain of the server".into(), limit: 8192 };
    assert_eq!(rig.refused(long), limit);
    let audit = rig.view().tenant_audit("default", None, 9);
    assert_eq!(audit.iter().filter(|e| e.code == EventCode::ServerIdentityChanged).count(), 2);
}

/// What was once written is read for ever.
#[test]
fn the_bytes_are_what_they_were_at_first() {
    let mut rig = anchored(Some("meters"));
    let commands: [(&str, Command); 8] = [
        ("EnrolDevice.key", enrol_key(1).into()),
        ("EnrolDevice.certificate", enrol_certificate(1).into()),
        ("PutTrustAnchor", put_trust_anchor(Some("meters")).into()),
        ("DeleteTrustAnchor", delete_trust_anchor().into()),
        ("PutServerIdentity", put_server_identity().into()),
        ("OpenSession.first_contact", first_contact(&rig, 1, 1).into()),
        ("OpenSession.resumable", open_resumable(1, 1, 7).into()),
        ("OpenSession.resumed", OpenSession { resumed: true, ..open(1, 1) }.into()),
    ];
    let mut lines = String::new();
    let mut line = |name: &str, bytes: &[u8]| {
        lines += &format!("{name} {}\n", data_encoding::HEXLOWER.encode(bytes));
    };
    for (name, command) in commands {
        let envelope = Envelope::new(START, request(7), command);
        line(name, &envelope.encode());
        assert_eq!(frame::decode::<Envelope>(&envelope.encode()).as_ref(), Some(&envelope));
    }
    rig.done(put_server_identity());
    let opened = Session { restorable: true, ..open(1, 1).opened };
    rig.run(OpenSession { opened, ..first_contact(&rig, 1, 1) });
    rig.run(OpenSession { anchor: Some(version(&rig)), ..open_resumable(1, 2, 7) });
    let view = rig.view();
    line("record.trust_anchor", &frame::encode(&view.trust_anchor("default", "factory").unwrap()));
    line("record.server_identity", &frame::encode(&view.server_identity("default").unwrap()));
    line("record.credential", &frame::encode(&view.credential(&device(1), cred(1)).unwrap()));
    let session = view.session(&device(1), sess(1)).unwrap();
    line("record.session.anchored", &frame::encode(&session));
    let session = Session { anchor: None, ..session };
    line("record.session", &frame::encode(&session));
    line("record.session.edge", &frame::encode(&Session { edge: Some(7), ..session }));
    line("record.resumption", &frame::encode(&view.resumption(&[7; 16]).unwrap()));
    for code in &EventCode::ALL[24..27] {
        let code = *code;
        let words = "It happened.".into();
        let entry = TimelineEntry { at: START, index: 9, code, credential: None, words };
        line(&format!("record.timeline.{code}"), &frame::encode(&entry));
    }
    line("key.deleted", &key::in_realm(Kind::Deleted, "default", b"urn:dev:1"));
    line("key.trust_anchor", &key::named(Kind::TrustAnchor, "default", "factory"));
    line("key.server_identity", &key::of_tenant(Kind::ServerIdentity, "default"));
    line("key.public_key", &key::public_key("default", &[1; 91]));
    line("key.resumption", &key::resumption(&[7; 16]));
    assert_eq!(lines, include_str!("golden/proving.txt"));
}

#[test]
fn a_deleted_device_comes_back_only_when_it_is_enrolled() {
    let mut rig = anchored(Some("meters"));
    rig.run(first_contact(&rig, 1, 1));
    rig.ended(delete());
    assert!(rig.view().was_deleted("default", "urn:dev:1"));
    let before = rig.rows.clone();

    let why = rig.refused(first_contact(&rig, 1, 2));

    assert_eq!(why, not_found("device", "urn:dev:1"));
    assert_eq!(rig.rows, before);
    rig.done(enrol_certificate(1));
    assert!(!rig.view().was_deleted("default", "urn:dev:1"));
    assert!(matches!(rig.run(first_contact(&rig, 1, 3)), Outcome::Opened { .. }));
}

#[test]
fn a_deletion_is_remembered_only_where_a_certificate_could_undo_it() {
    for (enrol_with, kind, remembered) in [
        (None, CredentialKind::Psk, false),
        (None, CredentialKind::PublicKey, false),
        (None, CredentialKind::Certificate, true),
        (Some("meters"), CredentialKind::Psk, true),
    ] {
        let mut rig = anchored(enrol_with);
        rig.done(match kind {
            CredentialKind::Psk => enrol(1),
            CredentialKind::PublicKey => enrol_key(1),
            CredentialKind::Certificate => enrol_certificate(1),
        });

        rig.ended(delete());

        assert_eq!(rig.view().was_deleted("default", "urn:dev:1"), remembered, "{kind:?}");
    }
}

#[test]
fn a_device_at_first_contact_does_not_take_the_id_of_another() {
    let mut rig = anchored(Some("meters"));
    rig.done(EnrolDevice { endpoint: "urn:dev:9".into(), ..enrol(1) });
    let before = rig.rows.clone();

    assert_eq!(rig.refused(first_contact(&rig, 1, 1)), taken("device", "device-1"));

    assert_eq!(rig.rows, before);
}

#[test]
fn a_session_ends_with_the_certificates_that_its_chain_led_to() {
    let mut rig = anchored(None);
    rig.done(enrol_certificate(1));
    rig.run(open_by_chain(&rig, 1, 1));
    rig.run(stage(10));
    let put = |certificate: u8, enrol_with: Option<&str>| {
        let mut put = put_trust_anchor(enrol_with);
        put.anchor.certificates = vec![vec![0x30, certificate].into()];
        put
    };

    // Another profile shuts nobody out; another authority does.
    rig.done(put(0, Some("meters")));
    assert!(matches!(rig.run(raise(1)), Outcome::Generation(_)));
    rig.done(put(1, Some("meters")));

    let gone = in_state("without its trust anchor \"factory\"");
    assert_eq!([rig.refused(raise(1)), rig.refused(stage(11))], [gone.clone(), gone]);
    let at = rig.now;
    assert_eq!(rig.view().offer(&device(1), sess(1), cred(10), at, false), None);
    assert!(matches!(rig.run(open_by_chain(&rig, 1, 2)), Outcome::Opened { .. }));
}

#[test]
fn a_device_that_is_enrolled_for_certificates_says_by_which_credential_from_level_5_on() {
    for (level, expected) in [(4, None), (5, Some(cred(1)))] {
        // Given a ledger at this level
        let mut rig = anchored(Some("meters"));
        rig.done(RaiseLevel { level });

        // When devices are enrolled, at first contact too
        rig.run(first_contact(&rig, 1, 1));
        rig.done(enrol_certificate(2));
        rig.done(enrol(3));

        let found = |of| rig.view().certified(&device(of)).map(|(id, _)| id);
        assert_eq!(found(1), expected, "at level {level}");
        assert_eq!(found(2), expected.map(|_| cred(2)), "at level {level}");
        assert_eq!(found(3), None, "at level {level}");
    }
}

/// What was once written is read for ever.
#[test]
fn the_bytes_of_a_device_with_certificates_are_what_they_were_at_first() {
    let mut rig = anchored(None);
    rig.done(RaiseLevel { level: 5 });
    rig.done(enrol_certificate(1));
    let device = rig.view().device(&device(1)).unwrap();
    let device = Device { version: 7, ..device };
    let made = Device { made: vec![cred(10)], ..device.clone() };
    let first = "01896975726e3a6465763a316764656661756c74666d6574657273071a000f424001f6";
    let (none, one) = ("80", format!("8150{}", "0a".repeat(16)));
    for (device, made) in [(device, none), (made, &one)] {
        let known = format!("{first}{made}50{}", "01".repeat(16));

        assert_eq!(data_encoding::HEXLOWER.encode(&frame::encode(&device)), known);
        let bytes = data_encoding::HEXLOWER.decode(known.as_bytes()).unwrap();
        assert_eq!(frame::decode::<Device>(&bytes), Some(device));
    }
}
