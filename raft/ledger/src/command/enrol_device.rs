//! A device and its manufacturer credential.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::{Credential, CredentialKind, Device, Origin, State};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, Outcome, Refusal};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// Enrols a device with what its manufacturer put into it: a pre-shared key, a key pair of which
/// the public half is known, or a key pair that a certificate under a trust anchor certifies.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EnrolDevice {
    /// The new device.
    #[n(0)]
    pub device: DeviceRef,
    /// Its LwM2M endpoint client name; refused if taken in the realm.
    #[n(1)]
    pub endpoint: String,
    /// The bootstrap profile, which must exist.
    #[n(2)]
    pub profile: String,
    /// The id of its manufacturer credential.
    #[n(3)]
    pub credential: CredentialId,
    /// What the credential is known by ([`Credential::identity`]): a PSK identity and a public key
    /// are refused if taken in the realm, a trust anchor must exist.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub identity: Vec<u8>,
    /// A pre-shared key, sealed with the tenant's key; empty for other kinds.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub sealed_key: Vec<u8>,
    /// A pre-shared key's length in bytes; 0 for other kinds.
    #[n(6)]
    pub key_length: u16,
    /// What the device is to prove.
    #[cbor(n(7), skip_if = "CredentialKind::is_psk")]
    pub kind: CredentialKind,
}

impl EnrolDevice {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let realm = book.sealing_tenant(&self.device.tenant, &[&self.sealed_key])?.realm;
        Refusal::unless_within(key::NAME, "device's id", self.device.device.as_bytes())?;
        Refusal::unless_within(key::IDENTITY, "endpoint name", self.endpoint.as_bytes())?;
        Refusal::unless_within(key::IDENTITY, self.identity_is(), &self.identity)?;
        let profile = key::named(Kind::Profile, &self.device.tenant, &self.profile);
        if !book.holds(&profile) {
            return Err(Refusal::not_found("profile", &self.profile).into());
        }
        let place = key::of_device(Kind::Device, &self.device);
        if book.holds(&place) {
            return Err(Refusal::taken("device", &self.device.device).into());
        }
        let endpoint = key::in_realm(Kind::Endpoint, &realm, self.endpoint.as_bytes());
        if book.holds(&endpoint) {
            return Err(Refusal::taken("endpoint", &self.endpoint).into());
        }
        let lookup = self.lookup(book, &realm)?;
        let deleted = key::in_realm(Kind::Deleted, &realm, self.endpoint.as_bytes());
        if book.holds(&deleted) {
            book.drop_row(&deleted);
        }
        book.store(endpoint, &self.device);
        if let Some(lookup) = lookup {
            book.store(lookup, &(self.device.clone(), self.credential));
        }
        self.store_credential(book);
        book.use_profile(&self.device.tenant, &self.profile, true)?;
        self.store_device(book, realm)?;
        Ok(Outcome::Done)
    }

    const fn identity_is(&self) -> &'static str {
        match self.kind {
            CredentialKind::Psk => "PSK identity",
            CredentialKind::PublicKey => "public key",
            CredentialKind::Certificate => "trust anchor's name",
        }
    }

    /// The row by which the credential is to be found, if it is not found by the endpoint name.
    fn lookup(&self, book: &Book<'_>, realm: &str) -> Result<Option<Vec<u8>>, Stop> {
        let row = self.kind.lookup(realm, &self.identity);
        match &row {
            None => {
                let anchor = String::from_utf8_lossy(&self.identity);
                if book.trust_anchor(&self.device.tenant, &anchor)?.is_none() {
                    return Err(Refusal::not_found("trust anchor", anchor).into());
                }
            }
            Some(row) if book.holds(row) => {
                return Err(
                    Refusal::taken(self.identity_is(), self.kind.name(&self.identity)).into()
                );
            }
            Some(_) => {}
        }
        Ok(row)
    }

    fn store_credential(&self, book: &mut Book<'_>) {
        let credential = Credential {
            origin: Origin::Manufacturer,
            identity: self.identity.clone(),
            key_length: self.key_length,
            parties: Vec::new(),
            state: State::Delivered,
            not_before: 0,
            not_after: None,
            version: 0,
            profile: None,
            sessions: Vec::new(),
            confirmed_at: None,
            anchors: Vec::new(),
            connector: None,
            kind: self.kind,
            resumptions: Vec::new(),
            review: false,
        };
        if self.kind == CredentialKind::Psk {
            let material = key::credential(Kind::Material, &self.device, self.credential);
            book.store(material, &ByteVec::from(self.sealed_key.clone()));
        }
        book.store_credential(&self.device, self.credential, credential);
    }

    fn store_device(&self, book: &mut Book<'_>, realm: String) -> Result<(), Stop> {
        let certified = self.kind == CredentialKind::Certificate
            && book.is_at_level(Device::CERTIFIED_SINCE)?;
        let mut device = Device {
            endpoint: self.endpoint.clone(),
            realm,
            profile: self.profile.clone(),
            version: 0,
            created_at: book.at,
            next_entry: 0,
            staged: None,
            made: Vec::new(),
            certified: certified.then_some(self.credential),
        };
        let event = Event {
            code: EventCode::DeviceEnrolled,
            credential: Some(self.credential),
            words: format!(
                "Enrolled with {} and the profile \"{}\".",
                self.kind.words(&self.identity),
                self.profile
            ),
        };
        book.record(&self.device, &mut device, event)?;
        book.store_device(&self.device, device);
        Ok(())
    }
}
