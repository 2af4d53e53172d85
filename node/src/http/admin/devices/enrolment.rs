//! One enrolment, checked: what a request, and each line of a bulk request, asks for.

use super::super::import_keys::Opener;
use crate::http::Api;
use crate::http::names::{check_name, check_text};
use crate::http::problem::Fault;
use claviger_api::NewDevice;
use claviger_ledger::{CredentialId, CredentialKind, DeviceRef, EnrolDevice, Origin, View};
use claviger_machine::Crypto;
use claviger_seal::{Label, TenantKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A device to be enrolled, with its key in the clear.
pub(super) struct Enrolment {
    pub(super) device: DeviceRef,
    endpoint: String,
    profile: String,
    identity: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Enrolment {
    /// Checks what is asked for.
    pub(super) fn read(
        api: &Api,
        opener: &Opener,
        tenant: &str,
        new: NewDevice,
    ) -> Result<Self, Fault> {
        let id = new.id.unwrap_or_else(|| new.endpoint.clone());
        check_text("endpoint", &new.endpoint, 255)?;
        check_name("id", &id)?;
        if id == "bulk" {
            let rule = "`bulk` is the path of bulk enrolment, so nobody could ask for it: give the \
                        device another id";
            return Err(Fault::invalid("id", rule));
        }
        check_name("profile", &new.profile)?;
        check_text("psk.identity", &new.psk.identity, 128)?;
        let key = opener.open(api, &new.endpoint, &new.psk)?;
        if !(16..=64).contains(&key.len()) {
            return Err(Fault::invalid("psk.key.value", "the key must have 16 to 64 bytes"));
        }
        Ok(Self {
            device: DeviceRef { tenant: tenant.to_owned(), device: id },
            endpoint: new.endpoint,
            profile: new.profile,
            identity: new.psk.identity.into_bytes(),
            key,
        })
    }

    /// The command, with the key sealed.
    pub(super) fn seal(&self, key: &TenantKey, crypto: &dyn Crypto) -> EnrolDevice {
        let credential = CredentialId(crypto.random());
        let label = label(&self.device, &credential);
        let sealed_key = key.seal(label, &self.key, crypto.random());
        EnrolDevice {
            sealed_key,
            credential,
            endpoint: self.endpoint.clone(),
            profile: self.profile.clone(),
            identity: self.identity.clone(),
            key_length: u16::try_from(self.key.len()).unwrap_or(u16::MAX),
            device: self.device.clone(),
            kind: CredentialKind::Psk,
        }
    }

    /// True if the device is there as it would be enrolled, with the same key.
    pub(super) fn is_done(&self, view: &View<'_>, key: &TenantKey) -> bool {
        let same = |device: &claviger_ledger::Device| {
            device.endpoint == self.endpoint && device.profile == self.profile
        };
        view.device(&self.device).is_some_and(|device| same(&device))
            && view.credentials(&self.device).into_iter().any(|(id, credential)| {
                credential.origin == Origin::Manufacturer
                    && credential.identity == self.identity
                    && view.material(&self.device, id).is_some_and(|sealed| {
                        let opened = key.open(label(&self.device, &id), &sealed);
                        opened.is_ok_and(|opened| opened.ct_eq(&self.key).into())
                    })
            })
    }

    /// What would keep it from being enrolled.
    pub(super) fn obstacle(&self, view: &View<'_>, realm: &str) -> Result<(), Fault> {
        let taken = |what| Fault::new(claviger_api::Code::Taken, format!("the {what} is taken"));
        if view.profile(&self.device.tenant, &self.profile).is_none() {
            return Err(Fault::not_found("profile", &self.profile));
        }
        if view.device(&self.device).is_some() {
            return Err(taken("device"));
        }
        if view.endpoint(realm, &self.endpoint).is_some() {
            return Err(taken("endpoint"));
        }
        match view.psk_identity(realm, &self.identity) {
            Some(_) => Err(taken("PSK identity")),
            None => Ok(()),
        }
    }
}

fn label<'a>(device: &'a DeviceRef, credential: &'a CredentialId) -> Label<'a> {
    let (tenant, device) = (&*device.tenant, &*device.device);
    Label::Credential { tenant, device, credential: &credential.0 }
}
