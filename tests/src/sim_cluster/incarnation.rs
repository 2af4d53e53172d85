//! A backup, and a cluster of new nodes that goes on from it as a new incarnation, while devices and
//! edges live on.

use super::clock::NodeClock;
use super::member::{Member, lock};
use super::operator::{FACTORY, Told};
use super::{Ask, DISK, Operation, SimCluster, open};
use crate::invariant::durable::Durable;
use crate::invariant::linear;
use claviger_actors::Clock;
use claviger_ledger::{CredentialId, DeviceRef, Ledger, View};
use claviger_raft::{Even, SimulatedDisk};
use core::time::Duration;
use std::collections::BTreeSet;
use tempfile::TempDir;

/// Within which whoever asked a cluster that is lost gives up, and a new one finds its leader.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts to give new nodes their votes.
const PAUSE: Duration = Duration::from_millis(100);

/// A backup, and what was acknowledged before it.
pub(crate) struct Copy {
    folder: TempDir,
    /// Its place among what was asked and answered.
    at: u64,
    durable: Durable,
}

impl SimCluster {
    /// Takes a backup at the leader; nothing if that cannot say that it leads.
    pub async fn back_up(&mut self) {
        let Some(leader) = self.leader() else { return };
        let (at, durable) = (self.place(), self.watch.durable.clone());
        let node = self.members[leader].node.clone();
        if node.confirm().await.is_err() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        node.backup(&folder.path().join("backup")).await.expect("nothing is there yet");
        self.copy = Some(Copy { folder, at, durable });
        self.note(&format!("node {leader} is backed up"));
    }

    /// All nodes are lost for good, and a cluster of new ones goes on from the backup, if there is
    /// one. Edges may be the same ones. True if there was one.
    pub async fn restore(&mut self) -> bool {
        let Some(copy) = self.copy.take() else { return false };
        self.note("all nodes are lost");
        (0..self.members.len()).for_each(|node| self.lose_node(node, true));
        if self.draw(2) == 0 {
            (0..self.edges.len()).for_each(|edge| self.lose_edge(edge));
        }
        self.run_until(PATIENCE, Self::nobody_asks).await;
        self.begin_incarnation(&copy).await;
        self.heal().await;
        if !self.run_until(PATIENCE, |cluster| cluster.leader().is_some()).await {
            self.breach(Some("a restored node does not lead".to_owned()));
            return true;
        }
        self.look_at_copy(&copy);
        self.let_others_vote().await;
        true
    }

    /// Puts new nodes in the place of all, the first with the rows of the copy.
    async fn begin_incarnation(&mut self, copy: &Copy) {
        self.incarnation += 1;
        self.held.clear();
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX);
        for place in 0..self.members.len() {
            let id = 100 * self.incarnation + place as u64 + 1;
            let disk = SimulatedDisk::new(self.config.seed ^ id, DISK);
            if place == 0 {
                let backup = copy.folder.path().join("backup");
                let begun = disk.restore(&backup, id, &id.to_string(), now);
                self.note(&format!("{begun:?}"));
                begun.expect("the backup is whole");
            }
            let node = open(&disk, id, self.config.apply, &self.transport).await;
            let node = node.expect("its disk has what a node needs");
            let clock = NodeClock::new(self.clock);
            self.members[place] = Member::new(place, node, disk, clock, &self.common);
            self.doors[place] = self.door(place);
        }
        self.watch.begin_incarnation(copy.durable.clone());
        self.fleet.values_mut().for_each(|sim| sim.in_session = false);
    }

    /// The other nodes join, and vote.
    async fn let_others_vote(&mut self) {
        let first = self.members[0].node.clone();
        let others: Vec<u64> = self.members.iter().skip(1).map(|it| it.node.id()).collect();
        for id in &others {
            let member = claviger_raft::Member { id: *id, address: id.to_string() };
            let joined = first.join(member).await;
            joined.expect("the only voter commits");
        }
        let end = self.clock.now() + PATIENCE;
        while let Err(error) = first.promote(&others, Even::Refused).await {
            if self.clock.now() >= end {
                return self.breach(Some(format!("new nodes get no vote: {error}")));
            }
            self.run_for(PAUSE).await;
        }
    }

    /// The copy has all that was acknowledged before it was taken. What came later is lost: a new
    /// history begins with what it has.
    fn look_at_copy(&mut self, copy: &Copy) {
        let deleted = self.deleted();
        let mut breaches = Vec::new();
        let (mut begun, mut at_server) = (Vec::new(), BTreeSet::new());
        let names: BTreeSet<DeviceRef> =
            self.operations.iter().map(|it| it.device.clone()).collect();
        for device in &names {
            let stands = self.stands(&device.device);
            let before = |it: &&Operation| it.device == *device && it.asked < copy.at;
            let mut history: Vec<Operation> =
                self.operations.iter().filter(before).cloned().collect();
            let told = |it: &Operation| it.answered.filter(|(place, _)| *place < copy.at);
            history.iter_mut().for_each(|it| it.answered = told(it));
            let answered = Some((copy.at, Told::Stands(stands)));
            history.push(Operation::new(device, Ask::Look, copy.at, answered));
            if !linear::is_linear(&history) {
                breaches.push(format!("the backup lacks what was told of {device}: {history:?}"));
            }
            begun.extend(stands.into_iter().flat_map(|stands| as_if_new(device, stands)));
        }
        let Some(leader) = self.leader() else { return };
        self.members[leader].node.read(&mut |rows| {
            let view = View::new(rows);
            breaches.extend(copy.durable.missing(&view, &deleted));
            for device in &names {
                let made = view.credentials(device).into_iter();
                let made = made.filter(|(_, it)| it.profile.is_some() && it.state.is_live());
                at_server.extend(made.map(|(id, _)| id));
            }
        });
        // Its operator sees to it that it has what the ledger has.
        *lock(&self.server) = at_server;
        (self.deleted_before, self.operations, self.unanswered) = (deleted, begun, 0);
        for breach in breaches {
            self.breach(Some(breach));
        }
    }
}

/// The operations that bring a device to how it stands.
fn as_if_new(device: &DeviceRef, (id, revoked): (CredentialId, bool)) -> Vec<Operation> {
    let done = |ask| Operation::new(device, ask, 0, Some((0, Told::Done)));
    let mut all = vec![done(if device.device == FACTORY { Ask::Trust } else { Ask::Enrol(id) })];
    if revoked {
        all.push(done(Ask::Revoke(id)));
    }
    all
}
