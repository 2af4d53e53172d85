//! What holds of the rows between any two commands.

use super::*;
use crate::key::Kind;
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Table = BTreeMap<Vec<u8>, Vec<u8>>;

/// A look-up row leads to a row, and that row back to it.
pub(super) fn lookups_are_whole(rig: &Rig) {
    let rows = &rig.rows.0;
    let mut found = 0;
    for (key, bytes) in of_kind(rows, Kind::PskIdentity) {
        let (of, id): (DeviceRef, CredentialId) = read(bytes);
        let credential = rig.view().credential(&of, id).unwrap();
        let realm = rig.view().device(&of).unwrap().realm;
        assert_eq!(*key, key::in_realm(Kind::PskIdentity, &realm, &credential.identity));
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
        assert!(rig.rows.0.contains_key(&slot_and(Kind::Material, id)));
        for session in &credential.sessions {
            let row = slot_and(Kind::Session, &session.0);
            assert_eq!(read::<Session>(&rig.rows.0[&row]).credential.0, id);
            held.insert(row);
        }
    }
    let sessions: BTreeSet<_> =
        of_kind(&rig.rows.0, Kind::Session).map(|(k, _)| k.clone()).collect();
    assert_eq!(sessions, held);
    for (of, id, _) in rig.view().outbox() {
        let credential = rig.view().credential(&of, id).unwrap();
        assert!(!matches!(credential.state, State::Superseded | State::Revoked | State::Expired));
    }
    for (of, device) in rig.view().devices("default", None, usize::MAX).items {
        let staged = device.staged.map(|id| rig.view().credential(&of, id).unwrap().state);
        assert!(matches!(staged, None | Some(State::Staged)), "{staged:?}");
        timeline_is_whole(rig, &of, &device);
    }
}

/// The newest entries, at most 64, without a gap.
fn timeline_is_whole(rig: &Rig, of: &DeviceRef, device: &Device) {
    let prefix = key::of_device(Kind::Timeline, of);
    let rows = rig.rows.range(&prefix, &key::end_of(&prefix), usize::MAX);
    let numbers: Vec<u64> = rows
        .iter()
        .map(|(key, _)| u64::from_be_bytes(key[prefix.len()..].try_into().unwrap()))
        .collect();
    let expected: Vec<u64> = (device.next_entry.saturating_sub(64)..device.next_entry).collect();
    assert_eq!(numbers, expected);
}

/// One audit entry for each step in each credential's life; none for what did not happen.
pub(super) fn audit_is_whole(rig: &Rig, refused: usize) {
    let mut entries: BTreeMap<(DeviceRef, CredentialId, EventCode), usize> = BTreeMap::new();
    let mut refusals = 0;
    for AuditEntry { device, entry } in audits(rig) {
        match (entry.code, entry.credential) {
            (EventCode::Refused, _) => refusals += 1,
            (code, Some(id)) => *entries.entry((device, id, code)).or_default() += 1,
            (code, None) => panic!("{code} of no credential"),
        }
    }
    assert_eq!(refusals, refused);
    assert!(entries.values().all(|count| *count == 1), "{entries:?}");
    for (of, _) in rig.view().devices("default", None, usize::MAX).items {
        for (id, credential) in rig.view().credentials(&of) {
            let has = |code| entries.contains_key(&(of.clone(), id, code));
            let made = credential.origin == Origin::Claviger;
            assert_eq!(has(EventCode::CredentialIssued), made);
            assert_eq!(has(EventCode::DeviceEnrolled), !made);
            assert_eq!(has(EventCode::CredentialSuperseded), credential.state == State::Superseded);
            let active = has(EventCode::CredentialActivated);
            assert!(active || credential.state != State::Active);
            assert!(
                has(EventCode::CredentialDelivered)
                    || !made
                    || credential.state != State::Delivered
            );
        }
    }
}

pub(super) fn of_kind(rows: &Table, kind: Kind) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
    rows.iter().filter(move |(key, _)| key[2] == kind as u8)
}

pub(super) fn read<T: for<'b> minicbor::Decode<'b, ()>>(bytes: &[u8]) -> T {
    frame::decode(bytes).unwrap()
}

pub(super) fn audits(rig: &Rig) -> Vec<AuditEntry> {
    of_kind(&rig.rows.0, Kind::Audit).map(|(_, bytes)| read(bytes)).collect()
}
