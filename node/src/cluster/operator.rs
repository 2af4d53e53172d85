//! The cluster as an operator sees and changes it, at whichever node he asks.

use super::hub::{About, Hub};
use claviger_front::{Ask, EdgeSeen, Told};
use claviger_ledger::Unavailable;
use claviger_raft::{Even, Member, MemberStatus, MembershipError, Node, ProposeError, Status};
use core::time::Duration;
use futures::future::BoxFuture;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::timeout;

/// How long a change of members may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an operator may ask a node.
pub trait Operator: Send + Sync {
    /// How this node stands.
    fn status(&self) -> Status;

    /// How every member says it stands.
    fn survey(&self) -> BoxFuture<'_, Vec<(MemberStatus, io::Result<Status>)>>;

    /// Writes a backup of this node's rows into a new file; gives its path, or what is wrong.
    fn back_up(&self) -> BoxFuture<'_, Result<PathBuf, String>>;

    /// Asks the leader, wherever it is.
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Told, Unavailable>>;
}

/// That of a node of the ledger.
pub struct AtNode {
    node: Arc<Node>,
    /// Where backups lie while they are sent.
    folder: PathBuf,
    backups: AtomicU64,
}

impl AtNode {
    /// Makes one, and lets the node answer what others ask it.
    ///
    /// Backups lie in `folder`, which is made, while they are sent; what a process left there that
    /// ended meanwhile is removed.
    pub fn new(node: Arc<Node>, hub: Arc<Hub>, folder: PathBuf) -> Self {
        // It may not be there.
        let _ = std::fs::remove_dir_all(&folder);
        let asked = Arc::downgrade(&node);
        node.answer_with(move |ask| {
            let (node, hub) = (asked.upgrade(), hub.clone());
            Box::pin(async move {
                let told = match (node, Ask::decode(&ask)) {
                    (Some(node), Ok(ask)) => answer(&node, &hub, ask).await,
                    (None, _) => later("this node is about to stop"),
                    (_, Err(_)) => later("the leader's version does not know the question"),
                };
                told.encode()
            })
        });
        Self { node, folder, backups: AtomicU64::new(0) }
    }
}

impl Operator for AtNode {
    fn status(&self) -> Status {
        self.node.status()
    }

    fn survey(&self) -> BoxFuture<'_, Vec<(MemberStatus, io::Result<Status>)>> {
        Box::pin(self.node.survey())
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

fn later(words: &str) -> Told {
    Told::Refused { words: words.to_owned(), later: true }
}

fn ms_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What the leader says, or has done.
async fn answer(node: &Node, hub: &Hub, ask: Ask) -> Told {
    let even = |meant| if meant { Even::Meant } else { Even::Refused };
    let done = match ask {
        Ask::Edges => return edges(hub),
        Ask::Join { node: id, address } => node.join(Member { id, address }).await,
        Ask::Promote { nodes, even: meant } => node.promote(&nodes, even(meant)).await,
        Ask::Remove { node: id, even: meant } => remove(node, id, even(meant)).await,
        Ask::Transfer { to } => node.hand_over(to).await.map(drop),
    };
    match done {
        Ok(()) => Told::Done,
        Err(error) => {
            let later = matches!(
                error,
                MembershipError::Unavailable(ProposeError::NotLeader { .. })
                    | MembershipError::Unavailable(ProposeError::Unavailable)
                    | MembershipError::Underway
                    | MembershipError::Behind { .. }
            );
            Told::Refused { words: error.to_string(), later }
        }
    }
}

/// A leader that is to be removed hands over first, so that nobody waits for an election.
async fn remove(node: &Node, id: u64, even: Even) -> Result<(), MembershipError> {
    if id == node.id() {
        node.hand_over(None).await?;
        let words = "it led until now: ask again, the new leader removes it";
        return Err(MembershipError::NoSuccessor(words.to_owned()));
    }
    node.remove(id, even).await
}

fn edges(hub: &Hub) -> Told {
    let Some(since) = hub.reigning_since() else { return later("another node leads") };
    let edges = hub.seated().into_iter().map(|(about, silent_for)| {
        let About { edge, node, address, listener, realm, version, since } = about;
        let silent_for = u64::try_from(silent_for.as_millis()).unwrap_or(u64::MAX);
        let since = ms_of(since);
        EdgeSeen { edge: edge.0, node, address, listener, realm, version, since, silent_for }
    });
    Told::Edges { since: ms_of(since), edges: edges.collect() }
}
