//! What devices and the operator do in a run, by its seed.

use super::member::Happened;
use super::operator::{self, Ask, FACTORY, Operation};
use super::{SERVER, SimCluster, TENANT};
use crate::{keys, psk};
use claviger_actors::Clock;
use claviger_curves::pem;
use claviger_device::DeviceConfig;
use claviger_dtls::CertificateType;
use claviger_ledger::{
    Command, CredentialId, CredentialKind, DeleteDevice, DeleteTrustAnchor, DeviceRef, EnrolDevice,
    Envelope, Ledger, PutTrustAnchor, RequestId, RevokeCredential, RotateCredential, TrustAnchor,
    View,
};
use claviger_seal::{Label, TenantKey};
use core::net::SocketAddr;
use rand_core::Rng;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many operations of one device a search for their order is made of at most.
const OPERATIONS: usize = 40;

impl SimCluster {
    /// A number below `bound`, by the seed.
    pub fn draw(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    fn key_of(name: &str) -> [u8; 16] {
        let mut key = [0x42; 16];
        key.iter_mut().zip(name.bytes().rev()).for_each(|(to, byte)| *to ^= byte);
        key
    }

    /// How the device `name` proves itself; one of them has the one certificate that there is.
    pub(crate) fn kind_of(name: &str) -> CredentialKind {
        match name {
            "urn:dev:1" => CredentialKind::Certificate,
            "urn:dev:2" => CredentialKind::PublicKey,
            _ => CredentialKind::Psk,
        }
    }

    /// The device `name` as it leaves its factory.
    pub fn factory_new(&mut self, name: &str) -> DeviceConfig {
        let (cid, tickets) = (self.draw(2) == 0, self.draw(2) == 0);
        let keyed = |form| {
            let server = keys::public_key(&keys::private_key(SERVER));
            keys::keyed(name, form, server, &self.common.crypto)
        };
        let config = match Self::kind_of(name) {
            CredentialKind::Psk => DeviceConfig::new(name, psk(Self::key_of(name))),
            CredentialKind::PublicKey => keyed(CertificateType::RawPublicKey),
            CredentialKind::Certificate => keyed(CertificateType::X509),
        };
        DeviceConfig { cid, tickets, ..config }
    }

    /// The device `name`, which is its id too.
    pub fn reference(name: &str) -> DeviceRef {
        DeviceRef { tenant: TENANT.to_owned(), device: name.to_owned() }
    }

    /// Asks any node for something about a device; the answer comes by itself.
    pub fn ask(&mut self, name: &str, ask: Ask) -> usize {
        let device = Self::reference(name);
        let operation = self.operations.len();
        let asked = self.place();
        self.operations.push(Operation::new(&device, ask, asked, None));
        self.note(&format!("operation {operation}: {ask:?} {name}"));
        let command: Option<Command> = match ask {
            Ask::Enrol(id) => Some(self.enrolment(name, id).into()),
            Ask::Delete => Some(DeleteDevice { device: device.clone() }.into()),
            Ask::Revoke(credential) => {
                let reason = "It was found in a drawer.".to_owned();
                Some(RevokeCredential { device: device.clone(), credential, reason }.into())
            }
            Ask::Rotate => Some(RotateCredential { device: device.clone() }.into()),
            Ask::Look => None,
            Ask::Trust => Some(Self::anchor().into()),
            Ask::Distrust => {
                let (tenant, name) = (TENANT.to_owned(), FACTORY.to_owned());
                Some(DeleteTrustAnchor { tenant, name, expect: None }.into())
            }
        };
        let first = usize::try_from(self.draw(self.members.len() as u64)).unwrap_or(0);
        let doors = self.doors.iter().map(|door| door.clone() as Arc<dyn Ledger>);
        let mut nodes: Vec<Arc<dyn Ledger>> = doors.collect();
        nodes.rotate_left(first);
        let time = self.members[first].clock.now();
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let request = RequestId(self.common.crypto.random());
        let envelope = command.map(|command| Envelope::new(time, request, command));
        let out = self.common.out.clone();
        actix::spawn(async move {
            let answer = operator::ask(operation, nodes, device, envelope).await;
            let _ = out.send(Happened::Answered(answer));
        });
        operation
    }

    fn anchor() -> PutTrustAnchor {
        let certificates = pem::certificates(keys::AUTHORITY).expect("a certificate");
        let anchor = TrustAnchor {
            certificates: certificates.into_iter().map(Into::into).collect(),
            ..TrustAnchor::default()
        };
        let (tenant, name) = (TENANT.to_owned(), FACTORY.to_owned());
        PutTrustAnchor { tenant, name, anchor, expect: None }
    }

    fn enrolment(&mut self, name: &str, credential: CredentialId) -> EnrolDevice {
        let kind = Self::kind_of(name);
        let (identity, key) = match kind {
            CredentialKind::Psk => (name.as_bytes().to_vec(), Some(Self::key_of(name))),
            CredentialKind::PublicKey => (keys::public_key(&keys::private_key(name)), None),
            CredentialKind::Certificate => (FACTORY.as_bytes().to_vec(), None),
        };
        let label = Label::Credential { tenant: TENANT, device: name, credential: &credential.0 };
        let sealed = key.map(|key| {
            self.watch.secrets.keep(&key);
            TenantKey::new([7; 32]).seal(label, &key, self.common.crypto.random())
        });
        EnrolDevice {
            device: Self::reference(name),
            endpoint: name.to_owned(),
            profile: "profile".to_owned(),
            credential,
            identity,
            key_length: if sealed.is_some() { 16 } else { 0 },
            sealed_key: sealed.unwrap_or_default(),
            kind,
        }
    }

    /// A fresh id for a credential.
    pub fn credential(&self) -> CredentialId {
        CredentialId(self.common.crypto.random())
    }

    /// How a device stands at the node that knows most: its manufacturer's credential.
    pub fn stands(&self, name: &str) -> Option<(CredentialId, bool)> {
        let newest = self.members.iter().max_by_key(|it| it.node.standing().applied_index)?;
        let mut stands = None;
        newest.node.read(&mut |rows| {
            stands = operator::stands(&View::new(rows), &Self::reference(name));
        });
        stands
    }

    /// The devices that are switched on, with their names.
    pub fn switched_on(&self) -> Vec<(SocketAddr, String)> {
        self.fleet.iter().map(|(address, sim)| (*address, sim.name.clone())).collect()
    }

    /// A device does something: comes, asks again, moves, comes anew or resumes.
    pub fn something_of_devices(&mut self, names: &[String]) {
        let name = names[usize::try_from(self.draw(names.len() as u64)).unwrap_or(0)].clone();
        let on = self.fleet.iter().find(|(_, sim)| sim.name == name).map(|(address, _)| *address);
        let Some(address) = on else {
            let config = self.factory_new(&name);
            self.switch_on(config);
            return;
        };
        let over = self.is_bootstrapped(address) || self.has_failed(address);
        match self.draw(10) {
            // It waits for what it has asked for.
            0..=3 if !over => {}
            0..=3 => self.ask_again(address),
            4 | 5 => {
                self.rebind(address);
            }
            6 | 7 => {
                let resumption = self.switch_off(address);
                let config = self.factory_new(&name);
                self.switch_on(DeviceConfig { resumption, ..config });
            }
            8 => {
                self.switch_off(address);
            }
            _ => {
                if let Some(sim) = self.fleet.get_mut(&address) {
                    sim.device.close();
                    (sim.in_session, sim.closed) = (false, true);
                }
            }
        }
    }

    /// The operator wants something of a device.
    pub fn something_of_the_operator(&mut self, names: &[String]) {
        let name = names[usize::try_from(self.draw(names.len() as u64)).unwrap_or(0)].clone();
        let known = self.stands(&name).map(|(id, _)| id);
        if self.draw(12) == 0 {
            let ask = match self.draw(3) {
                0 => Ask::Trust,
                1 => Ask::Distrust,
                _ => Ask::Look,
            };
            self.ask_within(FACTORY, ask);
            return;
        }
        let ask = match self.draw(12) {
            0..=2 => Ask::Enrol(self.credential()),
            3 => Ask::Delete,
            4 => known.map_or(Ask::Look, Ask::Revoke),
            5 => Ask::Rotate,
            _ => Ask::Look,
        };
        self.ask_within(&name, ask);
    }

    /// Asks, unless there were so many operations of this device that no order is looked for.
    fn ask_within(&mut self, name: &str, ask: Ask) {
        let of = Self::reference(name);
        if self.operations.iter().filter(|it| it.device == of).count() < OPERATIONS {
            self.ask(name, ask);
        }
    }

    /// Devices that somebody wanted to delete.
    pub(crate) fn deleted(&self) -> BTreeSet<String> {
        let deleted = self.operations.iter().filter(|it| it.ask == Ask::Delete);
        let deleted = deleted.map(|it| it.device.device.clone());
        deleted.chain(self.deleted_before.iter().cloned()).collect()
    }
}
