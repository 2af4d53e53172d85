//! One node of the ledger.

use crate::anywhere::Shell;
use crate::counters::{Counters, Pending};
use crate::duties;
use crate::frame::Applied;
use crate::home::Home;
use crate::leadership::{self, Leadership};
use crate::line::Line;
use crate::log::Log;
use crate::log_store::LogStore;
use crate::peer::Factory;
use crate::readers::{Asking, Confirmed, Readers};
use crate::space::Space;
use crate::spool::Spools;
use crate::state::{Machine, Observer};
use crate::state_store::StateStore;
use crate::storage::{self, Storage, Stores};
use crate::transport::Transport;
use crate::types::{Command, Raft};
use crate::wal::Hand;
use claviger_ledger::{Apply, Rows};
use futures::future::BoxFuture;
use openraft::error::{ClientWriteError, RaftError};
use openraft::{BasicNode, Config, ReadPolicy, ServerState, SnapshotPolicy};
use openraft_rt::watch::WatchReceiver;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tracing::{Instrument, Span, field, info_span};

/// How long a single voter may take to lead.
const START: Duration = Duration::from_secs(10);

/// When a log gives way to a snapshot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How many entries make a new snapshot.
    pub(crate) snapshot: u64,
    /// How many are kept in the log behind one.
    pub(crate) kept: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { snapshot: 50_000, kept: 5_000 }
    }
}

/// Where a node keeps itself, and what its commands do.
#[derive(Clone)]
pub struct NodeConfig {
    /// Where it keeps its log and its rows.
    pub storage: Storage,
    /// Bytes of free space there below which nothing is proposed.
    pub reserve: u64,
    /// The node's id where there is none yet; random in production.
    pub id: u64,
    /// The cluster that it is to be in, where that is known.
    pub cluster: Option<[u8; 16]>,
    /// What a committed command does.
    pub apply: Apply,
    /// The newest level that `apply` knows, or an older one that the cluster's is not to rise above.
    pub knows: u32,
    /// False for a node that must not lead: it could serve nobody.
    pub stands: bool,
    /// The way to the other nodes.
    pub transport: Arc<dyn Transport>,
    /// Where a node on a disk has its tasks; on a thread of its own if that is not said. One in
    /// memory has them where it is opened.
    pub home: Option<Home>,
}

impl std::fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("NodeConfig");
        shown.field("storage", &self.storage).field("reserve", &self.reserve).field("id", &self.id);
        shown.finish_non_exhaustive()
    }
}

impl NodeConfig {
    /// A node of this version, which may lead, keeps no space in reserve, and does not know yet
    /// which cluster it is to be in.
    pub fn new(storage: Storage, id: u64, apply: Apply, transport: Arc<dyn Transport>) -> Self {
        let (cluster, knows) = (None, claviger_ledger::LEVEL);
        let home = None;
        Self { storage, reserve: 0, id, cluster, apply, knows, stands: true, transport, home }
    }
}

/// Why a node does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be used.
    #[error("{folder}: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The node does not run.
    #[error("the ledger's node does not start: {0}")]
    Runtime(String),
}

/// Why a proposal was not committed, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Another node leads.
    #[error("another node leads: {leader:?}")]
    NotLeader {
        /// The leader, where it is known.
        leader: Option<u64>,
    },
    /// No quorum answers.
    #[error("no quorum answers")]
    Unavailable,
    /// The node has stopped, by a storage error or because it was told to.
    #[error("the node has stopped")]
    Stopped,
    /// The disk is below its reserve of free space.
    #[error("too little free space")]
    OutOfSpace,
}

/// How a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The node's id.
    pub id: u64,
    /// The leader, where it is known.
    pub leader: Option<u64>,
    /// The term.
    pub term: u64,
    /// The highest index in the log.
    pub last_index: u64,
    /// The highest index that is applied.
    pub applied_index: u64,
    /// Bytes of free space, measured within the last moments; none for a node in memory.
    pub free: Option<u64>,
    /// True while that is below the reserve: proposals are refused.
    pub short_of_space: bool,
    /// False once the node has stopped.
    pub running: bool,
}

/// One node: cheap to clone.
#[derive(Clone)]
pub struct Node {
    id: u64,
    pub(crate) raft: Raft,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) line: Arc<Line>,
    pub(crate) shell: Arc<Shell>,
    log: Arc<dyn LogStore>,
    pub(crate) state: Arc<dyn StateStore>,
    counters: Arc<Counters>,
    pub(crate) space: Arc<Space>,
    observer: Arc<Observer>,
    pub(crate) spools: Spools,
    leadership: watch::Receiver<Leadership>,
    pub(crate) knows: u32,
    pub(crate) stands: Arc<AtomicBool>,
    /// True while another is to take the lead: nothing is proposed.
    pub(crate) handing_over: Arc<AtomicBool>,
    readers: Arc<Readers>,
    /// Where openraft runs, if not where the node was opened: the last one who drops it ends it.
    pub(crate) home: Option<Home>,
    on_disk: bool,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({})", self.id)
    }
}

fn settings(pace: Pace) -> Config {
    Config {
        cluster_name: "claviger".to_owned(),
        heartbeat_interval: 50,
        election_timeout_min: 150,
        election_timeout_max: 300,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(pace.snapshot),
        max_in_snapshot_log_to_keep: pace.kept,
        max_payload_entries: 1024,
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        ..Config::default()
    }
}

/// The span from the log to the answer of `apply`, where its cause is traced. Entries share a sync,
/// so that many such spans may end at once.
fn commit_span() -> Span {
    let cause = Span::current();
    if cause.is_none() {
        return cause;
    }
    info_span!("ledger.commit", claviger.index = field::Empty)
}

impl Node {
    /// Opens a node, new or known, and lets it run.
    ///
    /// The future is boxed so that openraft is compiled here, once: what an `async fn` does is
    /// compiled where it is awaited, in each crate anew.
    ///
    /// # Errors
    /// [`OpenError`] if its folder cannot be used, or what is in it cannot be read or trusted.
    pub fn open(config: NodeConfig) -> BoxFuture<'static, Result<Self, OpenError>> {
        Box::pin(Self::open_at(config, Pace::default(), Hand::Thread))
    }

    pub(crate) async fn open_at(
        config: NodeConfig,
        pace: Pace,
        hand: Hand,
    ) -> Result<Self, OpenError> {
        let counters = Arc::new(Counters::default());
        let on_disk = config.storage.on_disk();
        let folder = config.storage.folder();
        let failed = |source| OpenError::Folder { folder: folder.clone(), source };
        let stores = config.storage.open(hand, config.reserve, &counters).map_err(failed)?;
        let Stores { log, state, spools, space } = stores;
        let id = storage::node_id(&*log, &*state, config.id).await.map_err(failed)?;
        storage::check(&*state, config.knows, config.cluster).map_err(failed)?;
        // Only now: the rows are there.
        remove_old_snapshot(on_disk.then_some(&folder)).map_err(failed)?;
        let entries = Log::new(log.clone(), state.clone());
        let observer = Arc::<Observer>::default();
        let machine =
            Machine::new(state.clone(), config.apply, counters.clone(), observer.clone(), on_disk);
        let runtime = |error: &dyn std::error::Error| OpenError::Runtime(error.to_string());
        let settings = Config { enable_elect: config.stands, ..settings(pace) };
        let settings = settings.validate().map_err(|error| runtime(&error))?;
        let network = Factory { from: id, transport: config.transport.clone() };
        let raft = Raft::new(id, Arc::new(settings), network, entries, machine);
        // A node in memory runs where it is opened: the seeded world has one thread.
        let home = match config.home {
            Some(home) => Some(home),
            None => on_disk.then(Home::open).transpose().map_err(failed)?,
        };
        let raft = match &home {
            Some(home) => home.run(raft).await.map_err(|error| runtime(&error))?,
            None => raft.await,
        };
        let raft = raft.map_err(|error| runtime(&error))?;
        let (told, leadership) = watch::channel(Leadership::default());
        let node = Self {
            id,
            raft,
            transport: config.transport,
            line: Arc::default(),
            shell: Arc::default(),
            log,
            state,
            counters,
            space: Arc::new(space),
            observer,
            spools,
            leadership,
            knows: config.knows,
            stands: Arc::new(AtomicBool::new(config.stands)),
            handing_over: Arc::default(),
            readers: Arc::default(),
            home,
            on_disk,
        };
        node.spawn(watch_over(node.at_home(), told));
        Ok(node)
    }

    /// Opens a single voter, founds its group where that is to be done, and waits until it leads
    /// and shows every row that was ever acknowledged.
    ///
    /// # Errors
    /// As [`Node::open`]; also if it does not lead in time.
    pub fn open_single(config: NodeConfig) -> BoxFuture<'static, Result<Self, OpenError>> {
        Box::pin(Self::open_single_at(config, Pace::default()))
    }

    pub(crate) async fn open_single_at(config: NodeConfig, pace: Pace) -> Result<Self, OpenError> {
        let node = Self::open_at(config, pace, Hand::Caller).await?;
        let runtime = |error: &dyn std::error::Error| OpenError::Runtime(error.to_string());
        if !node.raft.is_initialized().await.map_err(|error| runtime(&error))? {
            node.initialize(&[node.id]).await?;
        } else {
            node.raft.trigger().elect(false).await.map_err(|error| runtime(&error))?;
        }
        let id = node.id;
        let leads = node.raft.wait(Some(START)).current_leader(id, "a single voter leads").await;
        leads.map_err(|error| runtime(&error))?;
        // What the rows lack of the log is committed by the new term's first entry.
        node.raft.wait_for_recovery(Some(START)).await.map_err(|error| runtime(&error))?;
        if node.log_is_long(pace) {
            node.raft.trigger().snapshot().await.map_err(|error| runtime(&error))?;
        }
        Ok(node)
    }

    /// True if the log has more entries than a snapshot is made after. openraft counts them from
    /// each start anew: without a look there, one that is stopped often never cuts its log.
    fn log_is_long(&self, pace: Pace) -> bool {
        let purged = self.log.kept().purged.map_or(0, |(to, _)| to);
        self.standing().last_index.saturating_sub(purged) > pace.snapshot + pace.kept
    }

    /// Founds the group: these ids are its voters. Once, at one node.
    ///
    /// # Errors
    /// [`OpenError::Runtime`] if the group is founded already.
    pub async fn initialize(&self, voters: &[u64]) -> Result<(), OpenError> {
        let members: BTreeMap<u64, BasicNode> =
            voters.iter().map(|id| (*id, BasicNode { addr: id.to_string() })).collect();
        let founded = self.raft.initialize(members).await;
        founded.map_err(|error| OpenError::Runtime(error.to_string()))
    }

    /// True unless it runs in memory, where nobody waits for a disk.
    pub(crate) fn on_disk(&self) -> bool {
        self.on_disk
    }

    /// The node's id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Who leads, and every change of it; one that lasts for a moment may be left out.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// What the node counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Lets `observer` hear of each command that is applied here, with its outcome, before whoever
    /// proposed it has the answer; whichever node that is. Only the first that is set counts. It is
    /// called where commands are applied, and must not wait.
    pub fn observe(&self, observer: impl Fn(&[u8], &[u8]) + Send + Sync + 'static) {
        drop(self.observer.set(Box::new(observer)));
    }

    /// Commits `command` and gives what `apply` answered.
    ///
    /// # Errors
    /// [`ProposeError`]; unless it is `NotLeader` or `OutOfSpace`, the command may be committed all
    /// the same.
    pub async fn propose(&self, command: Vec<u8>) -> Result<Vec<u8>, ProposeError> {
        self.commit(command).await.map(|(_, outcome)| outcome)
    }

    /// As [`Node::propose`], and gives the command's index.
    pub(crate) async fn commit(&self, command: Vec<u8>) -> Result<(u64, Vec<u8>), ProposeError> {
        if self.space.is_short() {
            Counters::one(&self.counters.proposals_without_space);
            return Err(ProposeError::OutOfSpace);
        }
        if self.handing_over.load(Ordering::Relaxed) {
            return Err(ProposeError::NotLeader { leader: None });
        }
        let pending = Pending::new(&self.counters);
        let span = commit_span();
        match self.raft.client_write(Command(command)).instrument(span.clone()).await {
            Ok(response) => {
                span.record("claviger.index", response.log_id.index);
                pending.committed();
                Ok((response.log_id.index, response.data.0))
            }
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Err(ProposeError::NotLeader { leader: to.leader_id })
            }
            Err(RaftError::APIError(_)) => Err(ProposeError::Unavailable),
            Err(RaftError::Fatal(_)) => Err(ProposeError::Stopped),
        }
    }

    /// Waits until a [`Node::read`] that begins afterwards sees everything committed before.
    ///
    /// # Errors
    /// [`ProposeError`] if this node cannot say that it leads.
    pub async fn read_index(&self) -> Result<(), ProposeError> {
        if self.leads_alone() {
            return Ok(());
        }
        self.confirmed().await.map(drop)
    }

    /// As [`Node::read_index`], and gives the index from which on a read sees all that.
    pub(crate) async fn read_from(&self) -> Result<u64, ProposeError> {
        if !self.leads_alone() {
            return self.confirmed().await;
        }
        // The metrics tell of what is applied a moment after whoever proposed it knows.
        let applied = self.state.applied().and_then(Applied::of);
        applied.map(|applied| applied.index()).map_err(|_| ProposeError::Stopped)
    }

    /// The index from which on a read sees all that, by the word of a quorum.
    async fn confirmed(&self) -> Confirmed {
        self.readers.confirmed(|asking| self.spawn(ask_quorum(self.raft.clone(), asking))).await
    }

    /// The same node for what runs at its home, which that does not keep alive.
    pub(crate) fn at_home(&self) -> Self {
        Self { home: None, ..self.clone() }
    }

    /// Runs `task` where openraft's tasks run.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.home {
            Some(home) => home.spawn(task),
            None => drop(tokio::spawn(task)),
        }
    }

    /// True if this node leads, is the only voter, and has applied an entry of its own term. Then
    /// nobody else can lead before a change of membership that this node itself commits, and its
    /// rows show what it answered, now and before it was started: there is nobody to ask.
    fn leads_alone(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leads = metrics.running_state.is_ok() && metrics.state == ServerState::Leader;
        let applied = metrics.last_applied.is_some_and(|id| id.leader_id == metrics.vote.leader_id);
        leads && applied && metrics.membership_config.membership().voter_ids().eq([self.id])
    }

    /// True if this node says that it leads.
    pub(crate) fn leads(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.running_state.is_ok() && metrics.state == ServerState::Leader
    }

    /// The leader, where it is known, and its address.
    pub(crate) fn leader(&self) -> Option<(u64, String)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leader = metrics.current_leader?;
        let node = metrics.membership_config.membership().get_node(&leader)?;
        Some((leader, node.addr.clone()))
    }

    /// Shows one consistent set of this node's rows, perhaps old.
    pub fn read(&self, look: &mut dyn FnMut(&dyn Rows)) {
        self.state.view(look);
    }

    /// The id of the cluster that it is in; none before that is founded, or known here.
    pub fn cluster(&self) -> Option<[u8; 16]> {
        // That it can be read was seen at the start.
        storage::meta(&*self.state).ok().flatten().map(|meta| meta.cluster)
    }

    /// How the node stands.
    pub fn standing(&self) -> Standing {
        let short_of_space = self.space.is_short();
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        Standing {
            id: self.id,
            leader: metrics.current_leader,
            term: metrics.current_term,
            last_index: metrics.last_log_index.unwrap_or(0),
            applied_index: metrics.last_applied.map_or(0, |id| id.index),
            free: self.space.free(),
            short_of_space,
            running: metrics.running_state.is_ok(),
        }
    }

    /// Waits until an index above `index` is applied here, or the node has stopped.
    pub(crate) async fn wait_beyond(&self, index: u64) {
        let mut metrics = self.raft.metrics();
        loop {
            let is_beyond = {
                let seen = metrics.borrow_watched();
                let applied = seen.last_applied.map_or(0, |id| id.index);
                applied > index || seen.running_state.is_err()
            };
            if is_beyond || metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// Stops the node; what was acknowledged is durable, and the log's folder is free.
    pub async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(%error, "the ledger's node did not stop in order");
        }
        // They show at the next start before a leader says what is committed.
        if let Err(error) = self.state.sync() {
            tracing::error!(%error, "the ledger's rows are to be made from its log again");
        }
        self.log.close();
        let mut shown = self.leadership();
        while shown.changed().await.is_ok() {}
    }
}

/// How long a quorum may take to answer. A new leader that commits nothing yet gives no answer at all,
/// and whoever comes later waits behind the question.
const ANSWER: Duration = Duration::from_secs(1);

/// Asks the quorum for all who wait, as long as somebody does.
async fn ask_quorum(raft: Raft, mut asking: Asking) {
    // Whoever is about to come, woken by what woke the first, is asked for as well.
    tokio::task::yield_now().await;
    while let Some(readers) = asking.next() {
        let asked = raft.ensure_linearizable(ReadPolicy::ReadIndex);
        let confirmed = match tokio::time::timeout(ANSWER, asked).await {
            Ok(Ok(id)) => Ok(id.log_id().index),
            Ok(Err(RaftError::Fatal(_))) => Err(ProposeError::Stopped),
            Ok(Err(RaftError::APIError(_))) | Err(_) => Err(ProposeError::Unavailable),
        };
        // Who waited may have gone.
        readers.into_iter().for_each(|told| drop(told.send(confirmed.clone())));
    }
}

/// Tells who leads, and does a leader's duties, until the node stops. `told` is the last to go.
async fn watch_over(node: Node, told: watch::Sender<Leadership>) {
    let raft = node.raft.clone();
    tokio::select! {
        biased;
        () = leadership::follow(&raft, &told) => {}
        () = duties::run(node) => {}
    }
}

/// A copy of all rows that nodes kept once.
const SNAPSHOT: &str = "snapshot";

fn remove_old_snapshot(folder: Option<&PathBuf>) -> io::Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    match std::fs::remove_file(folder.join(SNAPSHOT)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
