//! The bytes of version 1: what was once written is read for ever.
//!
//! `CLAVIGER_BLESS=1` writes `golden/v1.txt` anew; that is right only for what was never released.

use super::*;
use crate::key::Kind;
use crate::record::{Memory, Recent};
use core::fmt::Debug;
use minicbor::{Decode, Encode};

const GOLDEN: &str = include_str!("golden/v1.txt");

/// The lines as written now; each value must read back from the bytes that stand in the file.
struct Golden {
    lines: String,
}

impl Golden {
    fn row<T>(&mut self, name: &str, value: &T)
    where
        T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
    {
        let hex = data_encoding::HEXLOWER.encode(&frame::encode(value));
        self.lines += &format!("{name} {hex}\n");
        let known = GOLDEN.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        if let (false, Some(known)) = (blessing(), known) {
            let bytes = data_encoding::HEXLOWER.decode(known.as_bytes()).unwrap();
            assert_eq!(frame::decode::<T>(&bytes).as_ref(), Some(value), "{name}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a person asks for the file to be written")]
fn blessing() -> bool {
    std::env::var("CLAVIGER_BLESS").is_ok_and(|value| value == "1")
}

fn commands(golden: &mut Golden) {
    let commands: [Command; 13] = [
        Found { cluster: [1; 16] }.into(),
        create_tenant("default").into(),
        put_connector("default").into(),
        put_profile("default", "coaps://lwm2m.example:5684").into(),
        enrol(1).into(),
        open(1, 1).into(),
        raise(1).into(),
        stage(10).into(),
        confirm(10).into(),
        deliver(10).into(),
        report(10).into(),
        note(true).into(),
        close(1).into(),
    ];
    for command in commands {
        let name = format!("command.{}", command.name());
        golden.row(&name, &Envelope::new(START, request(7), command));
    }
    let command = NoteFailure { credential: Some(cred(10)), ..note(false) };
    let expected =
        Envelope { expected: Some(3), ..Envelope::new(START, request(7), command.into()) };
    golden.row("command.with_expected_version", &expected);
}

fn outcomes(golden: &mut Golden) {
    let refusals = [
        not_found("device", "device-1"),
        taken("endpoint", "urn:dev:1"),
        Refusal::Changed { expected: 3, actual: 4 },
        in_state("superseded"),
        Refusal::Founded,
        Refusal::TooLong { what: "PSK identity".into(), limit: 1024 },
    ];
    for (name, why) in
        ["not_found", "taken", "changed", "state", "founded", "too_long"].iter().zip(refusals)
    {
        golden.row(&format!("outcome.refused.{name}"), &Outcome::Refused(why));
    }
    golden.row("outcome.done", &Outcome::Done);
    golden.row("outcome.generation", &Outcome::Generation(2));
    let mut rig = Rig::in_session();
    for session in 2..=4 {
        rig.run(open(1, session));
    }
    golden.row("outcome.opened", &rig.run(open(1, 5)));
    golden.row("outcome.staged", &Rig::in_session().run(stage(10)));
}

fn records(golden: &mut Golden) {
    let mut rig = Rig::staged();
    rig.done(confirm(10));
    let view = rig.view();
    golden.row("record.meta", &view.meta().unwrap());
    golden.row("record.tenant", &view.tenant("default").unwrap());
    golden.row("record.connector", &view.connector("default", "hook").unwrap());
    golden.row("record.profile", &view.profile("default", "meters").unwrap());
    golden.row("record.device", &view.device(&device(1)).unwrap());
    golden.row("record.session", &view.session(&device(1), sess(1)).unwrap());
    golden.row("record.credential.manufacturer", &view.credential(&device(1), cred(1)).unwrap());
    let mut credential = view.credential(&device(1), cred(10)).unwrap();
    golden.row("record.credential.claviger", &credential);
    credential.anchors = vec![vec![0x30, 0].into()];
    for state in State::ALL {
        credential.state = state;
        golden.row(&format!("record.credential.{state}"), &credential);
    }
    golden.row("record.outbox_item", &OutboxItem { connector: "hook".into(), created_at: START });
    golden.row("record.memory", &Memory { until: START, response: vec![10; 20] });
    let mut recent = Recent::default();
    recent.remember(request(7), &frame::encode(&Outcome::Done));
    golden.row("record.recent", &recent);
    golden.row("record.material", &minicbor::bytes::ByteVec::from(vec![10; 48]));
    golden.row("record.closed", &START);
    golden.row("record.psk_identity", &(device(1), cred(1)));
    golden.row("record.endpoint", &device(1));
    golden.row("record.connection_id", &(device(1), sess(1)));
    golden.row("record.address", &(device(1), sess(1)));
    for code in EventCode::ALL {
        let entry = TimelineEntry {
            at: START,
            index: 9,
            code: *code,
            credential: Some(cred(10)),
            words: "It happened.".into(),
        };
        golden.row(&format!("record.timeline.{code}"), &entry);
        golden.row(&format!("record.audit.{code}"), &AuditEntry { device: device(1), entry });
    }
}

/// Keys are bytes on disk too.
fn keys(golden: &mut Golden) {
    let (of, credential, session) = (device(1), cred(10), sess(1));
    let keys = [
        ("meta", key::meta()),
        ("tenant", key::of_tenant(Kind::Tenant, "default")),
        ("profile", key::named(Kind::Profile, "default", "meters")),
        ("connector", key::named(Kind::Connector, "default", "hook")),
        ("recent_of_tenant", key::of_tenant(Kind::Recent, "default")),
        ("device", key::of_device(Kind::Device, &of)),
        ("credential", key::credential(Kind::Credential, &of, credential)),
        ("material", key::credential(Kind::Material, &of, credential)),
        ("session", key::session(&of, session)),
        ("memory", key::under_device(Kind::Memory, &of, &[[1; 16], [10; 16]].concat())),
        ("timeline", key::under_device(Kind::Timeline, &of, &9u64.to_be_bytes())),
        ("audit", key::under_device(Kind::Audit, &of, &[9u64.to_be_bytes(), [0; 8]].concat())),
        ("outbox", key::credential(Kind::Outbox, &of, credential)),
        ("recent", key::of_device(Kind::Recent, &of)),
        ("closed", key::under_device(Kind::Closed, &of, &session.0)),
        ("psk_identity", key::in_realm(Kind::PskIdentity, "default", b"identity-1")),
        ("connection_id", key::of_cluster(Kind::ConnectionId, &[&[1; 8]])),
        ("address", key::of_cluster(Kind::Address, &[b"main", b"192.0.2.1:49152"])),
        ("endpoint", key::in_realm(Kind::Endpoint, "default", b"urn:dev:1")),
    ];
    for (name, key) in keys {
        golden.lines += &format!("key.{name} {}\n", data_encoding::HEXLOWER.encode(&key));
    }
}

#[test]
fn version_one_is_written_and_read_as_it_was_at_first() {
    let mut golden = Golden { lines: String::new() };

    commands(&mut golden);
    outcomes(&mut golden);
    records(&mut golden);
    keys(&mut golden);

    if blessing() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/golden/v1.txt");
        #[expect(clippy::disallowed_methods, reason = "a test that is told to writes its file")]
        std::fs::write(path, &golden.lines).unwrap();
        return;
    }
    for (written, known) in golden.lines.lines().zip(GOLDEN.lines()) {
        assert_eq!(written, known);
    }
    assert_eq!(golden.lines.lines().count(), GOLDEN.lines().count());
}
