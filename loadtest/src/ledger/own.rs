//! Our ledger under load.
//!
//! The load comes from a fourth node, which has no vote: what it proposes and confirms goes to the
//! leader by the same channel as from any node's API.

use super::node::{CLUSTER, NodeOptions, make_authority, open};
use super::{Figures, Opponent, RECORD, Work, cpu, figures, until};
use crate::Failure;
use crate::peers::Running;
use crate::process::Process;
use claviger_ledger::{
    ConnectorKind, CreateTenant, Envelope, Found, Ledger, Outcome, PutConnector, RequestId,
    Unavailable, View,
};
use claviger_seal::{Label, TenantKey};
use core::time::Duration;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// How long a cluster may take to elect a leader, and to be made.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whose records they are.
const TENANT: &str = "load";

/// The node that sends the load.
const LOADER: u64 = 9;

/// Three nodes, and one that sends the load.
pub struct Cluster {
    nodes: Vec<Running>,
    ledger: Arc<dyn Ledger>,
    key: Arc<TenantKey>,
    runtime: Runtime,
    runs: u64,
    _folder: TempDir,
}

impl core::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Cluster")
    }
}

fn start(binary: &Path, id: u64, folder: &Path) -> Result<Running, Failure> {
    let mut command = Command::new(binary);
    command.args(["ledger-node", "--id", &id.to_string(), "--authority"]).arg(folder);
    command.arg("--folder").arg(folder.join(id.to_string()));
    Running::converse(command, "a node of the ledger")
}

/// Tells a node something until it is done: it may take a moment until it can be.
fn insist(node: &mut Running, line: &str) -> Result<(), Failure> {
    let mut last = Ok(());
    let done = || {
        last = node.ask(line);
        last.is_ok()
    };
    until(done, PATIENCE);
    last
}

impl Cluster {
    /// Starts one, with logs below `folder`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(folder: Option<&Path>) -> Result<Self, Failure> {
        let made = folder.map_or_else(tempfile::tempdir, tempfile::tempdir_in);
        let folder = made.map_err(Failure::because("no folder for the nodes"))?;
        make_authority(folder.path())?;
        let binary = std::env::current_exe().map_err(Failure::because("who am I?"))?;
        let nodes = (1..=3).map(|id| start(&binary, id, folder.path()));
        let mut nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let runtime = Runtime::new().map_err(Failure::because("no runtime"))?;
        let authority = folder.path().to_owned();
        let options = NodeOptions { id: LOADER, folder: None, authority };
        let (loader, address) = runtime.block_on(open(options))?;
        let addresses: Vec<String> =
            nodes.iter().map(|node| node.said().trim().to_owned()).collect();
        nodes[0].ask("found")?;
        insist(&mut nodes[0], "leads")?;
        for (id, address) in [(2, &addresses[1]), (3, &addresses[2]), (LOADER, &address)] {
            insist(&mut nodes[0], &format!("join {id} {address}"))?;
        }
        insist(&mut nodes[0], "promote 2 3")?;
        let ledger = loader.anywhere();
        let found = Found { cluster: CLUSTER }.into();
        let tenant =
            CreateTenant { tenant: TENANT.to_owned(), wrapped_key: vec![0; 60], root: 0 }.into();
        for (number, command) in [(1, found), (2, tenant)] {
            let envelope = Envelope::new(1, RequestId([number; 16]), command);
            let outcome = runtime.block_on(ledger.propose(envelope));
            outcome.map_err(Failure::because("the ledger cannot be founded"))?;
        }
        let key = Arc::new(TenantKey::new([7; 32]));
        Ok(Self { nodes, ledger, key, runtime, runs: 0, _folder: folder })
    }

    /// Kills the leader, and gives the time until the next commit. Two nodes are left then.
    ///
    /// # Errors
    /// If no commit succeeds in time.
    pub fn kill_leader(&mut self) -> Result<Duration, Failure> {
        self.runs += 1;
        let leader = (0..self.nodes.len()).find(|node| self.nodes[*node].ask("leads").is_ok());
        let leader = leader.ok_or_else(|| Failure::new("no node leads"))?;
        let killed = Instant::now();
        drop(self.nodes.remove(leader));
        let mut turn = 0;
        let committed = || {
            turn += 1;
            let record = record(&self.key, self.runs, 0, turn);
            self.runtime.block_on(self.ledger.propose(record)).is_ok()
        };
        let again = until(committed, PATIENCE);
        again
            .map(|_| killed.elapsed())
            .ok_or_else(|| Failure::new("no commit after the leader's end"))
    }

    fn processes(&self) -> Vec<Process> {
        self.nodes.iter().map(Running::process).collect()
    }
}

/// A record, sealed, under a name of the client's.
fn record(key: &TenantKey, run: u64, client: u32, turn: u64) -> Envelope {
    let label = Label::Connector { tenant: TENANT, connector: "c" };
    let number = (u128::from(run) << 96) | (u128::from(client) << 64) | u128::from(turn);
    let put = PutConnector {
        tenant: TENANT.to_owned(),
        name: format!("{client}/{}", turn % 1000),
        url: String::new(),
        sealed_secret: key.seal(label, &[0x55; RECORD], number.to_be_bytes()),
        kind: ConnectorKind::Webhook,
        expect: None,
    };
    Envelope::new(turn, RequestId(number.to_be_bytes()), put.into())
}

struct Client {
    ledger: Arc<dyn Ledger>,
    key: Arc<TenantKey>,
    run: u64,
    number: u32,
}

impl Client {
    async fn once(&self, turn: u64, read: bool) -> Result<(), Unavailable> {
        if !read {
            let record = record(&self.key, self.run, self.number, turn);
            return match self.ledger.propose(record).await? {
                Outcome::Done | Outcome::Made => Ok(()),
                outcome => panic!("the ledger refuses a record: {outcome:?}"),
            };
        }
        self.ledger.confirm().await?;
        self.ledger.read(&mut |rows| drop(View::new(rows).connector(TENANT, "0/0")));
        Ok(())
    }

    async fn work(self, work: Work, begin: Instant) -> Result<Vec<Duration>, Unavailable> {
        let (mut took, end) = (Vec::new(), begin + work.measured);
        for turn in 0.. {
            let begun = Instant::now();
            if begun >= end {
                break;
            }
            self.once(turn, work.read).await?;
            let ended = Instant::now();
            if begin <= begun && ended <= end {
                took.push(ended - begun);
            }
        }
        Ok(took)
    }
}

impl Opponent for Cluster {
    fn name(&self) -> &str {
        "Claviger"
    }

    fn run(&mut self, work: Work) -> Result<Figures, Failure> {
        self.runs += 1;
        let (run, processes) = (self.runs, self.processes());
        let (before, began) = (cpu(&processes)?, Instant::now());
        let begin = began + work.warm_up;
        let running = self.runtime.block_on(async {
            let mut running = JoinSet::new();
            for number in 0..work.clients {
                let (ledger, key) = (self.ledger.clone(), self.key.clone());
                running.spawn(Client { ledger, key, run, number }.work(work, begin));
            }
            running.join_all().await
        });
        let took = running.into_iter().collect::<Result<Vec<_>, _>>();
        let took = took.map_err(Failure::because("an operation failed"))?;
        let mut took: Vec<Duration> = took.into_iter().flatten().collect();
        took.sort_unstable();
        let (rate, p50_ms, p99_ms) = figures(&took, work.measured);
        let all = rate * began.elapsed().as_secs_f64();
        let cpu_us = (cpu(&processes)? - before).as_secs_f64() * 1e6 / all.max(1.0);
        Ok(Figures { rate, p50_ms, p99_ms, cpu_us })
    }
}
