//! How nodes reach each other; for now within one process.
//!
//! [`MemoryTransport`] carries messages between the nodes of a test, where links can be cut and
//! made slow. A single voter has nobody to reach and uses an empty one. A transport over the
//! network will stand beside it.

use crate::image::Image;
use crate::types::{Raft, Types, Vote};
use openraft::error::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{AnyError, BasicNode, OptionalSend, RaftNetworkV2};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type SnapshotOf = openraft::alias::SnapshotOf<Types, Image>;

#[derive(Default)]
struct Links {
    nodes: BTreeMap<u64, Raft>,
    cut: BTreeSet<(u64, u64)>,
    delay: Duration,
}

/// Links between nodes of one process.
#[derive(Clone, Default)]
pub struct MemoryTransport(Arc<Mutex<Links>>);

impl std::fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryTransport")
    }
}

impl MemoryTransport {
    fn links(&self) -> MutexGuard<'_, Links> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn join(&self, id: u64, raft: Raft) {
        self.links().nodes.insert(id, raft);
    }

    /// Cuts the link from `from` to `to`, in that direction only.
    pub fn cut(&self, from: u64, to: u64) {
        self.links().cut.insert((from, to));
    }

    /// Mends all links.
    pub fn mend(&self) {
        self.links().cut.clear();
    }

    /// Makes every message take `delay`.
    pub fn delay(&self, delay: Duration) {
        self.links().delay = delay;
    }

    async fn reach(&self, from: u64, to: u64) -> Result<Raft, Unreachable<Types>> {
        let delay = self.links().delay;
        if delay > Duration::ZERO {
            tokio::time::sleep(delay).await;
        }
        let links = self.links();
        let raft = links.nodes.get(&to).filter(|_| !links.cut.contains(&(from, to)));
        raft.cloned().ok_or_else(|| Unreachable::new(&AnyError::error("the link is cut")))
    }
}

/// The transport as one node uses it.
pub(crate) struct Factory {
    pub(crate) from: u64,
    pub(crate) transport: MemoryTransport,
}

pub(crate) struct Link {
    from: u64,
    to: u64,
    transport: MemoryTransport,
}

impl RaftNetworkFactory<Types> for Factory {
    type Network = Link;

    async fn new_client(&mut self, to: u64, _: &BasicNode) -> Link {
        Link { from: self.from, to, transport: self.transport.clone() }
    }
}

impl Link {
    async fn peer(&self) -> Result<Raft, Unreachable<Types>> {
        self.transport.reach(self.from, self.to).await
    }

    /// An answer passes the link back, which may be cut meanwhile.
    async fn back(&self) -> Result<(), Unreachable<Types>> {
        self.transport.reach(self.to, self.from).await.map(drop)
    }
}

fn unreachable(error: impl std::error::Error + 'static) -> Unreachable<Types> {
    Unreachable::new(&error)
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = Image;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let answer = self.peer().await?.append_entries(request).await.map_err(unreachable)?;
        self.back().await?;
        Ok(answer)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        _: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let answer = self.peer().await?.vote(request).await.map_err(unreachable)?;
        self.back().await?;
        Ok(answer)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        _: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let answer = self.peer().await?.pre_vote(request).await.map_err(unreachable)?;
        self.back().await?;
        Ok(answer)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf,
        _: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let peer = self.peer().await?;
        let sent = snapshot.snapshot.sent().map_err(unreachable)?;
        let snapshot = SnapshotOf { meta: snapshot.meta, snapshot: sent };
        let answer = peer.install_full_snapshot(vote, snapshot).await.map_err(unreachable)?;
        self.back().await?;
        Ok(answer)
    }
}
