//! The end of a credential's life, in whichever way, and what goes with it.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::{
    ConnectorKind, Credential, Device, OutboxItem, Profile, Transition, Withdrawal, transition,
};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, Ended, Refusal};

impl Book<'_> {
    /// Revokes or expires a credential: its sessions are closed, and its LwM2M server is told.
    ///
    /// A revoked one cannot be looked up any more, and its key is gone.
    pub(crate) fn end(
        &mut self,
        of: &DeviceRef,
        device: &mut Device,
        id: CredentialId,
        how: End<'_>,
        ended: &mut Ended,
    ) -> Result<(), Stop> {
        let mut credential = self.credential(of, id)?;
        let Some(state) = transition(credential.state, how.transition()) else {
            return Err(Refusal::State { state: credential.state.to_string() }.into());
        };
        credential.state = state;
        let closed = core::mem::take(&mut credential.sessions);
        let mut words = how.words();
        if !closed.is_empty() {
            words += &format!(" Sessions closed: {}.", closed.len());
        }
        for session in closed {
            self.drop_session(of, session)?;
            ended.closed.push((of.clone(), session));
        }
        if let End::Revoked(_) = how {
            self.drop_lookup(of, device, id, &credential)?;
            self.drop_row(&key::credential(Kind::Material, of, id));
        }
        if self.withdraw(of, device, id, &credential, how.reason())? {
            words += " The LwM2M server is told to forget it.";
            ended.withdrawn.push((of.clone(), id));
        }
        device.staged.take_if(|staged| *staged == id);
        self.record(of, device, Event { code: how.code(), credential: Some(id), words })?;
        self.store_credential(of, id, credential);
        Ok(())
    }

    /// Ends a credential's life because another takes its place. Its LwM2M server is told so, which
    /// `withdrawn` then names, unless there is none to be named: the server knows.
    pub(crate) fn supersede(
        &mut self,
        of: &DeviceRef,
        device: &mut Device,
        id: CredentialId,
        why: &str,
        withdrawn: Option<&mut Vec<CredentialId>>,
    ) -> Result<(), Stop> {
        let mut credential = self.credential(of, id)?;
        let Some(state) = transition(credential.state, Transition::Supersede) else {
            return Ok(());
        };
        credential.state = state;
        match withdrawn {
            Some(withdrawn) if self.withdraw(of, device, id, &credential, why)? => {
                withdrawn.push(id);
            }
            Some(_) => {}
            None => self.drop_row(&key::credential(Kind::Outbox, of, id)),
        }
        let words = format!("No longer to be used. {why}");
        let code = EventCode::CredentialSuperseded;
        self.record(of, device, Event { code, credential: Some(id), words })?;
        self.store_credential(of, id, credential);
        Ok(())
    }

    /// Drops the row by which a device with this credential is found.
    fn drop_lookup(
        &mut self,
        of: &DeviceRef,
        device: &Device,
        id: CredentialId,
        credential: &Credential,
    ) -> Result<(), Stop> {
        let Some(row) = credential.kind.lookup(&device.realm, &credential.identity) else {
            return Ok(());
        };
        let holder: Option<(DeviceRef, CredentialId)> = self.load("a look-up row", &row)?;
        if holder.is_some_and(|(device, credential)| device == *of && credential == id) {
            self.drop_row(&row);
        }
        Ok(())
    }

    /// Puts into the outbox that a server must forget an ended credential, if it may know of it.
    fn withdraw(
        &mut self,
        of: &DeviceRef,
        device: &Device,
        id: CredentialId,
        credential: &Credential,
        reason: &str,
    ) -> Result<bool, Stop> {
        let item = self.outbox(of, id)?;
        if item.is_none() && credential.confirmed_at.is_none() {
            return Ok(false);
        }
        let row = key::credential(Kind::Outbox, of, id);
        let connector = self.connector_of(of, item, credential)?;
        let Some(connector) = connector else {
            self.drop_row(&row);
            return Ok(false);
        };
        let withdrawal = Withdrawal {
            endpoint: device.endpoint.clone(),
            identity: credential.identity.clone(),
            parties: credential.parties.clone(),
            state: credential.state,
            reason: reason.to_owned(),
        };
        let created_at = self.at;
        self.store(row, &OutboxItem { connector, created_at, withdrawal: Some(withdrawal) });
        Ok(true)
    }

    /// The connector of the server that may know of a credential; none where it asks by itself.
    pub(crate) fn connector_of(
        &self,
        of: &DeviceRef,
        item: Option<OutboxItem>,
        credential: &Credential,
    ) -> Result<Option<String>, Stop> {
        let mut name = item.map(|item| item.connector).or_else(|| credential.connector.clone());
        if let (None, Some((profile, _))) = (&name, &credential.profile) {
            // Made before credentials had the connector's name.
            let row = key::named(Kind::Profile, &of.tenant, profile);
            name = self.load::<Profile>("a profile", &row)?.map(|profile| profile.connector);
        }
        let Some(name) = name else { return Ok(None) };
        let found = self.connector(&of.tenant, &name)?;
        Ok(found.is_some_and(|c| c.kind != ConnectorKind::Pull).then_some(name))
    }
}

/// How a credential ends that was not replaced.
pub(crate) enum End<'a> {
    /// Somebody withdrew it, for this reason.
    Revoked(&'a str),
    /// Its time is over.
    Expired,
}

impl End<'_> {
    fn transition(&self) -> Transition {
        match self {
            Self::Revoked(_) => Transition::Revoke,
            Self::Expired => Transition::Expire,
        }
    }

    fn code(&self) -> EventCode {
        match self {
            Self::Revoked(_) => EventCode::CredentialRevoked,
            Self::Expired => EventCode::CredentialExpired,
        }
    }

    fn reason(&self) -> &str {
        match self {
            Self::Revoked(reason) => reason,
            Self::Expired => "Its time is over.",
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Revoked(reason) => format!("Revoked: {reason}"),
            Self::Expired => self.reason().to_owned(),
        }
    }
}
