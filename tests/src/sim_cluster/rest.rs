//! A cluster that is left alone until all is at rest, and what must hold then.

use super::operator::FACTORY;
use super::{Ask, Operation, Sim, SimCluster};
use crate::invariant::{audit, linear, replicas};
use claviger_device::Failure;
use claviger_ledger::{CredentialKind, DeviceRef, State, View};
use claviger_raft::Node;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeSet;

/// Within which a healed cluster serves everybody.
const PATIENCE: Duration = Duration::from_secs(120);

impl SimCluster {
    /// Heals what was wrong, and waits until nothing is under way.
    pub async fn rest(&mut self) {
        self.heal().await;
        if !self.run_until(PATIENCE, Self::is_linked).await {
            self.breach(Some("a healed cluster finds no leader".to_owned()));
        }
        if !self.run_until(PATIENCE, Self::is_at_rest).await {
            self.breach(Some("a healed cluster comes to no rest".to_owned()));
        }
        // What nobody waits for comes to its end.
        self.run_for(Duration::from_secs(1)).await;
    }

    /// Whether every question is answered, all applied everywhere, and the outbox empty.
    fn is_at_rest(&self) -> bool {
        let Some(leader) = self.leader() else { return false };
        let leader = &self.members[leader].node;
        let last = leader.standing().last_index;
        let applied = |node: &Node| node.standing().applied_index == last;
        if !self.nobody_asks() || !self.members.iter().all(|it| applied(&it.node)) {
            return false;
        }
        let mut empty = false;
        leader.read(&mut |rows| empty = View::new(rows).outbox().is_empty());
        empty
    }

    /// Looks whether any edge holds a session.
    pub fn nothing_is_held(&mut self) {
        let held: usize = self.edges.iter().map(|host| host.edge.report().sessions).sum();
        self.breach((held > 0).then(|| format!("edges hold {held} silent sessions")));
    }

    /// Whether every question is answered, or given up.
    pub(crate) fn nobody_asks(&self) -> bool {
        let given_up = self.operations.iter().filter(|it| it.answered.is_none()).count();
        given_up == self.unanswered
    }

    /// Looks at all that must hold at rest.
    pub fn look_at_all(&mut self) {
        let nodes: Vec<_> = self.members.iter().map(super::member::Member::rows).collect();
        let breach = replicas::differ(&nodes);
        self.breach(breach);
        self.look_at_operations();
        self.look_at_rows();
        let log = self.log.join("\n");
        let breach = self.watch.secrets.in_text(&log);
        self.breach(breach);
    }

    fn look_at_operations(&mut self) {
        let devices: BTreeSet<DeviceRef> =
            self.operations.iter().map(|it| it.device.clone()).collect();
        for device in devices {
            let of = |it: &&Operation| it.device == device;
            let operations: Vec<Operation> = self.operations.iter().filter(of).cloned().collect();
            if !linear::is_linear(&operations) {
                let words = operations.iter().map(|it| format!("\n  {it:?}")).collect::<String>();
                self.breach(Some(format!("the answers about {device} have no order:{words}")));
            }
        }
    }

    fn look_at_rows(&mut self) {
        let (deleted, mut breaches) = (self.deleted(), Vec::new());
        let devices: BTreeSet<DeviceRef> =
            self.operations.iter().map(|it| it.device.clone()).collect();
        let server = self.server.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let Some(leader) = self.leader() else { return };
        self.members[leader].node.read(&mut |rows| {
            let view = View::new(rows);
            breaches.extend(self.watch.durable.missing(&view, &deleted));
            for device in &devices {
                breaches.extend(audit::faults(&view, device));
            }
            if !view.outbox().is_empty() {
                breaches.push("the outbox is not empty at rest".to_owned());
            }
            for device in &devices {
                for (id, credential) in view.credentials(device) {
                    let told = credential.profile.is_some();
                    let replaced = credential.state == State::Superseded;
                    if told && !replaced && credential.state.is_live() != server.contains(&id) {
                        let state = credential.state;
                        breaches.push(format!("{id} of {device} is {state}, not so at its server"));
                    }
                }
            }
        });
        for breach in breaches {
            self.breach(Some(breach));
        }
    }

    /// Whether a device is enrolled, and what it proves itself by is neither revoked nor without
    /// anybody who believes it.
    fn may_come(&self, name: &str) -> bool {
        let certified = Self::kind_of(name) == CredentialKind::Certificate;
        matches!(self.stands(name), Some((_, false)))
            && (!certified || self.stands(FACTORY).is_some())
    }

    /// Lets every device ask, in the session that it has if it has one. Those that may come must be
    /// served, and those of them that are in session without a handshake; no other one.
    pub async fn serve_all(&mut self, names: &[String]) {
        // Sessions end with their device, which is not told.
        let (mut asked, mut shut_out, deleted) = (Vec::new(), Vec::new(), self.deleted());
        for name in names {
            let on = self.fleet.iter().find(|(_, sim)| sim.name == *name);
            let on = on.map(|(address, sim)| {
                let ended = self.is_over(sim) || deleted.contains(name);
                (*address, sim.in_session && !ended)
            });
            let may = self.may_come(name);
            match on {
                Some((address, true)) if may => {
                    self.ask_again(address);
                    asked.push((address, self.handshakes(address)));
                    continue;
                }
                Some((address, _)) => {
                    self.switch_off(address);
                }
                None => {}
            }
            let config = self.factory_new(name);
            let address = self.switch_on(config);
            match may {
                true => asked.push((address, 1)),
                false => shut_out.push(address),
            }
        }
        let all = asked.clone();
        let served =
            move |cluster: &Self| all.iter().all(|(address, _)| cluster.is_bootstrapped(*address));
        self.run_until(PATIENCE, served).await;
        for (address, handshakes) in asked {
            let name = self.fleet.get(&address).map(|sim| sim.name.clone()).unwrap_or_default();
            if !self.is_bootstrapped(address) {
                self.breach(Some(format!("{name} at {address} is not served by a healed cluster")));
            } else if self.handshakes(address) != handshakes {
                self.breach(Some(format!("{name} at {address} made a handshake that it need not")));
            }
        }
        for address in shut_out {
            if self.handshakes(address) > 0 {
                self.breach(Some(format!("{address} has a session and may have none")));
            }
            self.switch_off(address);
        }
    }

    /// Whether the session of a device was closed by the service.
    fn is_over(&self, sim: &Sim) -> bool {
        matches!(sim.failure, Some(Failure::Closed | Failure::Dtls(_)))
    }

    /// Lets each device ask in its session, one after the other, while the answer to its request is lost:
    /// that comes again when what it was asked for goes on, or is done.
    pub async fn ask_in_vain(&mut self) {
        for (address, _) in self.switched_on() {
            self.ask_again(address);
            self.losing = 1;
            self.run_for(Duration::from_secs(12)).await;
        }
    }

    /// Lets strangers try; rows must stay as they are.
    pub async fn strangers(&mut self) {
        let Some(leader) = self.leader() else { return };
        let before = self.members[leader].rows().1;
        let recorded = core::mem::take(&mut self.recorded);
        for (port, datagram) in (1..).zip(recorded) {
            // As it was sent it may be one that never came, and then it is the device's.
            let mut altered = datagram;
            let place = usize::try_from(self.draw(altered.len() as u64)).unwrap_or(0);
            altered[place] ^= 0x55;
            self.forge(SocketAddr::from(([198, 51, 100, 8], port)), altered);
        }
        for name in ["urn:dev:0", "urn:dev:nobody"] {
            let config = claviger_device::DeviceConfig::new(name, crate::psk([9; 16]));
            self.switch_on(config);
        }
        self.run_for(Duration::from_secs(3)).await;
        let after = self.members[leader].rows().1;
        let (before, after) = (BTreeSet::from_iter(before), BTreeSet::from_iter(after));
        if before != after {
            let differ = before.symmetric_difference(&after);
            // The record of the cluster itself changes when its nodes agree on a newer level.
            let differ = differ.filter(|(key, _)| key[..] != [0; 3]);
            let keys: Vec<String> = differ.map(|(key, _)| format!("{key:02x?}")).collect();
            let breach = format!("strangers have changed the ledger: {keys:?}");
            self.breach((!keys.is_empty()).then_some(breach));
        }
    }

    /// Enrols devices before a run.
    pub async fn enrol_all(&mut self, names: &[String]) {
        let all = |cluster: &Self| cluster.operations.iter().all(|it| it.answered.is_some());
        self.ask(FACTORY, Ask::Trust);
        self.run_until(Duration::from_secs(30), all).await;
        for name in names {
            let id = self.credential();
            self.ask(name, Ask::Enrol(id));
        }
        self.run_until(Duration::from_secs(30), all).await;
    }
}
