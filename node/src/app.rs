//! The wiring: everything that one process runs, made in one place and ended in one place.

use crate::admin_token::{self, AdminTokenError};
use crate::clock::SystemClock;
use crate::config::{Coaps, Config, CredentialKind};
use crate::connectors::outbox::OutboxWorker;
use crate::crypto::SystemCrypto;
use crate::edge::{EdgeTask, FRAMES, Shown};
use crate::http::{self, AdminToken, Api, Desk, Identity, Server, Streams, TlsError};
use crate::identity;
use crate::kek::{KekError, Providers};
use crate::keys::{self, Keeper, KeyError, Worker, key_of};
use crate::metrics::{Metrics, Sources};
use crate::socket::{self, Inode};
use crate::sweeper::Sweeper;
use crate::telemetry::{self, Traces};
use crate::thread::Thread;
use claviger_actors::{Clock, Counters, Devices, EdgeId, Edges, Ports, Unproven};
use claviger_curves::{AwsLc, SigningKey};
use claviger_dtls::{CertificateType, ClusterKeys, Endpoint, EndpointConfig, Suite};
use claviger_edge::{Edge, Sampling};
use claviger_ledger::{
    Command, CreateTenant, Envelope, Found, Ledger, Outcome, PutServerIdentity, RequestId,
    Unavailable, View,
};
use claviger_machine::{Crypto, Draw};
use claviger_raft::{Alone, Node, NodeConfig, Storage};
use claviger_seal::TenantKey;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::UdpSocket;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// The tenant that every ledger has.
pub const TENANT: &str = "default";

/// How often it is looked whether the ledger still runs.
const WATCH: Duration = Duration::from_millis(500);
/// How often edges are told that this node may speak.
const BEAT: Duration = Duration::from_millis(500);

/// Where a process listens.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// The API.
    pub http: SocketAddr,
    /// True if it speaks HTTPS.
    pub tls: bool,
    /// Devices, by CoAP over DTLS: each listener in the order of the configuration; never none.
    pub coaps: Vec<SocketAddr>,
}

impl Addresses {
    /// The API's URL, by its address.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.http)
    }
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
    /// HTTPS has no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The administrator's token cannot be used.
    #[error(transparent)]
    AdminToken(#[from] AdminTokenError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}; is another Claviger running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The actors have no thread.
    #[error("cannot start the actors' thread: {0}")]
    Thread(io::Error),
    /// The ledger does not open.
    #[error("cannot open the ledger: {0}")]
    Ledger(String),
    /// The ledger does not answer.
    #[error("the new ledger does not answer: {0}")]
    Unavailable(#[from] Unavailable),
    /// No key for listeners could be made.
    #[error("the system gives no randomness for the key of the listeners")]
    ServerKey,
    /// The keys of the ledger cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A running process.
pub struct App {
    addresses: Addresses,
    tls: Option<Arc<Identity>>,
    ledger: Arc<Node>,
    keeper: Arc<Keeper>,
    tasks: JoinSet<()>,
    /// Where edges and actors run: a datagram and its answer pass no other thread, unless the
    /// ledger is asked.
    actors: Thread,
    /// Tells the API to end, and tells when it has.
    api: (watch::Sender<bool>, oneshot::Receiver<()>),
}

/// The ways to the edges of this process, by their ids.
struct LocalEdges {
    ways: BTreeMap<EdgeId, mpsc::Sender<Zeroizing<Vec<u8>>>>,
    lost: AtomicU64,
}

impl Edges for LocalEdges {
    fn send(&self, edge: EdgeId, frame: Zeroizing<Vec<u8>>) -> bool {
        let sent = self.ways.get(&edge).is_some_and(|frames| frames.try_send(frame).is_ok());
        if sent {
            return true;
        }
        // A line for each would be one more load on what is behind already.
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost.is_power_of_two() {
            tracing::warn!(edge = edge.0, lost, "frames were dropped: the edge is behind");
        }
        self.ways.contains_key(&edge)
    }
}

impl App {
    /// Starts all roles in this process. The bearer of `admin_token` may use the API; without one,
    /// the bearer of that in the file that `config` names.
    pub async fn start(
        config: Config,
        admin_token: Option<AdminToken>,
    ) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let crypto: Arc<dyn Crypto> = Arc::new(SystemCrypto);
        let data = &config.node.data;
        let is_new = make_folder(data)?;
        let providers = Providers::new(&config, is_new, crypto.clone())?;
        let admin_token = match admin_token {
            Some(token) => token,
            None => admin_token::load_or_make(&config.admin_token(), crypto.as_ref())?,
        };
        // Sockets first: a port that is taken must not leave a new ledger behind.
        let sockets = Sockets::bind(&config).await?;
        let reserve = u64::from(config.node.disk_reserve.get()) << 20;
        let ledger = open_ledger(data, reserve, crypto.as_ref()).await?;
        let port: Arc<dyn Ledger> = ledger.clone();
        let keeper = Keeper::new(port, clock.clone(), crypto.clone(), providers);
        let world = World { clock, crypto, keeper: Arc::new(keeper), ledger };
        prepare(&world, config.coaps.iter().map(|coaps| coaps.tenant.as_str()).collect()).await?;
        Self::run(world, sockets, &config, admin_token).await
    }

    async fn run(
        world: World,
        sockets: Sockets,
        config: &Config,
        admin_token: AdminToken,
    ) -> Result<Self, StartError> {
        config.coaps.iter().for_each(|coaps| warn_without_chain(&world, coaps));
        let World { clock, crypto, keeper, ledger } = world;
        let (ring, of_app) = (keeper.ring(), keeper.clone());
        let addresses = sockets.addresses(config)?;
        let Sockets { udp, tcp, tls } = sockets;
        let public_url = config.http.public_url.get().map(ToOwned::to_owned);
        let public_url = public_url.unwrap_or_else(|| addresses.url());
        let port: Arc<dyn Ledger> = ledger.clone();
        let (ways, frames): (BTreeMap<_, _>, Vec<_>) = (0..)
            .map(EdgeId)
            .zip(&udp)
            .map(|(id, _)| (id, mpsc::channel(FRAMES)))
            .map(|(id, (to_edge, of_actors))| ((id, to_edge), (id, of_actors)))
            .unzip();
        let unproven = Arc::new(Unproven::default());
        let counters = Arc::new(Counters::default());
        let (outbox, worker) = OutboxWorker::new(
            port.clone(),
            ring.clone(),
            clock.clone(),
            crypto.clone(),
            public_url,
        );
        let outbox_counters = worker.counters();
        let ports = Ports {
            ledger: port.clone(),
            keys: ring.clone(),
            clock: clock.clone(),
            crypto: crypto.clone(),
            pki: Arc::new(AwsLc),
            outbox,
            edges: Arc::new(LocalEdges { ways, lost: AtomicU64::new(0) }),
            unproven: unproven.clone(),
            counters: counters.clone(),
        };
        let actors = Thread::start("actors").await.map_err(StartError::Thread)?;
        let devices = actors.spawn(async { Devices::start(ports) }).await;
        let devices = devices.map_err(|broken| StartError::Thread(broken.into()))?;
        let presenting = devices.clone();
        let beating = beat(devices.clone(), port.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(beating);
        let answered = devices.clone();
        tasks.spawn(worker.run(Arc::new(move |device, credential, result| {
            answered.server_answered(device, credential, result);
        })));
        let sweeper = Sweeper::new(port.clone(), clock.clone(), crypto.clone(), devices.clone());
        tasks.spawn(sweeper.run());
        let mut edges = Vec::new();
        for ((socket, (id, frames)), coaps) in udp.into_iter().zip(frames).zip(&config.coaps) {
            let shown = Arc::new(Shown::of(Inode::of(&socket).ok()));
            edges.push(shown.clone());
            let edge = edge(coaps, local(socket.local_addr(), coaps.listen)?, &crypto);
            let (devices, clock) = (devices.clone(), clock.clone());
            let edge = EdgeTask { id, edge, socket, devices, frames, clock, shown };
            tasks.spawn(run_edge(&actors, edge));
        }
        let keys = Arc::<keys::Counters>::default();
        tasks.spawn(keeper.clone().run(|_| {}));
        tasks.spawn(Worker::new(keeper.clone(), keys.clone()).run());
        let desk = Desk::default();
        let http = Arc::new(http::Counters::default());
        let (stop, stopping) = watch::channel(false);
        let metrics = Metrics::new(Sources {
            http: http.clone(),
            node: ledger.clone(),
            actors: counters,
            edges,
            outbox: outbox_counters,
            lookups: desk.lookups.clone(),
            keeper: keeper.clone(),
            keys,
            traces: telemetry::traces().map(Traces::counters).unwrap_or_default(),
        });
        let api = Api {
            ledger: port,
            desk,
            keeper,
            clock,
            crypto,
            unproven,
            ended: Arc::new(move |ended| devices.ended(ended)),
            presented: Arc::new(move |realm| presenting.identity_changed(realm)),
            admin_token,
            streams: Streams::new(http.clone(), stopping.clone()),
            metrics: Arc::new(metrics),
        };
        let (router, tls_of) = (http::router(api), tls.clone());
        let server = Server { tcp, tls: tls_of, router, counters: http, stopping };
        let (ending, ended) = oneshot::channel();
        tasks.spawn(async move {
            server.run().await;
            drop(ending);
        });
        tasks.spawn(watch_ledger(ledger.clone()));
        Ok(Self { addresses, tls, ledger, keeper: of_app, tasks, api: (stop, ended), actors })
    }

    /// Where it listens.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Reads again what may change while it runs: the certificate of HTTPS, and KEKs in files.
    /// False if there is nothing of the kind.
    pub fn reload(&self) -> bool {
        let may_change = self.keeper.reload();
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

    /// Ends everything in order: the requests that are under way, no new ones and no datagrams,
    /// then the actors, then the ledger.
    pub async fn stop(mut self) {
        let (stop, ended) = self.api;
        stop.send_replace(true);
        let _ = ended.await;
        self.tasks.shutdown().await;
        if !self.actors.stop().await {
            tracing::error!("the actors' thread ended by a panic");
        }
        self.ledger.shutdown().await;
    }
}

/// Runs an edge on the actors' thread; ends with it.
fn run_edge(actors: &Thread, edge: EdgeTask) -> impl Future<Output = ()> + use<> {
    let running = actors.spawn(async move {
        if let Err(error) = edge.run().await {
            tracing::error!(%error, "the edge has stopped");
        }
    });
    async move {
        let _ = running.await;
    }
}

/// Ends when the ledger has stopped, which it should not.
async fn watch_ledger(ledger: Arc<Node>) {
    while ledger.standing().running {
        tokio::time::sleep(WATCH).await;
    }
    tracing::error!("the ledger has stopped; its log says why");
}

/// Bound sockets; those of devices in the order of the configuration.
struct Sockets {
    udp: Vec<UdpSocket>,
    tcp: TcpListener,
    tls: Option<Arc<Identity>>,
}

impl Sockets {
    async fn bind(config: &Config) -> Result<Self, StartError> {
        let mut udp = Vec::new();
        for Coaps { listen: address, socket_buffer, .. } in &config.coaps {
            let socket = socket::bind(*address, (socket_buffer.get() as usize) << 10);
            udp.push(socket.map_err(|source| StartError::Listen { address: *address, source })?);
        }
        let address = config.http.listen;
        let tcp = TcpListener::bind(address).await;
        let tcp = tcp.map_err(|source| StartError::Listen { address, source })?;
        let tls = config.tls().map(|(certificate, key)| Identity::load(&certificate, &key));
        Ok(Self { udp, tcp, tls: tls.transpose()?.map(Arc::new) })
    }

    fn addresses(&self, config: &Config) -> Result<Addresses, StartError> {
        let listeners = self.udp.iter().zip(&config.coaps);
        let coaps = listeners.map(|(socket, coaps)| local(socket.local_addr(), coaps.listen));
        Ok(Addresses {
            http: local(self.tcp.local_addr(), config.http.listen)?,
            tls: config.tls().is_some(),
            coaps: coaps.collect::<Result<_, _>>()?,
        })
    }
}

struct World {
    clock: Arc<dyn Clock>,
    crypto: Arc<dyn Crypto>,
    keeper: Arc<Keeper>,
    ledger: Arc<Node>,
}

impl World {
    async fn propose(&self, command: impl Into<Command>) -> Result<Outcome, Unavailable> {
        let time = u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX);
        let request = RequestId(self.crypto.random());
        let ledger: &dyn Ledger = self.ledger.as_ref();
        ledger.propose(Envelope::new(time, request, command.into())).await
    }
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

async fn open_ledger(
    data: &Path,
    reserve: u64,
    crypto: &dyn Crypto,
) -> Result<Arc<Node>, StartError> {
    let id = u64::from_be_bytes(crypto.random());
    let storage = Storage::Folder(data.join("ledger"));
    let config = NodeConfig::new(storage, id, claviger_ledger::apply, Arc::new(Alone));
    let config = NodeConfig { reserve, ..config };
    let node =
        Node::open_single(config).await.map_err(|error| StartError::Ledger(error.to_string()))?;
    Ok(Arc::new(node))
}

/// Founds the ledger and makes its tenants, where that is still to be done, and sees that the KEK
/// is the ledger's.
async fn prepare(world: &World, mut tenants: BTreeSet<&str>) -> Result<(), StartError> {
    world.ledger.confirm().await?;
    let mut founded = false;
    world.ledger.read(&mut |rows| founded = View::new(rows).meta().is_some());
    if !founded {
        world.propose(Found { cluster: world.crypto.random() }).await?;
    }
    world.keeper.establish().await?;
    ensure(world, TENANT).await?;
    tenants.remove(TENANT);
    for tenant in tenants {
        ensure(world, tenant).await?;
    }
    Ok(())
}

/// Makes a tenant if it is missing.
async fn ensure(world: &World, tenant: &str) -> Result<(), StartError> {
    let World { keeper, crypto, .. } = world;
    let look = || {
        let mut found = None;
        world.ledger.read(&mut |rows| found = View::new(rows).tenant(tenant));
        found
    };
    if look().is_none() {
        let bytes = Zeroizing::new(crypto.random());
        let wrapped = keeper.ring().wrap(tenant, 1, &bytes, crypto.random());
        let (root, wrapped_key) = wrapped.map_err(KeyError::from)?;
        let create = CreateTenant { tenant: tenant.to_owned(), wrapped_key, root };
        let outcome = world.propose(create).await?;
        debug_assert!(matches!(outcome, Outcome::Done), "it was not there");
    }
    let Some(record) = look() else { return Err(Unavailable::NoLeader.into()) };
    let key = key_of(&keeper.ring(), tenant, &record).map_err(|_| KeyError::Damaged)?;
    present(world, tenant, &key).await
}

/// Makes the key that the tenant's listeners prove themselves by, if it has none.
async fn present(world: &World, tenant: &str, tenant_key: &TenantKey) -> Result<(), StartError> {
    let mut found = false;
    world.ledger.read(&mut |rows| found = View::new(rows).server_identity(tenant).is_some());
    if found {
        return Ok(());
    }
    let pkcs8 = SigningKey::generate().map_err(|_| StartError::ServerKey)?;
    let key = SigningKey::from_pkcs8(&pkcs8).map_err(|_| StartError::ServerKey)?;
    let sealed = identity::seal(tenant, tenant_key, &key, Vec::new(), world.crypto.as_ref());
    let identity = sealed.map_err(|_| StartError::ServerKey)?;
    let tenant = tenant.to_owned();
    // Another node may have made one meanwhile: that one stays.
    world.propose(PutServerIdentity { tenant, identity, expect: Some(0) }).await.map(drop)?;
    Ok(())
}

/// Tells who takes certificates and has none to show.
fn warn_without_chain(world: &World, coaps: &Coaps) {
    if !coaps.credentials.take(CredentialKind::Certificate) {
        return;
    }
    let tenant = coaps.tenant.as_str();
    world.ledger.read(&mut |rows| {
        let view = View::new(rows);
        let bare = view.server_identity(tenant).is_some_and(|identity| identity.chain.is_empty());
        if bare && !view.trust_anchors(tenant).is_empty() {
            tracing::warn!(
                tenant,
                listen = %coaps.listen,
                "devices with certificates may want one of the server, and its key has none: \
                 `claviger identity set --chain FILE` gives it one"
            );
        }
    });
}

/// Tells edges that this node may speak for the cluster, while it may.
async fn beat(devices: Devices, ledger: Arc<dyn Ledger>) {
    loop {
        if ledger.confirm().await.is_ok() {
            devices.beat();
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// An edge without its socket, which is bound to `address`; the actors hand it the cluster's keys.
fn edge(coaps: &Coaps, address: SocketAddr, crypto: &Arc<dyn Crypto>) -> Edge {
    let config = EndpointConfig {
        suites: suites(coaps),
        client_types: client_types(coaps),
        resumption: coaps.resumption,
        retransmit: Duration::from_secs(coaps.retransmission_timeout.get().into()),
        half_open: coaps.half_open_limit.get() as usize,
        hide_unknown_identity: coaps.hide_unknown_identity,
        ..EndpointConfig::default()
    };
    let draw = Box::new(Draw(crypto.clone()));
    let endpoint = Endpoint::new(config, ClusterKeys::default(), draw);
    let endpoint = endpoint.with_curves(Box::new(AwsLc));
    let sampling = telemetry::traces().map_or(Sampling::NONE, Traces::sampling);
    Edge::new(&format!("coaps://{address}"), coaps.tenant.as_str(), endpoint).sampled(sampling)
}

/// The suites of a listener: those that are named, less those of a pre-shared key where it takes
/// none.
fn suites(coaps: &Coaps) -> Vec<u16> {
    let psk = coaps.credentials.take(CredentialKind::Psk);
    let named = coaps.suites.numbers().iter().copied();
    named.filter(|id| psk || Suite::by_id(*id).is_some_and(|suite| !suite.uses_psk())).collect()
}

/// In which forms a listener takes keys that sign.
fn client_types(coaps: &Coaps) -> Vec<CertificateType> {
    let types = [
        (CredentialKind::Certificate, CertificateType::X509),
        (CredentialKind::PublicKey, CertificateType::RawPublicKey),
    ];
    let taken = types.into_iter().filter(|(kind, _)| coaps.credentials.take(*kind));
    taken.map(|(_, kind)| kind).collect()
}
