//! Looking at the rows as records, without changing them.

use crate::event::{AuditEntry, TimelineEntry};
use crate::key::{self, Kind, SLOTS};
use crate::record::{
    Connector, Credential, Device, EdgeKeys, ImportKey, Incarnation, JoinToken, Meta,
    NodeAuthority, NodeRecord, OutboxItem, Profile, Resumption, RootKeys, ServerIdentity, Session,
    Tenant, TrustAnchor,
};
use crate::story::{self, TIMELINE};
use crate::{CredentialId, DeviceRef, Rows, SessionId, frame};
use minicbor::Decode;
use minicbor::bytes::ByteVec;

/// A reader of one consistent set of rows.
///
/// A row that this version cannot read is left out: `apply` is what stops a node on damage.
pub struct View<'a> {
    pub(crate) rows: &'a dyn Rows,
}

/// One page of a list, in ledger order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one: give it back as `after`.
    pub next: Option<Vec<u8>>,
}

impl<'a> View<'a> {
    /// Looks at `rows`.
    pub fn new(rows: &'a dyn Rows) -> Self {
        Self { rows }
    }

    pub(crate) fn load<T: for<'b> Decode<'b, ()>>(&self, key: &[u8]) -> Option<T> {
        self.rows.row(key).and_then(|bytes| frame::decode(&bytes))
    }

    /// The records of `from..to`, at most `limit`.
    pub(crate) fn range<T>(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<T>
    where
        T: for<'b> Decode<'b, ()>,
    {
        let rows = self.rows.range(from, to, limit).into_iter();
        rows.filter_map(|(_, bytes)| frame::decode(&bytes)).collect()
    }

    fn under<T: for<'b> Decode<'b, ()>>(&self, prefix: &[u8]) -> Vec<(Vec<u8>, T)> {
        let rows = self.rows.range(prefix, &key::end_of(prefix), usize::MAX).into_iter();
        let read = |(key, bytes): (Vec<u8>, Vec<u8>)| {
            Some((key.get(prefix.len()..)?.to_vec(), frame::decode(&bytes)?))
        };
        rows.filter_map(read).collect()
    }

    /// The cluster's record; none before the founding.
    pub fn meta(&self) -> Option<Meta> {
        self.load(&key::meta())
    }

    /// The authority that issues the certificates of nodes; none before the first node was to be
    /// linked.
    pub fn node_authority(&self) -> Option<NodeAuthority> {
        self.load(&key::of_all(Kind::NodeAuthority, &[]))
    }

    /// Join tokens by id, used up and expired ones among them as long as they are kept.
    pub fn join_tokens(&self) -> Vec<([u8; 16], JoinToken)> {
        let rows = self.under(&key::of_all(Kind::JoinToken, &[])).into_iter();
        rows.filter_map(|(id, token)| Some((id.try_into().ok()?, token))).collect()
    }

    /// Nodes that were given certificates, by id.
    pub fn nodes(&self) -> Vec<(u64, NodeRecord)> {
        let rows = self.under(&key::of_all(Kind::Node, &[])).into_iter();
        let id = |rest: Vec<u8>| rest.try_into().ok().map(u64::from_be_bytes);
        rows.filter_map(|(rest, node)| Some((id(rest)?, node))).collect()
    }

    /// Which keys of edges hold now.
    pub fn edge_keys(&self) -> EdgeKeys {
        self.load(&key::of_all(Kind::EdgeKeys, &[])).unwrap_or_default()
    }

    /// A node that was given a certificate.
    pub fn node(&self, node: u64) -> Option<NodeRecord> {
        self.load(&key::of_all(Kind::Node, &node.to_be_bytes()))
    }

    /// A join token.
    pub fn join_token(&self, id: &[u8; 16]) -> Option<JoinToken> {
        self.load(&key::of_all(Kind::JoinToken, id))
    }

    /// How the newest incarnation began; none in the first.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.load(&key::of_all(Kind::Incarnation, &[]))
    }

    /// The root key; none before it was made.
    pub fn root_keys(&self) -> Option<RootKeys> {
        self.load(&key::root_keys())
    }

    /// The tenants whose key is being replaced.
    pub fn rotating(&self) -> Vec<String> {
        let rows = self.under::<u32>(&key::rotating(None)).into_iter();
        rows.filter_map(|(rest, _)| key::name(&rest)).collect()
    }

    /// A tenant.
    pub fn tenant(&self, name: &str) -> Option<Tenant> {
        self.load(&key::of_tenant(Kind::Tenant, name))
    }

    /// All tenants with their names, in ledger order.
    pub fn tenants(&self) -> Vec<(String, Tenant)> {
        let slots = (0..SLOTS).map(|slot| key::kind_in_slot(slot, Kind::Tenant));
        let rows = slots.flat_map(|prefix| self.under::<Tenant>(&prefix));
        rows.filter_map(|(rest, tenant)| Some((key::name(&rest)?, tenant))).collect()
    }

    /// A tenant's import keys, the newest first and the older ones, which only read what was
    /// encrypted to them, in the order of their public halves.
    pub fn import_keys(&self, tenant: &str) -> Vec<ImportKey> {
        let newest = self.tenant(tenant).and_then(|tenant| tenant.import_key);
        let older = self.under(&key::of_tenant(Kind::ImportKey, tenant)).into_iter();
        newest.into_iter().chain(older.map(|(_, key)| key)).collect()
    }

    /// Credentials of a tenant whose time was over at `at` (ms since the Unix epoch) and that are
    /// not yet expired: at most `limit`, the first ones first, behind the place `after`.
    pub fn overdue(
        &self,
        tenant: &str,
        at: u64,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Page<(DeviceRef, CredentialId)> {
        let prefix = key::of_tenant(Kind::Expiry, tenant);
        let from = after.filter(|key| key.starts_with(&prefix));
        let from = from.map_or_else(|| prefix.clone(), |key| [key, &[0]].concat());
        let to = key::under_tenant(Kind::Expiry, tenant, &at.saturating_add(1).to_be_bytes());
        let rows = self.rows.range(&from, &to, limit);
        let next = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone()));
        let read = |(key, bytes): (Vec<u8>, Vec<u8>)| {
            let id = key.get(prefix.len() + 8..)?.first_chunk()?;
            Some((frame::decode(&bytes)?, CredentialId(*id)))
        };
        Page { items: rows.into_iter().filter_map(read).collect(), next: next.flatten() }
    }

    /// A tenant's connectors with their names, in the order of name length and name.
    pub fn connectors(&self, tenant: &str) -> Vec<(String, Connector)> {
        self.all_named(Kind::Connector, tenant)
    }

    /// A tenant's connector.
    pub fn connector(&self, tenant: &str, name: &str) -> Option<Connector> {
        self.load(&key::named(Kind::Connector, tenant, name))
    }

    /// A tenant's bootstrap profile.
    pub fn profile(&self, tenant: &str, name: &str) -> Option<Profile> {
        self.load(&key::named(Kind::Profile, tenant, name))
    }

    /// A tenant's bootstrap profiles with their names, in the order of name length and name.
    pub fn profiles(&self, tenant: &str) -> Vec<(String, Profile)> {
        self.all_named(Kind::Profile, tenant)
    }

    fn all_named<T: for<'b> Decode<'b, ()>>(&self, kind: Kind, tenant: &str) -> Vec<(String, T)> {
        let rows = self.under(&key::of_tenant(kind, tenant)).into_iter();
        rows.filter_map(|(rest, record)| Some((key::name(&rest)?, record))).collect()
    }

    /// A tenant's trust anchor.
    pub fn trust_anchor(&self, tenant: &str, name: &str) -> Option<TrustAnchor> {
        self.load(&key::named(Kind::TrustAnchor, tenant, name))
    }

    /// A tenant's trust anchors with their names, in the order of name length and name.
    pub fn trust_anchors(&self, tenant: &str) -> Vec<(String, TrustAnchor)> {
        self.all_named(Kind::TrustAnchor, tenant)
    }

    /// What the listeners of a tenant prove themselves by; none before it was made.
    pub fn server_identity(&self, tenant: &str) -> Option<ServerIdentity> {
        self.load(&key::of_tenant(Kind::ServerIdentity, tenant))
    }

    /// How many devices have the profile.
    pub fn profile_use(&self, tenant: &str, name: &str) -> u64 {
        self.load(&key::named(Kind::ProfileUse, tenant, name)).unwrap_or(0)
    }

    /// A device.
    pub fn device(&self, of: &DeviceRef) -> Option<Device> {
        self.load(&key::of_device(Kind::Device, of))
    }

    /// A device's credentials, in the order of their ids.
    pub fn credentials(&self, of: &DeviceRef) -> Vec<(CredentialId, Credential)> {
        let rows = self.under(&key::of_device(Kind::Credential, of)).into_iter();
        rows.filter_map(|(id, c)| Some((CredentialId(id.try_into().ok()?), c))).collect()
    }

    /// The credential that the certificates of a device prove, where its row says so.
    pub fn certified(&self, of: &DeviceRef) -> Option<(CredentialId, Credential)> {
        let id = self.device(of)?.certified?;
        Some((id, self.credential(of, id)?))
    }

    /// One credential of a device.
    pub fn credential(&self, of: &DeviceRef, id: CredentialId) -> Option<Credential> {
        self.load(&key::credential(Kind::Credential, of, id))
    }

    /// A credential's sealed material.
    pub fn material(&self, of: &DeviceRef, id: CredentialId) -> Option<Vec<u8>> {
        self.load::<ByteVec>(&key::credential(Kind::Material, of, id)).map(Into::into)
    }

    /// A device's timeline, oldest first: the newest 64 entries.
    pub fn timeline(&self, of: &DeviceRef) -> Vec<TimelineEntry> {
        self.timeline_page(of, None, usize::MAX).items
    }

    /// A page of a device's timeline, oldest first: at most `limit` entries behind the place `after`.
    pub fn timeline_page(
        &self,
        of: &DeviceRef,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Page<TimelineEntry> {
        let next = self.device(of).map_or(0, |device| device.next_entry);
        let gone = next.checked_sub(TIMELINE + 1).map(u64::to_be_bytes);
        let after = after.max(gone.as_ref().map(|gone| &gone[..]));
        self.page(&key::of_device(Kind::Timeline, of), after, limit)
    }

    /// A page of a device's audit entries, oldest first: at most `limit` behind the place `after`.
    pub fn audit_page(
        &self,
        of: &DeviceRef,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Page<AuditEntry> {
        self.page(&key::of_device(Kind::Audit, of), after, limit)
    }

    /// A page of the entries under `prefix`. A place is where its last entry stands behind that.
    fn page<T>(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Page<T>
    where
        T: for<'b> Decode<'b, ()>,
    {
        let mut found = story::entries(self.rows, prefix, after, limit.saturating_add(1));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(place, _)| place.clone());
        Page { items: found.into_iter().map(|(_, entry)| entry).collect(), next }
    }

    /// A device's audit entries, oldest first.
    pub fn audit(&self, of: &DeviceRef) -> Vec<AuditEntry> {
        self.audit_page(of, None, usize::MAX).items
    }

    /// A session.
    pub fn session(&self, of: &DeviceRef, id: SessionId) -> Option<Session> {
        self.load(&key::session(of, id))
    }

    /// The session of a device that was opened last, of those that are open.
    pub fn newest_session(&self, of: &DeviceRef) -> Option<(SessionId, Session)> {
        let sessions = self.under(&key::of_device(Kind::Session, of)).into_iter();
        let read = |(id, row): (Vec<u8>, Session)| Some((SessionId(id.try_into().ok()?), row));
        sessions.filter_map(read).max_by_key(|(id, row)| (row.opened_at, *id))
    }

    /// True while a session is open.
    pub fn is_open(&self, of: &DeviceRef, id: SessionId) -> bool {
        self.rows.row(&key::session(of, id)).is_some()
    }

    /// True if the session was open once, and has ended.
    pub fn has_ended(&self, of: &DeviceRef, id: SessionId) -> bool {
        self.rows.row(&key::under_device(Kind::Closed, of, &id.0)).is_some()
    }

    /// The device and credential that a PSK identity stands for in `realm`.
    pub fn psk_identity(&self, realm: &str, identity: &[u8]) -> Option<(DeviceRef, CredentialId)> {
        self.load(&key::in_realm(Kind::PskIdentity, realm, identity))
    }

    /// The device and credential that a raw public key (SubjectPublicKeyInfo in DER) stands for in
    /// `realm`.
    pub fn public_key(&self, realm: &str, spki: &[u8]) -> Option<(DeviceRef, CredentialId)> {
        self.load(&key::public_key(realm, spki))
    }

    /// The tenant whose devices prove themselves in `realm`, which has the realm's name.
    pub fn tenant_of_realm(&self, realm: &str) -> Option<Tenant> {
        self.tenant(realm).filter(|tenant| tenant.realm == realm)
    }

    /// The session that a handle stands for, as it can be resumed.
    pub fn resumption(&self, handle: &[u8; 16]) -> Option<Resumption> {
        self.load(&key::resumption(handle))
    }

    /// The open session with a connection id.
    pub fn session_by_cid(&self, cid: &[u8]) -> Option<(DeviceRef, SessionId)> {
        self.load(&key::of_cluster(Kind::ConnectionId, &[cid]))
    }

    /// The open session without a connection id of a peer at a listener.
    pub fn session_by_address(&self, listener: &str, peer: &str) -> Option<(DeviceRef, SessionId)> {
        self.load(&key::of_cluster(Kind::Address, &[listener.as_bytes(), peer.as_bytes()]))
    }

    /// The device and credential that an identity stands for at the LwM2M servers of `tenant` that
    /// ask for keys; none where they are told.
    pub fn served(&self, tenant: &str, identity: &[u8]) -> Option<(DeviceRef, CredentialId)> {
        self.load(&key::served(tenant, identity))
    }

    /// The device that an endpoint name stands for in `realm`.
    pub fn endpoint(&self, realm: &str, name: &str) -> Option<DeviceRef> {
        self.load(&key::in_realm(Kind::Endpoint, realm, name.as_bytes()))
    }

    /// True if the device of an endpoint name was deleted, so that no trust anchor enrols it.
    pub fn was_deleted(&self, realm: &str, name: &str) -> bool {
        self.rows.row(&key::in_realm(Kind::Deleted, realm, name.as_bytes())).is_some()
    }

    /// What a device's LwM2M servers must still be told.
    pub fn outbox_item(&self, of: &DeviceRef, id: CredentialId) -> Option<OutboxItem> {
        self.load(&key::credential(Kind::Outbox, of, id))
    }

    /// Everything in the outbox, with the device and credential it is about.
    pub fn outbox(&self) -> Vec<(DeviceRef, CredentialId, OutboxItem)> {
        let slots = (0..SLOTS).map(|slot| key::kind_in_slot(slot, Kind::Outbox));
        let rows = slots.flat_map(|prefix| self.under::<OutboxItem>(&prefix));
        let read = |(rest, item): (Vec<u8>, OutboxItem)| {
            let (device, id) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
            let device = device_of(device)?;
            Some((device, CredentialId(id.try_into().ok()?), item))
        };
        rows.filter_map(read).collect()
    }

    /// Where a device stands in the ledger's order, be it there or not: for
    /// [`devices`](Self::devices), which then goes on behind it.
    pub fn place_of(of: &DeviceRef) -> Vec<u8> {
        key::of_device(Kind::Device, of)
    }

    /// A page of a tenant's devices, in ledger order, at most `limit`, behind the place `after`.
    pub fn devices(
        &self,
        tenant: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Page<(DeviceRef, Device)> {
        let mut items = Vec::new();
        let mut next = None;
        let first = after.and_then(|key| Some(u16::from_be_bytes([*key.first()?, *key.get(1)?])));
        for slot in first.unwrap_or(0)..SLOTS {
            let prefix = key::of_tenant_in_slot(slot, Kind::Device, tenant);
            // The key itself and nothing behind it: the smallest key greater than `after`.
            let behind = |key: &[u8]| [key, &[0]].concat();
            let from = after.filter(|key| key.starts_with(&prefix));
            let mut from = from.map_or_else(|| prefix.clone(), behind);
            loop {
                let wanted = (limit - items.len()).saturating_add(1);
                let rows = self.rows.range(&from, &key::end_of(&prefix), wanted);
                let last = rows.len() < wanted;
                for (key, bytes) in rows {
                    from = behind(&key);
                    let of = key.get(3..).and_then(device_of);
                    let (Some(of), Some(device)) = (of, frame::decode(&bytes)) else {
                        continue;
                    };
                    if items.len() == limit {
                        return Page { items, next };
                    }
                    items.push((of, device));
                    next = Some(key);
                }
                // Rows that cannot be read fill no place: others may stand behind them.
                if last {
                    break;
                }
            }
        }
        Page { items, next: None }
    }
}

/// Reads (tenant, device) as a device's keys write them.
pub(crate) fn device_of(bytes: &[u8]) -> Option<DeviceRef> {
    let (tenant, rest) = key::part(bytes)?;
    let (device, rest) = key::part(rest)?;
    rest.is_empty().then_some(DeviceRef { tenant, device })
}
