//! Row keys: slot, kind, then each part with its length, so that rows of one owner stand together.
//!
//! A device's rows begin with the slot of (tenant, device), a tenant's with the slot of its name,
//! a look-up row with the slot of the looked-up bytes. The slot is fixed for ever: it is by slots
//! that the state can later be split over several Raft groups.

use crate::{CredentialId, DeviceRef, SessionId};
use sha2::{Digest, Sha256};

/// The longest name of a tenant, device, profile, connector or listener, address and connection
/// id, in bytes.
pub(crate) const NAME: usize = 255;
/// The longest PSK identity or endpoint name, in bytes.
pub(crate) const IDENTITY: usize = 1024;
/// The tenant whose feed and audit log tell what concerns the cluster as a whole.
pub const HOME: &str = "default";

/// The longest words that a person gives, in bytes.
pub(crate) const WORDS: usize = 512;

/// How many slots there are.
pub(crate) const SLOTS: u16 = 1024;

/// What a row holds; the byte after the slot. A number once used is never given another meaning.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Kind {
    Meta = 0,
    Tenant = 1,
    Profile = 2,
    Connector = 3,
    Feed = 4,
    FeedEnd = 5,
    TenantAudit = 6,
    Expiry = 7,
    ProfileUse = 8,
    Keyed = 9,
    ImportKey = 10,
    TrustAnchor = 11,
    ServerIdentity = 12,
    Device = 16,
    Credential = 17,
    Material = 18,
    Session = 19,
    /// Requests of a device and their responses: written once, by nobody any more, and never read.
    Memory = 20,
    Timeline = 21,
    Audit = 22,
    Outbox = 23,
    Recent = 24,
    Closed = 25,
    PskIdentity = 48,
    ConnectionId = 49,
    Address = 50,
    Endpoint = 51,
    Served = 52,
    PublicKey = 53,
    Resumption = 54,
    Deleted = 55,
    NodeAuthority = 60,
    JoinToken = 61,
    Node = 62,
    EdgeKeys = 63,
    Incarnation = 70,
    RootKeys = 90,
    /// Tenants whose key is being replaced.
    Rotating = 91,
}

fn slot(parts: &[&[u8]]) -> u16 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    u16::from_be_bytes([digest[0], digest[1]]) % SLOTS
}

fn key(slot: u16, kind: Kind, parts: &[&[u8]]) -> Vec<u8> {
    key_before(slot, kind, parts, &[])
}

/// The same with further bytes behind. Every command makes many keys: each is made in one piece.
fn key_before(slot: u16, kind: Kind, parts: &[&[u8]], rest: &[u8]) -> Vec<u8> {
    let room = parts.iter().map(|part| 2 + part.len()).sum::<usize>();
    let mut key = Vec::with_capacity(3 + room + rest.len());
    key.extend(slot.to_be_bytes());
    key.push(kind as u8);
    for part in parts {
        // What is longer was refused on entry (NAME, IDENTITY): asked for, it is not found.
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        key.extend(length.to_be_bytes());
        key.extend_from_slice(&part[..usize::from(length)]);
    }
    key.extend_from_slice(rest);
    key
}

/// The first key behind every key that begins with `prefix`.
pub(crate) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![u8::MAX; prefix.len() + 1]
}

/// The one row of the cluster itself.
pub(crate) fn meta() -> Vec<u8> {
    key(0, Kind::Meta, &[])
}

/// A row of the cluster as a whole, or the prefix of its rows of `kind`.
pub(crate) fn of_all(kind: Kind, rest: &[u8]) -> Vec<u8> {
    key_before(0, kind, &[], rest)
}

/// The one row of the root key.
pub(crate) fn root_keys() -> Vec<u8> {
    key(0, Kind::RootKeys, &[])
}

/// The row that says that the key of `tenant` is being replaced; or the prefix of all of these.
pub(crate) fn rotating(tenant: Option<&str>) -> Vec<u8> {
    let tenant = tenant.map(str::as_bytes);
    key(0, Kind::Rotating, tenant.as_slice())
}

/// All rows of `kind` in `slot`.
pub(crate) fn kind_in_slot(slot: u16, kind: Kind) -> Vec<u8> {
    key(slot, kind, &[])
}

/// A tenant's own row, or the prefix of its rows of another kind.
pub(crate) fn of_tenant(kind: Kind, tenant: &str) -> Vec<u8> {
    key(slot(&[tenant.as_bytes()]), kind, &[tenant.as_bytes()])
}

/// A tenant's row of `kind` with a name.
pub(crate) fn named(kind: Kind, tenant: &str, name: &str) -> Vec<u8> {
    key(slot(&[tenant.as_bytes()]), kind, &[tenant.as_bytes(), name.as_bytes()])
}

/// A tenant's row of `kind` with further bytes of fixed length behind.
pub(crate) fn under_tenant(kind: Kind, tenant: &str, rest: &[u8]) -> Vec<u8> {
    key_before(slot(&[tenant.as_bytes()]), kind, &[tenant.as_bytes()], rest)
}

/// The row by which a credential is found when its time is over, at `at` in ms.
pub(crate) fn expiry(of: &DeviceRef, at: u64, id: CredentialId) -> Vec<u8> {
    let rest = [&at.to_be_bytes(), &id.0[..], of.device.as_bytes()].concat();
    under_tenant(Kind::Expiry, &of.tenant, &rest)
}

/// A device's own row of `kind`, or the prefix of its rows of that kind.
pub(crate) fn of_device(kind: Kind, device: &DeviceRef) -> Vec<u8> {
    under_device(kind, device, &[])
}

/// A device's row of `kind` with further bytes of fixed length behind.
pub(crate) fn under_device(kind: Kind, device: &DeviceRef, rest: &[u8]) -> Vec<u8> {
    let (tenant, name) = (device.tenant.as_bytes(), device.device.as_bytes());
    key_before(slot(&[tenant, name]), kind, &[tenant, name], rest)
}

/// The prefix of a tenant's rows of `kind` within `slot`, where they are of its devices.
pub(crate) fn of_tenant_in_slot(slot: u16, kind: Kind, tenant: &str) -> Vec<u8> {
    key(slot, kind, &[tenant.as_bytes()])
}

/// A credential's record or sealed material.
pub(crate) fn credential(kind: Kind, device: &DeviceRef, id: CredentialId) -> Vec<u8> {
    under_device(kind, device, &id.0)
}

/// A session's row.
pub(crate) fn session(device: &DeviceRef, id: SessionId) -> Vec<u8> {
    under_device(Kind::Session, device, &id.0)
}

/// A look-up row within a realm: PSK identity or endpoint name.
pub(crate) fn in_realm(kind: Kind, realm: &str, name: &[u8]) -> Vec<u8> {
    key(slot(&[realm.as_bytes(), name]), kind, &[realm.as_bytes(), name])
}

/// The row by which an LwM2M server that asks for keys finds a tenant's credential.
pub(crate) fn served(tenant: &str, identity: &[u8]) -> Vec<u8> {
    in_realm(Kind::Served, tenant, identity)
}

/// The row by which the device with a raw public key is found; the key's hash is looked up.
pub(crate) fn public_key(realm: &str, spki: &[u8]) -> Vec<u8> {
    in_realm(Kind::PublicKey, realm, &fingerprint(spki))
}

/// SHA-256 of a public key, as SubjectPublicKeyInfo in DER: what people compare keys by.
pub fn fingerprint(spki: &[u8]) -> [u8; 32] {
    Sha256::digest(spki).into()
}

/// The row of a session that can be resumed.
pub(crate) fn resumption(handle: &[u8; 16]) -> Vec<u8> {
    of_cluster(Kind::Resumption, &[handle])
}

/// A look-up row of the whole cluster: connection id, listener and peer address, or handle.
pub(crate) fn of_cluster(kind: Kind, parts: &[&[u8]]) -> Vec<u8> {
    key(slot(parts), kind, parts)
}

/// Reads one part of a key; what follows it is not looked at.
pub(crate) fn name(bytes: &[u8]) -> Option<String> {
    part(bytes).map(|(name, _)| name)
}

/// Reads one part of a key, and gives what follows it.
pub(crate) fn part(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_can_pose_as_another() {
        let a = in_realm(Kind::PskIdentity, "a", b"bc");
        let b = in_realm(Kind::PskIdentity, "ab", b"c");
        assert_ne!(a[2..], b[2..]);
    }

    #[test]
    fn the_end_of_a_prefix_is_behind_all_its_keys() {
        assert_eq!(end_of(&[1, 2]), [1, 3]);
        assert_eq!(end_of(&[1, 255]), [2]);
        assert!(end_of(&[255, 255]) > vec![255, 255, 254]);
    }

    #[test]
    fn slots_stay_what_they_were_at_first() {
        let device = DeviceRef { tenant: "default".into(), device: "urn:dev:1".into() };
        let key = of_device(Kind::Device, &device);
        assert_eq!(
            data_encoding::HEXLOWER.encode(&key),
            "02b610000764656661756c74000975726e3a6465763a31"
        );
    }
}
