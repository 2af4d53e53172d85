//! The keys of listeners: what edges may present, and the signatures that they need.
//!
//! A private key never leaves this side. Unsealed it is kept in memory while it is the tenant's, so
//! that a handshake costs one signature and no look at the root key.

use crate::opening::{Failure, tenant_key};
use crate::roster::Roster;
use crate::{EdgeId, Ports};
use claviger_dtls::Group;
use claviger_front::{Present, Sign};
use claviger_ledger::{ServerIdentity, View, fingerprint};
use claviger_machine::Signer;
use claviger_seal::Label;
use std::collections::BTreeMap;

/// The keys in use.
#[derive(Default)]
pub(crate) struct Identities {
    /// By realm, with the version of the key.
    signers: BTreeMap<String, (u64, Box<dyn Signer>)>,
}

/// Why there is no signature.
pub(crate) enum NoSignature {
    /// It is not for this edge to ask for, or not what a handshake asks for.
    Unasked,
    /// The key is another one by now.
    Changed,
    /// It cannot be made now.
    Broken,
}

impl Identities {
    /// The key of a realm is to be looked at anew.
    pub(crate) fn forget(&mut self, realm: &str) {
        self.signers.remove(realm);
    }

    /// A signature in DER for a listener of `edge`.
    pub(crate) fn sign(
        &mut self,
        ports: &Ports,
        roster: &Roster,
        edge: EdgeId,
        sign: &Sign,
    ) -> Result<Vec<u8>, NoSignature> {
        if !roster.listens(edge, &sign.realm) || !is_key_exchange(&sign.message) {
            return Err(NoSignature::Unasked);
        }
        let mut loaded = None;
        ports.ledger.read(&mut |rows| {
            let view = View::new(rows);
            loaded = match view.tenant_of_realm(&sign.realm) {
                Some(_) => self.refresh(ports, &view, &sign.realm).err(),
                None => Some(Failure::Broken("no tenant")),
            };
        });
        if let Some(failure) = loaded {
            self.forget(&sign.realm);
            tracing::error!(realm = sign.realm, ?failure, "a listener's key cannot be used");
            return Err(NoSignature::Broken);
        }
        let (version, signer) = self.signers.get(&sign.realm).ok_or(NoSignature::Broken)?;
        if sign.version.is_some_and(|presented| presented != *version) {
            return Err(NoSignature::Changed);
        }
        signer.sign(sign.scheme, &sign.message).ok_or(NoSignature::Broken)
    }

    /// Sees to it that the signer is the one of the rows.
    fn refresh(&mut self, ports: &Ports, view: &View<'_>, realm: &str) -> Result<(), Failure> {
        // A realm has its tenant's name.
        let identity = view.server_identity(realm);
        let version = identity.as_ref().map(|identity| identity.version);
        if self.signers.get(realm).is_some_and(|(known, _)| Some(*known) == version) {
            return Ok(());
        }
        self.signers.remove(realm);
        let none = Failure::Broken("the tenant has no key for its listeners");
        let identity = identity.ok_or(none)?;
        let signer = unseal(ports, view, realm, &identity)?;
        self.signers.insert(realm.to_owned(), (identity.version, signer));
        Ok(())
    }
}

/// Whether it is what a server signs in a handshake (RFC 8422 §5.4): two randoms, and its share on a
/// named curve. The key is no tool to sign anything else with.
fn is_key_exchange(message: &[u8]) -> bool {
    const RANDOMS: usize = 64;
    const NAMED_CURVE: u8 = 3;
    match message.get(RANDOMS..) {
        Some([NAMED_CURVE, high, low, length, point @ ..]) => {
            let group = Group::by_id(u16::from_be_bytes([*high, *low]));
            let expected = group.map(|group| match group {
                Group::Secp256r1 => 65,
                Group::Secp384r1 => 97,
                Group::X25519 => 32,
            });
            expected == Some(point.len()) && usize::from(*length) == point.len()
        }
        _ => false,
    }
}

fn unseal(
    ports: &Ports,
    view: &View<'_>,
    tenant: &str,
    identity: &ServerIdentity,
) -> Result<Box<dyn Signer>, Failure> {
    let fingerprint = fingerprint(&identity.public_key);
    let label = Label::ServerKey { tenant, fingerprint: &fingerprint };
    let key = tenant_key(view, &ports.keys, tenant)?.open(label, &identity.sealed_key);
    let key = key.map_err(|_| Failure::Broken("a listener's sealed key does not open"))?;
    ports.pki.signer(&key).ok_or(Failure::Broken("a listener's key is none that we know"))
}

/// What the listeners of `realm` may present now.
pub(crate) fn present(view: &View<'_>, realm: &str) -> Present {
    let realm = realm.to_owned();
    let tenant = view.tenant_of_realm(&realm);
    let identity = tenant.and_then(|_| view.server_identity(&realm));
    let Some(identity) = identity else { return Present { realm, ..Present::default() } };
    let ServerIdentity { chain, public_key, group, scheme, version, .. } = identity;
    Present { realm, chain, public_key, group, scheme, version: Some(version) }
}
