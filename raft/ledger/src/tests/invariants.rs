//! What holds of the rows between any two commands.

use super::*;
use crate::key::Kind;
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Table = BTreeMap<Vec<u8>, Vec<u8>>;

/// A look-up row leads to a row, and that row back to it.
pub(super) fn lookups_are_whole(rig: &Rig) {
    let rows = &rig.rows.0;
    let mut found = 0;
    let provers = of_kind(rows, Kind::PskIdentity).chain(of_kind(rows, Kind::PublicKey));
    for (key, bytes) in provers {
        let (of, id): (DeviceRef, CredentialId) = read(bytes);
        let credential = rig.view().credential(&of, id).unwrap();
        let realm = rig.view().device(&of).unwrap().realm;
        assert_eq!(Some(key.clone()), credential.kind.lookup(&realm, &credential.identity));
    }
    for (key, bytes) in of_kind(rows, Kind::Resumption) {
        let Resumption { device, credential, .. } = read(bytes);
        let credential = rig.view().credential(&device, credential).unwrap();
        let handles = credential.resumptions.iter();
        assert!(handles.map(|it| key::resumption(it)).any(|row| row == *key));
    }
    for (of, device) in devices(rig) {
        for (id, credential) in rig.view().credentials(&of) {
            let is_known =
                credential.origin == Origin::Manufacturer && credential.state != State::Revoked;
            let found = match credential.kind {
                CredentialKind::Psk => rig.view().psk_identity(&device.realm, &credential.identity),
                CredentialKind::PublicKey => {
                    rig.view().public_key(&device.realm, &credential.identity)
                }
                CredentialKind::Certificate => continue,
            };
            assert_eq!(found == Some((of.clone(), id)), is_known);
        }
    }
    for (key, bytes) in of_kind(rows, Kind::Served) {
        let (of, id): (DeviceRef, CredentialId) = read(bytes);
        let credential = rig.view().credential(&of, id).unwrap();
        assert!(credential.state.is_live() && credential.origin == Origin::Claviger);
        assert_eq!(*key, key::served(&of.tenant, &credential.identity));
    }
    for (key, bytes) in of_kind(rows, Kind::Endpoint) {
        let device = rig.view().device(&read(bytes)).unwrap();
        assert_eq!(*key, key::in_realm(Kind::Endpoint, &device.realm, device.endpoint.as_bytes()));
    }
    for (key, bytes) in of_kind(rows, Kind::ConnectionId).chain(of_kind(rows, Kind::Address)) {
        let (of, id): (DeviceRef, SessionId) = read(bytes);
        let session = rig.view().session(&of, id).unwrap();
        let by_cid = key::of_cluster(Kind::ConnectionId, &[&session.cid]);
        let by_address = key::of_cluster(Kind::Address, &session.place());
        assert_eq!(*key, if session.cid.is_empty() { by_address } else { by_cid });
        found += usize::from(!session.cid.is_empty());
    }
    let sessions = of_kind(rows, Kind::Session).map(|(_, bytes)| read::<Session>(bytes));
    assert_eq!(sessions.filter(|session| !session.cid.is_empty()).count(), found);
}

/// Devices, credentials, sessions, keys and the outbox name each other as they should.
pub(super) fn records_are_whole(rig: &Rig) {
    let mut held = BTreeSet::new();
    for (key, bytes) in of_kind(&rig.rows.0, Kind::Credential) {
        let credential: Credential = read(bytes);
        assert!(credential.sessions.len() <= Credential::SESSIONS);
        let (device, id) = (&key[3..key.len() - 16], &key[key.len() - 16..]);
        let slot_and = |kind: Kind, id: &[u8]| [&key[..2], &[kind as u8], device, id].concat();
        let is_revoked = credential.state == State::Revoked;
        let has_material = !is_revoked && credential.kind == CredentialKind::Psk;
        assert_eq!(rig.rows.0.contains_key(&slot_and(Kind::Material, id)), has_material);
        assert!(credential.resumptions.len() <= Credential::SESSIONS);
        assert!(credential.state.is_live() || credential.resumptions.is_empty());
        for handle in &credential.resumptions {
            assert_eq!(rig.view().resumption(handle).unwrap().credential.0, id);
        }
        assert!(!is_revoked || credential.sessions.is_empty());
        for session in &credential.sessions {
            let row = slot_and(Kind::Session, &session.0);
            assert_eq!(read::<Session>(&rig.rows.0[&row]).credential.0, id);
            held.insert(row);
        }
    }
    let sessions: BTreeSet<_> =
        of_kind(&rig.rows.0, Kind::Session).map(|(k, _)| k.clone()).collect();
    assert_eq!(sessions, held);
    for (of, id, item) in rig.view().outbox() {
        let lives = rig.view().credential(&of, id).is_some_and(|c| c.state.is_live());
        assert_eq!(item.withdrawal.is_none(), lives);
    }
    for (of, device) in devices(rig) {
        let staged = device.staged.map(|id| rig.view().credential(&of, id).unwrap().state);
        assert!(matches!(staged, None | Some(State::Staged)), "{staged:?}");
        timeline_is_whole(rig, &of, &device);
    }
}

/// What is counted or found by another row is what there is.
pub(super) fn indices_are_whole(rig: &Rig) {
    let mut used: BTreeMap<String, u64> = BTreeMap::new();
    let mut ends = BTreeSet::new();
    for (of, device) in devices(rig) {
        let made = rig.view().credentials(&of).into_iter();
        let made = made.filter(|(_, credential)| credential.origin == Origin::Claviger);
        let mut made: Vec<_> = made
            .map(|(id, credential)| {
                let end = credential.not_after.unwrap();
                if credential.state.is_live() {
                    ends.insert(key::expiry(&of, end, id));
                }
                id
            })
            .collect();
        let mut known = device.made;
        made.sort();
        known.sort();
        assert_eq!(made, known);
        *used.entry(device.profile).or_default() += 1;
    }
    let rows = &rig.rows.0;
    assert_eq!(
        of_kind(rows, Kind::Expiry).map(|(key, _)| key.clone()).collect::<BTreeSet<_>>(),
        ends
    );
    for (name, _) in rig.view().profiles("default") {
        let counted = rig.view().profile_use("default", &name);
        assert_eq!(counted, used.remove(&name).unwrap_or(0), "{name}");
    }
    assert!(used.is_empty(), "{used:?}");
}

/// The feed has each audit entry and is in order.
pub(super) fn the_feed_is_whole(rig: &Rig) {
    let feed = rig.view().events("default", None, usize::MAX).items;
    assert!(feed.is_sorted_by(|a, b| a.place() < b.place()));
    assert!(feed.iter().all(|entry| entry.code.is_fed()));
    let told = |audit: &AuditEntry| {
        let entry = &audit.entry;
        feed.iter().any(|fed| {
            (fed.index, fed.at, fed.code, fed.credential, &fed.words)
                == (entry.index, entry.at, entry.code, entry.credential, &entry.words)
                && fed.device.as_ref() == Some(&audit.device.device)
        })
    };
    let audits = audits(rig);
    assert!(audits.iter().all(told));
    let of_devices = feed.iter().filter(|e| e.code.is_audited() && e.device.is_some());
    assert_eq!(of_devices.count(), audits.len());
}

fn devices(rig: &Rig) -> Vec<(DeviceRef, Device)> {
    rig.view().devices("default", None, usize::MAX).items
}

/// The newest entries, 64 and a row's more at most, without a gap; the newest 64 are shown.
fn timeline_is_whole(rig: &Rig, of: &DeviceRef, device: &Device) {
    let prefix = key::of_device(Kind::Timeline, of);
    let rows = rig.rows.range(&prefix, &key::end_of(&prefix), usize::MAX);
    let numbers = rows.iter().flat_map(|(key, bytes)| {
        let first = u64::from_be_bytes(key[prefix.len()..].try_into().unwrap());
        first..first + read_all::<TimelineEntry>(bytes).len() as u64
    });
    let numbers: Vec<u64> = numbers.collect();
    let oldest = device.next_entry - numbers.len() as u64;
    assert_eq!(numbers, (oldest..device.next_entry).collect::<Vec<_>>());
    let shown = rig.view().timeline(of).len() as u64;
    assert_eq!(shown, device.next_entry.min(64));
    assert!((shown..=shown + 16).contains(&(numbers.len() as u64)));
}

/// One audit entry for each step in each credential's life; none for what did not happen.
pub(super) fn audit_is_whole(rig: &Rig, refused: usize) {
    let mut entries: BTreeMap<(DeviceRef, CredentialId, EventCode), usize> = BTreeMap::new();
    let mut refusals = 0;
    for AuditEntry { device, entry } in audits(rig) {
        match (entry.code, entry.credential) {
            (EventCode::Refused, _) => refusals += 1,
            (EventCode::RotationDue | EventCode::DeviceChanged, None) => (),
            // Whatever is enrolled under its name later is another device.
            (EventCode::DeviceDeleted, None) => entries.retain(|(of, ..), count| {
                assert_eq!(*count, 1);
                *of != device
            }),
            (code, Some(id)) => *entries.entry((device, id, code)).or_default() += 1,
            (code, None) => panic!("{code} of no credential"),
        }
    }
    assert_eq!(refusals, refused);
    assert!(entries.values().all(|count| *count == 1), "{entries:?}");
    for (of, _) in devices(rig) {
        for (id, credential) in rig.view().credentials(&of) {
            let has = |code| entries.contains_key(&(of.clone(), id, code));
            let made = credential.origin == Origin::Claviger;
            let (state, revoked) = (credential.state, credential.state == State::Revoked);
            assert_eq!(has(EventCode::CredentialIssued), made);
            assert_eq!(has(EventCode::DeviceEnrolled), !made);
            assert_eq!(has(EventCode::CredentialRevoked), revoked);
            let superseded = has(EventCode::CredentialSuperseded);
            assert!(superseded == (state == State::Superseded) || revoked);
            let expired = has(EventCode::CredentialExpired);
            assert!(expired == (state == State::Expired) || revoked);
            assert!(!(superseded && expired));
            assert!(has(EventCode::CredentialActivated) || state != State::Active);
            let delivered = has(EventCode::CredentialDelivered);
            assert!(delivered || !made || state != State::Delivered);
        }
    }
}

pub(super) fn of_kind(rows: &Table, kind: Kind) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
    rows.iter().filter(move |(key, _)| key[2] == kind as u8)
}

pub(super) fn read<T: for<'b> minicbor::Decode<'b, ()>>(bytes: &[u8]) -> T {
    frame::decode(bytes).unwrap()
}

fn read_all<T: for<'b> minicbor::Decode<'b, ()>>(bytes: &[u8]) -> Vec<T> {
    frame::decode_all(bytes).unwrap()
}

pub(super) fn audits(rig: &Rig) -> Vec<AuditEntry> {
    of_kind(&rig.rows.0, Kind::Audit).flat_map(|(_, bytes)| read_all(bytes)).collect()
}
