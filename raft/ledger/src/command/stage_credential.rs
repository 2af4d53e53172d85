//! A credential for the LwM2M server of the device's profile.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::{
    ConnectorKind, Credential, Device, Memory, Origin, OutboxItem, Profile, State,
};
use crate::state::{Book, Stop};
use crate::{Account, CredentialId, DeviceRef, Outcome, Refusal, SessionId};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// Stages a fresh credential, or gives the one that an earlier bootstrap staged.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StageCredential {
    /// The device that asks.
    #[n(0)]
    pub device: DeviceRef,
    /// The session that it asks in.
    #[n(1)]
    pub session: SessionId,
    /// The highest sequence read in that session.
    #[n(2)]
    pub highest_read: u64,
    /// The fresh credential's id.
    #[n(3)]
    pub credential: CredentialId,
    /// Its PSK identity.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub identity: Vec<u8>,
    /// Its key, sealed with the tenant's key.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub sealed_key: Vec<u8>,
    /// The key's length in bytes.
    #[n(6)]
    pub key_length: u16,
    /// The first half of the SHA-256 of message id, token and request: what a repetition is known by.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub asked: [u8; 16],
    /// The response to remember, sealed with the tenant's key.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub sealed_response: Vec<u8>,
    /// How long it is remembered, in ms: EXCHANGE_LIFETIME or NON_LIFETIME (RFC 7252 §4.8.2).
    #[n(9)]
    pub remember: u64,
}

impl StageCredential {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let device = book.device(&self.device)?;
        match self.stage_or_offer(book, device.clone()) {
            Err(Stop::Refused(why)) => self.refuse(book, device, why),
            done => done,
        }
    }

    /// Notes that a device that had proven itself was refused.
    fn refuse(
        &self,
        book: &mut Book<'_>,
        mut device: Device,
        why: Refusal,
    ) -> Result<Outcome, Stop> {
        let words = format!("No credential was issued: {why}.");
        let event = Event { code: EventCode::Refused, credential: None, words };
        book.record(&self.device, &mut device, event)?;
        book.store_device(&self.device, device);
        Ok(Outcome::Refused(why))
    }

    /// Refuses before it writes anything.
    fn stage_or_offer(&self, book: &mut Book<'_>, mut device: Device) -> Result<Outcome, Stop> {
        let mut session = book.session(&self.device, self.session)?;
        let prover = book.credential(&self.device, session.credential)?;
        if !prover.is_usable(book.at) {
            return Err(Refusal::State { state: prover.standing(book.at).to_owned() }.into());
        }
        let row = key::named(Kind::Profile, &self.device.tenant, &device.profile);
        let Some(profile): Option<Profile> = book.load("a profile", &row)? else {
            return Err(Refusal::not_found("profile", &device.profile).into());
        };
        let staged = self.staged_before(book, &device, &profile)?;
        let row = key::credential(Kind::Credential, &self.device, self.credential);
        if staged.is_none() && book.holds(&row) {
            // A late repetition must not bring a credential back to life.
            return Err(Refusal::taken("credential", self.credential).into());
        }
        session.highest_read = session.highest_read.max(self.highest_read);
        book.store(key::session(&self.device, self.session), &session);
        self.remember(book)?;
        let outcome = match staged {
            Some(staged) => self.offer_again(book, &mut device, &profile, staged)?,
            None => self.stage(book, &mut device, &profile)?,
        };
        book.store_device(&self.device, device);
        Ok(outcome)
    }

    fn remember(&self, book: &mut Book<'_>) -> Result<(), Stop> {
        let place = |rest: &[u8]| key::under_device(Kind::Memory, &self.device, rest);
        // Requests that change the ledger are rare: what is forgotten is dropped by the next.
        // Those of all the device's sessions: one that has ended would leave its own for ever.
        for row in book.keys_under(&place(&[]), 16) {
            let old: Option<Memory> = book.load("a remembered request", &row)?;
            if old.is_some_and(|old| old.until <= book.at) {
                book.drop_row(&row);
            }
        }
        let row = place(&[self.session.0, self.asked].concat());
        let until = book.at.saturating_add(self.remember);
        book.store(row, &Memory { until, response: self.sealed_response.clone() });
        Ok(())
    }

    /// What is staged and still good: in its time, for the profile as it is now.
    fn staged_before(
        &self,
        book: &Book<'_>,
        device: &Device,
        profile: &Profile,
    ) -> Result<Option<Staged>, Stop> {
        let Some(id) = device.staged else {
            return Ok(None);
        };
        let credential = book.credential(&self.device, id)?;
        let same = credential
            .profile
            .as_ref()
            .is_some_and(|(name, version)| *name == device.profile && *version == profile.version);
        let good = credential.state == State::Staged && credential.is_usable(book.at) && same;
        if !good {
            return Ok(None);
        }
        let material = key::credential(Kind::Material, &self.device, id);
        let sealed: Option<ByteVec> = book.load("a sealed key", &material)?;
        let sealed = sealed.ok_or_else(|| Refusal::not_found("sealed key", id))?;
        Ok(Some((id, credential, sealed)))
    }

    fn offer_again(
        &self,
        book: &mut Book<'_>,
        device: &mut Device,
        profile: &Profile,
        (id, credential, sealed): Staged,
    ) -> Result<Outcome, Stop> {
        let words = "Asked again; the credential that is already staged is offered.".to_owned();
        let code = EventCode::CredentialReissued;
        book.record(&self.device, device, Event { code, credential: Some(id), words })?;
        Ok(Outcome::Staged {
            credential: id,
            identity: credential.identity,
            sealed_key: sealed.into(),
            again: true,
            confirmed: credential.confirmed_at.is_some(),
            account: account(profile),
            withdrawn: Vec::new(),
        })
    }

    fn stage(
        &self,
        book: &mut Book<'_>,
        device: &mut Device,
        profile: &Profile,
    ) -> Result<Outcome, Stop> {
        let mut withdrawn = Vec::new();
        if let Some(outdated) = device.staged.take() {
            let why = "Its profile or its time has passed.";
            book.supersede(&self.device, device, outdated, why, Some(&mut withdrawn))?;
        }
        self.make_room(book, device, &mut withdrawn)?;
        device.made.push(self.credential);
        device.staged = Some(self.credential);
        let words = format!("Made a pre-shared key for {}.", profile.server_uri);
        let event =
            Event { code: EventCode::CredentialIssued, credential: Some(self.credential), words };
        book.record(&self.device, device, event)?;
        let connector = book.connector(&self.device.tenant, &profile.connector)?;
        let confirmed = connector.is_some_and(|c| c.kind == ConnectorKind::Pull);
        if confirmed {
            let row = key::served(&self.device.tenant, &self.identity);
            book.store(row, &(self.device.clone(), self.credential));
        } else {
            let (connector, created_at) = (profile.connector.clone(), book.at);
            let item = OutboxItem { connector, created_at, withdrawal: None };
            book.store(key::credential(Kind::Outbox, &self.device, self.credential), &item);
        }
        let material = key::credential(Kind::Material, &self.device, self.credential);
        book.store(material, &ByteVec::from(self.sealed_key.clone()));
        let made = self.credential(&device.profile, profile, book.at, confirmed);
        book.store_credential(&self.device, self.credential, made);
        Ok(Outcome::Staged {
            credential: self.credential,
            identity: self.identity.clone(),
            sealed_key: self.sealed_key.clone(),
            again: false,
            confirmed,
            account: account(profile),
            withdrawn,
        })
    }

    /// The record; a server that asks for keys itself needs no telling, and holds it from now on.
    fn credential(&self, name: &str, profile: &Profile, at: u64, confirmed: bool) -> Credential {
        let lifetime = profile.credential_lifetime.saturating_mul(1000);
        Credential {
            origin: Origin::Claviger,
            identity: self.identity.clone(),
            key_length: self.key_length,
            parties: vec![profile.server_uri.clone()],
            state: State::Staged,
            not_before: at,
            not_after: Some(at.saturating_add(lifetime)),
            version: 0,
            profile: Some((name.to_owned(), profile.version)),
            sessions: Vec::new(),
            confirmed_at: confirmed.then_some(at),
            anchors: Vec::new(),
            connector: Some(profile.connector.clone()),
        }
    }

    /// Drops the oldest credentials that are not in use until the new one fits.
    fn make_room(
        &self,
        book: &mut Book<'_>,
        device: &mut Device,
        withdrawn: &mut Vec<CredentialId>,
    ) -> Result<(), Stop> {
        while device.made.len() >= Device::MADE {
            let mut oldest = 0;
            for (place, id) in device.made.iter().enumerate() {
                if book.credential(&self.device, *id)?.state != State::Active {
                    oldest = place;
                    break;
                }
            }
            let id = device.made.remove(oldest);
            let why = "The device was given many newer ones.";
            book.supersede(&self.device, device, id, why, Some(withdrawn))?;
            let credential = book.credential(&self.device, id)?;
            for session in credential.sessions {
                book.drop_session(&self.device, session)?;
            }
            book.drop_row(&key::credential(Kind::Credential, &self.device, id));
            book.drop_row(&key::credential(Kind::Material, &self.device, id));
        }
        Ok(())
    }
}

/// A credential that waits for the device, and its sealed key.
type Staged = (CredentialId, Credential, ByteVec);

fn account(profile: &Profile) -> Account {
    Account {
        server_uri: profile.server_uri.clone(),
        short_server_id: profile.short_server_id,
        registration_lifetime: profile.registration_lifetime,
        binding: profile.binding.clone(),
    }
}
