//! Who leads, as those see it who must do something when it changes.
//!
//! openraft calls a node the leader from the moment a quorum voted for it until it hears of a
//! newer term. Both are too much for whoever serves devices: at first the node may not have applied
//! what its predecessors committed, and when it is cut off it hears of nothing. So it is shown to
//! lead once an entry of its own term is applied, and only while a quorum answers it.

use crate::types::Raft;
use openraft::{Instant, ServerState};
use openraft_rt::watch::WatchReceiver;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// How long a quorum may keep silent until this node no longer counts as the leader: by then the
/// others, who wait at most 300 ms for it and 300 ms for each other, have had the time to elect.
const SILENCE: Duration = Duration::from_secs(1);
/// How often a leader looks at that.
const LOOK: Duration = Duration::from_millis(100);

/// A node of the group and where the others reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The node's id.
    pub id: u64,
    /// Its address on the link.
    pub address: String,
}

/// Who leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The term in which this node leads. Its rows show everything that was committed before, and
    /// a quorum has answered it within the last second.
    pub leading: Option<u64>,
    /// The leader, this node or another, where it is known.
    pub leader: Option<Member>,
}

/// Keeps `told` true until the node stops.
pub(crate) async fn follow(raft: &Raft, told: &watch::Sender<Leadership>) {
    let (mut server, mut data) = (raft.server_metrics(), raft.data_metrics());
    loop {
        let now = look(raft);
        let leads = server.borrow_watched().state == ServerState::Leader;
        let applies = leads && now.leading.is_none();
        told.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        let ended = tokio::select! {
            biased;
            changed = server.changed() => changed.is_err(),
            changed = data.changed(), if applies => changed.is_err(),
            () = sleep(LOOK), if leads => false,
        };
        if ended {
            break;
        }
    }
    told.send_replace(Leadership::default());
}

/// How it is now.
fn look(raft: &Raft) -> Leadership {
    let metrics = raft.metrics();
    let seen = metrics.borrow_watched();
    if seen.running_state.is_err() {
        return Leadership::default();
    }
    let members = seen.membership_config.membership();
    let member = |id| Member {
        id,
        address: members.get_node(&id).map(|node| node.addr.clone()).unwrap_or_default(),
    };
    let leads = seen.state == ServerState::Leader;
    let own_term_applied = seen.last_applied.is_some_and(|id| id.leader_id == seen.vote.leader_id);
    let alone = members.voter_ids().eq([seen.id]);
    let heard = seen.last_quorum_acked.is_some_and(|at| at.elapsed() < SILENCE);
    let leading = leads && own_term_applied && (alone || heard);
    let current = seen.current_leader.filter(|id| *id != seen.id || leading);
    Leadership { leading: leading.then_some(seen.current_term), leader: current.map(member) }
}
