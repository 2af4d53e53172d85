//! The handle to a node's actors.

use crate::counters::count;
use crate::leading::WhileLeading;
use crate::region::{
    Beat, CredentialsEnded, EdgeGone, Frame, IdentityChanged, Region, ServerAnswered, Stop,
};
use crate::{CameFrom, EdgeId, Ports};
use actix::{Actor, Addr};
use claviger_ledger::{CredentialId, DeviceRef, Ended};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The devices of this node; cheap to clone, and usable from any thread.
#[derive(Clone)]
pub struct Devices {
    region: Addr<Region>,
    ports: Arc<Ports>,
    leading: Arc<WhileLeading>,
}

impl core::fmt::Debug for Devices {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Devices")
    }
}

impl Devices {
    /// Starts the region on the current arbiter; call it within an actix system.
    pub fn start(ports: Ports) -> Self {
        let leading = WhileLeading::new(ports.edges.clone());
        // Each actor holds it.
        let ports = Arc::new(Ports { edges: leading.clone(), ..ports });
        let region = Region::new(ports.clone()).start();
        Self { region, ports, leading }
    }

    /// Ends the region and every actor at once, for a node that leads no more: nothing is sent to an
    /// edge from now on, and what waits is dropped.
    pub fn stop(self) {
        self.leading.end();
        self.region.do_send(Stop);
    }

    /// Tells every edge that this node may speak for the cluster, and the keys that it is to have
    /// next. For the shell, every half second, behind a ReadIndex.
    pub fn beat(&self) {
        self.region.do_send(Beat);
    }

    /// Takes that the way to an edge has ended.
    pub fn edge_gone(&self, edge: EdgeId) {
        self.region.do_send(EdgeGone(edge));
    }

    /// Takes a frame of an edge. It is dropped and counted if too many wait: devices send again.
    /// `origin` is what the caller knows, not what the edge says.
    pub fn frame(&self, edge: EdgeId, origin: CameFrom, bytes: Zeroizing<Vec<u8>>) {
        if self.region.try_send(Frame { edge, origin, bytes }).is_err() {
            count(&self.ports.counters.mailbox_full);
        }
    }

    /// Takes what an LwM2M server said of a credential: it holds it, or words about why not.
    pub fn server_answered(
        &self,
        device: &DeviceRef,
        credential: CredentialId,
        result: Result<(), String>,
    ) {
        self.region.do_send(ServerAnswered { device: device.clone(), credential, result });
    }

    /// Takes that the key of a realm's listeners was made or changed: edges are told what they may
    /// present now. For whoever proposed it.
    pub fn identity_changed(&self, realm: &str) {
        self.region.do_send(IdentityChanged(realm.to_owned()));
    }

    /// Takes what a committed command has ended: nothing more is answered in its sessions, and
    /// LwM2M servers are told. For whoever proposed it, at once.
    pub fn ended(&self, ended: Ended) {
        if ended != Ended::default() {
            self.region.do_send(CredentialsEnded(ended));
        }
    }
}
