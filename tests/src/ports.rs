//! The ports of the actors, as queues that the world empties.

use crate::hosts::Gone;
use claviger_actors::{EdgeId, Edges, Outbox};
use claviger_ledger::{CredentialId, DeviceRef};
use tokio::sync::mpsc::UnboundedSender;
use zeroize::Zeroizing;

/// Frames of actors, on their way to the edges of a world.
#[derive(Debug)]
pub(crate) struct FrameQueue {
    pub(crate) frames: UnboundedSender<(EdgeId, Zeroizing<Vec<u8>>)>,
    pub(crate) gone: Gone,
}

impl Edges for FrameQueue {
    fn send(&self, edge: EdgeId, frame: Zeroizing<Vec<u8>>) -> bool {
        // A world that has ended wants nothing more.
        !self.gone.has(edge) && self.frames.send((edge, frame)).is_ok()
    }
}

/// What an LwM2M server is to be told.
#[derive(Debug)]
pub struct SimOutbox(pub UnboundedSender<(DeviceRef, CredentialId)>);

impl Outbox for SimOutbox {
    fn wake(&self, device: &DeviceRef, credential: CredentialId) {
        // A world that has ended wants nothing more.
        let _ = self.0.send((device.clone(), credential));
    }
}
