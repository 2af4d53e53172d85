//! No acknowledged write is lost: what a device was given is in the ledger, and stays there.

use claviger_device::Account;
use claviger_ledger::{Credential, DeviceRef, View};
use std::collections::{BTreeMap, BTreeSet};

/// How many credentials the ledger keeps of a device.
const KEPT: usize = 16;

/// What devices were given, by their names: the identities of their credentials.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durable(BTreeMap<String, BTreeSet<Vec<u8>>>);

impl Durable {
    /// A device has taken an account.
    pub(crate) fn took(&mut self, name: &str, account: &Account) {
        self.0.entry(name.to_owned()).or_default().insert(account.identity.clone());
    }

    /// Looks for all of it in these rows; of devices that somebody wanted to delete it may be gone.
    pub(crate) fn missing(&self, view: &View<'_>, deleted: &BTreeSet<String>) -> Vec<String> {
        let mut breaches = Vec::new();
        for (name, identities) in self.0.iter().filter(|(name, _)| !deleted.contains(*name)) {
            let device = DeviceRef {
                tenant: super::super::sim_cluster::TENANT.to_owned(),
                device: name.clone(),
            };
            let known: Vec<Credential> =
                view.credentials(&device).into_iter().map(|(_, credential)| credential).collect();
            let missing = |it: &&Vec<u8>| !known.iter().any(|known| known.identity == **it);
            let missing = identities.iter().filter(missing).count();
            if missing > 0 && known.len() < KEPT {
                breaches.push(format!("{missing} credentials that {name} was given are lost"));
            }
        }
        breaches
    }
}
