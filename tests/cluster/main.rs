//! Whole clusters as processes, while devices come through a load balancer: whatever dies, what was
//! told stays true, devices that send again are served, and open sessions go on.

mod copy;
mod fleet;
mod foreign;
mod full_disk;
mod history;
mod lab;
mod load;
mod promises;
mod versions;

use claviger_link::{FreshKey, Token};
use claviger_tests::{Balancer, Cluster, Ground, Nature, Receiver, Spread};
use core::time::Duration;
use fleet::Fleet;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep};

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_claviger");

/// How often something dies.
fn rounds(few: usize) -> usize {
    if std::env::var_os("CLAVIGER_LONG").is_some() { 20 * few } else { few }
}

struct Lab {
    cluster: Cluster,
    balancer: Balancer,
    receiver: Receiver,
    _folder: Folder,
}

/// Held by the test whose cluster runs: two of them, each under load, would starve each other.
static ALONE: Mutex<()> = Mutex::new(());

/// Where a cluster's data and logs are; they stay when a test fails.
struct Folder {
    made: Option<tempfile::TempDir>,
    _alone: MutexGuard<'static, ()>,
}

impl Folder {
    fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self { made: Some(tempfile::tempdir().expect("a folder can be made")), _alone: alone }
    }

    fn path(&self) -> &Path {
        self.made.as_ref().expect("it goes with this").path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(folder) = self.made.take().filter(|_| std::thread::panicking()) {
            eprintln!("the logs of the cluster are in {}", folder.keep().display());
        }
    }
}

impl Lab {
    /// Three nodes of the ledger, each of them an edge too, behind a balancer.
    async fn of_three(balance: Spread) -> Self {
        Self::of_three_as(Nature::default(), balance).await
    }

    /// The same, of such nodes.
    async fn of_three_as(nature: Nature, balance: Spread) -> Self {
        let folder = Folder::new();
        let cluster = Cluster::found_as(BINARY, folder.path(), Ground::Loopback, nature).await;
        Self::new(cluster.grown_to(3).await, balance, folder).await
    }

    /// Who leads, another one, and what is said of them once all know the newest level. The first has
    /// no token to join with, so it is not that other one.
    async fn leader_and_another(&self) -> (usize, usize, Value) {
        let leader = self.cluster.led().await;
        let status = self.cluster.until("they know the newest level", versions::is_newest).await;
        (leader, 1 + usize::from(leader == 1), status)
    }

    async fn new(cluster: Cluster, balance: Spread, folder: Folder) -> Self {
        let balancer = Balancer::start(balance, cluster.edges()).await;
        let receiver = Receiver::start().await;
        let any = cluster.any();
        any.configure(&receiver.url, &receiver.secret, "coaps://127.0.0.1:5999").await;
        Self { cluster, balancer, receiver, _folder: folder }
    }

    async fn fleet(&self) -> Fleet {
        Fleet::start(&self.cluster, &self.balancer, &self.receiver).await
    }

    /// What a node answers that is asked to do something.
    async fn asked(&self, path: &str) -> Value {
        let answer = self.cluster.any().ask("POST", path, None).await.expect("the API answers");
        assert_eq!(answer.0, 200, "{path}: {}", answer.1);
        answer.1
    }

    /// The balancer knows which edges run.
    fn balance(&self) {
        self.balancer.set_edges(self.cluster.edges());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_die_and_no_device_notices() {
    // Given three nodes, and devices that bootstrap all the time
    let mut lab = Lab::of_three(Spread::Flows).await;
    let mut fleet = lab.fleet().await;
    fleet.works("before anything dies").await;

    for round in 0..rounds(5) {
        // When the leader's power is cut
        let leader = lab.cluster.led().await;
        lab.cluster.kill(leader).await;
        lab.balance();

        // Then the others go on, with all that was told
        fleet.works(&format!("without the leader, round {round}")).await;
        fleet.goes_on_without_a_handshake().await;
        lab.cluster.led().await;
        fleet.check(lab.cluster.any()).await;
        lab.cluster.start(leader, &[]).await;
        lab.balance();
    }

    fleet.end(lab.cluster.any()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_die_at_once_and_what_was_told_is_there() {
    let mut lab = Lab::of_three(Spread::Flows).await;
    let mut fleet = lab.fleet().await;

    for round in 0..rounds(2) {
        fleet.works(&format!("before round {round}")).await;
        for number in 0..3 {
            lab.cluster.kill(number).await;
        }
        for number in 0..3 {
            lab.cluster.start(number, &[]).await;
        }
        lab.cluster.led().await;
        fleet.check(lab.cluster.any()).await;
        fleet.goes_on_without_a_handshake().await;
    }

    fleet.end(lab.cluster.any()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_were_off_until_their_certificates_were_over_come_back() {
    let mut lab = Lab::of_three(Spread::Flows).await;
    let mut fleet = lab.fleet().await;
    fleet.works("before all stop").await;

    for number in 0..3 {
        lab.cluster.stop(number).await;
        lab.cluster.members[number].lose_credential();
    }
    for number in 0..3 {
        lab.cluster.start(number, &[]).await;
    }

    lab.cluster.led().await;
    fleet.check(lab.cluster.any()).await;
    fleet.end(lab.cluster.any()).await;
}

/// Nothing is wrong.
fn all_is_well(status: &Value) -> bool {
    status["problems"].as_array().is_some_and(Vec::is_empty)
}

/// The ids of those that lead, or do not.
fn ids(status: &Value, leads: bool) -> Vec<String> {
    let nodes = status["nodes"].as_array().into_iter().flatten();
    let nodes = nodes.filter(|node| node["leads"] == leads);
    nodes.filter_map(|node| node["id"].as_str().map(ToOwned::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_certificate_comes_back_once_it_is_readmitted() {
    // Given a node that lost its certificate, and cannot open the authority's key to make another
    let mut lab = Lab::of_three(Spread::Flows).await;
    let (leader, lost, before) = lab.leader_and_another().await;
    lab.cluster.kill(lost).await;
    lab.cluster.members[lost].lose_credential();
    lab.cluster.hide_kek();

    // When it is started, it says what to do
    let words = lab.cluster.refused(lost).await;
    let (_, told) = words.split_once("claviger cluster readmit ").expect(&words);
    let id = told[..16].to_owned();
    assert!(ids(&before, false).contains(&id), "{words}");

    // Then it comes back by the token that is made for it, with its data, and is who it was
    lab.cluster.readmit(leader, &id).await;
    lab.cluster.start(lost, &[]).await;
    lab.cluster.show_kek();
    let after = lab.cluster.until("all is well", all_is_well).await;
    assert!(ids(&after, false).contains(&id), "{after}");
    assert_eq!(after["nodes"].as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_off_while_the_authority_was_replaced_says_what_to_do_and_comes_back() {
    // Given a node that is off
    let mut lab = Lab::of_three(Spread::Flows).await;
    let (leader, off, before) = lab.leader_and_another().await;
    let link = lab.cluster.members[off].link().to_string();
    let nodes = before["nodes"].as_array().into_iter().flatten();
    let id = nodes.filter(|node| node["address"] == link.as_str()).find_map(|it| it["id"].as_str());
    let id = id.expect("it is one of the nodes").to_owned();
    lab.cluster.kill(off).await;

    // When the authority is replaced, and the one before is given up: what the node has is waited for,
    // until it is over in a month, or as here until the node comes back, of whose disk this one is a copy
    lab.asked("/cluster/authority").await;
    let waits = |status: &Value| status["authority"]["left"] == 1;
    lab.cluster.until("the others have new certificates", waits).await;
    let token = lab.cluster.readmit(leader, &id).await;
    come_back(&token, &lab.cluster.members[leader].link().to_string(), &id, &link).await;
    let is_over = |status: &Value| status["authority"]["replaces"] == false;
    lab.cluster.until("the authority before is given up", is_over).await;

    // Then it says what to do, since nobody believes it, nor it anybody
    lab.cluster.start(off, &[]).await;
    let words = format!("claviger cluster readmit {id}");
    let begun = Instant::now();
    loop {
        let (status, said) = lab.cluster.members[off].running().page("/readyz").await;
        if status == 503 && said.contains(&words) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{status} {said}");
        sleep(Duration::from_millis(100)).await;
    }

    // And the one command and a restart are enough, and another restart needs none
    lab.cluster.readmit(leader, &id).await;
    for _ in 0..2 {
        lab.cluster.kill(off).await;
        lab.cluster.start(off, &[]).await;
        let after = lab.cluster.until("all is well", all_is_well).await;
        assert!(after["nodes"].to_string().contains(&id), "{after}");
    }
}

/// Takes a certificate as the node `id`, reached at `link`, by the token that was made for it.
async fn come_back(token: &str, at: &str, id: &str, link: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    let token = token.parse::<Token>().expect("a token");
    let node = u64::from_str_radix(id, 16).expect("an id");
    let key = FreshKey::generate().expect("a key is made");
    let seeds = [at.to_owned()];
    let joined = claviger_link::join(&token, &seeds, node, &key, Some(link), now).await;
    joined.expect("it is let in");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_edges_and_the_authority_are_replaced_and_no_device_notices() {
    // Given three nodes, and an edge of its own before them
    let mut lab = Lab::of_three(Spread::Flows).await;
    lab.cluster.with_edge("edge-0").await;
    lab.balance();
    let mut fleet = lab.fleet().await;
    fleet.works("before anything is replaced").await;

    // When what edges are handed is replaced
    assert_eq!(lab.asked("/cluster/keys/edges").await["version"], 2);
    fleet.works("with other keys of edges").await;
    fleet.goes_on_without_a_handshake().await;

    // And the authority of nodes, which the edge hears of, as well as that the one before is given up
    let replaced = lab.asked("/cluster/authority").await;
    assert_eq!((&replaced["replaces"], &replaced["left"]), (&json!(true), &json!(4)));
    let is_over = |status: &Value| status["authority"]["replaces"] == false;
    lab.cluster.until("all have new certificates", is_over).await;
    fleet.works("with another authority").await;
    fleet.goes_on_without_a_handshake().await;

    // Then nodes start again, come and lead as before; the edge by a token of the new authority
    lab.cluster.make_token("edge").await;
    for number in [0, 3] {
        lab.cluster.stop(number).await;
        lab.balance();
        lab.cluster.start(number, &[]).await;
        lab.balance();
    }
    lab.cluster.until("all is well", all_is_well).await;
    fleet.works("after restarts").await;
    fleet.goes_on_without_a_handshake().await;
    fleet.end(lab.cluster.any()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_removed_in_one_step() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut cluster =
        Cluster::found(BINARY, folder.path(), Ground::Loopback).await.grown_to(5).await;
    let leader = cluster.led().await;
    let before = cluster.until("all is well", all_is_well).await;
    let [id] = &ids(&before, true)[..] else { panic!("one leads: {before}") };

    let path = format!("/cluster/nodes/{id}?even=true");
    let other = cluster.members[(leader + 1) % 5].running();
    let answer = other.ask("DELETE", &path, None).await;

    let (status, words) = answer.expect("the API answers");
    assert_eq!(status, 204, "{words}");
    cluster.passed_over = Some(leader);
    let after = cluster.until("another leads", |status| !ids(status, true).is_empty()).await;
    assert!(!after["nodes"].to_string().contains(id.as_str()), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_die_and_stop_and_every_flow_moves() {
    // Given three nodes, and two edges before them
    let folder = Folder::new();
    let mut cluster =
        Cluster::found(BINARY, folder.path(), Ground::Loopback).await.grown_to(3).await;
    cluster.with_edge("edge-0").await;
    cluster.with_edge("edge-1").await;
    let mut lab = Lab::new(cluster, Spread::Flows, folder).await;
    let edges = [3, 4].map(|number: usize| lab.cluster.members[number].coaps());
    lab.balancer.set_edges(edges.to_vec());
    let mut fleet = lab.fleet().await;
    fleet.works("with two edges").await;

    for round in 0..rounds(2) {
        // When every flow is hashed anew, an edge dies, and comes again
        lab.balancer.rehash();
        fleet.goes_on_without_a_handshake().await;
        let number = 3 + round % 2;
        lab.cluster.kill(number).await;
        lab.balancer.set_edges(vec![edges[(round + 1) % 2]]);
        fleet.works(&format!("with one edge, round {round}")).await;
        fleet.goes_on_without_a_handshake().await;
        lab.cluster.start(number, &[]).await;
        lab.balancer.set_edges(edges.to_vec());

        // And one hangs for a while
        let other = 3 + (round + 1) % 2;
        lab.cluster.members[other].running().signal("-STOP").await;
        lab.balancer.set_edges(vec![edges[round % 2]]);
        fleet.works(&format!("with one edge that hangs, round {round}")).await;
        lab.cluster.members[other].running().signal("-CONT").await;
        lab.balancer.set_edges(edges.to_vec());
    }

    // Then successive datagrams of an open session may go to different edges
    fleet.rest().await;
    lab.balancer.set_balance(Spread::Datagrams);
    for _ in 0..10 {
        fleet.goes_on_without_a_handshake().await;
    }
    fleet.end(lab.cluster.any()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_hangs_is_left_behind() {
    let mut lab = Lab::of_three(Spread::Flows).await;
    let mut fleet = lab.fleet().await;
    fleet.works("before the leader hangs").await;
    let leader = lab.cluster.led().await;
    let process = lab.cluster.members[leader].process.take().expect("it runs");

    // When it hangs for longer than an election takes
    process.signal("-STOP").await;
    lab.balance();
    fleet.works("while the leader hangs").await;
    let next = lab.cluster.led().await;
    process.signal("-CONT").await;
    lab.cluster.members[leader].process = Some(process);
    lab.balance();

    // Then it follows, and nothing that was told is gone
    assert_ne!(next, leader);
    fleet.works("after it has woken").await;
    lab.cluster.until("all is well", all_is_well).await;
    fleet.goes_on_without_a_handshake().await;
    fleet.end(lab.cluster.any()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_hang_at_once_and_go_on_where_they_were() {
    let lab = Lab::of_three(Spread::Flows).await;
    let mut fleet = lab.fleet().await;

    for round in 0..rounds(2) {
        fleet.works(&format!("before round {round}")).await;
        for member in &lab.cluster.members {
            member.running().signal("-STOP").await;
        }
        // Longer than leases, elections, and the word that an edge may speak.
        sleep(Duration::from_secs(3)).await;
        for member in &lab.cluster.members {
            member.running().signal("-CONT").await;
        }
        lab.cluster.led().await;
        fleet.check(lab.cluster.any()).await;
        fleet.goes_on_without_a_handshake().await;
    }

    fleet.works("after all have woken").await;
    fleet.end(lab.cluster.any()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_restart_one_after_the_other() {
    let mut lab = Lab::of_three(Spread::Flows).await;
    let mut fleet = lab.fleet().await;
    fleet.works("before the restarts").await;

    for number in 0..3 {
        lab.cluster.stop(number).await;
        lab.balance();
        fleet.works(&format!("without node {number}")).await;
        lab.cluster.start(number, &[]).await;
        lab.balance();
        lab.cluster.until("it has caught up", all_is_well).await;
    }

    fleet.goes_on_without_a_handshake().await;
    fleet.end(lab.cluster.any()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_at_a_follower_ends_a_session_at_once() {
    let lab = Lab::of_three(Spread::Flows).await;
    let mut fleet = lab.fleet().await;
    fleet.works("before the revocation").await;
    fleet.goes_on_without_a_handshake().await;
    let mut neighbour = fleet.neighbour(&lab.cluster).await;
    let leader = lab.cluster.led().await;
    let follower = lab.cluster.members[(leader + 1) % 3].running();

    fleet.revoke_the_one_that_stays(follower).await;

    // Then nothing is said in its session, while others are answered in theirs
    fleet.is_not_answered_while(&mut neighbour).await;
    // And by what is revoked it opens no other.
    fleet.opens_no_session().await;
    fleet.works("after the revocation").await;
    fleet.end(lab.cluster.any()).await;
}
