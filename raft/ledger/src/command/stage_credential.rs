//! A credential for the LwM2M server of the device's profile.

use crate::event::{Event, EventCode};
use crate::key;
use crate::record::{Device, Profile};
use crate::staging::{Fresh, Waiting, account};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, Outcome, Refusal, SessionId};
use minicbor::{Decode, Encode};

/// Stages a fresh credential, or gives the one that is staged already.
///
/// The numbers 7 to 9 were a request and its response, for a memory that nobody read.
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
        if let Some(state) = book.bar(&self.device, &prover, Some(&session))? {
            return Err(Refusal::State { state }.into());
        }
        let profile = book.profile_of(&self.device, &device)?;
        book.sealing_tenant(&self.device.tenant, &[&self.sealed_key])?;
        let waiting = book.waiting(&self.device, &device, &profile)?;
        if waiting.is_none() {
            book.unless_used(&self.device, self.credential)?;
        }
        session.highest_read = session.highest_read.max(self.highest_read);
        book.store(key::session(&self.device, self.session), &session);
        let outcome = match waiting {
            Some(waiting) => self.offer_again(book, &mut device, &profile, waiting)?,
            None => self.stage(book, &mut device, &profile)?,
        };
        book.store_device(&self.device, device);
        Ok(outcome)
    }

    fn offer_again(
        &self,
        book: &mut Book<'_>,
        device: &mut Device,
        profile: &Profile,
        waiting: Waiting,
    ) -> Result<Outcome, Stop> {
        let words = "The credential that is already staged is offered.".to_owned();
        let code = EventCode::CredentialReissued;
        book.record(&self.device, device, Event { code, credential: Some(waiting.id), words })?;
        Ok(waiting.offered(profile, true))
    }

    fn stage(
        &self,
        book: &mut Book<'_>,
        device: &mut Device,
        profile: &Profile,
    ) -> Result<Outcome, Stop> {
        let fresh = Fresh {
            credential: self.credential,
            identity: self.identity.clone(),
            sealed_key: self.sealed_key.clone(),
            key_length: self.key_length,
        };
        let prepared = book.stage(&self.device, device, profile, &fresh)?;
        Ok(Outcome::Staged {
            credential: fresh.credential,
            identity: fresh.identity,
            sealed_key: fresh.sealed_key,
            again: false,
            confirmed: prepared.confirmed,
            account: account(profile),
            withdrawn: prepared.withdrawn,
        })
    }
}
