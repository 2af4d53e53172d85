//! LwM2M servers that hold one credential an endpoint: what a newer one does to the older.

use crate::record::{Credential, Device, Origin, State};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef};

impl Book<'_> {
    /// Supersedes what a newer credential has replaced at its LwM2M server, if that holds one an
    /// endpoint. The server is not told: it knows. True if something was replaced.
    pub(crate) fn replace_at_server(
        &mut self,
        of: &DeviceRef,
        device: &mut Device,
        newer: CredentialId,
        connector: &str,
    ) -> Result<bool, Stop> {
        if !self.holds_one(of, connector)? {
            return Ok(false);
        }
        // Confirmations may come late: what was made after it is not what it replaced.
        let place = device.made.iter().position(|id| *id == newer);
        let since = place.map_or_else(|| vec![newer], |place| device.made[place..].to_vec());
        let mut replaced = false;
        for (id, other) in self.credentials(of)? {
            let there = matches!(other.state, State::Delivered | State::Active);
            let older = other.origin == Origin::Claviger && !since.contains(&id);
            if older && there && self.is_through(of, id, &other, connector)? {
                let why =
                    "The LwM2M server holds one for each device, and a newer one is there now.";
                self.supersede(of, device, id, why, None)?;
                replaced = true;
            }
        }
        Ok(replaced)
    }

    /// True if the credential's server learns of it by `connector`.
    fn is_through(
        &self,
        of: &DeviceRef,
        id: CredentialId,
        credential: &Credential,
        connector: &str,
    ) -> Result<bool, Stop> {
        let item = self.outbox(of, id)?;
        Ok(self.connector_of(of, item, credential)?.as_deref() == Some(connector))
    }

    /// What a failed bootstrap means where the LwM2M server holds only the credential that was on
    /// its way; empty where it holds the older one, too, or does not have the newer one yet.
    pub(crate) fn gap(
        &self,
        of: &DeviceRef,
        device: &Device,
        on_its_way: Option<CredentialId>,
    ) -> Result<&'static str, Stop> {
        let Some(id) = on_its_way.filter(|id| device.staged == Some(*id)) else { return Ok("") };
        let credential = self.credential(of, id)?;
        if credential.confirmed_at.is_none() {
            return Ok("");
        }
        let Some(connector) = self.connector_of(of, None, &credential)? else { return Ok("") };
        Ok(if self.holds_one(of, &connector)? {
            " The LwM2M server holds only the credential that the device did not take: until a \
             bootstrap comes to its end, the device cannot register."
        } else {
            ""
        })
    }

    /// True if `connector`'s server holds one credential an endpoint.
    pub(crate) fn holds_one(&self, of: &DeviceRef, connector: &str) -> Result<bool, Stop> {
        let found = self.connector(&of.tenant, connector)?;
        Ok(found.is_some_and(|connector| connector.kind.holds_one()))
    }
}
