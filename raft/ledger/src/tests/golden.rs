//! The bytes of each version: what was once written is read for ever.
//!
//! A file holds what its version brought. `CLAVIGER_BLESS=1` writes the newest one anew; that is
//! right only for what was never released.

use super::*;
use crate::key::Kind;
use crate::record::Recent;
use core::fmt::Debug;
use minicbor::{Decode, Encode};

const V1: &str = include_str!("golden/v1.txt");
const V2: &str = include_str!("golden/v2.txt");

/// The lines as written now; each value must read back from the bytes that stand in the file.
struct Golden {
    known: &'static str,
    lines: String,
}

impl Golden {
    fn of(known: &'static str) -> Self {
        Self { known, lines: String::new() }
    }

    fn check(&self) {
        for (written, known) in self.lines.lines().zip(self.known.lines()) {
            assert_eq!(written, known);
        }
        assert_eq!(self.lines.lines().count(), self.known.lines().count());
    }

    fn row<T>(&mut self, name: &str, value: &T)
    where
        T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
    {
        let hex = data_encoding::HEXLOWER.encode(&frame::encode(value));
        self.lines += &format!("{name} {hex}\n");
        self.reads(name, value);
    }

    /// What is written in another way by now: the bytes of that time still give `value`.
    fn old<T>(&mut self, name: &str, value: &T)
    where
        T: for<'b> Decode<'b, ()> + PartialEq + Debug,
    {
        let known = self.reads(name, value).expect("the line is there");
        self.lines += &format!("{name} {known}\n");
    }

    fn reads<T>(&self, name: &str, value: &T) -> Option<&'static str>
    where
        T: for<'b> Decode<'b, ()> + PartialEq + Debug,
    {
        let (known, bytes) = self.known(name)?;
        assert_eq!(frame::decode::<T>(&bytes).as_ref(), Some(value), "{name}");
        Some(known)
    }

    fn known(&self, name: &str) -> Option<(&'static str, Vec<u8>)> {
        let mut lines = self.known.lines();
        let known = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        Some((known, data_encoding::HEXLOWER.decode(known.as_bytes()).unwrap()))
    }

    /// What nobody writes or reads any more: under `key` it stays until device 1 goes, and goes
    /// with that.
    fn dropped(&mut self, name: &str, key: &[u8]) {
        let (known, bytes) = self.known(name).expect("the line is there");
        let mut rig = Rig::staged();
        rig.rows.put(key.to_vec(), bytes.clone());
        rig.done(deliver(10));
        assert_eq!(rig.rows.row(key), Some(bytes), "{name}");
        rig.ended(delete());
        assert_eq!(rig.rows.row(key), None, "{name}");
        self.lines += &format!("{name} {known}\n");
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
        let envelope = Envelope::new(START, request(7), command);
        match envelope.command {
            // It had three fields more.
            Command::StageCredential(_) => golden.old(&name, &envelope),
            _ => golden.row(&name, &envelope),
        }
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
    let tenant = view.tenant("default").unwrap();
    golden.row("record.tenant", &Tenant { version: 0, ..tenant });
    // Versions began at 1 and not at the index.
    let connector = view.connector("default", "hook").unwrap();
    golden.row("record.connector", &Connector { version: 1, ..connector });
    let profile = view.profile("default", "meters").unwrap();
    golden.row("record.profile", &Profile { version: 1, ..profile });
    let record = view.device(&device(1)).unwrap();
    golden.row("record.device", &Device { made: vec![], version: 4, ..record });
    golden.row("record.session", &view.session(&device(1), sess(1)).unwrap());
    golden.row("record.credential.manufacturer", &view.credential(&device(1), cred(1)).unwrap());
    let mut credential = view.credential(&device(1), cred(10)).unwrap();
    credential.connector = None;
    credential.profile = Some(("meters".into(), 1));
    golden.row("record.credential.claviger", &credential);
    credential.anchors = vec![vec![0x30, 0].into()];
    for state in State::ALL {
        credential.state = state;
        golden.row(&format!("record.credential.{state}"), &credential);
    }
    golden.row(
        "record.outbox_item",
        &OutboxItem { connector: "hook".into(), created_at: START, withdrawal: None },
    );
    golden.dropped("record.memory", &memory_key());
    let mut recent = Recent::default();
    recent.remember(request(7), &frame::encode(&Outcome::Done), Recent::OF_DEVICE);
    golden.row("record.recent", &recent);
    golden.row("record.material", &minicbor::bytes::ByteVec::from(vec![10; 48]));
    golden.row("record.closed", &START);
    golden.row("record.psk_identity", &(device(1), cred(1)));
    golden.row("record.endpoint", &device(1));
    golden.row("record.connection_id", &(device(1), sess(1)));
    golden.row("record.address", &(device(1), sess(1)));
    events(golden, &EventCode::ALL[..11]);
}

fn events(golden: &mut Golden, codes: &[EventCode]) {
    for code in codes {
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

fn memory_key() -> Vec<u8> {
    key::under_device(Kind::Memory, &device(1), &[[1; 16], [10; 16]].concat())
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
        ("memory", memory_key()),
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

fn later_commands(golden: &mut Golden) {
    let connector =
        PutConnector { kind: ConnectorKind::Leshan, expect: Some(0), ..put_connector("default") };
    let profile = PutProfile { expect: Some(2), ..put_profile("default", "coaps://a") };
    let commands: [Command; 12] = [
        connector.into(),
        profile.into(),
        revoke(10).into(),
        rotate().into(),
        update("other").into(),
        delete().into(),
        expire(&[10]).into(),
        forgotten(10).into(),
        delete_profile("meters").into(),
        delete_connector("hook").into(),
        put_import_key().into(),
        NoteExport { tenant: "default".into(), words: "To a vault.".into() }.into(),
    ];
    for command in commands {
        let name = format!("command.{}", command.name());
        golden.row(&name, &Envelope::new(START, request(7), command));
    }
}

fn later_outcomes(golden: &mut Golden) {
    let why = Refusal::InUse { what: "profile".into(), name: "meters".into(), by: "it".into() };
    golden.row("outcome.refused.in_use", &Outcome::Refused(why));
    golden.row("outcome.made", &Outcome::Made);
    let why = Refusal::OtherKind { what: "connector".into(), name: "hook".into() };
    golden.row("outcome.refused.other_kind", &Outcome::Refused(why));
    let mut rig = Rig::staged();
    rig.done(put_profile("default", "coaps://second.example"));
    golden.row("outcome.staged.withdrawn", &rig.run(stage(11)));
    let mut rig = Rig::staged();
    rig.run(OpenSession {
        opened: Session { credential: cred(10), ..open(1, 2).opened },
        ..open(1, 2)
    });
    golden.row("outcome.ended", &rig.run(revoke(10)));
}

fn later_records(golden: &mut Golden) {
    let mut rig = Rig::staged();
    rig.done(confirm(10));
    rig.done(put_import_key());
    rig.ended(revoke(10));
    let view = rig.view();
    golden.row("record.tenant", &view.tenant("default").unwrap());
    // Versions began at 1 and not at the index.
    let record = view.device(&device(1)).unwrap();
    golden.row("record.device", &Device { version: 5, ..record });
    let mut credential = view.credential(&device(1), cred(10)).unwrap();
    credential.profile = Some(("meters".into(), 1));
    golden.row("record.credential", &credential);
    golden.row("record.outbox_item", &view.outbox_item(&device(1), cred(10)).unwrap());
    for kind in [ConnectorKind::Webhook, ConnectorKind::Pull, ConnectorKind::Leshan] {
        let row = view.connector("default", "hook").unwrap();
        let connector = Connector { kind, version: 1, ..row };
        golden.row(&format!("record.connector.{}", kind.as_str()), &connector);
    }
    golden.row("record.feed", view.events("default", None, 9).items.last().unwrap());
    golden.row("record.tenant_audit", &view.tenant_audit("default", None, 9)[0]);
    golden.row("record.feed_end", &7u64);
    golden.row("record.profile_use", &1u64);
    golden.row("record.expiry", &device(1));
    events(golden, &EventCode::ALL[11..24]);
}

/// What is staged with a session, and otherwise.
fn staging(golden: &mut Golden) {
    let commands: [(&str, Command); 2] =
        [("OpenSession.fresh", open_with(1, 1, 10).into()), ("StageCredential", stage(10).into())];
    for (name, command) in commands {
        golden.row(&format!("command.{name}"), &Envelope::new(START, request(7), command));
    }
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    golden.row("outcome.opened.staged", &rig.run(open_with(1, 1, 10)));
    rig.done(put_profile("default", "coaps://second.example"));
    golden.row("outcome.opened.staged.withdrawn", &rig.run(open_with(1, 2, 11)));
}

fn later_keys(golden: &mut Golden) {
    let keys = [
        ("feed", key::under_tenant(Kind::Feed, "default", &7u32.to_be_bytes())),
        ("feed_end", key::of_tenant(Kind::FeedEnd, "default")),
        ("served", key::served("default", &[10; 16])),
        (
            "tenant_audit",
            key::under_tenant(Kind::TenantAudit, "default", &[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1]),
        ),
        ("expiry", key::expiry(&device(1), START, cred(10))),
        ("profile_use", key::named(Kind::ProfileUse, "default", "meters")),
    ];
    for (name, key) in keys {
        golden.lines += &format!("key.{name} {}\n", data_encoding::HEXLOWER.encode(&key));
    }
}

#[test]
fn version_one_is_written_and_read_as_it_was_at_first() {
    let mut golden = Golden::of(V1);

    commands(&mut golden);
    outcomes(&mut golden);
    records(&mut golden);
    keys(&mut golden);

    golden.check();
}

#[test]
fn what_version_two_brought_is_written_and_read_as_it_was_at_first() {
    let mut golden = Golden::of(if blessing() { "" } else { V2 });

    later_commands(&mut golden);
    later_outcomes(&mut golden);
    later_records(&mut golden);
    later_keys(&mut golden);
    staging(&mut golden);

    if blessing() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/golden/v2.txt");
        #[expect(clippy::disallowed_methods, reason = "a test that is told to writes its file")]
        std::fs::write(path, &golden.lines).unwrap();
        return;
    }
    golden.check();
}
