//! The uplink: how an edge comes to the actors, whichever node runs them.
//!
//! An edge keeps a line to every node of the ledger, and one to the hub of its own process where
//! there is one. A node that does not lead says so and keeps the line; one that begins to lead says
//! that too, so that an edge changes over without looking for anybody. Of two that say they lead, the
//! one with the higher term is believed. The other lines carry no frames.

use super::hub::{About, Hub, Reign, Seat};
use super::way::{Frame, ToTask, Way};
use claviger_actors::EdgeId;
use claviger_front::{Believed, EdgeReport, Greeting, Hello, Nodes, Peer};
use claviger_machine::Crypto;
use claviger_raft::Channel;
use core::time::Duration;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// How long a node may take to be reached.
const REACH: Duration = Duration::from_secs(2);
/// How long a leader may say nothing: it speaks every half a second.
const SILENCE: Duration = Duration::from_secs(2);
/// How often an edge says to a leader how it stands, which also says that it is there.
const LIFE: Duration = Duration::from_secs(2);
/// How long a node that does not lead may say nothing: it speaks every 5 s.
const QUIET: Duration = Duration::from_secs(15);
/// The first pause before a line is tried again, and the longest.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);
/// How many frames may wait to leave on a line.
const FRAMES: usize = 8_192;

/// The way to the nodes of the ledger, authenticated by whoever opens it.
pub trait Reach: Send + Sync {
    /// Opens a stream for an edge at this node.
    fn open(&self, node: &Peer) -> BoxFuture<'static, io::Result<Channel>>;
}

/// What is counted, for all edges of a process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Lines that were lost, or not to be had.
    pub broken: AtomicU64,
    /// Changes to another leader.
    pub changes: AtomicU64,
    /// Leaders that were silent for too long.
    pub silences: AtomicU64,
    /// Frames of the actors that came for an edge that was behind, or by a line that does not count.
    pub lost: AtomicU64,
}

/// Says how an edge stands.
pub type Report = Arc<dyn Fn() -> EdgeReport + Send + Sync>;

/// One edge's uplink.
pub struct Uplink {
    /// Who is there.
    pub hello: Hello,
    /// The edge's task.
    pub task: mpsc::Sender<ToTask>,
    /// How it stands.
    pub report: Report,
    /// The hub of this process.
    pub hub: Option<Arc<Hub>>,
    /// This node, which is no other one to reach.
    pub node: u64,
    /// The nodes of the ledger, as far as known.
    pub nodes: watch::Receiver<Vec<Peer>>,
    /// Where lines put what they hear of these; none where the ledger itself says it.
    pub heard: Option<watch::Sender<Vec<Peer>>>,
    /// Where they put whom the leader says that nodes are to believe.
    pub believed: watch::Sender<Option<Believed>>,
    /// The way to them; none where there is no cluster.
    pub reach: Option<Arc<dyn Reach>>,
    /// For pauses.
    pub crypto: Arc<dyn Crypto>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// Which line an edge's frames go by.
struct Choice {
    lines: Mutex<Lines>,
    task: mpsc::Sender<ToTask>,
    counters: Arc<Counters>,
    /// Held until the edge is told, so that it is told in the order of the choices.
    telling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Lines {
    /// By node, the term in which it leads and the way to it.
    leading: BTreeMap<u64, (u64, Way)>,
    chosen: Option<(u64, u64)>,
}

impl Choice {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how a node stands, and tells the edge where its frames go if that changes.
    async fn note(&self, node: u64, leading: Option<(u64, Way)>) {
        let _telling = self.telling.lock().await;
        let way = {
            let mut lines = self.lines();
            match leading {
                Some(leading) => drop(lines.leading.insert(node, leading)),
                None => drop(lines.leading.remove(&node)),
            }
            let best = lines.leading.iter().max_by_key(|(_, (term, _))| *term);
            let best = best.map(|(node, (term, way))| ((*node, *term), way.clone()));
            let chosen = best.as_ref().map(|(key, _)| *key);
            // The line that counts has been made anew, or another one counts.
            if chosen == lines.chosen && chosen.is_none_or(|(chosen, _)| chosen != node) {
                return;
            }
            lines.chosen = chosen;
            best.map(|(_, way)| way).unwrap_or_default()
        };
        self.counters.changes.fetch_add(1, Ordering::Relaxed);
        // The task is gone only when the process ends.
        let _ = self.task.send(ToTask::Way(way)).await;
    }

    /// Whether frames go to this node.
    fn counts(&self, node: u64) -> bool {
        self.lines().chosen.is_some_and(|(chosen, _)| chosen == node)
    }

    /// Gives the edge a frame that came from `node`, if that one counts.
    fn take(&self, node: u64, frame: Frame) {
        if !self.counts(node) || self.task.try_send(ToTask::Frame(frame)).is_err() {
            self.counters.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Uplink {
    /// Keeps the lines until the task is ended.
    pub async fn run(self) {
        let choice = Arc::new(Choice {
            lines: Mutex::default(),
            task: self.task.clone(),
            counters: self.counters.clone(),
            telling: tokio::sync::Mutex::default(),
        });
        let mut lines = JoinSet::new();
        if let Some(hub) = self.hub.clone() {
            let about = About {
                edge: EdgeId(self.hello.edge),
                node: self.node,
                address: String::new(),
                listener: self.hello.listener.clone(),
                realm: self.hello.realm.clone(),
                version: self.hello.version.clone(),
                since: SystemTime::now(),
            };
            lines.spawn(here(hub, about, choice.clone(), self.report.clone()));
        }
        let Some(reach) = self.reach.clone() else {
            lines.join_all().await;
            return;
        };
        let mut known = self.nodes.clone();
        let mut there: BTreeMap<Peer, AbortHandle> = BTreeMap::new();
        loop {
            let nodes = known.borrow_and_update().clone();
            for (gone, line) in there.extract_if(.., |node, _| !nodes.contains(node)) {
                line.abort();
                choice.note(gone.id, None).await;
            }
            for node in nodes.into_iter().filter(|node| node.id != self.node) {
                there.entry(node).or_insert_with_key(|node| {
                    let line = Line {
                        node: node.clone(),
                        hello: self.hello.clone(),
                        report: self.report.clone(),
                        choice: choice.clone(),
                        heard: self.heard.clone(),
                        believed: self.believed.clone(),
                        reach: reach.clone(),
                        crypto: self.crypto.clone(),
                    };
                    lines.spawn(line.keep())
                });
            }
            if known.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The line to the hub of this process.
async fn here(hub: Arc<Hub>, about: About, choice: Arc<Choice>, report: Report) {
    let mut reigns = hub.reigns();
    loop {
        let reign = reigns.borrow_and_update().clone();
        let seated = reign.as_ref().and_then(|reign: &Reign| {
            let about = About { since: SystemTime::now(), ..about.clone() };
            hub.sit(reign, about, Seat::Here(choice.task.clone())).ok()
        });
        let leading = reign.filter(|_| seated.is_some());
        let way = leading.map(|reign| (reign.term, Way::Here(reign.devices)));
        choice.note(about.node, way).await;
        let mut says = interval(LIFE);
        loop {
            tokio::select! {
                changed = reigns.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                _ = says.tick() => if let Some(seated) = &seated {
                    seated.heard.say(report());
                },
            }
        }
        drop(seated);
    }
}

/// The line to another node.
struct Line {
    node: Peer,
    hello: Hello,
    report: Report,
    choice: Arc<Choice>,
    heard: Option<watch::Sender<Vec<Peer>>>,
    believed: watch::Sender<Option<Believed>>,
    reach: Arc<dyn Reach>,
    crypto: Arc<dyn Crypto>,
}

impl Line {
    async fn keep(self) {
        let mut pause = FIRST;
        loop {
            let mut reached = false;
            if let Err(error) = self.talk(&mut reached).await {
                tracing::debug!(node = self.node.id, address = self.node.address, %error, "no line");
                self.choice.counters.broken.fetch_add(1, Ordering::Relaxed);
            }
            self.choice.note(self.node.id, None).await;
            pause = if reached { FIRST } else { (pause * 2).min(LONGEST) };
            let [chance] = self.crypto.random();
            sleep(pause - pause.mul_f64(f64::from(chance) / 512.0)).await;
        }
    }

    /// Comes to the node, waits until it leads, and lets frames pass until it does not.
    async fn talk(&self, reached: &mut bool) -> io::Result<()> {
        let opened = timeout(REACH, self.reach.open(&self.node)).await;
        let Channel { mut sender, mut receiver } = opened??;
        sender.send(self.hello.encode()).await?;
        let term = loop {
            let frame = timeout(QUIET, receiver.receive()).await??;
            let Some(frame) = frame else { return Ok(()) };
            *reached = true;
            match Greeting::decode(&frame).map_err(io::Error::other)? {
                Greeting::Standby { nodes } => self.heard_of(nodes),
                Greeting::Welcome { term, nodes } => {
                    self.heard_of(nodes);
                    break term;
                }
                Greeting::Refused { why } => {
                    tracing::warn!(node = self.node.id, ?why, "the leader refuses this edge");
                    *reached = false;
                    return Ok(());
                }
            }
        };
        let (frames, mut leaving) = mpsc::channel::<Frame>(FRAMES);
        self.choice.note(self.node.id, Some((term, Way::There(frames)))).await;
        let up = async {
            let mut says = interval(LIFE);
            says.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    frame = leaving.recv() => match frame {
                        Some(mut frame) => sender.send(core::mem::take(&mut *frame)).await?,
                        None => return Ok(()),
                    },
                    _ = says.tick() => sender.send((self.report)().encode()).await?,
                }
            }
        };
        let down = async {
            loop {
                let Ok(frame) = timeout(SILENCE, receiver.receive()).await else {
                    self.choice.counters.silences.fetch_add(1, Ordering::Relaxed);
                    return Err(io::ErrorKind::TimedOut.into());
                };
                let Some(frame) = frame? else { return Ok(()) };
                match (Nodes::decode(&frame), Believed::decode(&frame)) {
                    (Some(Ok(Nodes { nodes })), _) => self.heard_of(nodes),
                    (_, Some(Ok(believed))) => self.believe(believed),
                    (None, None) => self.choice.take(self.node.id, frame.into()),
                    // One of another version says nothing that this edge must know.
                    (Some(Err(_)), _) | (_, Some(Err(_))) => {}
                }
            }
        };
        tokio::select! {
            ended = up => ended,
            ended = down => ended,
        }
    }

    /// Only who leads says it: another one may not have heard of the newest authority yet.
    fn believe(&self, believed: Believed) {
        if self.choice.counts(self.node.id) {
            self.believed.send_if_modified(|known| {
                let changed = known.as_ref() != Some(&believed);
                *known = Some(believed);
                changed
            });
        }
    }

    fn heard_of(&self, mut nodes: Vec<Peer>) {
        let Some(heard) = &self.heard else { return };
        nodes.sort();
        heard.send_if_modified(|known| {
            let changed = !nodes.is_empty() && *known != nodes;
            if changed {
                *known = nodes;
            }
            changed
        });
    }
}
