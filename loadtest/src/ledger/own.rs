//! Our ledger under load.
//!
//! The load comes from one that is linked as an edge is: each operation is a frame to the leader, and
//! a frame back ([`super::hop`]).

use super::hop::Line;
use super::node::{CLUSTER, credential, make_authority};
use super::{Figures, Opponent, RECORD, TENANT, Work, cpu, figures, until};
use crate::Failure;
use crate::peers::Running;
use crate::process::Process;
use claviger_ledger::{
    ConnectorKind, CreateTenant, Envelope, Found, Outcome, PutConnector, RequestId,
};
use claviger_link::{Link, LinkConfig, Role};
use claviger_seal::{Label, TenantKey};
use core::time::Duration;
use futures::future::try_join_all;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long a cluster may take to elect a leader, and to be made.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long clients commit before the leader hands over, and after that.
const AROUND: Duration = Duration::from_secs(1);

/// After how long a client that was refused asks another node.
const AGAIN: Duration = Duration::from_millis(1);

/// The edge that sends the load.
const LOADER: u64 = 9;

/// Three nodes, and one that sends the load.
pub struct Cluster {
    nodes: Vec<Running>,
    /// To each node.
    lines: Vec<Arc<Line>>,
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
        // One thread suffices, and hands nothing to others. It is driven also between the runs: the
        // lines would end else.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(Failure::because("no runtime"))?;
        let credential = credential(folder.path(), Role::Edge, LOADER)?;
        let config = LinkConfig { listen: None, credential, admits: Arc::new(|_| true) };
        let (link, _) = {
            let _within = runtime.enter();
            Link::new(config).map_err(Failure::because("no link"))?
        };
        let addresses: Vec<String> =
            nodes.iter().map(|node| node.said().trim().to_owned()).collect();
        let lines = (1..).zip(&addresses).map(|(id, address)| Line::open(&link, id, address));
        let lines = runtime.block_on(try_join_all(lines))?.into_iter().map(Arc::new).collect();
        nodes[0].ask("found")?;
        insist(&mut nodes[0], "leads")?;
        for (id, address) in [(2, &addresses[1]), (3, &addresses[2])] {
            insist(&mut nodes[0], &format!("join {id} {address}"))?;
        }
        insist(&mut nodes[0], "promote 2 3")?;
        let key = Arc::new(TenantKey::new([7; 32]));
        let mut cluster = Self { nodes, lines, key, runtime, runs: 0, _folder: folder };
        cluster.fill()?;
        Ok(cluster)
    }

    /// Founds the ledger, and writes what is read.
    fn fill(&mut self) -> Result<(), Failure> {
        let found = Found { cluster: CLUSTER }.into();
        let tenant =
            CreateTenant { tenant: TENANT.to_owned(), wrapped_key: vec![0; 60], root: 0 }.into();
        let founding = [(1, found), (2, tenant)];
        let founding = founding.map(|(n, command)| Envelope::new(1, RequestId([n; 16]), command));
        let leader = self.leader()?;
        let line = self.lines[leader].clone();
        for envelope in [&founding[..], &[record(&self.key, 0, 0, 0)]].concat() {
            let answer = self.runtime.block_on(line.ask(&envelope.encode()));
            committed(answer).ok_or_else(|| Failure::new("the ledger cannot be founded"))?;
        }
        Ok(())
    }

    /// Which node leads.
    fn leader(&mut self) -> Result<usize, Failure> {
        let leader = self.nodes.iter_mut().position(|node| node.ask("leads").is_ok());
        leader.ok_or_else(|| Failure::new("no node leads"))
    }

    /// Kills the leader, and gives the time until the next commit. Two nodes are left then.
    ///
    /// # Errors
    /// If no commit succeeds in time.
    pub fn kill_leader(&mut self) -> Result<Duration, Failure> {
        let leader = self.leader()?;
        let killed = Instant::now();
        drop(self.nodes.remove(leader));
        drop(self.lines.remove(leader));
        let mut turn = 0;
        let commits = || {
            turn += 1;
            let line = &self.lines[turn as usize % self.lines.len()];
            let record = record(&self.key, self.runs + 1, 0, turn);
            committed(self.runtime.block_on(line.ask(&record.encode()))).is_some()
        };
        until(commits, PATIENCE)
            .map(|_| killed.elapsed())
            .ok_or_else(|| Failure::new("no commit after the leader's end"))
    }

    /// Lets the leader hand over while so many clients commit, and gives the longest time that passed
    /// between two commits then.
    ///
    /// # Errors
    /// If it does not hand over.
    pub fn move_leader(&mut self, clients: u32) -> Result<Duration, Failure> {
        self.runs += 1;
        let (run, leader) = (self.runs, self.leader()?);
        let (lines, key, runtime) = (&self.lines, &self.key, &self.runtime);
        let (begin, over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let nodes = &mut self.nodes;
        let (done, moved) = std::thread::scope(|scope| {
            let ending = over.clone();
            let committing = scope.spawn(move || {
                runtime.block_on(async {
                    let mut running = JoinSet::new();
                    for number in 0..clients {
                        let (lines, key) = (lines.clone(), key.clone());
                        let client = Client { lines, key, run, number, at: leader };
                        running.spawn(client.commit(ending.clone()));
                    }
                    running.join_all().await
                })
            });
            std::thread::sleep(AROUND);
            let moved = nodes[leader].ask("hand-over");
            std::thread::sleep(AROUND);
            over.store(true, Ordering::Relaxed);
            (committing.join(), moved)
        });
        moved?;
        let done = done.map_err(|_| Failure::new("the clients panicked"))?;
        let done = done.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut done: Vec<Instant> = done.into_iter().flatten().collect();
        done.sort_unstable();
        let around = done.iter().filter(|at| **at >= begin + AROUND / 2);
        let around: Vec<Instant> = around.copied().collect();
        let gaps = around.windows(2).map(|two| two[1] - two[0]);
        gaps.max().ok_or_else(|| Failure::new("nothing was committed"))
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

/// Something if the answer says that a command was done.
fn committed(answer: Option<Vec<u8>>) -> Option<()> {
    let outcome = Outcome::decode(&answer?)?;
    matches!(outcome, Outcome::Done | Outcome::Made).then_some(())
}

/// One that has one operation under way at a time, and goes to where the leader is.
struct Client {
    lines: Vec<Arc<Line>>,
    key: Arc<TenantKey>,
    run: u64,
    number: u32,
    at: usize,
}

impl Client {
    /// Does one operation, at another node if this one does not lead any more.
    async fn once(&mut self, turn: u64, read: bool) -> Result<(), Failure> {
        let body = match read {
            true => Vec::new(),
            false => record(&self.key, self.run, self.number, turn).encode(),
        };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let answer = self.lines[self.at].ask(&body).await;
            let done = match read {
                true => answer.filter(|record| record.len() >= RECORD).map(drop),
                false => committed(answer),
            };
            if done.is_some() {
                return Ok(());
            }
            self.at = (self.at + 1) % self.lines.len();
            sleep(AGAIN).await;
        }
        Err(Failure::new("an operation failed at every node"))
    }

    async fn work(mut self, work: Work, begin: Instant) -> Result<Vec<Duration>, Failure> {
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

    /// Commits until it is over; gives when each was answered.
    async fn commit(mut self, over: Arc<AtomicBool>) -> Result<Vec<Instant>, Failure> {
        let mut done = Vec::new();
        while !over.load(Ordering::Relaxed) {
            self.once(done.len() as u64, false).await?;
            done.push(Instant::now());
        }
        Ok(done)
    }
}

impl Opponent for Cluster {
    fn name(&self) -> &str {
        "Claviger"
    }

    fn run(&mut self, work: Work) -> Result<Figures, Failure> {
        self.runs += 1;
        let (run, processes) = (self.runs, self.processes());
        let at = self.leader()?;
        let (before, began) = (cpu(&processes)?, Instant::now());
        let begin = began + work.warm_up;
        let running = self.runtime.block_on(async {
            let mut running = JoinSet::new();
            for number in 0..work.clients {
                let (lines, key) = (self.lines.clone(), self.key.clone());
                running.spawn(Client { lines, key, run, number, at }.work(work, begin));
            }
            running.join_all().await
        });
        let took = running.into_iter().collect::<Result<Vec<_>, _>>();
        let mut took: Vec<Duration> = took?.into_iter().flatten().collect();
        took.sort_unstable();
        let (rate, p50_ms, p99_ms) = figures(&took, work.measured);
        let all = rate * began.elapsed().as_secs_f64();
        let cpu_us = (cpu(&processes)? - before).as_secs_f64() * 1e6 / all.max(1.0);
        Ok(Figures { rate, p50_ms, p99_ms, cpu_us })
    }
}
