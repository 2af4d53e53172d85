//! Giving up the lead before a node stops, so that nobody waits for an election.

use crate::status::Status;
use crate::{MembershipError, Node, ProposeError};
use openraft_rt::watch::WatchReceiver;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long others may take to say whether they can lead.
const ASK: Duration = Duration::from_millis(100);
/// How long the one that is to lead may take to have the whole log; nothing is proposed meanwhile.
const CATCH_UP: Duration = Duration::from_millis(500);
/// How long the move itself may take.
const MOVE: Duration = Duration::from_secs(2);

impl Node {
    /// Gives the lead to `to`, or to the voter that has most of the log and may lead; before others
    /// to one that has room on its disk. Gives who leads then; nothing if this node did not lead.
    ///
    /// From its begin to its end this node refuses proposals.
    ///
    /// # Errors
    /// [`MembershipError::NoSuccessor`] with the reason; this node leads on then, if it can.
    pub async fn hand_over(&self, to: Option<u64>) -> Result<Option<u64>, MembershipError> {
        if !self.leads() {
            return Ok(None);
        }
        let (_, _, to) = self.successor(to).await?;
        self.move_to(to).await
    }

    /// Gives the lead to a voter that has room on its disk, as this node has none.
    ///
    /// # Errors
    /// As [`Self::hand_over`]: nobody has room who may lead.
    pub(crate) async fn give_way(&self) -> Result<(), MembershipError> {
        let (has_room, _, to) = self.successor(None).await?;
        if !has_room {
            let words = "each is short of space too";
            return Err(MembershipError::NoSuccessor(words.to_owned()));
        }
        tracing::warn!(to = format_args!("{to:016x}"), "too little free space: another leads");
        self.move_to(to).await.map(drop)
    }

    async fn move_to(&self, to: u64) -> Result<Option<u64>, MembershipError> {
        let _gate = Closed::of(self);
        if timeout(CATCH_UP, self.has_whole_log(to)).await.is_err() {
            let words = format!("node {to:016x} has not caught up in {CATCH_UP:?}");
            return Err(MembershipError::NoSuccessor(words));
        }
        let stopped = |_| MembershipError::from(ProposeError::Stopped);
        self.raft.trigger().transfer_leader(to).await.map_err(stopped)?;
        let mut server = self.raft.server_metrics();
        let moved = timeout(MOVE, async {
            loop {
                let leader = server.borrow_watched().current_leader;
                if leader.is_some_and(|leader| leader != self.id()) {
                    return leader;
                }
                if server.changed().await.is_err() {
                    return None;
                }
            }
        });
        match moved.await {
            Ok(Some(leader)) => Ok(Some(leader)),
            Ok(None) => Err(ProposeError::Stopped.into()),
            Err(_) => {
                let words = format!("node {to:016x} was asked and does not lead after {MOVE:?}");
                Err(MembershipError::NoSuccessor(words))
            }
        }
    }

    /// The voter to lead next: whether it has room on its disk, how much of the log it has, its id.
    async fn successor(
        &self,
        wanted: Option<u64>,
    ) -> Result<(bool, Option<u64>, u64), MembershipError> {
        let mine = self.status();
        let others = mine.members.iter().filter(|member| member.votes && member.id != self.id());
        let others: Vec<_> =
            others.filter(|other| wanted.is_none_or(|id| other.id == id)).collect();
        if others.is_empty() {
            return Err(match wanted {
                Some(id) => MembershipError::NoVoter(id),
                None => MembershipError::NoSuccessor("this is the only voter".to_owned()),
            });
        }
        let asked = others.iter().map(|other| async {
            let answer = timeout(ASK, self.status_of(other.id, &other.address)).await;
            let able = |status: &Status| status.stands && status.running;
            let status = answer.ok()?.ok().filter(able)?;
            Some((!status.short_of_space, other.matched, other.id))
        });
        let able = futures::future::join_all(asked).await.into_iter().flatten();
        able.max().ok_or_else(|| {
            let words = "each is sealed, or does not answer";
            MembershipError::NoSuccessor(words.to_owned())
        })
    }

    /// Waits until a member has every entry of this leader's log.
    async fn has_whole_log(&self, id: u64) {
        let mut data = self.raft.data_metrics();
        loop {
            let whole = {
                let seen = data.borrow_watched();
                let has = seen.replication.as_ref().and_then(|all| *all.get(&id)?);
                has >= seen.last_log
            };
            if whole {
                return;
            }
            if data.changed().await.is_err() {
                sleep(CATCH_UP).await;
            }
        }
    }

    /// Lets this node stand for election, or keeps it from it: one that is sealed could serve
    /// nobody. If it leads, it hands over.
    ///
    /// # Errors
    /// As [`Node::hand_over`]: it leads on, and must not serve.
    pub async fn stand(&self, stands: bool) -> Result<(), MembershipError> {
        self.stands.store(stands, Ordering::Relaxed);
        self.raft.runtime_config().elect(stands);
        if stands { Ok(()) } else { self.hand_over(None).await.map(drop) }
    }
}

/// Keeps proposals out as long as it lives.
struct Closed<'n>(&'n Node);

impl<'n> Closed<'n> {
    fn of(node: &'n Node) -> Self {
        node.handing_over.store(true, Ordering::Relaxed);
        Self(node)
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.handing_over.store(false, Ordering::Relaxed);
    }
}
