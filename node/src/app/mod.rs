//! The wiring: everything that one process runs, made in one place and ended in one place.

mod draining;
mod edge_alone;
mod edges;
mod error;
mod founding;
mod leader;
mod ledger;
mod linking;
mod listener;
mod sockets;

pub use error::StartError;
pub use founding::TENANT;
pub use sockets::Addresses;

use crate::clock::SystemClock;
use crate::cluster::hub::{self, Hub};
use crate::cluster::link::Late;
use crate::cluster::uplink::{self, Reach};
use crate::config::{Config, Role};
use crate::crypto::SystemCrypto;
use crate::http::{self, AdminToken, Health, Identity, Server};
use crate::keys::Keeper;
use crate::metrics::{Metrics, Source};
use crate::thread::Thread;
use axum::Router;
use claviger_actors::Clock;
use claviger_front::{Believed, Peer};
use claviger_ledger::Ledger;
use claviger_machine::Crypto;
use claviger_raft::Node;
use edges::{Edges, Running};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// A running process.
pub struct App {
    addresses: Addresses,
    tls: Option<Arc<Identity>>,
    /// Where this process has a copy of the ledger: that, and its keys.
    ledger: Option<(Arc<Node>, Arc<Keeper>)>,
    link: Late,
    tasks: JoinSet<()>,
    edges: Vec<Running>,
    health: Arc<Health>,
    /// Where edges and actors run: a datagram and its answer pass no other thread, unless the
    /// ledger is asked.
    actors: Thread,
    /// Tells the API to end, and tells when it has.
    api: (watch::Sender<bool>, oneshot::Receiver<()>),
    /// True if others can take what this process leaves.
    has_others: bool,
}

/// What every process has, whatever its roles.
struct Ground {
    config: Config,
    clock: Arc<dyn Clock>,
    crypto: Arc<dyn Crypto>,
    actors: Thread,
    tasks: JoinSet<()>,
    link: Late,
    /// The nodes of the ledger, as far as known.
    nodes: watch::Sender<Vec<Peer>>,
    /// Whom nodes are to believe, as edges hear of it.
    believed: watch::Sender<Option<Believed>>,
    /// What this process waits for before it belongs to its cluster, in words; none once it does.
    waits: watch::Sender<Option<String>>,
    /// True once the process is about to stop.
    draining: Arc<AtomicBool>,
    uplinks: Arc<uplink::Counters>,
    http: Arc<http::Counters>,
    stop: watch::Sender<bool>,
}

impl App {
    /// Starts all roles of this process; with `init` it founds a cluster. The bearer of
    /// `admin_token` may use the API; without one, the bearer of that in the file that `config`
    /// names.
    pub async fn start(
        config: Config,
        init: bool,
        admin_token: Option<AdminToken>,
    ) -> Result<Self, StartError> {
        let is_ledger = config.has(Role::Ledger);
        if init && !(is_ledger && config.cluster.is_used()) {
            let words = "this node listens for no others: set cluster.listen";
            return Err(StartError::Init(words));
        }
        let ground = Ground {
            config,
            clock: Arc::new(SystemClock::new()),
            crypto: Arc::new(SystemCrypto),
            actors: Thread::start("actors").await.map_err(StartError::Thread)?,
            tasks: JoinSet::new(),
            link: Late::default(),
            nodes: watch::Sender::default(),
            believed: watch::Sender::default(),
            waits: watch::Sender::new(Some("this node has only begun to start".to_owned())),
            draining: Arc::default(),
            uplinks: Arc::default(),
            http: Arc::default(),
            stop: watch::Sender::new(false),
        };
        if is_ledger {
            ledger::start(ground, init, admin_token).await
        } else {
            edge_alone::start(ground).await
        }
    }

    /// Where it listens.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Why it is sealed, if it is.
    pub fn sealed(&self) -> Option<String> {
        let (_, keeper) = self.ledger.as_ref()?;
        keeper.standing().borrow().sealed.clone()
    }

    /// Reads again what may change while it runs: the certificate of HTTPS, and KEKs in files.
    /// False if there is nothing of the kind.
    pub fn reload(&self) -> bool {
        let may_change = self.ledger.as_ref().is_some_and(|(_, keeper)| keeper.reload());
        match self.tls.as_deref().map(Identity::reload) {
            None => return may_change,
            Some(Ok(())) => tracing::info!("the certificate was read again"),
            Some(Err(error)) => tracing::error!(%error, "the certificate is kept as it was"),
        }
        true
    }

    /// Waits until a part of it has ended by itself, which none should: then nothing is served.
    pub async fn ended(&mut self) {
        if let Some(Err(error)) = self.tasks.join_next().await {
            tracing::error!(%error, "a part of the process has broken");
        }
    }

    /// Ends everything in order: what others can take is left to them, then the requests that are
    /// under way end, no new ones and no datagrams, then the actors, then the ledger.
    pub async fn stop(mut self) {
        self.drain().await;
        let (stop, ended) = self.api;
        stop.send_replace(true);
        let _ = ended.await;
        self.tasks.shutdown().await;
        if !self.actors.stop().await {
            tracing::error!("the actors' thread ended by a panic");
        }
        if let Some((ledger, _)) = &self.ledger {
            ledger.shutdown().await;
        }
        if let Some(link) = self.link.get() {
            link.close().await;
        }
    }
}

impl Ground {
    /// Starts the edges; `node` is this node's id.
    fn edges(
        &mut self,
        sockets: Vec<UdpSocket>,
        node: u64,
        hub: Option<&Arc<Hub>>,
    ) -> Result<Vec<Running>, StartError> {
        if !self.config.has(Role::Edge) {
            return Ok(Vec::new());
        }
        let reach: Option<Arc<dyn Reach>> =
            self.config.cluster.is_used().then(|| Arc::new(self.link.clone()) as _);
        let edges = Edges {
            actors: &self.actors,
            tasks: &mut self.tasks,
            clock: &self.clock,
            crypto: &self.crypto,
            node,
            hub,
            reach,
            nodes: &self.nodes,
            believed: &self.believed,
            counters: &self.uplinks,
        };
        edges.start(sockets, &self.config.coaps)
    }

    /// What shows how edges and leader meet.
    fn meeting(&self, hub: Arc<hub::Counters>) -> Box<dyn Source> {
        let draining = self.draining.clone();
        crate::metrics::meeting(hub, self.uplinks.clone(), self.link.clone(), draining)
    }

    /// Whether this process, with these edges, can serve.
    fn health(
        &self,
        ledger: Option<(Arc<dyn Ledger>, Arc<Keeper>)>,
        edges: &[Running],
    ) -> Arc<Health> {
        let edges = edges.iter().map(|edge| edge.shown.clone()).collect();
        let (draining, waits) = (self.draining.clone(), self.waits.subscribe());
        Arc::new(Health { ledger, edges, draining, waits })
    }

    /// Serves health alone until the sender is dropped, and tells when that has ended: the rest of
    /// the process may take its time. New connections wait for whoever serves next.
    fn serve_health(
        &mut self,
        tcp: &TcpListener,
        tls: Option<&Arc<Identity>>,
    ) -> Result<(watch::Sender<bool>, oneshot::Receiver<()>), StartError> {
        let copy = tcp.as_fd().try_clone_to_owned().map(std::net::TcpListener::from);
        let tcp = copy.and_then(TcpListener::from_std).map_err(StartError::Health)?;
        let metrics = Metrics::of_edge(Vec::new(), self.meeting(Arc::default()), self.http.clone());
        let (stop, stopping) = watch::channel(false);
        let server = Server {
            tcp,
            tls: tls.cloned(),
            router: http::starting(self.health(None, &[]), Arc::new(metrics)),
            counters: self.http.clone(),
            stopping,
        };
        let (ending, ended) = oneshot::channel();
        tokio::spawn(async move {
            server.run().await;
            drop(ending);
        });
        Ok((stop, ended))
    }

    /// Serves `router`, and gives the whole process.
    fn serve(
        mut self,
        (tcp, tls): (TcpListener, Option<Arc<Identity>>),
        router: Router,
        addresses: Addresses,
        ledger: Option<(Arc<Node>, Arc<Keeper>)>,
        (edges, health): (Vec<Running>, Arc<Health>),
    ) -> App {
        let server = Server {
            tcp,
            tls: tls.clone(),
            router,
            counters: self.http,
            stopping: self.stop.subscribe(),
        };
        let (ending, ended) = oneshot::channel();
        self.tasks.spawn(async move {
            server.run().await;
            drop(ending);
        });
        App {
            addresses,
            tls,
            ledger,
            link: self.link,
            tasks: self.tasks,
            edges,
            health,
            actors: self.actors,
            api: (self.stop, ended),
            has_others: self.config.cluster.is_used(),
        }
    }
}
