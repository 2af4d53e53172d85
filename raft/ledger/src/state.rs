//! The rows as records, while one command is applied.

use crate::key::{self, Kind};
use crate::record::{
    Connector, Credential, Device, FIRST_LEVEL, Meta, Origin, OutboxItem, Profile, RootKeys,
    Session, Tenant, TrustAnchor,
};
use crate::story::Story;
use crate::{CredentialId, Damage, DeviceRef, Refusal, Rows, SessionId, frame};
use minicbor::{Decode, Encode};

/// How long the id of an ended session is kept at least, in ms: far longer than the 120 s that a
/// handshake is fresh for and the time that its proposal may be on its way.
const ENDED: u64 = 600_000;

/// Why a command ends early: it is refused, or the node must stop.
pub(crate) enum Stop {
    Refused(Refusal),
    Damaged(Damage),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Typed access to the rows for the command at `index`, whose time is `at`.
pub(crate) struct Book<'a> {
    rows: &'a mut dyn Rows,
    pub(crate) index: u64,
    pub(crate) at: u64,
    /// What the command tells; written at its end.
    pub(crate) story: Story,
}

impl<'a> Book<'a> {
    pub(crate) fn new(rows: &'a mut dyn Rows, index: u64, at: u64) -> Self {
        Self { rows, index, at, story: Story::default() }
    }

    /// The record under `key`, if there is one.
    pub(crate) fn load<T>(&self, what: &'static str, key: &[u8]) -> Result<Option<T>, Stop>
    where
        T: for<'b> Decode<'b, ()>,
    {
        let Some(bytes) = self.rows.row(key) else {
            return Ok(None);
        };
        match frame::decode(&bytes) {
            Some(record) => Ok(Some(record)),
            None => Err(Stop::Damaged(Damage { what, index: self.index })),
        }
    }

    pub(crate) fn store<T: Encode<()>>(&mut self, key: Vec<u8>, record: &T) {
        self.rows.put(key, frame::encode(record));
    }

    pub(crate) fn store_all<T: Encode<()>>(&mut self, key: Vec<u8>, records: &[T]) {
        self.rows.put(key, frame::encode_all(records));
    }

    pub(crate) fn drop_row(&mut self, key: &[u8]) {
        self.rows.remove(key);
    }

    pub(crate) fn keys_under(&self, prefix: &[u8], limit: usize) -> Vec<Vec<u8>> {
        let rows = self.rows.range(prefix, &key::end_of(prefix), limit);
        rows.into_iter().map(|(key, _)| key).collect()
    }

    pub(crate) fn meta(&self) -> Result<Option<Meta>, Stop> {
        self.load("the cluster's record", &key::meta())
    }

    /// Whether commands are applied by this level, or by a later one.
    pub(crate) fn is_at_level(&self, level: u32) -> Result<bool, Stop> {
        Ok(level <= FIRST_LEVEL || self.meta()?.is_some_and(|meta| meta.level >= level))
    }

    pub(crate) fn root_keys(&self) -> Result<Option<RootKeys>, Stop> {
        self.load("the root key", &key::root_keys())
    }

    pub(crate) fn require_root_keys(&self) -> Result<RootKeys, Stop> {
        self.root_keys()?.ok_or_else(|| Refusal::not_found("root key", "of this ledger").into())
    }

    /// Stores the root key as changed by this command.
    pub(crate) fn store_root_keys(&mut self, keys: RootKeys) {
        let revision = self.index;
        self.store(key::root_keys(), &RootKeys { revision, ..keys });
    }

    /// Refuses what is wrapped by another version of the root key than the newest.
    pub(crate) fn require_newest_root(&self, version: u32) -> Result<(), Stop> {
        let newest = self.require_root_keys()?.version;
        Ok(Refusal::unless_version(Some(version.into()), newest.into())?)
    }

    /// True if there is a row under `key`.
    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        self.rows.row(key).is_some()
    }

    pub(crate) fn require_tenant(&self, name: &str) -> Result<Tenant, Stop> {
        let found = self.load("a tenant", &key::of_tenant(Kind::Tenant, name))?;
        found.ok_or_else(|| Refusal::not_found("tenant", name).into())
    }

    /// A tenant's profiles with their names.
    pub(crate) fn profiles(&self, tenant: &str) -> Result<Vec<(String, Profile)>, Stop> {
        self.all_named("a profile", Kind::Profile, tenant)
    }

    /// A tenant's trust anchors with their names.
    pub(crate) fn trust_anchors(&self, tenant: &str) -> Result<Vec<(String, TrustAnchor)>, Stop> {
        self.all_named("a trust anchor", Kind::TrustAnchor, tenant)
    }

    fn all_named<T>(
        &self,
        what: &'static str,
        kind: Kind,
        tenant: &str,
    ) -> Result<Vec<(String, T)>, Stop>
    where
        T: for<'b> Decode<'b, ()>,
    {
        let prefix = key::of_tenant(kind, tenant);
        let rows = self.keys_under(&prefix, usize::MAX).into_iter();
        let rows = rows.filter_map(|row| Some((key::name(row.get(prefix.len()..)?)?, row)));
        let read = |(name, row): (String, Vec<u8>)| {
            Ok(self.load(what, &row)?.map(|record| (name, record)))
        };
        rows.filter_map(|row| read(row).transpose()).collect()
    }

    pub(crate) fn connector(&self, tenant: &str, name: &str) -> Result<Option<Connector>, Stop> {
        self.load("a connector", &key::named(Kind::Connector, tenant, name))
    }

    /// How many devices have the profile.
    pub(crate) fn profile_use(&self, tenant: &str, name: &str) -> Result<u64, Stop> {
        let row = key::named(Kind::ProfileUse, tenant, name);
        Ok(self.load("the use of a profile", &row)?.unwrap_or(0))
    }

    /// Counts one device more with the profile, or one less.
    pub(crate) fn use_profile(&mut self, tenant: &str, name: &str, more: bool) -> Result<(), Stop> {
        let used = self.profile_use(tenant, name)?;
        let used = if more { used + 1 } else { used.saturating_sub(1) };
        self.store(key::named(Kind::ProfileUse, tenant, name), &used);
        Ok(())
    }

    pub(crate) fn device(&self, of: &DeviceRef) -> Result<Device, Stop> {
        let found = self.load("a device", &key::of_device(Kind::Device, of))?;
        found.ok_or_else(|| Refusal::not_found("device", &of.device).into())
    }

    /// The version behind `before`, which is 0 for what was not there. What is deleted and made
    /// again never has a version twice, since each change has an index above all that were before:
    /// a condition that is met is met by what its sender saw.
    pub(crate) const fn version_after(&self, before: u64) -> u64 {
        if before == 0 { self.index } else { before + 1 }
    }

    /// Stores `device` as changed by this command.
    pub(crate) fn store_device(&mut self, of: &DeviceRef, mut device: Device) {
        device.version = self.version_after(device.version);
        self.store(key::of_device(Kind::Device, of), &device);
    }

    pub(crate) fn credential(&self, of: &DeviceRef, id: CredentialId) -> Result<Credential, Stop> {
        let found = self.load("a credential", &key::credential(Kind::Credential, of, id))?;
        found.ok_or_else(|| Refusal::not_found("credential", id).into())
    }

    /// Stores `credential` as changed by this command; while it lives, its end can be found.
    pub(crate) fn store_credential(
        &mut self,
        of: &DeviceRef,
        id: CredentialId,
        mut credential: Credential,
    ) {
        if let Some(end) = credential.not_after {
            let row = key::expiry(of, end, id);
            if !credential.state.is_live() {
                self.drop_row(&row);
            } else if credential.version == 0 {
                self.store(row, of);
            }
        }
        // A manufacturer's identity may be like one that another device was given.
        if !credential.state.is_live() && credential.origin == Origin::Claviger {
            // There is one only where the LwM2M server asks for keys.
            self.drop_row(&key::served(&of.tenant, &credential.identity));
        }
        if !credential.state.is_live() {
            for handle in credential.resumptions.drain(..) {
                self.drop_row(&key::resumption(&handle));
            }
        }
        credential.version += 1;
        self.store(key::credential(Kind::Credential, of, id), &credential);
    }

    /// All credentials of a device, in the order of their ids.
    pub(crate) fn credentials(
        &self,
        of: &DeviceRef,
    ) -> Result<Vec<(CredentialId, Credential)>, Stop> {
        let prefix = key::of_device(Kind::Credential, of);
        let ids = self.keys_under(&prefix, usize::MAX).into_iter();
        let ids = ids.filter_map(|key| key[prefix.len()..].try_into().ok().map(CredentialId));
        ids.map(|id| Ok((id, self.credential(of, id)?))).collect()
    }

    pub(crate) fn session(&self, of: &DeviceRef, id: SessionId) -> Result<Session, Stop> {
        let found = self.load("a session", &key::session(of, id))?;
        found.ok_or_else(|| Refusal::not_found("session", id).into())
    }

    pub(crate) fn outbox(
        &self,
        of: &DeviceRef,
        id: CredentialId,
    ) -> Result<Option<OutboxItem>, Stop> {
        self.load("an outbox item", &key::credential(Kind::Outbox, of, id))
    }

    /// True if the session was open and has ended, as far back as a handshake can be repeated.
    pub(crate) fn has_ended(&self, of: &DeviceRef, id: SessionId) -> Result<bool, Stop> {
        let ended: Option<u64> =
            self.load("an ended session", &key::under_device(Kind::Closed, of, &id.0))?;
        Ok(ended.is_some())
    }

    /// Keeps the id of a session that ends now, and forgets those that ended long ago.
    fn note_end(&mut self, of: &DeviceRef, id: SessionId) -> Result<(), Stop> {
        self.forget_ends(of, 16)?;
        let at = self.at;
        self.store(key::under_device(Kind::Closed, of, &id.0), &at);
        Ok(())
    }

    /// Forgets sessions that ended long ago, of the first `limit`.
    pub(crate) fn forget_ends(&mut self, of: &DeviceRef, limit: usize) -> Result<(), Stop> {
        for row in self.keys_under(&key::of_device(Kind::Closed, of), limit) {
            let ended: Option<u64> = self.load("an ended session", &row)?;
            if ended.is_some_and(|ended| ended.saturating_add(ENDED) <= self.at) {
                self.drop_row(&row);
            }
        }
        Ok(())
    }

    /// Ends a session: its row and its look-up rows go.
    pub(crate) fn drop_session(&mut self, of: &DeviceRef, id: SessionId) -> Result<(), Stop> {
        let Some(session): Option<Session> = self.load("a session", &key::session(of, id))? else {
            return Ok(());
        };
        if !session.cid.is_empty() {
            self.drop_row(&key::of_cluster(Kind::ConnectionId, &[&session.cid]));
        } else {
            let place = key::of_cluster(Kind::Address, &session.place());
            let holder: Option<(DeviceRef, SessionId)> = self.load("an address", &place)?;
            if holder.is_some_and(|(_, session)| session == id) {
                self.drop_row(&place);
            }
        }
        self.drop_row(&key::session(of, id));
        self.note_end(of, id)
    }
}

impl Session {
    /// The parts of the look-up key of a session without a connection id.
    pub(crate) fn place(&self) -> [&[u8]; 2] {
        [self.listener.as_bytes(), self.peer.as_bytes()]
    }
}
