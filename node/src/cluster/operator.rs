//! The cluster as an operator sees and changes it, at whichever node he asks.

use super::hub::{About, Hub};
use claviger_actors::Unproven;
use claviger_front::{Ask, AttemptSeen, EdgeSeen, Told};
use claviger_ledger::Unavailable;
use claviger_raft::{Even, Member, MemberStatus, MembershipError, Node, ProposeError, Status};
use core::time::Duration;
use futures::future::BoxFuture;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep, timeout};

/// How long a leader that has just been elected may refuse changes, and how often it is asked.
const SETTLES: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(200);
/// How long a change of members may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an operator may ask a node.
pub trait Operator: Send + Sync {
    /// How this node stands.
    fn status(&self) -> Status;

    /// How every member says it stands.
    fn survey(&self) -> BoxFuture<'_, Vec<(MemberStatus, io::Result<Status>)>>;

    /// Makes a snapshot here, so that the log that it stands for goes; or says what is wrong.
    fn snapshot(&self) -> BoxFuture<'_, Result<Snapshot, String>>;

    /// Writes a backup of this node's rows into a new file; gives its path, or what is wrong.
    fn back_up(&self) -> BoxFuture<'_, Result<PathBuf, String>>;

    /// Asks the leader, wherever it is.
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Told, Unavailable>>;
}

/// What a snapshot of this node holds, and what it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// All up to this index is in the rows on the disk.
    pub index: u64,
    /// How many bytes these take there.
    pub rows: u64,
    /// How many bytes the log takes.
    pub log: u64,
    /// How many entries it has yet.
    pub entries: u64,
}

/// That of a node of the ledger.
pub struct AtNode {
    node: Arc<Node>,
    /// Where the ledger lies.
    ledger: PathBuf,
    /// Where backups lie while they are sent.
    folder: PathBuf,
    backups: AtomicU64,
}

impl AtNode {
    /// Makes one, and lets the node answer what others ask it.
    ///
    /// Backups lie in a folder in `data`, which is made, while they are sent; what a process left there
    /// that ended meanwhile is removed.
    pub fn new(node: Arc<Node>, hub: Arc<Hub>, unproven: Arc<Unproven>, data: &Path) -> Self {
        let (ledger, folder) = (data.join("ledger"), data.join("ledger-copies-being-sent"));
        // It may not be there.
        let _ = std::fs::remove_dir_all(&folder);
        let asked = Arc::downgrade(&node);
        node.answer_with(move |ask| {
            let (node, hub, unproven) = (asked.upgrade(), hub.clone(), unproven.clone());
            Box::pin(async move {
                let told = match (node, Ask::decode(&ask)) {
                    (Some(node), Ok(ask)) => answer(&node, &hub, &unproven, ask).await,
                    (None, _) => later("this node is about to stop"),
                    (_, Err(_)) => later("the leader's version does not know the question"),
                };
                told.encode()
            })
        });
        Self { node, ledger, folder, backups: AtomicU64::new(0) }
    }
}

impl Operator for AtNode {
    fn status(&self) -> Status {
        self.node.status()
    }

    fn survey(&self) -> BoxFuture<'_, Vec<(MemberStatus, io::Result<Status>)>> {
        Box::pin(self.node.survey())
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Snapshot, String>> {
        Box::pin(async move {
            let index = self.node.snapshot_now().await.map_err(|error| error.to_string())?;
            let status = self.node.status();
            let (rows, log) = (self.ledger.join("state"), self.ledger.join("wal"));
            let sizes = tokio::task::spawn_blocking(move || Ok((size_of(&rows)?, size_of(&log)?)));
            let sizes = sizes.await.map_err(io::Error::other).flatten();
            let (rows, log) =
                sizes.map_err(|error| format!("cannot look at its files: {error}"))?;
            let entries = status.last_index.saturating_sub(status.purged_index);
            Ok(Snapshot { index, rows, log, entries })
        })
    }

    fn back_up(&self) -> BoxFuture<'_, Result<PathBuf, String>> {
        Box::pin(async move {
            let number = self.backups.fetch_add(1, Ordering::Relaxed);
            let path = self.folder.join(number.to_string());
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
            made.map_err(|error| format!("cannot make {}: {error}", self.folder.display()))?;
            self.node.backup(&path).await.map_err(|error| error.to_string())?;
            Ok(path)
        })
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Told, Unavailable>> {
        Box::pin(async move {
            let told = timeout(PATIENCE, self.node.ask_leader(ask.encode())).await;
            let told = told.map_err(|_| Unavailable::NoLeader)??;
            Told::decode(&told).map_err(|_| Unavailable::NoLeader)
        })
    }
}

/// How many bytes the files in a folder have.
fn size_of(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let about = match file.metadata() {
            // It has gone since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            about => about?,
        };
        bytes += if about.is_dir() { size_of(&file.path())? } else { about.len() };
    }
    Ok(bytes)
}

fn later(words: &str) -> Told {
    Told::Refused { words: words.to_owned(), later: true }
}

fn ms_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What the leader says, or has done.
async fn answer(node: &Node, hub: &Hub, unproven: &Unproven, ask: Ask) -> Told {
    let even = |meant| if meant { Even::Meant } else { Even::Refused };
    let done = match ask {
        Ask::Edges => return edges(hub),
        Ask::Attempts { realm } => return attempts(unproven, &realm),
        Ask::Join { node: id, address } => node.join(Member { id, address }).await,
        Ask::Promote { nodes, even: meant } => node.promote(&nodes, even(meant)).await,
        Ask::Remove { node: id, even: meant } => return remove(node, id, even(meant)).await,
        Ask::Transfer { to } => node.hand_over(to).await.map(drop),
    };
    done.map_or_else(|error| refused(&error), |()| Told::Done)
}

/// A leader that is to be removed hands over first, so that nobody waits for an election, and asks
/// the new one to do it.
async fn remove(node: &Node, id: u64, even: Even) -> Told {
    if id != node.id() {
        return node.remove(id, even).await.map_or_else(|error| refused(&error), |()| Told::Done);
    }
    if let Err(error) = node.hand_over(None).await {
        return refused(&error);
    }
    let ask = Ask::Remove { node: id, even: matches!(even, Even::Meant) };
    let begun = Instant::now();
    loop {
        let told = node.ask_leader(ask.encode()).await.ok().map(|told| Told::decode(&told));
        match told {
            // It has hardly begun to lead.
            Some(Ok(Told::Refused { later: true, .. })) if begun.elapsed() < SETTLES => {
                sleep(AGAIN).await;
            }
            Some(Ok(told)) => return told,
            _ => return later("it led until now, and the new leader does not answer yet"),
        }
    }
}

fn refused(error: &MembershipError) -> Told {
    let later = matches!(
        error,
        MembershipError::Unavailable(ProposeError::NotLeader { .. })
            | MembershipError::Unavailable(ProposeError::Unavailable)
            | MembershipError::Underway
            | MembershipError::Behind { .. }
            // They may have answered the leader before, and this one not yet.
            | MembershipError::Silent(_)
            | MembershipError::NoQuorum { .. }
    );
    Told::Refused { words: error.to_string(), later }
}

fn attempts(unproven: &Unproven, realm: &str) -> Told {
    let attempts = unproven.attempts(realm).into_iter();
    let attempts = attempts.map(|attempt| AttemptSeen {
        identity: attempt.identity,
        reason: attempt.reason.as_str().to_owned(),
        advice: attempt.reason.advice().to_owned(),
        count: attempt.count,
        last_seen: u64::try_from(attempt.last_seen.as_millis()).unwrap_or(u64::MAX),
    });
    Told::Attempts { attempts: attempts.collect() }
}

fn edges(hub: &Hub) -> Told {
    let Some(since) = hub.reigning_since() else { return later("another node leads") };
    let edges = hub.seated().into_iter().map(|(about, silent_for, report)| {
        let About { edge, node, address, listener, realm, version, since } = about;
        let silent_for = u64::try_from(silent_for.as_millis()).unwrap_or(u64::MAX);
        let since = ms_of(since);
        EdgeSeen {
            edge: edge.0,
            node,
            address,
            listener,
            realm,
            version,
            since,
            silent_for,
            report,
        }
    });
    Told::Edges { since: ms_of(since), edges: edges.collect() }
}
