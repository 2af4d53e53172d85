//! Request ids, expected versions, and time.

use super::*;

/// A rig in which each device command can be done, and the command.
fn rows() -> Vec<(Rig, Command)> {
    let enrolled = {
        let mut rig = Rig::ready();
        rig.done(enrol(2));
        rig
    };
    vec![
        (Rig::ready(), create_tenant("new").into()),
        (Rig::ready(), put_connector("default").into()),
        (Rig::ready(), put_profile("default", "coaps://x").into()),
        (enrolled, enrol(1).into()),
        (Rig::in_session(), stage(10).into()),
        (Rig::staged(), confirm(10).into()),
        (Rig::staged(), deliver(10).into()),
        (Rig::staged(), report(10).into()),
        (Rig::staged(), note(true).into()),
        (Rig::staged(), close(1).into()),
        (Rig::staged(), revoke(10).into()),
        (Rig::staged(), rotate().into()),
        (others(), update("others").into()),
        (Rig::staged(), delete().into()),
        (withdrawn(), forgotten(10).into()),
    ]
}

/// Device 1, and a profile that it does not have.
fn others() -> Rig {
    let mut rig = Rig::staged();
    rig.done(PutProfile { name: "others".into(), ..put_profile("default", "coaps://x") });
    rig
}

/// A server is to forget the credential 10.
fn withdrawn() -> Rig {
    let mut rig = Rig::staged();
    rig.ended(revoke(10));
    rig
}

#[test]
fn a_repeated_request_acts_once_and_has_the_same_outcome() {
    for (mut rig, command) in rows() {
        let envelope = rig.envelope(command);
        let first = rig.submit(&envelope);
        let after = rig.rows.clone();

        let second = rig.submit(&envelope);

        let name = envelope.command.name();
        assert!(!matches!(first, Outcome::Refused(_)), "{name}: {first:?}");
        assert_eq!(second, first, "{name}");
        assert_eq!(rig.rows, after, "{name}");
    }
}

#[test]
fn eight_requests_of_a_device_are_remembered() {
    let mut rig = Rig::in_session();
    let envelope = rig.envelope(note(true));
    rig.submit(&envelope);
    for _ in 0..7 {
        rig.run(note(false));
    }
    rig.submit(&envelope);
    assert_eq!(rig.audited(EventCode::Refused), 1);

    rig.run(note(false));
    rig.submit(&envelope);

    assert_eq!(rig.audited(EventCode::Refused), 2);
}

#[test]
fn a_refused_request_may_be_tried_again() {
    let mut rig = Rig::ready();
    let envelope = rig.envelope(note(true));
    assert!(matches!(rig.submit(&envelope), Outcome::Refused(_)));
    rig.done(enrol(1));

    assert_eq!(rig.submit(&envelope), Outcome::Done);
}

#[test]
fn a_device_that_has_changed_refuses_every_command_of_an_older_version() {
    let opening: Command = open(1, 2).into();
    let raising: Command = raise(1).into();
    let rest = rows().into_iter().skip(4);
    let rest = rest.chain([(Rig::in_session(), opening), (Rig::in_session(), raising)]);
    for (mut rig, command) in rest {
        let before = rig.rows.clone();
        let actual = rig.view().device(&device(1)).unwrap().version;
        let mut envelope = rig.envelope(command);

        envelope.expected = Some(actual + 1);
        let refused = rig.submit(&envelope);
        let untouched = rig.rows == before;
        envelope.expected = Some(actual);
        let done = rig.submit(&envelope);

        let name = envelope.command.name();
        let changed = Refusal::Changed { expected: actual + 1, actual };
        assert_eq!(refused, Outcome::Refused(changed), "{name}");
        assert!(untouched, "{name}");
        assert!(!matches!(done, Outcome::Refused(_)), "{name}: {done:?}");
    }
}

#[test]
fn refuses_an_expected_version_of_a_device_that_is_not_there() {
    let mut rig = Rig::ready();
    let mut envelope = rig.envelope(enrol(1));
    envelope.expected = Some(1);

    assert_eq!(rig.submit(&envelope), Outcome::Refused(not_found("device", "device-1")));
}

#[test]
fn a_clock_that_goes_back_does_not_take_time_with_it() {
    let mut rig = Rig::in_session();
    rig.now -= 500;

    rig.run(stage(10));

    assert_eq!(rig.view().meta().unwrap().time, START);
    assert_eq!(rig.view().timeline(&device(1)).last().unwrap().at, START);
}

#[test]
fn a_row_that_cannot_be_read_stops_the_node() {
    let rows: [(Vec<u8>, &str, Command); 3] = [
        (key::of_device(key::Kind::Device, &device(1)), "a device", note(true).into()),
        (key::session(&device(1), sess(1)), "a session", deliver(10).into()),
        (key::of_device(key::Kind::Recent, &device(1)), "recent requests", note(true).into()),
    ];

    for (row, what, command) in rows {
        let mut rig = Rig::staged();
        rig.rows.put(row, vec![2, 0]);
        let bytes = rig.envelope(command).encode();
        let fate = apply(&mut rig.rows, 50, &bytes);
        assert_eq!(fate, Err(Damage { what, index: 50 }));
    }
}
