//! Who belongs to the group: joining, voting, replacing, leaving. All of it is asked of the leader.
//!
//! A node joins as a learner, which has everything and no vote. Voters change in one step,
//! whatever their number (Raft dissertation §4.3, joint consensus). Of an even number of voters as
//! many may fail as of one fewer, and the odds that one fails are worse; of two, none may.

use crate::leadership::Member;
use crate::types::{Raft, Types};
use crate::{Node, ProposeError};
use openraft::error::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{BasicNode, ChangeMembers, Instant};
use openraft_rt::watch::WatchReceiver;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many entries a node may lack of the leader's log and still be given a vote: with a vote it
/// is waited for.
const CLOSE: u64 = 1_000;

/// How long it may take after the start until the members are known.
const SHOWN: Duration = Duration::from_secs(2);

/// Why the group is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The leader is asked, and this node is not it; or nobody is.
    #[error(transparent)]
    Unavailable(#[from] ProposeError),
    /// Another change is under way.
    #[error("another change of the members is under way; try again when it is done")]
    Underway,
    /// There is no such node.
    #[error("node {0:016x} is no member; it joins as a learner first")]
    NoMember(u64),
    /// It has no vote.
    #[error("node {0:016x} is no voter")]
    NoVoter(u64),
    /// The node lacks too much of the log, or has not answered.
    #[error(
        "node {id:016x} is {behind} entries behind; with a vote it would be waited for: try again \
         when it has caught up"
    )]
    Behind {
        /// The node.
        id: u64,
        /// How many entries it lacks.
        behind: u64,
    },
    /// The node has not answered lately.
    #[error(
        "node {0:016x} has not answered for a second; with a vote it would be waited for: see that \
         it runs and is reached at its address"
    )]
    Silent(u64),
    /// Too few of those that are to vote answer.
    #[error(
        "of the {voters} voters only {heard} answer: nothing could be committed any more, and no \
         change taken back; see that more of them run and are reached"
    )]
    NoQuorum {
        /// How many there would be.
        voters: usize,
        /// How many have answered within the last second.
        heard: usize,
    },
    /// Nobody would be left.
    #[error("the last voter stays: without one there is no cluster")]
    Last,
    /// Two voters are worse than one.
    #[error(
        "two voters are worse than one: each is needed, and either may fail. Have one, or three: \
         add two learners, then give both a vote at once"
    )]
    Two,
    /// An even number of voters.
    #[error(
        "{0} voters bear no more failures than {less}, and there is one more to fail: have an odd \
         number, or say that you want an even one", less = .0 - 1
    )]
    Even(usize),
    /// Nobody can take the lead.
    #[error("no other voter can lead now: {0}")]
    NoSuccessor(String),
}

/// Whether an even number of voters is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Even {
    /// It is refused.
    Refused,
    /// It is meant, as on the way from three voters to five.
    Meant,
}

/// Sees that so many voters are no mistake.
fn check_count(voters: usize, even: Even) -> Result<(), MembershipError> {
    match voters {
        0 => Err(MembershipError::Last),
        2 => Err(MembershipError::Two),
        _ if voters.is_multiple_of(2) && even == Even::Refused => {
            Err(MembershipError::Even(voters))
        }
        _ => Ok(()),
    }
}

/// Who has not answered for so long is not counted on.
const SILENT: Duration = Duration::from_secs(1);

type Written<T> = Result<T, RaftError<crate::types::Types, ClientWriteError<crate::types::Types>>>;

/// What a refusal of openraft means.
fn outcome<T>(written: Written<T>) -> Result<(), MembershipError> {
    let error = match written {
        Ok(_) => return Ok(()),
        Err(RaftError::Fatal(_)) => ProposeError::Stopped,
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
            ProposeError::NotLeader { leader: to.leader_id }
        }
        Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(refused))) => {
            return Err(match refused {
                ChangeMembershipError::InProgress(_) => MembershipError::Underway,
                ChangeMembershipError::LearnerNotFound(none) => {
                    MembershipError::NoMember(none.node_id)
                }
                _ => MembershipError::Last,
            });
        }
        Err(RaftError::APIError(_)) => ProposeError::Unavailable,
    };
    Err(error.into())
}

impl Node {
    /// Founds the group with this node as its only voter, which the others reach at `address`.
    /// Once: a group that is founded stays as it is.
    ///
    /// # Errors
    /// [`MembershipError::Unavailable`] if the node has stopped.
    pub async fn found(&self, address: &str) -> Result<(), MembershipError> {
        let founded = self.raft.is_initialized().await.map_err(|_| ProposeError::Stopped)?;
        if founded {
            return Ok(());
        }
        let me = BasicNode { addr: address.to_owned() };
        let founded = self.raft.initialize(BTreeMap::from([(self.id(), me)])).await;
        match founded {
            Err(RaftError::Fatal(_)) => Err(ProposeError::Stopped.into()),
            _ => Ok(()),
        }
    }

    /// Adds a node without a vote. It gets everything from now on, as fast as it can; its address
    /// is replaced if it is a member already.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn join(&self, member: Member) -> Result<(), MembershipError> {
        let Member { id, address } = member;
        if self.members().contains_key(&id) {
            return self.set_address(id, &address).await;
        }
        outcome(self.raft.add_learner(id, BasicNode { addr: address }, false).await)
    }

    /// Changes where the others reach a member, this node or another.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn set_address(&self, id: u64, address: &str) -> Result<(), MembershipError> {
        match self.members().get(&id) {
            None => return Err(MembershipError::NoMember(id)),
            Some(known) if known == address => return Ok(()),
            Some(_) => {}
        }
        let new = BTreeMap::from([(id, BasicNode { addr: address.to_owned() })]);
        outcome(self.raft.change_membership(ChangeMembers::SetNodes(new), true).await)
    }

    /// Whether this node is in a group; once it says so, [`Node::status`] shows the members. That
    /// takes a moment after the start.
    pub async fn is_in_group(&self) -> bool {
        if !self.raft.is_initialized().await.unwrap_or(false) {
            return false;
        }
        let known = |metrics: &openraft::RaftMetrics<Types>| {
            metrics.membership_config.membership().nodes().next().is_some()
        };
        let shown = self.raft.wait(Some(SHOWN));
        shown.metrics(known, "the members are known").await.is_ok()
    }

    /// Gives learners a vote, all at once.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn promote(&self, ids: &[u64], even: Even) -> Result<(), MembershipError> {
        let mut voters = self.voters();
        voters.extend(ids);
        self.set_voters(voters, even).await
    }

    /// Gives one node's vote to another, in one step; the node whose vote it was is removed.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn replace(&self, old: u64, new: u64, even: Even) -> Result<(), MembershipError> {
        let mut voters = self.voters();
        if !voters.remove(&old) {
            return Err(MembershipError::NoVoter(old));
        }
        voters.insert(new);
        self.set_voters(voters, even).await
    }

    /// Removes a node, voter or learner. It must not come back with its folder: what it holds
    /// is no part of the cluster any more.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn remove(&self, id: u64, even: Even) -> Result<(), MembershipError> {
        let mut voters = self.voters();
        if voters.remove(&id) {
            return self.set_voters(voters, even).await;
        }
        if !self.members().contains_key(&id) {
            return Err(MembershipError::NoMember(id));
        }
        let gone = ChangeMembers::RemoveNodes(BTreeSet::from([id]));
        outcome(self.raft.change_membership(gone, false).await)
    }

    /// Makes these the voters: members all, and the new ones close behind the leader.
    async fn set_voters(&self, voters: BTreeSet<u64>, even: Even) -> Result<(), MembershipError> {
        check_count(voters.len(), even)?;
        let members = self.members();
        if let Some(none) = voters.iter().find(|id| !members.contains_key(id)) {
            return Err(MembershipError::NoMember(*none));
        }
        let heard = self.heard()?;
        let new: Vec<_> = voters.difference(&self.voters()).copied().collect();
        for id in new {
            if !heard.contains(&id) {
                return Err(MembershipError::Silent(id));
            }
            let behind = self.behind(id)?;
            if behind > CLOSE {
                return Err(MembershipError::Behind { id, behind });
            }
        }
        let heard = voters.intersection(&heard).count();
        if heard * 2 <= voters.len() {
            return Err(MembershipError::NoQuorum { voters: voters.len(), heard });
        }
        outcome(self.raft.change_membership(voters, false).await)
    }

    /// The members that have answered this leader within the last second, itself among them.
    fn heard(&self) -> Result<BTreeSet<u64>, MembershipError> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let Some(heartbeat) = &metrics.heartbeat else {
            return Err(ProposeError::NotLeader { leader: metrics.current_leader }.into());
        };
        let lately = heartbeat.iter().filter(|(_, at)| at.is_some_and(|at| at.elapsed() < SILENT));
        let others = lately.map(|(id, _)| *id);
        Ok(others.chain([metrics.id]).collect())
    }

    /// How many entries of this leader's log a member lacks.
    fn behind(&self, id: u64) -> Result<u64, MembershipError> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let Some(replication) = &metrics.replication else {
            return Err(ProposeError::NotLeader { leader: metrics.current_leader }.into());
        };
        let last = metrics.last_log_index.unwrap_or(0);
        let has = replication.iter().find(|(member, _)| **member == id).and_then(|(_, at)| *at);
        Ok(last.saturating_sub(has.map_or(0, |at| at.index)))
    }

    /// Members and their addresses.
    pub(crate) fn members(&self) -> BTreeMap<u64, String> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.membership_config.membership();
        members.nodes().map(|(id, node)| (*id, node.addr.clone())).collect()
    }

    /// The voters; in the middle of a change those that are to be.
    fn voters(&self) -> BTreeSet<u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let configs = metrics.membership_config.membership().get_joint_config();
        configs.last().cloned().unwrap_or_default()
    }
}

/// Ends a change of voters that the leader before this one began.
pub(crate) async fn settle(raft: &Raft) {
    let halfway = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let configs = metrics.membership_config.membership().get_joint_config();
        if configs.len() > 1 { configs.last().cloned() } else { None }
    };
    if let Some(voters) = halfway
        && let Err(error) = raft.change_membership(voters, false).await
    {
        tracing::warn!(%error, "a change of voters that another leader began is not ended yet");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_numbers_of_voters_are_refused_and_two_always() {
        let refused = |count| check_count(count, Even::Refused);
        assert_eq!(refused(0), Err(MembershipError::Last));
        assert_eq!(refused(2), Err(MembershipError::Two));
        assert_eq!(refused(4), Err(MembershipError::Even(4)));
        for odd in [1, 3, 5, 7] {
            assert_eq!(refused(odd), Ok(()));
        }
        assert_eq!(check_count(4, Even::Meant), Ok(()));
        assert_eq!(check_count(2, Even::Meant), Err(MembershipError::Two));
    }

    #[test]
    fn a_refusal_says_why_and_what_to_do() {
        let words = MembershipError::Even(4).to_string();
        assert!(words.starts_with("4 voters bear no more failures than 3,"), "{words}");
        let words = MembershipError::Two.to_string();
        assert!(words.contains("add two learners"), "{words}");
    }
}
