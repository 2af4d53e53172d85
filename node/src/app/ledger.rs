//! A process with a copy of the ledger: it serves the API, and runs the actors while it leads.

use super::edges::Running;
use super::founding::World;
use super::leader::{Begins, Leader};
use super::linking::Linking;
use super::sockets::Sockets;
use super::{App, Ground, StartError};
use crate::admin_token;
use crate::cluster::hub::Hub;
use crate::cluster::link::Late;
use crate::cluster::operator::{AtNode, Operator};
use crate::config::Config;
use crate::http::{self, AdminToken, Api, Desk, Streams};
use crate::kek::Providers;
use crate::keys::Keeper;
use crate::metrics::{Metrics, Sources};
use crate::telemetry::{self, Traces};
use claviger_ledger::{Notice, View};
use claviger_link::Registrar;
use claviger_machine::Crypto;
use claviger_raft::{Node, NodeConfig, Storage};
use core::time::Duration;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How often it is looked whether the ledger still runs.
const WATCH: Duration = Duration::from_millis(500);

/// Starts it. A node that is alone serves when this ends; one of a cluster may still wait for others.
pub(super) async fn start(
    mut ground: Ground,
    init: bool,
    admin_token: Option<AdminToken>,
) -> Result<App, StartError> {
    let (config, crypto) = (ground.config.clone(), ground.crypto.clone());
    let data = &config.node.data;
    let in_cluster = config.cluster.is_used();
    let is_new = make_folder(data)?;
    // One that joins gets the key of its cluster from its operator.
    let makes_kek = is_new && (init || !in_cluster);
    let providers = Providers::new(&config, makes_kek, crypto.clone())?;
    let admin_token = match admin_token {
        Some(token) => token,
        None => admin_token::load_or_make(&config.admin_token(), crypto.as_ref())?,
    };
    // Sockets first: a port that is taken must not leave a new ledger behind.
    let sockets = Sockets::bind(&config).await?;
    let addresses = sockets.addresses(&config)?;
    let Sockets { udp, tcp, tls, link } = sockets;
    let ledger = open(&config, crypto.as_ref(), &ground.link).await?;
    let clock = ground.clock.clone();
    let keeper = Keeper::new(ledger.anywhere(), clock.clone(), crypto.clone(), providers);
    let world = World { clock, crypto, keeper: Arc::new(keeper), ledger };
    let hub = Arc::<Hub>::default();
    hear(&world.ledger, &hub);
    let public_url = config.http.public_url.get().map(ToOwned::to_owned);
    let leader = Leader {
        world: world.clone(),
        tenants: config.coaps.iter().map(|coaps| coaps.tenant.as_str().to_owned()).collect(),
        public_url: public_url.unwrap_or_else(|| addresses.url()),
        hub: hub.clone(),
        actors: ground.actors.handle(),
        unproven: Arc::default(),
        counters: Arc::default(),
        sleep_after: Duration::from_secs(config.devices.sleep_after.get().into()),
        outbox: Arc::default(),
        keys: Arc::default(),
    };
    let shown = leader.shown();
    let (begun, begins) = oneshot::channel();
    ground.tasks.spawn(leader.run(begun));
    ground.tasks.spawn(stopped(world.ledger.clone()));
    keep(&world, in_cluster, &mut ground.tasks);
    let operator: Arc<dyn Operator> =
        Arc::new(AtNode::new(world.ledger.clone(), hub.clone(), shown.unproven.clone(), data));
    let starting = ground.serve_health(&tcp, tls.as_ref())?;
    let registrar = Arc::new(Registrar::new(world.ledger.anywhere(), world.keeper.ring()));
    match link {
        Some(socket) => {
            let linking = Linking {
                config: &config,
                world: &world,
                hub: &hub,
                operator: &operator,
                registrar: &registrar,
                late: &ground.link,
                nodes: &ground.nodes,
                socket,
                init,
                tasks: &mut ground.tasks,
                waits: ground.waits.clone(),
            };
            linking.start(Begins(begins)).await?;
        }
        None => Begins(begins).done().await?,
    }
    ground.waits.send_replace(None);
    config.coaps.iter().for_each(|coaps| world.warn_without_chain(coaps));
    let edges = ground.edges(udp, world.ledger.id(), Some(&hub))?;
    if !in_cluster {
        heard(&edges, &world.keeper).await;
    }
    let desk = Desk::default();
    let metrics = Metrics::new(
        Sources {
            http: ground.http.clone(),
            node: world.ledger.clone(),
            actors: shown.actors,
            edges: edges.iter().map(|edge| edge.shown.clone()).collect(),
            outbox: shown.outbox,
            lookups: desk.lookups.clone(),
            keeper: world.keeper.clone(),
            keys: shown.keys,
            traces: telemetry::traces().map(Traces::counters).unwrap_or_default(),
        },
        ground.meeting(hub.counters()),
    );
    let World { clock, crypto, keeper, ledger } = world;
    let anywhere = ledger.anywhere();
    let health = ground.health(Some((anywhere.clone(), keeper.clone())), &edges);
    let api = Api {
        ledger: anywhere,
        desk,
        keeper: keeper.clone(),
        clock,
        crypto,
        admin_token,
        streams: Streams::new(ground.http.clone(), ground.stop.subscribe()),
        operator,
        registrar,
        health: health.clone(),
        metrics: Arc::new(metrics),
    };
    let router = http::router(api);
    let (stop, stopped) = starting;
    stop.send_replace(true);
    let _ = stopped.await;
    Ok(ground.serve((tcp, tls), router, addresses, Some((ledger, keeper)), (edges, health)))
}

/// Lets the actors, while this node leads, hear of what commands have changed, whichever node
/// proposed them.
fn hear(ledger: &Arc<Node>, hub: &Arc<Hub>) {
    let (node, hub) = (Arc::downgrade(ledger), hub.clone());
    ledger.observe(move |command, outcome| {
        let (Some(devices), Some(node)) = (hub.devices(), node.upgrade()) else { return };
        match Notice::of(command, outcome) {
            Some(Notice::Ended(ended)) => devices.ended(ended),
            Some(Notice::Presented(tenant)) => {
                let mut realm = None;
                node.read(&mut |rows| {
                    realm = View::new(rows).tenant(&tenant).map(|tenant| tenant.realm);
                });
                realm.iter().for_each(|realm| devices.identity_changed(realm));
            }
            None => {}
        }
    });
}

/// Waits a moment for edges to hear of the leader, which is in this process: whoever reads that it
/// runs may come at once.
async fn heard(edges: &[Running], keeper: &Keeper) {
    let sealed = keeper.standing().borrow().sealed.is_some();
    for _ in 0..200 {
        if sealed || !edges.iter().any(|edge| edge.shown.is_silent()) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Keeps the keys open, and this node from leading while it is sealed. A node of a cluster leads
/// only once it has opened them.
fn keep(world: &World, in_cluster: bool, tasks: &mut JoinSet<()>) {
    let (may_lead, mut stands) = watch::channel(!in_cluster);
    let ledger = world.ledger.clone();
    tasks.spawn(world.keeper.clone().run(!in_cluster, move |may| {
        may_lead.send_if_modified(|known| core::mem::replace(known, may) != may);
    }));
    tasks.spawn(async move {
        let mut stands_now = !in_cluster;
        loop {
            let stand = *stands.borrow_and_update();
            // While it is sealed it tries again: others may have been down.
            if !(stand && stands_now)
                && let Err(error) = ledger.stand(stand).await
            {
                tracing::debug!(%error, "this node is sealed and leads on");
            }
            stands_now = stand;
            if let Ok(Err(_)) = timeout(WATCH, stands.changed()).await {
                return;
            }
        }
    });
}

/// Ends when the ledger has stopped, which it should not.
async fn stopped(ledger: Arc<Node>) {
    while ledger.standing().running {
        tokio::time::sleep(WATCH).await;
    }
    tracing::error!("the ledger has stopped; its log says why");
}

/// Makes the data folder, for its owner only; true if there was no ledger in it.
fn make_folder(path: &Path) -> Result<bool, StartError> {
    let folder = |source| StartError::Folder { path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(folder)?;
    Ok(!path.join("ledger").exists())
}

/// Opens this process's node of the ledger, which reaches others by `link`.
async fn open(config: &Config, crypto: &dyn Crypto, link: &Late) -> Result<Arc<Node>, StartError> {
    let id = u64::from_be_bytes(crypto.random());
    let storage = Storage::Folder(config.node.data.join("ledger"));
    let reserve = u64::from(config.node.disk_reserve.get()) << 20;
    let link = Arc::new(link.clone());
    let node = NodeConfig::new(storage, id, claviger_ledger::apply, link);
    let knows = match config.cluster.hold_level.get() {
        0 => node.knows,
        held => held.min(node.knows),
    };
    let node = NodeConfig { reserve, knows, ..node };
    let opened = if config.cluster.is_used() {
        // It is sealed until its keys are open.
        Node::open(NodeConfig { stands: false, ..node }).await
    } else {
        Node::open_single(node).await
    };
    opened.map(Arc::new).map_err(|error| StartError::Ledger(error.to_string()))
}
