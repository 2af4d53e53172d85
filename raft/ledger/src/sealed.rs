//! What is sealed: where it stands, and which version of its tenant's key has sealed it.
//!
//! The ledger holds no key. It reads how a sealed secret begins, so that nothing comes in under a
//! key that is about to be destroyed, and finds all that was sealed by one.

use crate::command::SealedPlace;
use crate::key::{self, Kind, SLOTS};
use crate::record::{
    Connector, Credential, ImportKey, Resumption, ServerIdentity, Session, Tenant,
};
use crate::state::{Book, Stop};
use crate::{CredentialId, Damage, DeviceRef, Page, Refusal, View};
use minicbor::Decode;
use minicbor::bytes::ByteVec;
use sha2::{Digest, Sha256};

/// A sealed secret of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// Where it stands.
    pub place: SealedPlace,
    /// What is there.
    pub sealed: Vec<u8>,
}

/// The version of the key that has sealed it, as `claviger-seal` writes it. What is of no form that
/// is known is taken for the first: it opens with none.
fn version_of(sealed: &[u8]) -> u32 {
    const NAMED: u8 = 2;
    match sealed.split_first() {
        Some((&NAMED, rest)) => rest.first_chunk().copied().map_or(1, u32::from_be_bytes),
        _ => 1,
    }
}

/// What a sealed secret is known by, to whoever has sealed it anew meanwhile.
pub(crate) fn hash(sealed: &[u8]) -> [u8; 16] {
    let digest = Sha256::digest(sealed);
    *digest.first_chunk().expect("SHA-256 has 32 bytes")
}

impl SealedRow {
    /// What it is known by in [`Reseal`](crate::Reseal).
    pub fn hash(&self) -> [u8; 16] {
        hash(&self.sealed)
    }
}

impl Book<'_> {
    /// The tenant, unless something was sealed by a version of its key that takes nothing new.
    pub(crate) fn sealing_tenant(&self, tenant: &str, sealed: &[&[u8]]) -> Result<Tenant, Stop> {
        let tenant = self.require_tenant(tenant)?;
        let taken = |sealed: &&[u8]| sealed.is_empty() || tenant.takes(version_of(sealed));
        if sealed.iter().all(taken) { Ok(tenant) } else { Err(Refusal::KeyReplaced.into()) }
    }

    /// Replaces what stands at `place` by `sealed`, if it has not changed; false if it has.
    pub(crate) fn reseal(
        &mut self,
        tenant: &str,
        place: &SealedPlace,
        was: [u8; 16],
        sealed: &[u8],
    ) -> Result<bool, Stop> {
        let row = place.row(tenant);
        match place {
            SealedPlace::Material { .. } => {
                self.replace::<ByteVec>(row, was, sealed, |it| &mut **it)
            }
            SealedPlace::Session { .. } => {
                self.replace::<Session>(row, was, sealed, |it| &mut it.sealed)
            }
            SealedPlace::Resumption { .. } => {
                self.replace::<Resumption>(row, was, sealed, |it| &mut it.sealed)
            }
            SealedPlace::Connector { .. } => {
                self.replace::<Connector>(row, was, sealed, |it| &mut it.sealed_secret)
            }
            SealedPlace::ServerIdentity { .. } => {
                self.replace::<ServerIdentity>(row, was, sealed, |it| &mut it.sealed_key)
            }
            SealedPlace::ImportKey { public } => {
                let mut owner = self.require_tenant(tenant)?;
                if let Some(key) = owner.import_key.as_mut().filter(|key| key.public == *public) {
                    if hash(&key.sealed_private) != was {
                        return Ok(false);
                    }
                    key.sealed_private = sealed.to_vec();
                    self.store(key::of_tenant(Kind::Tenant, tenant), &owner);
                    return Ok(true);
                }
                self.replace::<ImportKey>(row, was, sealed, |it| &mut it.sealed_private)
            }
        }
    }

    fn replace<T>(
        &mut self,
        row: Vec<u8>,
        was: [u8; 16],
        sealed: &[u8],
        place: impl FnOnce(&mut T) -> &mut Vec<u8>,
    ) -> Result<bool, Stop>
    where
        T: minicbor::Encode<()> + for<'b> Decode<'b, ()>,
    {
        let Some(mut record) = self.load::<T>("a sealed secret", &row)? else { return Ok(false) };
        let place = place(&mut record);
        if hash(place) != was {
            return Ok(false);
        }
        sealed.clone_into(place);
        self.store(row, &record);
        Ok(true)
    }

    /// True if a version of the root key wraps a tenant's key.
    pub(crate) fn wraps_a_key(&self, root: u32) -> Result<bool, Stop> {
        for slot in 0..SLOTS {
            for row in self.keys_under(&key::kind_in_slot(slot, Kind::Tenant), usize::MAX) {
                let tenant: Option<Tenant> = self.load("a tenant", &row)?;
                let damage = Damage { what: "a tenant", index: self.index };
                let tenant = tenant.ok_or(Stop::Damaged(damage))?;
                if tenant.keys().any(|(_, of, _)| of == root) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl View<'_> {
    /// What of `tenant` is sealed by versions of its key before `version`, among its own rows and
    /// those of `limit` credentials behind the place `after`. A page may be empty and not the last.
    pub fn sealed_before(
        &self,
        tenant: &str,
        version: u32,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Page<SealedRow> {
        let mut items = if after.is_none() { self.sealed_of(tenant) } else { Vec::new() };
        let (credentials, next) = self.credential_places(tenant, after, limit);
        for (of, id, credential) in credentials {
            items.extend(self.sealed_under(of, id, &credential));
        }
        items.retain(|row| !row.sealed.is_empty() && version_of(&row.sealed) < version);
        Page { items, next }
    }

    /// What is sealed of a tenant itself.
    fn sealed_of(&self, tenant: &str) -> Vec<SealedRow> {
        let connectors = self.connectors(tenant).into_iter().map(|(name, it)| SealedRow {
            place: SealedPlace::Connector { name },
            sealed: it.sealed_secret,
        });
        let keys = self.import_keys(tenant).into_iter().map(|it| SealedRow {
            place: SealedPlace::ImportKey { public: it.public },
            sealed: it.sealed_private,
        });
        let identity = self.server_identity(tenant).map(|it| SealedRow {
            place: SealedPlace::ServerIdentity { fingerprint: key::fingerprint(&it.public_key) },
            sealed: it.sealed_key,
        });
        connectors.chain(keys).chain(identity).collect()
    }

    /// What is sealed of a credential: its key, its sessions, and what resumes them.
    fn sealed_under(
        &self,
        of: DeviceRef,
        id: CredentialId,
        credential: &Credential,
    ) -> Vec<SealedRow> {
        let device = &of.device;
        let material = self.material(&of, id).map(|sealed| SealedRow {
            place: SealedPlace::Material { device: device.clone(), credential: id },
            sealed,
        });
        let sessions = credential.sessions.iter().filter_map(|session| {
            let place = SealedPlace::Session { device: device.clone(), session: *session };
            Some(SealedRow { place, sealed: self.session(&of, *session)?.sealed })
        });
        let resumptions = credential.resumptions.iter().filter_map(|handle| {
            let place = SealedPlace::Resumption { handle: **handle };
            Some(SealedRow { place, sealed: self.resumption(handle)?.sealed })
        });
        material.into_iter().chain(sessions).chain(resumptions).collect()
    }

    /// At most `limit` credentials of a tenant behind the place `after`, and the place of the last
    /// if there may be more.
    #[expect(clippy::type_complexity, reason = "it has one caller")]
    fn credential_places(
        &self,
        tenant: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> (Vec<(DeviceRef, CredentialId, Credential)>, Option<Vec<u8>>) {
        let mut found = Vec::new();
        let first = after.and_then(|key| key.first_chunk().copied()).map_or(0, u16::from_be_bytes);
        for slot in first..SLOTS {
            let prefix = key::of_tenant_in_slot(slot, Kind::Credential, tenant);
            let from = after.filter(|key| key.starts_with(&prefix));
            let from = from.map_or_else(|| prefix.clone(), |key| [key, &[0]].concat());
            let wanted = limit.saturating_sub(found.len());
            let rows = self.rows.range(&from, &key::end_of(&prefix), wanted);
            let last = rows.last().map(|(key, _)| key.clone());
            let full = rows.len() == wanted;
            found.extend(rows.iter().filter_map(|(key, bytes)| {
                let (of, id) = key.get(3..)?.split_last_chunk()?;
                let of = crate::view::device_of(of)?;
                Some((of, CredentialId(*id), crate::frame::decode(bytes)?))
            }));
            if full {
                return (found, last);
            }
        }
        (found, None)
    }
}
