//! Disks that fill up while devices come: who has no room to write leads no more, and where nobody has
//! any nothing is taken, and nothing lost.

use crate::Lab;
use claviger_tests::{Nature, Spread};
use core::time::Duration;
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;
use tokio::time::sleep;

/// The size of a node's disk, in MiB: the reserve of 64, and what a small ledger needs.
const DISK: u32 = 192;
/// How much is left of it, in MiB: less than the reserve, and enough for what goes on.
const LEFT: u64 = 40;
const PATIENCE: Duration = Duration::from_secs(30);

/// Fills a node's disk up; gives the file that can go again.
fn fill(lab: &Lab, number: usize) -> PathBuf {
    let path = lab.cluster.members[number].data().join("filler");
    let mut file = File::create(&path).expect("the disk can be written");
    let block = vec![0x55; 1 << 20];
    while file.write_all(&block).is_ok() {}
    let length = file.metadata().expect("it is there").len();
    file.set_len(length.saturating_sub(LEFT << 20)).expect("it can be cut");
    path
}

/// What `/readyz` says of a node that has too little room, and what to do about it.
const SHORT: &str = "below its reserve of free space; make room";

/// Waits until `/readyz` of a node answers with `status`, and these words among its own.
async fn until_ready_is(lab: &Lab, number: usize, status: u16, said: &str) {
    let begun = Instant::now();
    loop {
        let (is, words) = lab.cluster.members[number].running().page("/readyz").await;
        if is == status && words.contains(said) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "/readyz of {number} still answers {is}: {words}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_room_gives_way_and_without_any_all_waits_for_room() {
    // Given three nodes on small disks, and devices that bootstrap all the time
    let nature = Nature { disk: Some(DISK), ..Nature::default() };
    let mut lab = Lab::of_three_as(nature, Spread::Flows).await;
    let mut fleet = lab.fleet().await;
    fleet.works("before any disk is full").await;

    // When a follower's disk is full
    let first = lab.cluster.led().await;
    let follower = (first + 1) % 3;
    let mut fillers = vec![fill(&lab, follower)];
    let link = lab.cluster.members[follower].link().to_string();
    let is_short = |status: &serde_json::Value| {
        let mut nodes = status["nodes"].as_array().into_iter().flatten();
        nodes.any(|node| node["address"] == link.as_str() && node["short_of_space"] == true)
    };
    lab.cluster.until("a follower is short of space", is_short).await;

    // Then all goes on: it is the leader that proposes
    fleet.works("while a follower's disk is full").await;
    fleet.goes_on_without_a_handshake().await;

    // And when the leader's is, the one that has room leads
    fillers.push(fill(&lab, first));
    let third = (first + 2) % 3;
    let begun = Instant::now();
    while lab.cluster.led().await != third {
        assert!(begun.elapsed() < PATIENCE, "the leader has no room, and leads on");
        sleep(Duration::from_millis(50)).await;
    }
    fleet.works("while the disk of two is full").await;
    fleet.goes_on_without_a_handshake().await;

    // And when nobody has room, nothing is taken, and what is known is shown
    fillers.push(fill(&lab, third));
    until_ready_is(&lab, third, 503, SHORT).await;
    let profile = json!({ "server_uri": "coaps://127.0.0.1:5999", "connector": "server" });
    for member in &lab.cluster.members {
        let node = member.running();
        let (status, problem) = node.api("PUT", "/profiles/other", Some(profile.clone())).await;
        assert_eq!((status, problem["code"].as_str()), (503, Some("unavailable")), "{problem}");
        assert_eq!(node.api("GET", "/profiles/profile", None).await.0, 200);
        assert_eq!(node.page("/livez").await.0, 200);
    }

    // Until there is room again: then all is as it was
    for filler in fillers {
        std::fs::remove_file(filler).expect("it can be removed");
    }
    for number in 0..3 {
        until_ready_is(&lab, number, 200, "ready").await;
    }
    fleet.works("when there is room again").await;
    fleet.goes_on_without_a_handshake().await;
    fleet.end(lab.cluster.any()).await;
    for member in 0..3 {
        lab.cluster.stop(member).await;
    }
}
