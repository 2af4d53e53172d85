//! A tenant's import keys: the newest, the older ones, and their end.

use super::*;
use crate::key::Kind;
use crate::record::ImportKey;

fn put(number: u8) -> PutImportKey {
    PutImportKey { public: [number; 32], ..put_import_key() }
}

fn delete(number: u8) -> DeleteImportKey {
    DeleteImportKey { tenant: "default".into(), public: [number; 32], expect: None }
}

/// The first byte of each key's public half, the newest first.
fn keys(rig: &Rig) -> Vec<u8> {
    rig.view().import_keys("default").iter().map(|key| key.public[0]).collect()
}

#[test]
fn a_new_key_leaves_the_older_ones_to_be_read_with() {
    let mut rig = Rig::ready();

    for number in [3, 1, 2] {
        rig.done(put(number));
    }

    assert_eq!(keys(&rig), [2, 1, 3]);
    assert!(rig.view().import_keys("other").is_empty());
    let older = &rig.view().import_keys("default")[2];
    assert_eq!((&older.sealed_private, older.created_at), (&vec![4; 60], START));
}

#[test]
fn the_same_key_put_again_is_there_once() {
    let mut rig = Rig::ready();
    rig.done(put(1));

    rig.done(put(1));

    assert_eq!(keys(&rig), [1]);
}

#[test]
fn a_key_is_deleted_be_it_the_newest_or_an_older_one() {
    let mut rig = Rig::ready();
    for number in [1, 2, 3] {
        rig.done(put(number));
    }
    let version = rig.view().tenant("default").unwrap().version;

    rig.done(delete(1));
    assert_eq!(keys(&rig), [3, 2]);
    rig.done(DeleteImportKey { expect: Some(version + 1), ..delete(3) });
    assert_eq!(keys(&rig), [2]);
    assert_eq!(rig.view().tenant("default").unwrap().import_key, None);

    let stale = Refusal::Changed { expected: version, actual: version + 2 };
    let asked = DeleteImportKey { expect: Some(version), ..delete(2) };
    assert_eq!(rig.refused(asked), stale);
    assert_eq!(rig.refused(delete(3)), not_found("import key", "03".repeat(32)));
    let codes: Vec<_> =
        rig.view().tenant_audit("default", None, 99).iter().map(|entry| entry.code).collect();
    assert_eq!(codes, [EventCode::ImportKeyChanged; 5]);
}

#[test]
fn there_are_seventeen_keys_at_most() {
    let mut rig = Rig::ready();
    (0..17).for_each(|number| rig.done(put(number)));

    let why = rig.refused(put(17));

    assert_eq!(why, Refusal::Full { what: "older import keys".into(), limit: 16 });
    assert_eq!((keys(&rig).len(), keys(&rig)[0]), (17, 16));
    rig.done(delete(0));
    rig.done(put(17));
    assert_eq!(keys(&rig)[0], 17);
}

#[test]
fn a_list_of_devices_goes_on_behind_a_device_that_is_gone() {
    let mut rig = Rig::ready();
    (0..20).for_each(|number| rig.done(enrol(number)));
    let all = rig.view().devices("default", None, 99).items;
    let (gone, behind) = (&all[7].0, &all[8..]);
    rig.run(DeleteDevice { device: gone.clone() });

    let rest = rig.view().devices("default", Some(&View::place_of(gone)), 99);

    assert_eq!(rest.items, behind);
}

/// What was once written is read for ever.
#[test]
fn the_bytes_are_what_they_were_at_first() {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let command = Envelope::new(START, request(7), delete(3).into());
    let command = hex(&command.encode());
    let refusal = Refusal::Full { what: "older import keys".into(), limit: 16 };
    let refusal = hex(&frame::encode(&Outcome::Refused(refusal)));
    let key = hex(&key::under_tenant(Kind::ImportKey, "default", &[3; 32]));
    let record = ImportKey { public: [3; 32], sealed_private: vec![4; 2], created_at: START };
    let record = hex(&frame::encode(&record));

    let written = [command, refusal, key, record].join("\n");
    assert_eq!(written, include_str!("golden/import_keys.txt").trim_end());
    for (line, name) in written.lines().zip(["command", "refusal"]) {
        let bytes = data_encoding::HEXLOWER.decode(line.as_bytes()).unwrap();
        match name {
            "command" => {
                let read: Envelope = frame::decode(&bytes).unwrap();
                assert_eq!(read.command, delete(3).into());
            }
            _ => assert!(matches!(frame::decode(&bytes), Some(Outcome::Refused(_)))),
        }
    }
}
