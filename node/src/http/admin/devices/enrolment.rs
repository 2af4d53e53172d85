//! One enrolment, checked: what a request, and each line of a bulk request, asks for.

use super::super::import_keys::Opener;
use crate::http::Api;
use crate::http::names::{check_name, check_text};
use crate::http::problem::Fault;
use crate::public;
use claviger_api::{NewCertificate, NewDevice, NewPsk};
use claviger_ledger::{CredentialId, CredentialKind, DeviceRef, EnrolDevice, Origin, View};
use claviger_machine::Crypto;
use claviger_seal::{Label, TenantKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A device to be enrolled.
pub(super) struct Enrolment {
    pub(super) device: DeviceRef,
    endpoint: String,
    profile: String,
    proof: Proof,
}

/// By what it proves itself.
enum Proof {
    /// A pre-shared key, in the clear.
    Psk { identity: String, key: Zeroizing<Vec<u8>> },
    /// A public key, as SubjectPublicKeyInfo.
    PublicKey(Vec<u8>),
    /// A certificate under the trust anchor of this name.
    Certificate(String),
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
        let proof = match (new.psk, new.public_key, new.certificate) {
            (Some(psk), None, None) => Proof::psk(api, opener, &new.endpoint, psk)?,
            (None, Some(key), None) => {
                let spki = public::key(&key).map_err(|rule| Fault::invalid("public_key", rule))?;
                Proof::PublicKey(spki)
            }
            (None, None, Some(NewCertificate { trust_anchor })) => {
                check_name("certificate.trust_anchor", &trust_anchor)?;
                Proof::Certificate(trust_anchor)
            }
            _ => {
                let rule =
                    "there must be one of `psk`, `public_key` and `certificate`, and only one";
                return Err(Fault::invalid("psk", rule));
            }
        };
        let device = DeviceRef { tenant: tenant.to_owned(), device: id };
        Ok(Self { device, endpoint: new.endpoint, profile: new.profile, proof })
    }

    /// What no other device may have too, each with what it is.
    pub(super) fn names(&self) -> Vec<(&'static str, String)> {
        let names = [("id", self.device.device.clone()), ("endpoint", self.endpoint.clone())];
        let proof = match &self.proof {
            Proof::Psk { identity, .. } => Some(("PSK identity", identity.clone())),
            Proof::PublicKey(spki) => Some(("public key", public::fingerprint(spki))),
            Proof::Certificate(_) => None,
        };
        names.into_iter().chain(proof).collect()
    }

    /// The command, with the key sealed if there is one.
    pub(super) fn seal(&self, key: &TenantKey, crypto: &dyn Crypto) -> EnrolDevice {
        let credential = CredentialId(crypto.random());
        let label = label(&self.device, &credential);
        let (sealed_key, key_length) = match &self.proof {
            Proof::Psk { key: psk, .. } => {
                let length = u16::try_from(psk.len()).unwrap_or(u16::MAX);
                (key.seal(label, psk, crypto.random()), length)
            }
            Proof::PublicKey(_) | Proof::Certificate(_) => (Vec::new(), 0),
        };
        EnrolDevice {
            sealed_key,
            credential,
            endpoint: self.endpoint.clone(),
            profile: self.profile.clone(),
            identity: self.proof.identity().to_vec(),
            key_length,
            device: self.device.clone(),
            kind: self.proof.kind(),
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
                    && credential.state.is_live()
                    && credential.kind == self.proof.kind()
                    && credential.identity == self.proof.identity()
                    && self.holds_key(view, key, id)
            })
    }

    /// Whether the credential `id` has the key, if there is one.
    fn holds_key(&self, view: &View<'_>, key: &TenantKey, id: CredentialId) -> bool {
        let Proof::Psk { key: psk, .. } = &self.proof else { return true };
        view.material(&self.device, id).is_some_and(|sealed| {
            let opened = key.open(label(&self.device, &id), &sealed);
            opened.is_ok_and(|opened| opened.ct_eq(psk).into())
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
        match &self.proof {
            Proof::Psk { identity, .. } => match view.psk_identity(realm, identity.as_bytes()) {
                Some(_) => Err(taken("PSK identity")),
                None => Ok(()),
            },
            Proof::PublicKey(spki) => match view.public_key(realm, spki) {
                Some(_) => Err(taken("public key")),
                None => Ok(()),
            },
            Proof::Certificate(anchor) => match view.trust_anchor(&self.device.tenant, anchor) {
                Some(_) => Ok(()),
                None => Err(Fault::not_found("trust anchor", anchor)),
            },
        }
    }
}

impl Proof {
    fn psk(api: &Api, opener: &Opener, endpoint: &str, psk: NewPsk) -> Result<Self, Fault> {
        check_text("psk.identity", &psk.identity, 128)?;
        let key = opener.open(api, endpoint, &psk)?;
        if !(16..=64).contains(&key.len()) {
            return Err(Fault::invalid("psk.key.value", "the key must have 16 to 64 bytes"));
        }
        Ok(Self::Psk { identity: psk.identity, key })
    }

    const fn kind(&self) -> CredentialKind {
        match self {
            Self::Psk { .. } => CredentialKind::Psk,
            Self::PublicKey(_) => CredentialKind::PublicKey,
            Self::Certificate(_) => CredentialKind::Certificate,
        }
    }

    /// What its credential is known by.
    fn identity(&self) -> &[u8] {
        match self {
            Self::Psk { identity, .. } => identity.as_bytes(),
            Self::PublicKey(spki) => spki,
            Self::Certificate(anchor) => anchor.as_bytes(),
        }
    }
}

fn label<'a>(device: &'a DeviceRef, credential: &'a CredentialId) -> Label<'a> {
    let (tenant, device) = (&*device.tenant, &*device.device);
    Label::Credential { tenant, device, credential: &credential.0 }
}
