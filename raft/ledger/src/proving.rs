//! What a manufacturer's credential is proven by: how it is found, named, and when it bars its
//! device.

use crate::key::{self, Kind};
use crate::record::{Credential, CredentialKind, TrustAnchor};
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

    /// Why nothing may rest on a credential now, as a refusal says it; none if something may.
    pub(crate) fn bar(
        &self,
        of: &DeviceRef,
        credential: &Credential,
    ) -> Result<Option<String>, Stop> {
        if !credential.is_usable(self.at) {
            return Ok(Some(credential.standing(self.at).to_owned()));
        }
        if credential.kind != CredentialKind::Certificate {
            return Ok(None);
        }
        let anchor = String::from_utf8_lossy(&credential.identity);
        let gone = self.trust_anchor(&of.tenant, &anchor)?.is_none();
        Ok(gone.then(|| format!("without its trust anchor \"{anchor}\"")))
    }
}

impl View<'_> {
    /// True if something may rest on a credential at `at` (ms since the Unix epoch): it is usable,
    /// and a certificate's trust anchor is there.
    pub fn is_good(&self, of: &DeviceRef, credential: &Credential, at: u64) -> bool {
        let anchored = || {
            let name = String::from_utf8_lossy(&credential.identity);
            self.trust_anchor(&of.tenant, &name).is_some()
        };
        credential.is_usable(at) && (credential.kind != CredentialKind::Certificate || anchored())
    }
}
