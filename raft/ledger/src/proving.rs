//! What a manufacturer's credential is proven by: how it is found, named, and when it bars its
//! device.

use crate::key::{self, Kind};
use crate::record::{Credential, CredentialKind, Session, TrustAnchor};
use crate::state::{Book, Stop};
use crate::{DeviceRef, View};

impl CredentialKind {
    /// The row by which a credential of this kind is found in `realm`; none for a certificate, which
    /// names its device.
    pub(crate) fn lookup(self, realm: &str, identity: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Psk => Some(key::in_realm(Kind::PskIdentity, realm, identity)),
            Self::PublicKey => Some(key::public_key(realm, identity)),
            Self::Certificate => None,
        }
    }

    /// What a credential of this kind is known by, for people: a public key by its fingerprint.
    pub fn name(self, identity: &[u8]) -> String {
        match self {
            Self::Psk | Self::Certificate => String::from_utf8_lossy(identity).into_owned(),
            Self::PublicKey => {
                let hash = key::fingerprint(identity);
                hash.iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }

    /// The same with what it is: "the PSK identity …".
    pub(crate) fn words(self, identity: &[u8]) -> String {
        let what = match self {
            Self::Psk => "the PSK identity",
            Self::PublicKey => "the public key with the fingerprint",
            Self::Certificate => "a certificate under the trust anchor",
        };
        format!("{what} \"{}\"", self.name(identity))
    }
}

impl Book<'_> {
    pub(crate) fn trust_anchor(
        &self,
        tenant: &str,
        name: &str,
    ) -> Result<Option<TrustAnchor>, Stop> {
        self.load("a trust anchor", &key::named(Kind::TrustAnchor, tenant, name))
    }

    /// The trust anchor of a credential for certificates, if it is there.
    pub(crate) fn anchor_of(
        &self,
        of: &DeviceRef,
        credential: &Credential,
    ) -> Result<Option<TrustAnchor>, Stop> {
        match credential.kind {
            CredentialKind::Certificate => self.trust_anchor(&of.tenant, &credential.anchor_name()),
            CredentialKind::Psk | CredentialKind::PublicKey => Ok(None),
        }
    }

    /// Why nothing may rest on a credential now, or on a session that it has opened, as a refusal
    /// says it; none if something may.
    pub(crate) fn bar(
        &self,
        of: &DeviceRef,
        credential: &Credential,
        session: Option<&Session>,
    ) -> Result<Option<String>, Stop> {
        let anchor = self.anchor_of(of, credential)?;
        Ok(credential.bar(anchor.as_ref(), session, self.at))
    }
}

impl Credential {
    /// The name of its trust anchor, for certificates.
    fn anchor_name(&self) -> String {
        String::from_utf8_lossy(&self.identity).into_owned()
    }

    /// Why nothing may rest on it at `at`, its anchor being this one: see [`Book::bar`].
    pub(crate) fn bar(
        &self,
        anchor: Option<&TrustAnchor>,
        session: Option<&Session>,
        at: u64,
    ) -> Option<String> {
        if !self.is_usable(at) {
            return Some(self.standing(at).to_owned());
        }
        let stands = self.stands_under(anchor, session);
        (!stands).then(|| format!("without its trust anchor \"{}\"", self.anchor_name()))
    }

    /// True if its anchor is there, with the certificates that the session's chain led to.
    fn stands_under(&self, anchor: Option<&TrustAnchor>, session: Option<&Session>) -> bool {
        let validated = |anchor: &TrustAnchor| {
            session.is_none_or(|it| it.anchor == Some(anchor.fingerprint().into()))
        };
        self.kind != CredentialKind::Certificate || anchor.is_some_and(validated)
    }
}

impl View<'_> {
    /// True if something may rest on a credential at `at` (ms since the Unix epoch), or on a session
    /// that it has opened.
    pub fn is_good(
        &self,
        of: &DeviceRef,
        credential: &Credential,
        session: Option<&Session>,
        at: u64,
    ) -> bool {
        let certified = credential.kind == CredentialKind::Certificate;
        let anchor =
            certified.then(|| self.trust_anchor(&of.tenant, &credential.anchor_name())).flatten();
        credential.is_usable(at) && credential.stands_under(anchor.as_ref(), session)
    }
}
