//! Root keys, the versions of tenants' keys, and what is sealed anew.

use super::*;
use crate::key::Kind;

fn wrappings(kek: &str) -> Vec<Wrapping> {
    vec![Wrapping { kek: kek.into(), bytes: vec![5; 65] }]
}

fn put_root(version: u32) -> PutRootKey {
    PutRootKey { version, wrappings: wrappings("file:1"), cluster: vec![version as u8; 65] }
}

fn replace(version: u32, root: u32) -> ReplaceTenantKey {
    ReplaceTenantKey { tenant: "default".into(), version, root, wrapped: vec![version as u8; 65] }
}

fn wrap(version: u32, from: u32, root: u32) -> WrapTenantKey {
    let wrapped = vec![0x20 + root as u8; 65];
    WrapTenantKey { tenant: "default".into(), version, from, root, wrapped }
}

fn reseal(items: Vec<Resealed>, cursor: &[u8]) -> Reseal {
    Reseal { tenant: "default".into(), version: 1, items, cursor: cursor.to_vec() }
}

fn destroy(version: u32) -> DestroyTenantKey {
    DestroyTenantKey { tenant: "default".into(), version }
}

/// As if sealed by this version of the tenant's key.
fn sealed_by(version: u8, content: u8) -> Vec<u8> {
    [vec![2, 0, 0, 0, version], vec![content; 43]].concat()
}

fn changed(expected: u64, actual: u64) -> Refusal {
    Refusal::Changed { expected, actual }
}

/// The codes of what the home tenant's audit log tells of keys.
fn told(rig: &Rig) -> Vec<EventCode> {
    let audit = rig.view().tenant_audit(HOME, None, 99).into_iter();
    audit.map(|entry| entry.code).filter(|code| *code >= EventCode::RootKeyMade).collect()
}

/// What is sealed before `version` of the tenant's key, in pages of `limit` credentials.
fn sealed_before(rig: &Rig, version: u32, limit: usize) -> Vec<SealedRow> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = rig.view().sealed_before("default", version, after.as_deref(), limit);
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

/// A tenant with something at every place that is sealed, and a root key.
fn full() -> Rig {
    let mut rig = Rig::ready();
    rig.done(put_root(1));
    for number in [1, 2, 3] {
        rig.done(enrol(number));
        rig.run(open_resumable(number, number, number));
    }
    rig.done(PutImportKey { public: [1; 32], ..put_import_key() });
    rig.done(put_import_key());
    rig.done(put_server_identity());
    rig
}

#[test]
fn root_keys_come_one_after_the_other_and_the_one_before_stays_until_it_wraps_nothing() {
    let mut rig = Rig::ready();
    assert_eq!(rig.refused(put_root(2)), changed(1, 0));
    rig.done(put_root(1));
    rig.done(put_root(1));
    rig.done(wrap(1, 0, 1));
    let other = WrapTenantKey { tenant: "other".into(), ..wrap(1, 0, 1) };
    rig.done(other.clone());
    rig.done(put_root(2));
    let row = rig.view().root_keys().unwrap();
    assert_eq!(row.versions().map(|(version, _)| version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(rig.refused(put_root(3)), Refusal::retiring("root key", 1));

    let why = rig.refused(DestroyRootKey { version: 1 });
    assert_eq!(why, Refusal::in_use("root key", "of version 1", "a tenant's key"));
    rig.done(wrap(1, 1, 2));
    rig.refused(DestroyRootKey { version: 1 });
    rig.done(WrapTenantKey { from: 1, root: 2, ..other });
    rig.done(DestroyRootKey { version: 1 });

    assert_eq!(rig.view().root_keys().unwrap().retiring, None);
    assert!(matches!(rig.refused(DestroyRootKey { version: 1 }), Refusal::NotFound { .. }));
    rig.done(put_root(3));
    use EventCode::{RootKeyDestroyed, RootKeyMade, RootKeyReplaced};
    assert_eq!(told(&rig), [RootKeyMade, RootKeyReplaced, RootKeyDestroyed, RootKeyReplaced]);
}

#[test]
fn a_retiring_version_of_a_tenants_key_keeps_its_root_key_too() {
    let mut rig = Rig::ready();
    rig.done(put_root(1));
    rig.done(wrap(1, 0, 1));
    rig.done(WrapTenantKey { tenant: "other".into(), ..wrap(1, 0, 1) });
    rig.done(put_root(2));
    rig.done(WrapTenantKey { tenant: "other".into(), ..wrap(1, 1, 2) });
    rig.done(replace(2, 2));

    rig.refused(DestroyRootKey { version: 1 });
    rig.done(wrap(1, 1, 2));
    rig.done(DestroyRootKey { version: 1 });
}

#[test]
fn a_tenants_key_goes_under_the_newest_root_key_only_and_from_where_it_was() {
    let mut rig = Rig::ready();
    assert_eq!(rig.refused(wrap(1, 0, 1)), not_found("root key", "of this ledger"));
    rig.done(put_root(1));
    assert_eq!(rig.refused(wrap(1, 0, 2)), changed(2, 1));
    assert_eq!(rig.refused(wrap(1, 3, 1)), changed(3, 0));
    assert_eq!(rig.refused(wrap(2, 0, 1)), not_found("tenant key", 2));

    rig.done(wrap(1, 0, 1));

    let tenant = rig.view().tenant("default").unwrap();
    assert_eq!(tenant.keys().collect::<Vec<_>>(), [(1, 1, &[0x21; 65][..])]);
    // A repetition whose fate was unknown changes nothing.
    let again = WrapTenantKey { wrapped: vec![9; 65], ..wrap(1, 0, 1) };
    rig.done(again);
    assert_eq!(rig.view().tenant("default").unwrap(), tenant);
}

#[test]
fn a_new_tenant_is_under_a_root_key_that_is_there() {
    let mut rig = Rig::ready();
    rig.done(put_root(1));

    assert_eq!(rig.refused(create_tenant("new")), changed(0, 1));
    assert_eq!(rig.refused(CreateTenant { root: 2, ..create_tenant("new") }), changed(2, 1));
    rig.done(CreateTenant { root: 1, ..create_tenant("new") });
}

#[test]
fn a_kek_comes_to_the_root_key_and_another_goes() {
    let mut rig = Rig::ready();
    rig.done(put_root(1));
    let revision = rig.view().root_keys().unwrap().revision;
    let both = [wrappings("hsm:2"), wrappings("file:1")].concat();
    let wrap = WrapRootKey { expect: revision, wrappings: both.clone(), retiring: vec![] };

    rig.done(wrap.clone());
    rig.done(wrap.clone());
    let only = WrapRootKey { wrappings: wrappings("hsm:2"), ..wrap };
    assert_eq!(rig.refused(only.clone()), changed(revision, revision + 1));
    rig.done(WrapRootKey { expect: revision + 1, ..only.clone() });
    let none = WrapRootKey { expect: revision + 4, wrappings: vec![], ..only };
    assert!(matches!(rig.refused(none), Refusal::NotFound { .. }));

    assert_eq!(rig.view().root_keys().unwrap().wrappings, wrappings("hsm:2"));
    assert_eq!(told(&rig)[1..], [EventCode::KekChanged; 2]);
    let words = &rig.view().tenant_audit(HOME, None, 99).pop().unwrap().words;
    assert_eq!(words, "The root key is wrapped by hsm:2; it was by hsm:2, file:1.");
}

#[test]
fn all_that_is_sealed_is_found_whatever_the_pages() {
    let rig = full();

    let whole = sealed_before(&rig, 2, 99);

    // Three of each device, the connector, two import keys, the key of the listeners.
    assert_eq!(whole.len(), 9 + 1 + 2 + 1);
    for limit in [1, 2, 3] {
        assert_eq!(sealed_before(&rig, 2, limit), whole);
    }
    assert!(sealed_before(&rig, 1, 99).is_empty());
    let kinds = [Kind::Material, Kind::Session, Kind::Resumption];
    let rows = kinds.map(|kind| invariants::of_kind(&rig.rows.0, kind).count());
    assert_eq!(rows, [3; 3]);
}

#[test]
fn what_is_found_is_sealed_anew_where_it_stands() {
    let mut rig = full();
    rig.done(replace(2, 1));
    let found = sealed_before(&rig, 2, 99);
    let anew = |(n, row): (usize, &SealedRow)| Resealed {
        place: row.place.clone(),
        was: row.hash(),
        sealed: sealed_by(2, n as u8),
    };

    rig.done(reseal(found.iter().enumerate().map(anew).collect(), &[1, 0, 9]));

    assert!(sealed_before(&rig, 2, 99).is_empty());
    let now = sealed_before(&rig, 3, 99);
    let same = now.iter().zip(&found).all(|(now, was)| now.place == was.place);
    assert!(same && now.len() == found.len());
    for (n, row) in now.iter().enumerate() {
        assert_eq!(row.sealed, sealed_by(2, n as u8));
    }
    let retiring = rig.view().tenant("default").unwrap().retiring.unwrap();
    assert_eq!((retiring.resealed, retiring.percent()), (13, 25));
    rig.done(destroy(1));
    assert_eq!(rig.view().tenant("default").unwrap().retiring, None);
}

#[test]
fn what_has_changed_meanwhile_stays_as_it_is() {
    let mut rig = full();
    rig.done(replace(2, 1));
    let connector = SealedPlace::Connector { name: "hook".into() };
    let row = SealedRow { place: connector, sealed: vec![8; 48] };
    rig.done(PutConnector { sealed_secret: sealed_by(2, 7), ..put_connector("default") });
    let gone = SealedPlace::Material { device: "device-9".into(), credential: cred(9) };

    let place = row.place.clone();
    let items = vec![
        Resealed { place, was: row.hash(), sealed: sealed_by(2, 1) },
        Resealed { place: gone, was: row.hash(), sealed: sealed_by(2, 1) },
    ];
    rig.done(reseal(items, &[]));

    let connector = rig.view().connector("default", "hook").unwrap();
    assert_eq!(connector.sealed_secret, sealed_by(2, 7));
    assert_eq!(rig.view().tenant("default").unwrap().retiring.unwrap().resealed, 0);
}

#[test]
fn nothing_comes_in_under_a_version_that_is_closed_or_not_there() {
    let mut rig = full();
    let commands = |sealed: Vec<u8>| -> Vec<Command> {
        let open = open_resumable(1, 9, 9);
        let opened = Session { sealed: sealed.clone(), ..open.opened.clone() };
        let fresh = Fresh {
            credential: cred(20),
            identity: vec![20; 16],
            sealed_key: sealed.clone(),
            key_length: 16,
        };
        let resumable = Resumable { handle: [9; 16], sealed: sealed.clone() };
        let put = put_server_identity();
        let identity = ServerIdentity { sealed_key: sealed.clone(), ..put.identity.clone() };
        vec![
            EnrolDevice { sealed_key: sealed.clone(), ..enrol(9) }.into(),
            StageCredential { sealed_key: sealed.clone(), ..stage(30) }.into(),
            OpenSession { opened, ..open.clone() }.into(),
            OpenSession { fresh: Some(Box::new(fresh)), ..open.clone() }.into(),
            OpenSession { resumable: Some(Box::new(resumable)), ..open }.into(),
            PutConnector { sealed_secret: sealed.clone(), ..put_connector("default") }.into(),
            PutImportKey { sealed_private: sealed, ..put_import_key() }.into(),
            PutServerIdentity { identity, ..put }.into(),
        ]
    };
    let refused = |rig: &Rig, sealed: Vec<u8>| {
        let why = |command| rig.clone().run(command);
        let of = commands(sealed).into_iter().map(why);
        of.filter(|it| *it == Outcome::Refused(Refusal::KeyReplaced)).count()
    };
    let all = commands(vec![]).len();
    assert_eq!(refused(&rig, sealed_by(2, 1)), all, "it is not there yet");
    rig.done(replace(2, 1));
    assert_eq!(refused(&rig, vec![1; 48]), 0, "it may be on its way");
    assert_eq!(refused(&rig, sealed_by(2, 1)), 0, "it is the newest");

    rig.done(reseal(vec![], &[]));

    assert_eq!(refused(&rig, vec![1; 48]), all);
    let back = Resealed {
        place: SealedPlace::Connector { name: "hook".into() },
        was: SealedRow {
            place: SealedPlace::Connector { name: "hook".into() },
            sealed: vec![8; 48],
        }
        .hash(),
        sealed: vec![1; 48],
    };
    assert_eq!(rig.refused(reseal(vec![back], &[])), Refusal::KeyReplaced);
}

#[test]
fn a_tenants_key_is_replaced_once_at_a_time_and_destroyed_after_it_was_closed() {
    let mut rig = full();
    assert_eq!(rig.refused(replace(3, 1)), changed(2, 1));
    assert_eq!(rig.refused(replace(2, 2)), changed(2, 1));
    rig.done(replace(2, 1));
    assert_eq!(rig.refused(replace(3, 1)), Refusal::retiring("tenant's key", 1));
    assert!(matches!(rig.refused(destroy(1)), Refusal::InUse { .. }));
    assert!(matches!(rig.refused(destroy(2)), Refusal::NotFound { .. }));

    rig.done(reseal(vec![], &[]));
    rig.done(destroy(1));

    rig.done(replace(3, 1));
    let keys: Vec<_> = rig.view().tenant("default").unwrap().keys().map(|it| it.0).collect();
    assert_eq!(keys, [3, 2]);
    assert!(matches!(rig.refused(reseal(vec![], &[])), Refusal::NotFound { .. }));
    use EventCode::{TenantKeyDestroyed, TenantKeyReplaced};
    assert_eq!(told(&rig)[1..], [TenantKeyReplaced, TenantKeyDestroyed, TenantKeyReplaced]);
}

#[test]
fn what_is_done_with_copies_of_the_root_key_is_audited() {
    let mut rig = full();
    for what in [Escrow::Made, Escrow::Proven, Escrow::Used] {
        rig.done(NoteEscrow { what, version: 1, recipient: "kid".into() });
    }
    use EventCode::{EscrowMade, EscrowProven, EscrowUsed};
    assert_eq!(told(&rig)[1..], [EscrowMade, EscrowProven, EscrowUsed]);
}

#[test]
fn the_bytes_of_keys_stay_what_they_were() {
    let mut rig = full();
    rig.done(put_root(2));
    rig.done(replace(2, 2));
    let mut places = full();
    places.done(replace(2, 1));
    let items: Vec<_> = sealed_before(&places, 2, 99)
        .into_iter()
        .map(|it| Resealed { was: it.hash(), place: it.place, sealed: sealed_by(2, 1) })
        .collect();
    rig.done(reseal(vec![], &[1, 2]));
    let envelope = |command: Command| Envelope::new(START, request(7), command).encode();
    let lines: Vec<(&str, Vec<u8>)> = vec![
        ("command.PutRootKey", envelope(put_root(1).into())),
        (
            "command.WrapRootKey",
            envelope(
                WrapRootKey { expect: 3, wrappings: wrappings("a"), retiring: wrappings("b") }
                    .into(),
            ),
        ),
        ("command.DestroyRootKey", envelope(DestroyRootKey { version: 1 }.into())),
        ("command.WrapTenantKey", envelope(wrap(1, 0, 1).into())),
        ("command.ReplaceTenantKey", envelope(replace(2, 1).into())),
        ("command.Reseal", envelope(reseal(items, &[1, 2]).into())),
        ("command.DestroyTenantKey", envelope(destroy(1).into())),
        (
            "command.NoteEscrow",
            envelope(NoteEscrow { what: Escrow::Made, version: 1, recipient: "kid".into() }.into()),
        ),
        (
            "command.CreateTenant.root",
            envelope(CreateTenant { root: 1, ..create_tenant("default") }.into()),
        ),
        ("outcome.refused.key_replaced", frame::encode(&Outcome::Refused(Refusal::KeyReplaced))),
        (
            "outcome.refused.retiring",
            frame::encode(&Outcome::Refused(Refusal::retiring("root key", 1))),
        ),
        ("record.root_keys", frame::encode(&rig.view().root_keys().unwrap())),
        ("record.tenant", frame::encode(&rig.view().tenant("default").unwrap())),
        ("key.root_keys", key::root_keys()),
    ];
    let lines: String = lines
        .iter()
        .map(|(name, bytes)| format!("{name} {}\n", data_encoding::HEXLOWER.encode(bytes)))
        .collect();
    assert_eq!(lines, include_str!("golden/keys.txt"));
}
