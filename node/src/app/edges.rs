//! The edges of a process: one for each listener, on the thread of the actors.

use super::StartError;
use super::listener;
use super::sockets::local;
use crate::cluster::hub::Hub;
use crate::cluster::uplink::{self, Reach, Uplink};
use crate::cluster::way::ToTask;
use crate::config::Coaps;
use crate::edge::{EdgeTask, FRAMES, Shown};
use crate::socket::Inode;
use crate::thread::Thread;
use claviger_actors::{Clock, EdgeId};
use claviger_front::{Believed, Hello, Peer};
use claviger_machine::Crypto;
use std::net::UdpSocket;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What edges are made of.
pub(super) struct Edges<'a> {
    pub(super) actors: &'a Thread,
    pub(super) tasks: &'a mut JoinSet<()>,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) crypto: &'a Arc<dyn Crypto>,
    /// This node's id.
    pub(super) node: u64,
    /// The hub of this process, where it is a node of the ledger.
    pub(super) hub: Option<&'a Arc<Hub>>,
    /// The way to other nodes, where there are any.
    pub(super) reach: Option<Arc<dyn Reach>>,
    /// The nodes of the ledger, as far as known.
    pub(super) nodes: &'a watch::Sender<Vec<Peer>>,
    /// Whom nodes are to believe, as edges of this process hear of it.
    pub(super) believed: &'a watch::Sender<Option<Believed>>,
    pub(super) counters: &'a Arc<uplink::Counters>,
}

/// What can be seen of a running edge, and said to it.
pub(super) struct Running {
    pub(super) shown: Arc<Shown>,
    pub(super) task: mpsc::Sender<ToTask>,
}

impl Edges<'_> {
    /// Starts one for each listener.
    pub(super) fn start(
        self,
        sockets: Vec<UdpSocket>,
        listeners: &[Coaps],
    ) -> Result<Vec<Running>, StartError> {
        let mut all = Vec::new();
        for (socket, coaps) in sockets.into_iter().zip(listeners) {
            let address = local(socket.local_addr(), coaps.listen)?;
            let (id, name) =
                (u64::from_be_bytes(self.crypto.random()), listener::name(coaps, address));
            let shown = Arc::new(Shown::of(&name, Inode::of(&socket).ok()));
            let (task, told) = mpsc::channel(FRAMES);
            all.push(Running { shown: shown.clone(), task: task.clone() });
            let uplink = Uplink {
                hello: Hello {
                    edge: id,
                    listener: name,
                    realm: coaps.tenant.as_str().to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                },
                task,
                report: {
                    let shown = shown.clone();
                    Arc::new(move || shown.standing())
                },
                hub: self.hub.cloned(),
                node: self.node,
                nodes: self.nodes.subscribe(),
                // A node of the ledger knows the members by itself.
                heard: self.hub.is_none().then(|| self.nodes.clone()),
                believed: self.believed.clone(),
                reach: self.reach.clone(),
                crypto: self.crypto.clone(),
                counters: self.counters.clone(),
            };
            let edge = listener::edge(coaps, address, self.crypto);
            let clock = self.clock.clone();
            let edge = EdgeTask { id: EdgeId(id), edge, socket, told, clock, shown };
            self.tasks.spawn(uplink.run());
            self.tasks.spawn(run(self.actors, edge));
        }
        Ok(all)
    }
}

/// Runs an edge on the actors' thread; ends with it.
fn run(actors: &Thread, edge: EdgeTask) -> impl Future<Output = ()> + use<> {
    let running = actors.spawn(async move {
        if let Err(error) = edge.run().await {
            tracing::error!(%error, "the edge has stopped");
        }
    });
    async move {
        let _ = running.await;
    }
}
