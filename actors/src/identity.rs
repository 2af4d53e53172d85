//! The keys of listeners: what edges may present, and the signatures that they need.
//!
//! A private key never leaves this side. Unsealed it is kept in memory while it is the tenant's, so
//! that a handshake costs one signature and no look at the KEK.

use crate::opening::{Failure, tenant_key};
use crate::{EdgeId, Ports};
use claviger_front::{Present, Sign};
use claviger_ledger::{ServerIdentity, View, fingerprint};
use claviger_machine::Signer;
use claviger_seal::Label;
use std::collections::{BTreeMap, BTreeSet};

/// The listeners of all edges by realm, and the keys in use.
#[derive(Default)]
pub(crate) struct Identities {
    listeners: BTreeSet<(String, EdgeId)>,
    /// By realm, with the version of the key.
    signers: BTreeMap<String, (u64, Box<dyn Signer>)>,
}

impl Identities {
    /// A listener of `edge` stands for `realm`.
    pub(crate) fn listen(&mut self, edge: EdgeId, realm: &str) {
        self.listeners.insert((realm.to_owned(), edge));
    }

    /// The edges with a listener for `realm`.
    pub(crate) fn edges(&self, realm: &str) -> Vec<EdgeId> {
        let of_realm = self.listeners.iter().filter(|(theirs, _)| theirs == realm);
        of_realm.map(|(_, edge)| *edge).collect()
    }

    /// A signature in DER for a listener; none if it cannot be made.
    pub(crate) fn sign(&mut self, ports: &Ports, sign: &Sign) -> Option<Vec<u8>> {
        let mut loaded = None;
        ports.ledger.read(&mut |rows| {
            let view = View::new(rows);
            loaded = match view.tenant_of_realm(&sign.realm) {
                Some((tenant, _)) => self.refresh(ports, &view, &sign.realm, &tenant).err(),
                None => Some(Failure::Broken("no tenant")),
            };
        });
        if let Some(failure) = loaded {
            tracing::error!(realm = sign.realm, ?failure, "a listener's key cannot be used");
            return None;
        }
        let (_, signer) = self.signers.get(&sign.realm)?;
        signer.sign(sign.scheme, &sign.message)
    }

    /// Sees to it that the signer is the one of the rows.
    fn refresh(
        &mut self,
        ports: &Ports,
        view: &View<'_>,
        realm: &str,
        tenant: &str,
    ) -> Result<(), Failure> {
        let Some(identity) = view.server_identity(tenant) else {
            self.signers.remove(realm);
            return Err(Failure::Broken("the tenant has no key for its listeners"));
        };
        if self.signers.get(realm).is_some_and(|(version, _)| *version == identity.version) {
            return Ok(());
        }
        self.signers.remove(realm);
        let signer = unseal(ports, view, tenant, &identity)?;
        self.signers.insert(realm.to_owned(), (identity.version, signer));
        Ok(())
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
    let key = tenant_key(view, &ports.kek, tenant)?.open(label, &identity.sealed_key);
    let key = key.map_err(|_| Failure::Broken("a listener's sealed key does not open"))?;
    ports.pki.signer(&key).ok_or(Failure::Broken("a listener's key is none that we know"))
}

/// What the listeners of `realm` may present now.
pub(crate) fn present(view: &View<'_>, realm: &str) -> Present {
    let realm = realm.to_owned();
    let identity = view.tenant_of_realm(&realm).and_then(|(name, _)| view.server_identity(&name));
    let Some(identity) = identity else { return Present { realm, ..Present::default() } };
    let ServerIdentity { chain, public_key, group, scheme, .. } = identity;
    Present { realm, chain, public_key, group, scheme }
}
