//! Staging: a device's profile gives it a credential, which is made once and offered until the
//! device has it.
//!
//! `OpenSession` stages it with the session that it is for, so that a bootstrap need not commit
//! anything before its first request; `StageCredential` does where that was not done, or is not
//! good any more. There is one staged credential of a device at most.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::{
    ConnectorKind, Credential, CredentialKind, Device, Origin, OutboxItem, Profile, State,
};
use crate::state::{Book, Stop};
use crate::{Account, CredentialId, DeviceRef, Outcome, Refusal, SessionId, View};
use core::fmt;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// A credential that its proposer has made, and that is not in the ledger yet.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Fresh {
    /// Its id.
    #[n(0)]
    pub credential: CredentialId,
    /// Its PSK identity.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub identity: Vec<u8>,
    /// Its key, sealed with the tenant's key.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub sealed_key: Vec<u8>,
    /// The key's length in bytes.
    #[n(3)]
    pub key_length: u16,
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fresh({}, ..)", self.credential)
    }
}

/// What was staged.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Prepared {
    /// The credential.
    #[n(0)]
    pub credential: CredentialId,
    /// True if its LwM2M server need not be told: it asks.
    #[n(1)]
    pub confirmed: bool,
    /// Older ones of which the outbox now tells the LwM2M server that they have ended.
    #[cbor(n(2), skip_if = "Vec::is_empty")]
    pub withdrawn: Vec<CredentialId>,
}

/// A credential that waits for the device, and its sealed key.
pub(crate) struct Waiting {
    pub(crate) id: CredentialId,
    pub(crate) credential: Credential,
    sealed_key: Vec<u8>,
}

impl Waiting {
    /// The outcome that gives it to the device; `again` if it was offered before.
    pub(crate) fn offered(self, profile: &Profile, again: bool) -> Outcome {
        Outcome::Staged {
            credential: self.id,
            identity: self.credential.identity,
            sealed_key: self.sealed_key,
            again,
            confirmed: self.credential.confirmed_at.is_some(),
            account: account(profile),
            withdrawn: Vec::new(),
        }
    }
}

/// The account that a profile gives.
pub(crate) fn account(profile: &Profile) -> Account {
    Account {
        server_uri: profile.server_uri.clone(),
        short_server_id: profile.short_server_id,
        registration_lifetime: profile.registration_lifetime,
        binding: profile.binding.clone(),
    }
}

impl Credential {
    /// True if it may be offered at `at` (ms since the Unix epoch): it waits and is fit.
    fn is_offered(&self, device: &Device, profile: &Profile, at: u64) -> bool {
        self.state == State::Staged && self.is_fit(device, profile, at)
    }

    /// True if at least half of its time is left at `at`, and it was made by `device`'s profile as
    /// that is now.
    fn is_fit(&self, device: &Device, profile: &Profile, at: u64) -> bool {
        let by = self.profile.as_ref();
        let same = by.is_some_and(|(name, v)| *name == device.profile && *v == profile.version);
        self.is_usable(at) && self.is_young(at) && same
    }

    /// True while at least half of its time is left. It may have waited long for a device that
    /// opened a session and asked for nothing: what ends soon is of little use to that.
    fn is_young(&self, at: u64) -> bool {
        let gone = at.saturating_sub(self.not_before);
        self.not_after.is_none_or(|end| gone <= end.saturating_sub(self.not_before) / 2)
    }
}

impl Book<'_> {
    /// The profile of a device.
    pub(crate) fn profile_of(&self, of: &DeviceRef, device: &Device) -> Result<Profile, Stop> {
        let row = key::named(Kind::Profile, &of.tenant, &device.profile);
        let found = self.load("a profile", &row)?;
        found.ok_or_else(|| Refusal::not_found("profile", &device.profile).into())
    }

    /// What is staged and may still be offered.
    pub(crate) fn waiting(
        &self,
        of: &DeviceRef,
        device: &Device,
        profile: &Profile,
    ) -> Result<Option<Waiting>, Stop> {
        let Some(id) = device.staged else { return Ok(None) };
        let credential = self.credential(of, id)?;
        if !credential.is_offered(device, profile, self.at) {
            return Ok(None);
        }
        let material = key::credential(Kind::Material, of, id);
        let sealed: Option<ByteVec> = self.load("a sealed key", &material)?;
        let sealed = sealed.ok_or_else(|| Refusal::not_found("sealed key", id))?;
        Ok(Some(Waiting { id, credential, sealed_key: sealed.into() }))
    }

    /// Refuses a fresh credential whose id was used: a late repetition must not bring one back to
    /// life.
    pub(crate) fn unless_used(&self, of: &DeviceRef, id: CredentialId) -> Result<(), Stop> {
        match self.holds(&key::credential(Kind::Credential, of, id)) {
            true => Err(Refusal::taken("credential", id).into()),
            false => Ok(()),
        }
    }

    /// Stages `fresh` in the place of whatever was staged; `device` is the caller's to store.
    pub(crate) fn stage(
        &mut self,
        of: &DeviceRef,
        device: &mut Device,
        profile: &Profile,
        fresh: &Fresh,
    ) -> Result<Prepared, Stop> {
        let id = fresh.credential;
        let mut withdrawn = Vec::new();
        if let Some(outdated) = device.staged.take() {
            let why = "Its profile or half of its time has passed.";
            self.supersede(of, device, outdated, why, Some(&mut withdrawn))?;
        }
        self.make_room_for_one_more(of, device, &mut withdrawn)?;
        device.made.push(id);
        device.staged = Some(id);
        let words = format!("Made a pre-shared key for {}.", profile.server_uri);
        let code = EventCode::CredentialIssued;
        self.record(of, device, Event { code, credential: Some(id), words })?;
        let connector = self.connector(&of.tenant, &profile.connector)?;
        let confirmed = connector.is_some_and(|c| c.kind == ConnectorKind::Pull);
        if confirmed {
            self.store(key::served(&of.tenant, &fresh.identity), &(of.clone(), id));
        } else {
            let (connector, created_at) = (profile.connector.clone(), self.at);
            let item = OutboxItem { connector, created_at, withdrawal: None };
            self.store(key::credential(Kind::Outbox, of, id), &item);
        }
        let material = key::credential(Kind::Material, of, id);
        self.store(material, &ByteVec::from(fresh.sealed_key.clone()));
        let made = self.made(&device.profile, profile, fresh, confirmed);
        self.store_credential(of, id, made);
        Ok(Prepared { credential: id, confirmed, withdrawn })
    }

    /// The record; a server that asks for keys itself needs no telling, and holds it from now on.
    fn made(&self, name: &str, profile: &Profile, fresh: &Fresh, confirmed: bool) -> Credential {
        let lifetime = profile.credential_lifetime.saturating_mul(1000);
        Credential {
            origin: Origin::Claviger,
            identity: fresh.identity.clone(),
            key_length: fresh.key_length,
            parties: vec![profile.server_uri.clone()],
            state: State::Staged,
            not_before: self.at,
            not_after: Some(self.at.saturating_add(lifetime)),
            version: 0,
            profile: Some((name.to_owned(), profile.version)),
            sessions: Vec::new(),
            confirmed_at: confirmed.then_some(self.at),
            anchors: Vec::new(),
            connector: Some(profile.connector.clone()),
            kind: CredentialKind::Psk,
            resumptions: Vec::new(),
            review: false,
        }
    }

    /// Drops the oldest credentials that are not in use until a new one fits.
    fn make_room_for_one_more(
        &mut self,
        of: &DeviceRef,
        device: &mut Device,
        withdrawn: &mut Vec<CredentialId>,
    ) -> Result<(), Stop> {
        while device.made.len() >= Device::MADE {
            let mut oldest = 0;
            for (place, id) in device.made.iter().enumerate() {
                if self.credential(of, *id)?.state != State::Active {
                    oldest = place;
                    break;
                }
            }
            let id = device.made.remove(oldest);
            let why = "The device was given many newer ones.";
            self.supersede(of, device, id, why, Some(withdrawn))?;
            let credential = self.credential(of, id)?;
            for session in credential.sessions {
                self.drop_session(of, session)?;
            }
            self.drop_row(&key::credential(Kind::Credential, of, id));
            self.drop_row(&key::credential(Kind::Material, of, id));
        }
        Ok(())
    }
}

impl View<'_> {
    /// True if opening a session at `at` (ms since the Unix epoch) would stage a fresh credential
    /// for the device: nothing waits for it that may still be offered.
    pub fn wants_fresh(&self, of: &DeviceRef, at: u64) -> bool {
        let Some(device) = self.device(of) else { return false };
        let Some(profile) = self.profile(&of.tenant, &device.profile) else { return false };
        // There the older one would be gone before the device has asked for the newer.
        let connector = self.connector(&of.tenant, &profile.connector);
        if connector.is_some_and(|connector| connector.kind.holds_one()) {
            return false;
        }
        let staged = device.staged.and_then(|id| self.credential(of, id));
        staged.is_none_or(|staged| !staged.is_offered(&device, &profile, at))
    }

    /// The credential `id`, which was staged when `session` was opened, as
    /// [`StageCredential`](crate::StageCredential) would give it at `at` (ms since the Unix epoch);
    /// nothing if something has changed since, and it is for that command to decide. Or `again` one
    /// that has been delivered and is not known to be used: the device may not have kept it. Nothing
    /// if another one waits.
    pub fn offer(
        &self,
        of: &DeviceRef,
        session: SessionId,
        id: CredentialId,
        at: u64,
        again: bool,
    ) -> Option<Outcome> {
        let state = if again { State::Delivered } else { State::Staged };
        let session = self.session(of, session)?;
        let prover = self.credential(of, session.credential)?;
        let waits = (!again).then_some(id);
        let device = self.device(of).filter(|device| device.staged == waits)?;
        let profile = self.profile(&of.tenant, &device.profile)?;
        let credential = self.credential(of, id).filter(|row| row.state == state)?;
        let good = self.is_good(of, &prover, Some(&session), at)
            && credential.is_fit(&device, &profile, at);
        let sealed_key = self.material(of, id).filter(|_| good)?;
        Some(Waiting { id, credential, sealed_key }.offered(&profile, again))
    }
}
