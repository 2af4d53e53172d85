//! What a handshake proves: whose pre-shared key, raw public key or certificate it was made with.
//!
//! All of it comes from the handshake's own bytes, the signature of the peer's key among it: an edge
//! cannot pose as a device that does not make the handshake with it. (One of this process, which holds
//! the actors as well, is believed: see [`crate::CameFrom::Here`].)

use crate::opening::{Failure, tenant_key};
use crate::{Ports, Reason};
use claviger_dtls::{Claim, Presented, schedule};
use claviger_ledger::{
    Credential, CredentialId, CredentialKind, DeviceRef, EnrolDevice, NamePlace, TrustAnchor, View,
};
use claviger_machine::Subject;
use claviger_seal::{Label, TenantKey};
use core::time::Duration;
use zeroize::Zeroizing;

/// The device and the credential behind a claim.
pub(crate) struct Proof {
    pub(crate) device: DeviceRef,
    pub(crate) credential: CredentialId,
    pub(crate) tenant_key: TenantKey,
    pub(crate) known_by: KnownBy,
    /// The pre-shared key, if it is one.
    pub(crate) psk: Option<Zeroizing<Vec<u8>>>,
    /// The version of the trust anchor that a chain was validated by.
    pub(crate) anchor: Option<u64>,
    /// The device, if its trust anchor is to enrol it.
    pub(crate) enrol: Option<Box<EnrolDevice>>,
}

/// What a credential is known by, and of which kind it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownBy(pub(crate) CredentialKind, pub(crate) Vec<u8>);

impl KnownBy {
    /// True if whoever proves it has named this endpoint by that.
    pub(crate) fn names(&self, endpoint: &str) -> bool {
        match self.0 {
            CredentialKind::Psk => self.1 == endpoint.as_bytes(),
            CredentialKind::PublicKey => false,
            // Its certificate bears the name.
            CredentialKind::Certificate => true,
        }
    }
}

/// How much of a subject is shown, in bytes.
const SUBJECT: usize = 256;

/// How a claim is shown to people who have to recognize it: a PSK identity as it was sent, a public
/// key by the first half of its fingerprint, a certificate by its subject.
pub(crate) fn claimed(ports: &Ports, claim: &Claim) -> Vec<u8> {
    match claim {
        Claim::Psk { identity } => identity.clone(),
        Claim::Key(Presented::RawPublicKey(spki)) => {
            let mut name = CredentialKind::PublicKey.name(spki);
            name.truncate(32);
            name.into_bytes()
        }
        Claim::Key(Presented::Chain(chain)) => {
            let text = chain.first().and_then(|leaf| ports.pki.subject_text(leaf));
            let mut text = text.unwrap_or_default().into_bytes();
            text.truncate(SUBJECT);
            text
        }
        Claim::Nothing => Vec::new(),
    }
}

/// Whom a device names by what it presented, and with which key; a raw public key names nobody.
pub(crate) fn presented(ports: &Ports, presented: &Presented) -> Option<Subject> {
    match presented {
        Presented::RawPublicKey(spki) => {
            Some(Subject { public_key: spki.clone(), ..Subject::default() })
        }
        Presented::Chain(chain) => ports.pki.subject(chain.first()?),
    }
}

/// Whether the transcript bears the signature of what was presented.
pub(crate) fn is_signed(ports: &Ports, subject: &Subject, transcript: &[u8]) -> bool {
    schedule::client_signature(transcript).is_some_and(|signed| {
        let scheme = signed.scheme as u16;
        ports.pki.verify(&subject.public_key, scheme, signed.message, &signed.signature)
    })
}

/// Finds whose claim it is; where it is a key, `subject` is what was presented.
pub(crate) fn find(
    view: &View<'_>,
    ports: &Ports,
    realm: &str,
    (claim, subject): (&Claim, Option<&Subject>),
    now: Duration,
) -> Result<Proof, Failure> {
    match claim {
        Claim::Psk { identity } => of_psk(view, ports, realm, identity),
        Claim::Key(Presented::RawPublicKey(spki)) => {
            let found = view.public_key(realm, spki);
            let (device, credential) = found.ok_or(Failure::Unproven(Reason::UnknownKey))?;
            let known_by = KnownBy(CredentialKind::PublicKey, spki.clone());
            proof(view, ports, device, credential, known_by)
        }
        Claim::Key(Presented::Chain(chain)) => {
            let subject = subject.ok_or(Failure::Unproven(Reason::UntrustedChain))?;
            of_chain(view, ports, realm, (chain, subject), now)
        }
        Claim::Nothing => Err(Failure::Malformed),
    }
}

fn of_psk(view: &View<'_>, ports: &Ports, realm: &str, identity: &[u8]) -> Result<Proof, Failure> {
    let found = view.psk_identity(realm, identity);
    let (device, credential) = found.ok_or(Failure::Unproven(Reason::UnknownIdentity))?;
    let known_by = KnownBy(CredentialKind::Psk, identity.to_vec());
    let proof = proof(view, ports, device, credential, known_by)?;
    let DeviceRef { tenant, device } = &proof.device;
    let label = Label::Credential { tenant, device, credential: &credential.0 };
    let sealed = view.material(&proof.device, credential);
    let psk = proof.tenant_key.open(label, &sealed.ok_or(Failure::Broken("no sealed key"))?);
    let psk = psk.map_err(|_| Failure::Broken("a sealed key does not open"))?;
    Ok(Proof { psk: Some(psk), ..proof })
}

/// That a device has proven this credential of it.
pub(crate) fn proof(
    view: &View<'_>,
    ports: &Ports,
    device: DeviceRef,
    credential: CredentialId,
    known_by: KnownBy,
) -> Result<Proof, Failure> {
    let tenant_key = tenant_key(view, &ports.keys, &device.tenant)?;
    Ok(Proof { device, credential, tenant_key, known_by, psk: None, anchor: None, enrol: None })
}

/// A chain is of the device that its first certificate names where its trust anchor says, if that
/// device is enrolled for certificates under that anchor, or for nobody yet and to be enrolled.
fn of_chain(
    view: &View<'_>,
    ports: &Ports,
    realm: &str,
    (chain, subject): (&[Vec<u8>], &Subject),
    now: Duration,
) -> Result<Proof, Failure> {
    let leads_to = |anchor: &TrustAnchor| {
        let certificates: Vec<&[u8]> = anchor.certificates.iter().map(|it| &it[..]).collect();
        ports.pki.validate(chain, &certificates, now).is_ok()
    };
    // Of most devices the rows say which anchor it must be: the others need not be looked at.
    let enrolled = enrolled(view, realm, subject);
    if let Some(Enrolled { device, credential, name, anchor }) = &enrolled
        && leads_to(anchor)
    {
        let proof = proof(view, ports, device.clone(), *credential, under(name))?;
        return Ok(Proof { anchor: Some(anchor.version), ..proof });
    }
    let refuted = enrolled.map(|enrolled| enrolled.name);
    // A realm has its tenant's name.
    view.tenant_of_realm(realm).ok_or(Failure::Broken("no tenant"))?;
    let anchors = view.trust_anchors(realm).into_iter();
    let anchors = anchors.filter(|(name, _)| refuted.as_ref() != Some(name));
    let anchors: Vec<_> = anchors.filter(|(_, anchor)| leads_to(anchor)).collect();
    if anchors.is_empty() {
        return Err(Failure::Unproven(Reason::UntrustedChain));
    }
    for (name, anchor) in &anchors {
        let named = endpoint(subject, anchor.endpoint_in);
        let device = named.and_then(|named| view.endpoint(realm, named));
        let credential = device.as_ref().and_then(|device| certified(view, device, name));
        if let (Some(device), Some(credential)) = (device, credential) {
            let proof = proof(view, ports, device, credential, under(name))?;
            return Ok(Proof { anchor: Some(anchor.version), ..proof });
        }
    }
    to_be_enrolled(view, ports, realm, subject, &anchors)
}

/// The device that a chain names which leads to these anchors, if the first of them that may is to
/// enrol it.
fn to_be_enrolled(
    view: &View<'_>,
    ports: &Ports,
    realm: &str,
    subject: &Subject,
    anchors: &[(String, TrustAnchor)],
) -> Result<Proof, Failure> {
    let mut reason = Reason::UnknownSubject;
    for (name, anchor) in anchors {
        if let Some(named) = endpoint(subject, anchor.endpoint_in)
            && let Some(profile) = &anchor.enrol_with
            && view.endpoint(realm, named).is_none()
        {
            let device = DeviceRef { tenant: realm.to_owned(), device: named.to_owned() };
            if view.was_deleted(realm, named) {
                reason = Reason::Deleted;
                continue;
            }
            if view.device(&device).is_some() {
                reason = Reason::IdTaken;
                continue;
            }
            let credential = CredentialId(ports.crypto.random());
            let enrol = EnrolDevice {
                device: device.clone(),
                endpoint: named.to_owned(),
                profile: profile.clone(),
                credential,
                identity: name.clone().into_bytes(),
                sealed_key: Vec::new(),
                key_length: 0,
                kind: CredentialKind::Certificate,
            };
            let proof = proof(view, ports, device, credential, under(name))?;
            let enrol = Some(Box::new(enrol));
            return Ok(Proof { anchor: Some(anchor.version), enrol, ..proof });
        }
    }
    Err(Failure::Unproven(reason))
}

/// Known by certificates under the anchor of this name.
fn under(anchor: &str) -> KnownBy {
    KnownBy(CredentialKind::Certificate, anchor.as_bytes().to_vec())
}

/// A device that a certificate names where its anchor says, and under which anchor it is enrolled.
struct Enrolled {
    device: DeviceRef,
    credential: CredentialId,
    name: String,
    anchor: TrustAnchor,
}

/// The device that a certificate names, if its row says by what it is known. That the chain leads to
/// that anchor is not looked at.
fn enrolled(view: &View<'_>, realm: &str, subject: &Subject) -> Option<Enrolled> {
    NamePlace::ALL.into_iter().find_map(|place| {
        let device = view.endpoint(realm, endpoint(subject, place)?)?;
        let (credential, Credential { identity, .. }) = view.certified(&device)?;
        let name = String::from_utf8(identity).ok()?;
        let anchor = view.trust_anchor(&device.tenant, &name)?;
        (anchor.endpoint_in == place).then_some(Enrolled { device, credential, name, anchor })
    })
}

/// The credential of a device for certificates under an anchor; one that may be used, if there is
/// one, and else one whose refusal the ledger notes.
fn certified(view: &View<'_>, device: &DeviceRef, anchor: &str) -> Option<CredentialId> {
    let is_under = |kind: CredentialKind, identity: &[u8]| {
        kind == CredentialKind::Certificate && identity == anchor.as_bytes()
    };
    let credentials = view.credentials(device).into_iter();
    let found = credentials.filter(|(_, it)| is_under(it.kind, &it.identity));
    found.max_by_key(|(_, credential)| credential.state.is_live()).map(|(id, _)| id)
}

/// The endpoint name of a certificate, if it can be one: as long and as plain as those that people
/// enrol.
fn endpoint(subject: &Subject, place: NamePlace) -> Option<&str> {
    let name = match place {
        NamePlace::CommonName => &subject.common_name,
        NamePlace::DnsName => &subject.dns_name,
        NamePlace::Uri => &subject.uri,
    };
    let plain = |name: &&str| {
        (1..=255).contains(&name.len())
            && !name.chars().any(char::is_control)
            && !matches!(*name, "." | ".." | "bulk")
    };
    name.as_deref().filter(plain)
}
