//! A whole cluster in one thread: devices, a load balancer, edges, links, and nodes of the ledger
//! of which the one that leads runs the actors.
//!
//! What runs is what ships: the edges, the actors, openraft with our log and rows, the simulated
//! devices. Fakes are the clock, randomness, the network, the links, the disk and the LwM2M server;
//! what `node` does to wire the parts, a node's start and end of leadership and an edge's way to the
//! leader, is done here in the same shape. Everything follows from one seed, so that a run repeats.
//!
//! Make a [`SimCluster`], and drive it with [`SimCluster::run_until`]; [`SimCluster::plague`] lets a seed
//! choose what goes wrong. What must hold is looked at in each step by [`crate::invariant`]; what
//! does not is in [`SimCluster::breaches`].

mod balancer;
mod clock;
mod course;
mod edge;
mod fault;
mod forgetful;
mod incarnation;
mod member;
mod operator;
mod rest;
mod run;
mod wires;

use balancer::Balance;
use clock::NodeClock;
pub use fault::Fault;
pub use operator::Ask;
pub(crate) use operator::{ANCHOR, Operation, Told};

use crate::gate::Gate;
use crate::invariant::Watch;
use crate::{Net, SeededCrypto, VirtualClock, found, panics};
use claviger_actors::{Clock, Counters, Unproven};
use claviger_device::{Account, Device, DeviceConfig, Failure};
use claviger_ledger::{CredentialId, Ledger, Outcome};
use claviger_machine::{Crypto, Draw};
use claviger_raft::{MemoryTransport, Node, NodeConfig, OpenError, SimulatedDisk, Storage};
use core::net::SocketAddr;
use core::time::Duration;
use edge::EdgeHost;
use forgetful::Forgetful;
use incarnation::Copy;
use member::{Common, Happened, Member};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wires::Wires;

pub(crate) const TENANT: &str = "default";
/// The name that the listeners' key follows from.
const SERVER: &str = "the listeners";
/// Where devices find the service.
const SERVICE: SocketAddr =
    SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1)), 5684);

/// Bytes of a node's disk.
const DISK: u64 = 1 << 30;

/// Opens the node that is on this disk, or a new one.
pub(crate) async fn open(
    disk: &SimulatedDisk,
    id: u64,
    apply: claviger_ledger::Apply,
    transport: &MemoryTransport,
) -> Result<Node, OpenError> {
    let config = NodeConfig::new(Storage::Simulated(disk.clone()), id, apply, transport.at(id));
    let node = Node::open(config).await?;
    transport.join(&node);
    Ok(node)
}

/// A defect in the wiring of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// None.
    None,
    /// A leader sends what is for one edge to all.
    SendsToAll,
    /// The worker of the outbox tells nobody.
    TellsNobody,
    /// Disks say that they have synced, and have not.
    SkipsSyncs,
    /// A leader takes each message of a device for a new one.
    ForgetsMessages,
}

/// What a cluster is made of.
#[derive(Debug, Clone, Copy)]
pub struct ClusterConfig {
    /// The seed of everything.
    pub seed: u64,
    /// How many nodes the ledger has.
    pub nodes: u64,
    /// How many edges there are.
    pub edges: usize,
    /// A defect that is planted between the actors and the ledger.
    pub between: fn(Arc<dyn Ledger>) -> Arc<dyn Ledger>,
    /// A defect in what is wired here.
    pub defect: Defect,
    /// What a committed command does: the ledger's `apply`, or a defect of it.
    pub apply: claviger_ledger::Apply,
    /// True if each line of the log is printed as it comes.
    pub shown: bool,
}

impl ClusterConfig {
    /// A sound cluster.
    pub fn new(seed: u64, nodes: u64, edges: usize) -> Self {
        let (between, apply) = (|ledger| ledger, claviger_ledger::apply);
        Self { seed, nodes, edges, between, defect: Defect::None, apply, shown: false }
    }
}

/// A simulated device, from one power-on to the next.
pub(crate) struct Sim {
    pub(crate) name: String,
    pub(crate) device: Device,
    /// What tells it from all that were switched on before.
    pub(crate) line: u64,
    pub(crate) account: Option<Account>,
    pub(crate) failure: Option<Failure>,
    /// How many handshakes it has made.
    pub(crate) handshakes: u64,
    /// Whether it has a connection id.
    pub(crate) cid: bool,
    /// The incarnation of the cluster in which its session was opened.
    pub(crate) opened_in: u64,
    /// Whether the service can know its session still: it has not ended it, nor moved without an id.
    pub(crate) in_session: bool,
    /// Whether it has ended its session, which an edge may take for open after that.
    pub(crate) closed: bool,
}

/// A cluster and what is around it.
pub struct SimCluster {
    /// The time.
    pub clock: VirtualClock,
    /// What happened, a line each.
    pub log: Vec<String>,
    /// What does not hold; a run is over with the first.
    pub breaches: Vec<String>,
    /// How datagrams come to edges.
    pub(crate) balance: Balance,
    pub(crate) config: ClusterConfig,
    pub(crate) common: Common,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) members: Vec<Member>,
    /// The operator's way to each node.
    pub(crate) doors: Vec<Arc<Gate>>,
    pub(crate) edges: Vec<EdgeHost>,
    pub(crate) transport: MemoryTransport,
    pub(crate) wires: Wires,
    pub(crate) net: Net,
    pub(crate) fleet: BTreeMap<SocketAddr, Sim>,
    pub(crate) lines: u64,
    pub(crate) ports: u16,
    pub(crate) operations: Vec<Operation>,
    pub(crate) places: u64,
    /// How many operations came to no answer.
    pub(crate) unanswered: usize,
    /// Devices that somebody wanted to delete in earlier incarnations.
    pub(crate) deleted_before: BTreeSet<String>,
    /// The newest backup, if one was taken.
    pub(crate) copy: Option<Copy>,
    /// How often the cluster has gone on from one.
    pub(crate) incarnation: u64,
    /// In which incarnation the session was opened that a device resumes when it is switched on.
    pub(crate) resumable: BTreeMap<String, u64>,
    /// What the LwM2M server holds.
    pub(crate) server: Arc<Mutex<BTreeSet<CredentialId>>>,
    pub(crate) watch: Watch,
    pub(crate) happened: UnboundedReceiver<Happened>,
    /// What stopped processes have said, which leaves them when they go on.
    pub(crate) held: Vec<Happened>,
    pub(crate) next_beat: Duration,
    pub(crate) recorded: Vec<Vec<u8>>,
    /// How many of the next datagrams to devices are lost.
    pub(crate) losing: usize,
    /// What has passed, where that is forgotten.
    pub(crate) forgetful: Option<Forgetful>,
}

impl SimCluster {
    /// A founded cluster whose nodes have a leader.
    ///
    /// # Panics
    /// If it finds none.
    pub async fn start(config: ClusterConfig) -> Self {
        panics::watch();
        let clock = VirtualClock::start();
        let crypto: Arc<dyn Crypto> = Arc::new(SeededCrypto::new(config.seed));
        let (out, happened) = unbounded_channel();
        let common = Common {
            keys: crate::world::keys(),
            crypto: crypto.clone(),
            out,
            counters: Arc::new(Counters::default()),
            unproven: Arc::new(Unproven::default()),
            between: config.between,
        };
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let mut members = Vec::new();
        for (place, id) in (1..=config.nodes).enumerate() {
            let disk = SimulatedDisk::new(config.seed ^ id, DISK);
            if config.defect == Defect::SkipsSyncs {
                disk.skip_syncs();
            }
            let node = open(&disk, id, config.apply, &transport).await;
            let node = node.expect("the disk is empty");
            members.push(Member::new(place, node, disk, NodeClock::new(clock), &common));
        }
        let voters: Vec<u64> = (1..=config.nodes).collect();
        members[0].node.initialize(&voters).await.expect("it is founded once");
        let edges = 0..config.edges;
        let edges = edges.map(|_| EdgeHost::new(clock, &crypto, TENANT)).collect();
        let mut cluster = Self {
            clock,
            log: Vec::new(),
            breaches: Vec::new(),
            balance: Balance::Hash(0),
            rng: ChaCha20Rng::seed_from_u64(config.seed ^ 0x0c10_57e2),
            doors: Vec::new(),
            members,
            edges,
            transport,
            wires: Wires::new(Duration::from_millis(1)),
            net: Net::new(config.seed, crate::Faults::default()),
            fleet: BTreeMap::new(),
            lines: 0,
            ports: 1000,
            operations: Vec::new(),
            places: 0,
            unanswered: 0,
            deleted_before: BTreeSet::new(),
            copy: None,
            incarnation: 0,
            resumable: BTreeMap::new(),
            server: Arc::default(),
            watch: Watch::default(),
            happened,
            held: Vec::new(),
            next_beat: clock.now(),
            recorded: Vec::new(),
            losing: 0,
            forgetful: (config.defect == Defect::ForgetsMessages).then(Forgetful::default),
            common,
            config,
        };
        cluster.doors = (0..cluster.members.len()).map(|node| cluster.door(node)).collect();
        let leads = |cluster: &Self| cluster.leader().is_some();
        assert!(cluster.run_until(Duration::from_secs(10), leads).await, "nobody leads");
        let leader = cluster.leader().expect("it was just there");
        let ledger = cluster.members[leader].node.clone();
        found(&ledger, &clock, &*crypto).await;
        let key = crate::keys::private_key(SERVER);
        cluster.watch.secrets.keep(&Sha256::digest(SERVER));
        let identity = crate::world::server_identity(&key, Vec::new(), &*crypto);
        let put = crate::world::propose(&ledger, &clock, &*crypto, identity.into()).await;
        assert_eq!(put, Ok(Outcome::Made));
        if let Some(leading) = &cluster.members[leader].leading {
            leading.devices.identity_changed(TENANT);
        }
        cluster
    }

    /// The operator's way to a node.
    pub(crate) fn door(&self, node: usize) -> Arc<Gate> {
        let ledger = Arc::new(self.members[node].node.clone());
        Arc::new(Gate::new((self.config.between)(ledger)))
    }

    /// The place of a node that leads.
    pub fn leader(&self) -> Option<usize> {
        let leads = |member: &&Member| member.runs && member.leading.is_some();
        let newest = self.members.iter().filter(leads);
        let newest = newest.max_by_key(|member| member.leading.as_ref().map(|it| it.term));
        newest.map(|member| member.place)
    }

    /// Switches on a device at an address that nobody had before.
    pub fn switch_on(&mut self, config: DeviceConfig) -> SocketAddr {
        let address = self.fresh_address();
        let (name, cid) = (config.endpoint.clone(), config.cid);
        let device =
            Device::new(self.clock.now(), config, Box::new(Draw(self.common.crypto.clone())));
        let line = self.lines;
        self.lines += 1;
        let sim = Sim {
            name,
            device,
            line,
            account: None,
            failure: None,
            handshakes: 0,
            cid,
            opened_in: self.incarnation,
            in_session: false,
            closed: false,
        };
        self.note(&format!("{address} is {} switched on", sim.name));
        self.fleet.insert(address, sim);
        address
    }

    /// Switches a device off; gives what it resumes its session by.
    pub fn switch_off(&mut self, address: SocketAddr) -> Option<claviger_dtls::Resumption> {
        self.note(&format!("{address} is switched off"));
        let sim = self.fleet.remove(&address)?;
        self.resumable.insert(sim.name, sim.opened_in);
        sim.device.resumption()
    }

    /// Lets a device ask again in the session that it has.
    pub fn ask_again(&mut self, address: SocketAddr) {
        let now = self.clock.now();
        if let Some(sim) = self.fleet.get_mut(&address) {
            (sim.account, sim.failure) = (None, None);
            sim.device.ask_again(now);
            self.watch.once.asked(sim.line);
        }
        self.note(&format!("{address} asks again"));
    }

    /// Gives a device another address, as a NAT does.
    pub fn rebind(&mut self, from: SocketAddr) -> SocketAddr {
        let to = self.fresh_address();
        if let Some(mut sim) = self.fleet.remove(&from) {
            sim.in_session &= sim.cid;
            self.fleet.insert(to, sim);
        }
        self.note(&format!("{from} is {to} now"));
        to
    }

    /// Whether the device at this address holds what it was given.
    pub fn is_bootstrapped(&self, address: SocketAddr) -> bool {
        self.fleet.get(&address).is_some_and(|sim| sim.account.is_some())
    }

    /// How many handshakes the device at this address has made.
    pub fn handshakes(&self, address: SocketAddr) -> u64 {
        self.fleet.get(&address).map_or(0, |sim| sim.handshakes)
    }

    /// Whether it has given up.
    pub fn has_failed(&self, address: SocketAddr) -> bool {
        self.fleet.get(&address).is_some_and(|sim| sim.failure.is_some())
    }

    fn fresh_address(&mut self) -> SocketAddr {
        self.ports += 1;
        SocketAddr::from(([192, 0, 2, 2], self.ports))
    }

    /// Adds a line to the log.
    pub fn note(&mut self, words: &str) {
        let line = format!("{:>8} {words}", self.clock.elapsed_ms());
        if self.config.shown {
            eprintln!("{line}");
        }
        self.log.push(line);
    }

    /// Something does not hold.
    pub(crate) fn breach(&mut self, what: Option<String>) {
        if let Some(what) = what {
            self.note(&format!("BREACH {what}"));
            self.breaches.push(what);
        }
    }

    /// Ends all nodes. Gives what did not hold, and what happened.
    pub async fn end(mut self) -> (Vec<String>, Vec<String>) {
        for member in &self.members {
            member.node.shutdown().await;
        }
        self.breaches.extend(panics::seen());
        (self.breaches, self.log)
    }
}
