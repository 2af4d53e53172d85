//! The cluster: its nodes, its edges, and who may join.

use crate::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a node is to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// It has a copy of the ledger.
    Ledger,
    /// It has sockets for devices, and nothing of the ledger.
    Edge,
}

/// How a cluster stands, as the node sees it that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    /// The cluster's id, in hexadecimal digits.
    pub cluster: String,
    /// The node that was asked.
    pub asked: String,
    /// The node that leads.
    pub leader: Option<String>,
    /// Since when it has led; null if it does not answer.
    pub leading_since: Option<Timestamp>,
    /// The term.
    pub term: u64,
    /// The level that the ledger's commands are applied by.
    pub level: Option<u32>,
    /// The authority that issues the certificates of nodes; null before there is one.
    pub authority: Option<ClusterAuthority>,
    /// The nodes of the ledger.
    pub nodes: Vec<ClusterNode>,
    /// The edges that are connected to the leader, one for each of their listeners.
    pub edges: Vec<ClusterEdge>,
    /// What is wrong, and what to do; empty if all is well.
    pub problems: Vec<String>,
}

/// The authority that issues the certificates of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterAuthority {
    /// When it was made.
    pub since: Timestamp,
    /// True while the one that it replaces is trusted, too: until no certificate of that holds.
    pub replaces: bool,
    /// How many nodes have a certificate that holds.
    pub nodes: u64,
    /// How many of these have one of the authority before.
    pub left: u64,
}

/// A node of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterNode {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// Where other nodes reach it.
    pub address: String,
    /// False for a learner, which has everything and no vote.
    pub votes: bool,
    /// True if it leads.
    pub leads: bool,
    /// Why nothing is known of it; null if it answered.
    pub silent: Option<String>,
    /// The version of Claviger there.
    pub version: Option<String>,
    /// The newest level that it knows.
    pub knows_level: Option<u32>,
    /// The level that it is told to hold the cluster at, by `cluster.hold_level`; null if it holds none.
    pub holds_level: Option<u32>,
    /// True if it has no key to serve with: it does not lead.
    pub sealed: Option<bool>,
    /// The highest index that is applied there.
    pub applied: Option<u64>,
    /// How many entries it lacks of the leader's log, as the leader knows.
    pub behind: Option<u64>,
    /// Milliseconds since it answered the leader.
    pub last_contact: Option<u64>,
    /// Bytes of free space on its disk.
    pub free: Option<u64>,
    /// True if that is too little to write.
    pub short_of_space: Option<bool>,
}

/// A listener of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterEdge {
    /// The edge's id, 16 hexadecimal digits.
    pub id: String,
    /// The node whose it is.
    pub node: String,
    /// Where that node's connection comes from; empty for the leader itself.
    pub address: String,
    /// The listener's name.
    pub listener: String,
    /// The realm that it stands for.
    pub realm: String,
    /// The version of Claviger there.
    pub version: String,
    /// Since when it has been connected.
    pub since: Timestamp,
    /// Milliseconds since it was heard.
    pub last_contact: u64,
    /// What it says of itself, every two seconds; null if its version does not.
    pub report: Option<EdgeReport>,
}

/// How an edge says it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EdgeReport {
    /// Sessions whose keys it holds.
    pub sessions: u64,
    /// Handshakes under way.
    pub handshakes: u64,
    /// Handshakes that ended with a session, since it started.
    pub established: u64,
    /// Handshakes that ended without one.
    pub failed: u64,
    /// True if it hears of a leader and has the keys of now; else it answers no device.
    pub serves: bool,
    /// True if it leaves: it takes no new handshakes.
    pub draining: bool,
}

/// A change of who votes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// The nodes that get a vote, all in one step.
    pub nodes: Vec<String>,
    /// True if an even number of voters is meant.
    #[serde(default)]
    pub even: bool,
}

/// A snapshot of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The node.
    pub node: String,
    /// All up to this index is in its rows on the disk.
    pub index: u64,
    /// How many bytes these take there.
    pub rows_bytes: u64,
    /// How many bytes its log takes.
    pub log_bytes: u64,
    /// How many entries its log has yet.
    pub log_entries: u64,
}

/// Who is to lead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// The voter; the one that has most of the log if it is null.
    #[serde(default)]
    pub to: Option<String>,
}

/// Asks for a join token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateJoinToken {
    /// What a node may join as.
    pub role: NodeRole,
    /// How many nodes may join with it; by default one node of the ledger, and any number of edges:
    /// an edge joins at each start.
    #[serde(default)]
    pub uses: Option<u32>,
    /// For how long, in seconds; by default an hour, and for edges a year.
    #[serde(default)]
    pub lifetime: Option<u64>,
}

/// A join token as it is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedJoinToken {
    /// The token: a secret. It is not shown again.
    pub token: Secret,
    /// What is known of it.
    #[serde(flatten)]
    pub about: JoinToken,
}

/// What is known of a join token; never the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinToken {
    /// Its id, in hexadecimal digits.
    pub id: String,
    /// What a node may join as.
    pub role: NodeRole,
    /// How many nodes may still join with it; null if any number may.
    pub uses_left: Option<u32>,
    /// Until when.
    pub expires: Timestamp,
}

/// All join tokens that are not used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinTokens {
    /// Them, by id.
    pub items: Vec<JoinToken>,
}
