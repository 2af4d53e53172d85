//! What an operator asks about a node and its cluster.

use crate::transport::Kind;
use crate::wire::{Answer, Call};
use crate::{Node, peer};
use claviger_ledger::{LEVEL, View};
use minicbor::{Decode, Encode};
use openraft::{Instant, ServerState};
use openraft_rt::watch::WatchReceiver;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;

/// How long another node may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How one node stands, and what it knows of the others. It crosses the link: fields are only added.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Status {
    /// The node's id.
    #[n(0)]
    pub id: u64,
    /// The version of its program.
    #[n(1)]
    pub version: String,
    /// The newest level that it knows.
    #[n(2)]
    pub knows: u32,
    /// False while it has no key to serve with: it votes, and does not stand for election.
    #[n(3)]
    pub stands: bool,
    /// The leader, where it is known.
    #[n(4)]
    pub leader: Option<u64>,
    /// The term.
    #[n(5)]
    pub term: u64,
    /// The highest index in its log.
    #[n(6)]
    pub last_index: u64,
    /// The highest index that is applied to its rows.
    #[n(7)]
    pub applied_index: u64,
    /// Its rows up to here are on its disk, and the log needs no entry up to there any more.
    #[n(8)]
    pub snapshot_index: u64,
    /// The log has no entry up to here any more.
    #[n(9)]
    pub purged_index: u64,
    /// Bytes of free space; none for a node in memory.
    #[n(10)]
    pub free: Option<u64>,
    /// True while that is below the reserve: nothing is proposed.
    #[n(11)]
    pub short_of_space: bool,
    /// False once the node has stopped.
    #[n(12)]
    pub running: bool,
    /// The level that commands are applied by; none before the cluster is founded.
    #[n(13)]
    pub level: Option<u32>,
    /// True while a change of voters is under way.
    #[n(14)]
    pub changing: bool,
    /// The members, by id.
    #[n(15)]
    pub members: Vec<MemberStatus>,
    /// The level that it holds the cluster at: its version knows a newer one.
    #[n(16)]
    pub holds: Option<u32>,
}

/// A member as another node knows it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MemberStatus {
    /// The member's id.
    #[n(0)]
    pub id: u64,
    /// Where it is reached.
    #[n(1)]
    pub address: String,
    /// True for a voter, false for a learner.
    #[n(2)]
    pub votes: bool,
    /// The highest index at which its log is known to be the leader's; known to the leader alone.
    #[n(3)]
    pub matched: Option<u64>,
    /// Ms since it answered last; known to the leader alone.
    #[n(4)]
    pub silent_for: Option<u64>,
}

impl Status {
    /// How many entries of the leader's log a member lacks, as the leader knows.
    pub fn behind(&self, member: &MemberStatus) -> Option<u64> {
        member.matched.map(|matched| self.last_index.saturating_sub(matched))
    }
}

impl Node {
    /// How this node stands, without asking anybody.
    pub fn status(&self) -> Status {
        let standing = self.standing();
        let mut level = None;
        self.read(&mut |rows| level = View::new(rows).meta().map(|meta| meta.level));
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.membership_config.membership();
        let leads = metrics.state == ServerState::Leader;
        let known = members.nodes().map(|(id, node)| {
            let me = *id == standing.id && leads;
            let matched = metrics.replication.as_ref().and_then(|all| *all.get(id)?);
            let matched = matched.map(|matched| matched.index);
            let heard = metrics.heartbeat.as_ref().and_then(|all| *all.get(id)?);
            let silent =
                heard.map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX));
            MemberStatus {
                id: *id,
                address: node.addr.clone(),
                votes: members.voter_ids().any(|voter| voter == *id),
                matched: if me { Some(standing.last_index) } else { matched },
                silent_for: if me { Some(0) } else { silent },
            }
        });
        Status {
            id: standing.id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            knows: self.knows,
            stands: self.stands.load(Ordering::Relaxed),
            leader: standing.leader,
            term: standing.term,
            last_index: standing.last_index,
            applied_index: standing.applied_index,
            snapshot_index: metrics.snapshot.map_or(0, |id| id.index),
            purged_index: metrics.purged.map_or(0, |id| id.index),
            free: standing.free,
            short_of_space: standing.short_of_space,
            running: standing.running,
            level,
            changing: members.get_joint_config().len() > 1,
            members: known.collect(),
            holds: (self.knows < LEVEL).then_some(self.knows),
        }
    }

    /// Asks the node `id` at `address` how it stands.
    pub(crate) async fn status_of(&self, id: u64, address: &str) -> io::Result<Status> {
        if id == self.id() {
            return Ok(self.status());
        }
        let channel = self.transport.open(id, address, Kind::Call).await?;
        match peer::ask(channel, Call::Status).await? {
            Answer::Status(status) => Ok(*status),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it answers something else")),
        }
    }

    /// Asks every member how it stands; each has a second.
    pub async fn survey(&self) -> Vec<(MemberStatus, io::Result<Status>)> {
        let asked = self.status().members.into_iter().map(|member| async {
            let answer = timeout(PATIENCE, self.status_of(member.id, &member.address)).await;
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
            (member, answer.map_err(late).flatten())
        });
        futures::future::join_all(asked).await
    }
}
