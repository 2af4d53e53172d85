//! What the actors need of the shell around them.

use crate::{Counters, Unproven};
use claviger_ledger::{CredentialId, DeviceRef, Ledger};
use claviger_machine::{Crypto, Pki};
use claviger_seal::Keyring;
use core::time::Duration;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The time, since the Unix epoch; it never goes back.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Duration;
}

/// Whoever tells LwM2M servers of staged credentials.
pub trait Outbox: Send + Sync {
    /// There is something to tell; the answer comes by
    /// [`Devices::server_answered`](crate::Devices::server_answered).
    fn wake(&self, device: &DeviceRef, credential: CredentialId);
}

/// One listener of an edge, as the node that runs the actors knows it: another one for each start of
/// its process, drawn at random, so that no two have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeId(pub u64);

/// The way by which a frame came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameFrom {
    /// From an edge that is a part of this process. Its word that a device signed its handshake is as
    /// good as a check of the actors' own, which would be the same code in the same memory: whoever
    /// has that edge has the actors and their keys too.
    Here,
    /// From anywhere else. Its word is never taken for that, whatever number it has.
    Elsewhere,
}

/// The way to the edges.
pub trait Edges: Send + Sync {
    /// Sends a frame; it may be lost, since a device sends again. False if there is no way to the
    /// edge any more: what was to go there may go by another one.
    fn send(&self, edge: EdgeId, frame: Zeroizing<Vec<u8>>) -> bool;

    /// The node that an edge is of: one that has many edges is not given more than others. Where
    /// nobody knows, each edge is a node of its own.
    fn node(&self, edge: EdgeId) -> u64 {
        edge.0
    }
}

/// Everything outside the actors.
#[derive(Clone)]
pub struct Ports {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The keys that tenants' keys are opened by.
    pub keys: Arc<Keyring>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub crypto: Arc<dyn Crypto>,
    /// Certificates, and keys that sign.
    pub pki: Arc<dyn Pki>,
    /// The outbox to LwM2M servers.
    pub outbox: Arc<dyn Outbox>,
    /// The way to the edges.
    pub edges: Arc<dyn Edges>,
    /// Where attempts of strangers are noted.
    pub unproven: Arc<Unproven>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// How long an actor stays awake with nothing to do, in whole seconds.
    pub sleep_after: Duration,
}

impl core::fmt::Debug for Ports {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Ports")
    }
}
