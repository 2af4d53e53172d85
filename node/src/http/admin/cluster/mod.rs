//! `cluster`: how the nodes stand, and who belongs to them. Any node can be asked; what only the
//! leader sees or does, it is asked for.

pub(in crate::http) mod backup;
mod diagnosis;
pub(in crate::http) mod tokens;

use crate::http::Api;
use crate::http::body::{Names, NoParameters, Parameters};
use crate::http::change::{ChangeTo, Write};
use crate::http::openapi::parameters::OfNode;
use crate::http::openapi::problems::{Any, ClusterChanges};
use crate::http::problem::Fault;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use claviger_api::{
    Cluster, ClusterAuthority, ClusterEdge, ClusterNode, Code, CreatedJoinToken, EdgeReport,
    Promote, Snapshot, Timestamp, Transfer,
};
use claviger_front::{Ask, EdgeSeen, Told};
use claviger_ledger::DismissNode;
use claviger_link::Handover;
use claviger_raft::{MemberStatus, Status};
use data_encoding::HEXLOWER;
use serde::Deserialize;
use std::io;
use std::sync::Arc;
use utoipa::IntoParams;

/// Shows how the cluster stands, as the node sees it that is asked.
#[utoipa::path(
    get, path = "", operation_id = "showCluster", tag = "cluster",
    security(("admin" = [])),
    responses((status = 200, description = "How it stands.", body = Cluster), Any)
)]
pub(crate) async fn show(State(api): State<Arc<Api>>, _: NoParameters) -> Json<Cluster> {
    Json(look(&api).await)
}

/// Gives nodes that have joined a vote, all in one step.
#[utoipa::path(
    post, path = "/promote", operation_id = "promoteNodes", tag = "cluster",
    request_body = Promote,
    security(("admin" = [])),
    responses((status = 200, description = "They vote.", body = Cluster), ClusterChanges)
)]
pub(crate) async fn promote(
    State(api): State<Arc<Api>>,
    _: NoParameters,
    ChangeTo(write, body): ChangeTo<Promote>,
) -> Result<Json<Cluster>, Fault> {
    unconditional(&write)?;
    let nodes = body.nodes.iter().map(|id| node_of("nodes", id)).collect::<Result<_, _>>()?;
    done(&api, Ask::Promote { nodes, even: body.even }).await?;
    Ok(Json(look(&api).await))
}

/// Lets another voter lead.
#[utoipa::path(
    post, path = "/transfer", operation_id = "transferLead", tag = "cluster",
    request_body = Transfer,
    security(("admin" = [])),
    responses((status = 200, description = "It leads.", body = Cluster), ClusterChanges)
)]
pub(crate) async fn transfer(
    State(api): State<Arc<Api>>,
    _: NoParameters,
    ChangeTo(write, body): ChangeTo<Transfer>,
) -> Result<Json<Cluster>, Fault> {
    unconditional(&write)?;
    let to = body.to.map(|id| node_of("to", &id)).transpose()?;
    done(&api, Ask::Transfer { to }).await?;
    Ok(Json(look(&api).await))
}

/// How a node is removed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Removal {
    /// True if an even number of voters is meant.
    even: bool,
}

/// Removes a node for good, of the ledger or an edge: it must not come back with its data.
#[utoipa::path(
    delete, path = "/nodes/{node}", operation_id = "removeNode", tag = "cluster",
    params(OfNode, Removal),
    security(("admin" = [])),
    responses((status = 204, description = "It is removed."), ClusterChanges)
)]
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    Names(id): Names<String>,
    Parameters(Removal { even }): Parameters<Removal>,
) -> Result<StatusCode, Fault> {
    let node = node_of("node", &id)?;
    let is_member = api.operator.status().members.iter().any(|member| member.id == node);
    let was_let_in = api.look(|view| view.node(node).is_some()).await?;
    // An edge is no member, nor is a node whose removal stopped halfway.
    if is_member || !was_let_in {
        done(&api, Ask::Remove { node, even }).await?;
    }
    // Nor does anybody link with it any more.
    match api.commit(DismissNode { node }).await {
        // It never had a certificate.
        Err(fault) if fault.code == Code::NotFound => {}
        dismissed => dismissed?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Puts another authority in the place of the one that issues the certificates of nodes. The one before
/// is trusted, too, until every node has a certificate of the new one: edges ask for theirs within a
/// minute. Join tokens of the old one are of no use from then on, and connections made by it are closed.
#[utoipa::path(
    post, path = "/authority", operation_id = "replaceAuthority", tag = "cluster",
    security(("admin" = [])),
    responses((status = 200, description = "It is replaced.", body = ClusterAuthority), ClusterChanges)
)]
pub(crate) async fn replace_authority(
    State(api): State<Arc<Api>>,
    _: NoParameters,
) -> Result<Json<ClusterAuthority>, Fault> {
    api.registrar.replace(api.clock.now()).await.map_err(tokens::fault)?;
    let shown = authority(&api).ok_or_else(|| Fault::internal("there is no authority"))?;
    Ok(Json(shown))
}

/// Makes a snapshot of the node that is asked, now: what its log holds goes into its rows on the disk,
/// and all of the log but the newest entries goes.
#[utoipa::path(
    post, path = "/snapshot", operation_id = "snapshotNode", tag = "cluster",
    security(("admin" = [])),
    responses((status = 200, description = "It is there.", body = Snapshot), ClusterChanges)
)]
pub(crate) async fn snapshot(
    State(api): State<Arc<Api>>,
    _: NoParameters,
) -> Result<Json<Snapshot>, Fault> {
    let made = api.operator.snapshot().await;
    let made = made.map_err(|words| Fault::new(Code::Unavailable, words))?;
    Ok(Json(Snapshot {
        node: text_of(api.operator.status().id),
        index: made.index,
        rows_bytes: made.rows,
        log_bytes: made.log,
        log_entries: made.entries,
    }))
}

/// Makes a join token by which a node of the ledger comes back under its id, and nobody else, once: for one
/// whose certificate is lost, or over, or of an authority that was replaced. It is shown once.
#[utoipa::path(
    post, path = "/nodes/{node}/readmit", operation_id = "readmitNode", tag = "cluster",
    params(OfNode),
    security(("admin" = [])),
    responses(
        (status = 200, description = "It may come back.", body = CreatedJoinToken), ClusterChanges
    )
)]
pub(crate) async fn readmit(
    State(api): State<Arc<Api>>,
    Names(id): Names<String>,
    _: NoParameters,
) -> Result<Json<CreatedJoinToken>, Fault> {
    let node = node_of("node", &id)?;
    let is_member = api.operator.status().members.iter().any(|member| member.id == node);
    let was_let_in = api.look(|view| view.node(node).is_some()).await?;
    if !is_member && !was_let_in {
        return Err(Fault::not_found("node", &id));
    }
    Ok(Json(tokens::returning(&api, node).await?))
}

/// Members have no version to expect: Raft changes them one step after the other.
fn unconditional(write: &Write) -> Result<(), Fault> {
    match write.expected {
        None => Ok(()),
        Some(_) => Err(Fault::new(Code::BadHeader, "a cluster has no version to expect")),
    }
}

fn node_of(field: &str, id: &str) -> Result<u64, Fault> {
    let rule = "it must be a node's id: 16 hexadecimal digits, as `GET /api/v1/cluster` shows it";
    let plain = id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    let id = plain.then(|| u64::from_str_radix(id, 16).ok()).flatten();
    id.ok_or_else(|| Fault::invalid(field, rule))
}

fn text_of(id: u64) -> String {
    format!("{id:016x}")
}

/// Has the leader do something.
async fn done(api: &Api, ask: Ask) -> Result<(), Fault> {
    match api.operator.ask(ask).await? {
        Told::Refused { words, later: true } => Err(Fault::new(Code::Unavailable, words)),
        Told::Refused { words, later: false } => Err(Fault::new(Code::Membership, words)),
        Told::Done | Told::Edges { .. } | Told::Attempts { .. } => Ok(()),
    }
}

/// How it stands now. Of what does not answer, that is said.
async fn look(api: &Api) -> Cluster {
    let mut cluster = [0; 16];
    api.ledger.read(&mut |rows| {
        cluster = claviger_ledger::View::new(rows).meta().map_or([0; 16], |meta| meta.cluster);
    });
    let (mine, survey) = (api.operator.status(), api.operator.survey().await);
    let told = api.operator.ask(Ask::Edges).await;
    let (since, seen) = match told {
        Ok(Told::Edges { since, edges }) => (Some(since), edges),
        _ => (None, Vec::new()),
    };
    let edges: Vec<_> = seen.into_iter().map(edge).collect();
    let of_leader = survey.iter().filter_map(|(_, status)| status.as_ref().ok());
    let of_leader = of_leader.filter(|status| status.leader == Some(status.id));
    let leader = of_leader.max_by_key(|status| status.term).cloned();
    let nodes = survey.iter().map(|(member, status)| node(member, status, leader.as_ref()));
    let nodes: Vec<_> = nodes.collect();
    Cluster {
        cluster: HEXLOWER.encode(&cluster),
        asked: text_of(mine.id),
        leader: leader.as_ref().map(|leader| text_of(leader.id)),
        leading_since: since.map(Timestamp),
        term: leader.as_ref().map_or(mine.term, |leader| leader.term),
        level: mine.level,
        problems: diagnosis::problems(&nodes, &edges, leader.is_some(), mine.changing),
        authority: authority(api),
        nodes,
        edges,
    }
}

fn authority(api: &Api) -> Option<ClusterAuthority> {
    let Handover { since, replaces, nodes, left } = api.registrar.handover(api.clock.now())?;
    let (nodes, left) = (nodes as u64, left as u64);
    Some(ClusterAuthority { since: Timestamp(since), replaces, nodes, left })
}

fn node(
    member: &MemberStatus,
    status: &io::Result<Status>,
    leader: Option<&Status>,
) -> ClusterNode {
    // Only the leader knows how far the others are.
    let known = leader.and_then(|leader| {
        let known = leader.members.iter().find(|known| known.id == member.id)?;
        Some((leader.behind(known), known.silent_for))
    });
    let (behind, last_contact) = known.unwrap_or_default();
    let told = status.as_ref().ok();
    ClusterNode {
        id: text_of(member.id),
        address: member.address.clone(),
        votes: member.votes,
        leads: leader.is_some_and(|leader| leader.id == member.id),
        silent: status.as_ref().err().map(ToString::to_string),
        version: told.map(|told| told.version.clone()),
        knows_level: told.map(|told| told.knows),
        holds_level: told.and_then(|told| told.holds),
        sealed: told.map(|told| !told.stands),
        applied: told.map(|told| told.applied_index),
        behind,
        last_contact,
        free: told.and_then(|told| told.free),
        short_of_space: told.map(|told| told.short_of_space),
    }
}

fn edge(seen: EdgeSeen) -> ClusterEdge {
    let EdgeSeen { edge, node, address, listener, realm, version, since, silent_for, report } =
        seen;
    let report = report.map(|said| EdgeReport {
        sessions: said.sessions,
        handshakes: said.handshakes,
        established: said.established,
        failed: said.failed,
        serves: said.serves,
        draining: said.draining,
    });
    ClusterEdge {
        id: text_of(edge),
        node: text_of(node),
        address,
        listener,
        realm,
        version,
        since: Timestamp(since),
        last_contact: silent_for,
        report,
    }
}
