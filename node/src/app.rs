//! The wiring: everything that one process runs, made in one place and ended in one place.

use crate::clock::SystemClock;
use crate::connectors::outbox::OutboxWorker;
use crate::crypto::SystemCrypto;
use crate::edge::{EdgeTask, FRAMES, Shown};
use crate::http::{self, AdminToken, Api};
use crate::kek::{self, KekError};
use crate::metrics::{Metrics, Sources};
use claviger_actors::{Clock, Counters, Devices, EdgeId, Edges, Ports, Unproven};
use claviger_dtls::{ClusterKeys, Endpoint, EndpointConfig};
use claviger_edge::Edge;
use claviger_ledger::{
    Command, CreateTenant, Envelope, Found, Ledger, Outcome, RequestId, Unavailable, View,
};
use claviger_machine::{Crypto, Draw};
use claviger_raft::{MemoryTransport, Node, NodeConfig};
use claviger_seal::{Kek, TenantKey};
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// The tenant that `claviger dev` makes.
pub const TENANT: &str = "default";

/// How often it is looked whether the ledger still runs.
const WATCH: Duration = Duration::from_millis(500);

/// What a process needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data folder; made if missing.
    pub data: PathBuf,
    /// Where the API listens.
    pub http: SocketAddr,
    /// Where devices come to.
    pub coaps: SocketAddr,
    /// The API's URL as LwM2M servers reach it; none is the address that it listens at.
    pub public_url: Option<String>,
    /// True to answer an unknown identity with silence, as a wrong key, instead of alert 115.
    pub hide_unknown_identity: bool,
}

/// Where a process listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The API.
    pub http: SocketAddr,
    /// Devices, by CoAP over DTLS.
    pub coaps: SocketAddr,
}

/// Why a process does not start; the words say what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The KEK cannot be used.
    #[error(transparent)]
    Kek(#[from] KekError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}; is another Claviger running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The ledger does not open.
    #[error("cannot open the ledger: {0}")]
    Ledger(String),
    /// The ledger does not answer.
    #[error("the new ledger does not answer: {0}")]
    Unavailable(#[from] Unavailable),
    /// The key file is not the one that the ledger was sealed with.
    #[error("the key file does not open this ledger; restore the one that belongs to it")]
    WrongKek,
}

/// A running process.
pub struct App {
    addresses: Addresses,
    admin_token: Zeroizing<String>,
    ledger: Arc<Node>,
    tasks: JoinSet<()>,
    actors: Option<(actix::System, JoinHandle<()>)>,
}

/// The way to the one edge of this process.
struct LocalEdge(mpsc::Sender<Zeroizing<Vec<u8>>>);

impl Edges for LocalEdge {
    fn send(&self, _: EdgeId, frame: Zeroizing<Vec<u8>>) {
        if self.0.try_send(frame).is_err() {
            tracing::warn!("a frame was dropped: the edge is behind");
        }
    }
}

impl App {
    /// Starts all roles in this process.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let crypto: Arc<dyn Crypto> = Arc::new(SystemCrypto);
        let is_new = make_folder(&config.data)?;
        let kek = kek::load_or_make(&config.data.join("kek"), is_new, crypto.as_ref())?;
        let kek = Arc::new(kek);
        // Sockets first: a port that is taken must not leave a new ledger behind.
        let udp = UdpSocket::bind(config.coaps).await;
        let udp = udp.map_err(|source| StartError::Listen { address: config.coaps, source })?;
        let tcp = TcpListener::bind(config.http).await;
        let tcp = tcp.map_err(|source| StartError::Listen { address: config.http, source })?;
        let addresses = Addresses {
            http: local(tcp.local_addr(), config.http)?,
            coaps: local(udp.local_addr(), config.coaps)?,
        };
        let ledger = open_ledger(&config.data, crypto.as_ref()).await?;
        prepare(ledger.as_ref(), &kek, clock.as_ref(), crypto.as_ref()).await?;
        let world = World { clock, crypto, kek, ledger };
        let public_url = config.public_url.unwrap_or_else(|| format!("http://{}", addresses.http));
        let dtls = EndpointConfig {
            hide_unknown_identity: config.hide_unknown_identity,
            ..EndpointConfig::default()
        };
        Self::run(world, Sockets { udp, tcp, addresses }, dtls, public_url).await
    }

    async fn run(
        world: World,
        sockets: Sockets,
        dtls: EndpointConfig,
        public_url: String,
    ) -> Result<Self, StartError> {
        let World { clock, crypto, kek, ledger } = world;
        let Sockets { udp, tcp, addresses } = sockets;
        let port: Arc<dyn Ledger> = ledger.clone();
        let (frames, of_actors) = mpsc::channel(FRAMES);
        let unproven = Arc::new(Unproven::default());
        let counters = Arc::new(Counters::default());
        let (outbox, worker) =
            OutboxWorker::new(port.clone(), kek.clone(), clock.clone(), crypto.clone(), public_url);
        let outbox_counters = worker.counters();
        let ports = Ports {
            ledger: port.clone(),
            kek: kek.clone(),
            clock: clock.clone(),
            crypto: crypto.clone(),
            outbox,
            edges: Arc::new(LocalEdge(frames)),
            unproven: unproven.clone(),
            counters: counters.clone(),
        };
        let (devices, actors) = start_actors(ports).await;
        let mut tasks = JoinSet::new();
        let answered = devices.clone();
        tasks.spawn(worker.run(Arc::new(move |device, credential, result| {
            answered.server_answered(device, credential, result);
        })));
        let shown = Arc::new(Shown::default());
        let edge = EdgeTask {
            id: EdgeId(0),
            edge: Edge::new("coaps", TENANT, endpoint(dtls, &kek, &crypto)),
            socket: udp,
            devices,
            frames: of_actors,
            clock: clock.clone(),
            shown: shown.clone(),
        };
        tasks.spawn(async move {
            if let Err(error) = edge.run().await {
                tracing::error!(%error, "the edge has stopped");
            }
        });
        let (admin_token, token) = AdminToken::make(crypto.as_ref());
        let metrics = Metrics::new(Sources {
            node: ledger.clone(),
            actors: counters,
            edge: shown,
            outbox: outbox_counters,
        });
        let api = Api {
            ledger: port,
            kek,
            clock,
            crypto,
            unproven,
            admin_token: token,
            metrics: Arc::new(metrics),
        };
        tasks.spawn(async move {
            if let Err(error) = axum::serve(tcp, http::router(api)).await {
                tracing::error!(%error, "the API has stopped");
            }
        });
        let watched = ledger.clone();
        tasks.spawn(async move {
            while watched.standing().running {
                tokio::time::sleep(WATCH).await;
            }
            tracing::error!("the ledger has stopped; its log says why");
        });
        Ok(Self { addresses, admin_token, ledger, tasks, actors: Some(actors) })
    }

    /// Where it listens.
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The token that the API takes from an administrator; made anew at each start.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Waits until a part of it has ended by itself, which none should: then nothing is served.
    pub async fn ended(&mut self) {
        if let Some(Err(error)) = self.tasks.join_next().await {
            tracing::error!(%error, "a part of the process has broken");
        }
    }

    /// Ends everything in order: no new datagrams and requests, then the actors, then the ledger.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        if let Some((system, thread)) = self.actors.take() {
            system.stop();
            let ended = tokio::task::spawn_blocking(move || thread.join());
            if !matches!(ended.await, Ok(Ok(()))) {
                tracing::error!("the actors' thread ended by a panic");
            }
        }
        self.ledger.shutdown().await;
    }
}

struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
    addresses: Addresses,
}

struct World {
    clock: Arc<dyn Clock>,
    crypto: Arc<dyn Crypto>,
    kek: Arc<Kek>,
    ledger: Arc<Node>,
}

fn local(bound: io::Result<SocketAddr>, address: SocketAddr) -> Result<SocketAddr, StartError> {
    bound.map_err(|source| StartError::Listen { address, source })
}

/// Makes the data folder, for its owner only; true if there was no ledger in it.
fn make_folder(path: &Path) -> Result<bool, StartError> {
    let folder = |source| StartError::Folder { path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(folder)?;
    Ok(!path.join("ledger").exists())
}

async fn open_ledger(data: &Path, crypto: &dyn Crypto) -> Result<Arc<Node>, StartError> {
    let id = u64::from_be_bytes(crypto.random());
    let config = NodeConfig {
        folder: Some(data.join("ledger")),
        id,
        apply: claviger_ledger::apply,
        transport: MemoryTransport::default(),
    };
    let node =
        Node::open_single(config).await.map_err(|error| StartError::Ledger(error.to_string()))?;
    Ok(Arc::new(node))
}

/// Founds the ledger and makes the first tenant, where that is still to be done, and sees that
/// the KEK is the ledger's.
async fn prepare(
    ledger: &dyn Ledger,
    kek: &Kek,
    clock: &dyn Clock,
    crypto: &dyn Crypto,
) -> Result<(), StartError> {
    ledger.confirm().await?;
    let mut founded = false;
    let mut wrapped = None;
    ledger.read(&mut |rows| {
        let view = View::new(rows);
        founded = view.meta().is_some();
        wrapped = view.tenant(TENANT).map(|tenant| tenant.wrapped_key);
    });
    let propose = |command: Command| {
        let time = u64::try_from(clock.now().as_millis()).unwrap_or(u64::MAX);
        ledger.propose(Envelope::new(time, RequestId(crypto.random()), command))
    };
    if !founded {
        propose(Found { cluster: crypto.random() }.into()).await?;
    }
    match wrapped {
        Some(wrapped) => kek.unwrap(TENANT, &wrapped).map_err(|_| StartError::WrongKek).map(drop),
        None => {
            let key = TenantKey::new(crypto.random());
            let wrapped_key = kek.wrap(TENANT, &key, crypto.random());
            let command = CreateTenant { tenant: TENANT.to_owned(), wrapped_key };
            let outcome = propose(command.into()).await?;
            debug_assert!(matches!(outcome, Outcome::Done), "it was not there");
            Ok(())
        }
    }
}

/// The DTLS engine of an edge; its secrets come from the KEK, so that they survive a restart.
fn endpoint(config: EndpointConfig, kek: &Kek, crypto: &Arc<dyn Crypto>) -> Endpoint {
    let keys = ClusterKeys::new(*kek.derive("dtls cookie"), *kek.derive("dtls connection id"));
    Endpoint::new(config, keys, Box::new(Draw(crypto.clone())))
}

/// Starts the actors on a thread of their own: an actix system is bound to one.
async fn start_actors(ports: Ports) -> (Devices, (actix::System, JoinHandle<()>)) {
    let (ready, started) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        let system = actix::System::new();
        let devices = system.block_on(async { Devices::start(ports) });
        let parts = (devices, actix::System::current());
        if ready.send(parts).is_ok()
            && let Err(error) = system.run()
        {
            tracing::error!(%error, "the actors' system");
        }
    });
    let (devices, system) = started.await.expect("the thread sends before it can end");
    (devices, (system, thread))
}
