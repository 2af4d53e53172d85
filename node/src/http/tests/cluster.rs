//! The cluster as the API shows it, over a fake of three nodes.

use super::*;
use crate::cluster::operator::{Operator, Snapshot};
use claviger_front::{Ask, AttemptSeen, EdgeReport, EdgeSeen, Told};
use claviger_raft::{MemberStatus, Status};
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Mutex;

/// Three nodes of which the first leads and the third is silent.
#[derive(Default)]
pub(super) struct Three {
    asked: Mutex<Vec<Ask>>,
}

fn status(id: u64) -> Status {
    let member = |id| MemberStatus {
        id,
        address: format!("node-{id}:5685"),
        votes: true,
        matched: Some(9 - id),
        silent_for: Some(id),
    };
    Status {
        id,
        version: "0.1.0".to_owned(),
        knows: 2,
        stands: true,
        leader: Some(1),
        term: 4,
        last_index: 9,
        applied_index: 9,
        snapshot_index: 0,
        purged_index: 0,
        free: Some(1 << 30),
        short_of_space: false,
        running: true,
        level: Some(1),
        changing: false,
        members: (1..4).map(member).collect(),
        holds: None,
    }
}

impl Operator for Three {
    fn status(&self) -> Status {
        status(2)
    }

    fn survey(&self) -> BoxFuture<'_, Vec<(MemberStatus, io::Result<Status>)>> {
        let answer = |member: MemberStatus| match member.id {
            3 => (member, Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"))),
            id => (member, Ok(status(id))),
        };
        let answers = status(2).members.into_iter().map(answer).collect();
        Box::pin(async { answers })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Snapshot, String>> {
        Box::pin(async { Ok(Snapshot { index: 9, rows: 1, log: 2, entries: 3 }) })
    }

    fn back_up(&self) -> BoxFuture<'_, Result<PathBuf, String>> {
        let folder = tempfile::tempdir().unwrap().keep();
        std::fs::write(folder.join("copy"), vec![7; 200_000]).unwrap();
        Box::pin(async move { Ok(folder.join("copy")) })
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Told, Unavailable>> {
        let told = match &ask {
            Ask::Edges => Told::Edges {
                since: 1_000,
                edges: vec![EdgeSeen {
                    edge: 7,
                    node: 8,
                    address: "10.0.0.9:1".to_owned(),
                    listener: "coaps".to_owned(),
                    realm: "default".to_owned(),
                    version: "0.1.0".to_owned(),
                    since: 2_000,
                    silent_for: 3,
                    report: Some(EdgeReport {
                        sessions: 5,
                        handshakes: 1,
                        established: 9,
                        failed: 2,
                        serves: true,
                        draining: false,
                    }),
                }],
            },
            Ask::Attempts { realm } => Told::Attempts {
                attempts: vec![AttemptSeen {
                    identity: b"i\xff".to_vec(),
                    reason: "bad_key".to_owned(),
                    advice: format!("look at {realm}"),
                    count: 2,
                    last_seen: 3_000,
                }],
            },
            Ask::Promote { nodes, .. } if nodes.len() == 1 => {
                Told::Refused { words: "two voters are worse than one".to_owned(), later: false }
            }
            Ask::Remove { node: 9, .. } => {
                Told::Refused { words: "another change is under way".to_owned(), later: true }
            }
            _ => Told::Done,
        };
        self.asked.lock().unwrap().push(ask);
        Box::pin(async { Ok(told) })
    }
}

impl Rig {
    async fn cluster(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/cluster{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or(Body::empty(), |body| body.to_string().into());
        let (head, body) = self.send(request.body(body).unwrap()).await;
        (head.status().as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn any_node_shows_what_strangers_tried_at_the_leader() {
    let rig = Rig::ready().await;

    let (status, shown) = rig.ask("GET", "/unproven-attempts", None).await;

    let attempt = json!({
        "identity": "i\u{fffd}",
        "reason": "bad_key",
        "count": 2,
        "last_seen": "1970-01-01T00:00:03Z",
        "advice": "look at default",
    });
    assert_eq!((status, shown), (200, json!({ "attempts": [attempt] })));
}

#[tokio::test]
async fn any_node_shows_the_whole_cluster_and_what_is_wrong() {
    let rig = Rig::new().await;

    let (code, shown) = rig.cluster("GET", "", None).await;

    assert_eq!(code, 200, "{shown}");
    assert_eq!(shown["leader"], "0000000000000001");
    assert_eq!(shown["asked"], "0000000000000002");
    assert_eq!(shown["leading_since"], "1970-01-01T00:00:01Z");
    assert_eq!(shown["nodes"][1]["behind"], 2, "the leader knows: {shown}");
    assert_eq!(shown["nodes"][2]["silent"], "it does not answer");
    assert_eq!(shown["edges"][0]["address"], "10.0.0.9:1");
    let problems = shown["problems"].to_string();
    assert!(
        problems.contains("Node 0000000000000003 at node-3:5685 does not answer"),
        "{problems}"
    );
}

#[tokio::test]
async fn a_change_is_asked_of_the_leader_and_its_refusal_told() {
    let rig = Rig::new().await;
    let id = |number: u64| format!("{number:016x}");

    let two = json!({ "nodes": [id(2), id(3)] });
    assert_eq!(rig.cluster("POST", "/promote", Some(two)).await.0, 200);
    assert_eq!(rig.cluster("POST", "/transfer", Some(json!({ "to": id(2) }))).await.0, 200);
    assert_eq!(rig.cluster("DELETE", &format!("/nodes/{}?even=true", id(3)), None).await.0, 204);

    let (code, told) = rig.cluster("POST", "/promote", Some(json!({ "nodes": [id(2)] }))).await;
    assert_eq!((code, told["code"].as_str()), (409, Some("membership")), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("worse than one"));
    let (code, told) = rig.cluster("DELETE", &format!("/nodes/{}", id(9)), None).await;
    assert_eq!((code, told["code"].as_str()), (503, Some("unavailable")), "{told}");
}

#[tokio::test]
async fn a_backup_leaves_whole_and_nothing_behind() {
    let rig = Rig::new().await;

    let request = Request::builder().uri("/api/v1/cluster/backup");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {}", rig.token));
    let (head, body) = rig.send(request.body(Body::empty()).unwrap()).await;

    assert_eq!(head.status(), 200);
    assert_eq!(body, vec![7; 200_000]);
}

#[tokio::test]
async fn what_names_no_node_and_who_has_no_token_is_refused() {
    let rig = Rig::new().await;

    for id in ["1", "000000000000000g", "+000000000000001"] {
        let (code, told) = rig.cluster("POST", "/promote", Some(json!({ "nodes": [id] }))).await;
        assert_eq!((code, told["code"].as_str()), (422, Some("invalid")), "{id}: {told}");
    }
    let stranger = Request::builder().uri("/api/v1/cluster").body(Body::empty()).unwrap();
    assert_eq!(rig.send(stranger).await.0.status(), 401);
}
