//! Versions of a cluster that know more and less. A node that holds the level plays the older one: it
//! neither raises the level nor starts once that has risen, and what newer levels have is refused.

use crate::fleet::Fleet;
use crate::{Lab, all_is_well};
use claviger_tests::{Nature, Spread};
use core::time::Duration;
use serde_json::Value;

/// The level of the version before, and that of this one.
const BEFORE: u32 = 2;
const NEW: u32 = claviger_ledger::LEVEL;

/// How long the level is watched that must not rise: the leader looks every few seconds.
const WATCH: Duration = Duration::from_secs(8);

fn is_at(level: u32) -> impl Fn(&Value) -> bool {
    move |status| status["level"] == level && all_is_well(status)
}

/// Nothing is wrong, and what the newest level has can be used, also once a node is off.
pub(crate) fn is_newest(status: &Value) -> bool {
    is_at(NEW)(status)
}

fn holds(status: &Value) -> usize {
    let nodes = status["nodes"].as_array().into_iter().flatten();
    nodes.filter(|node| node["holds_level"] == BEFORE).count()
}

impl Lab {
    /// A node stops in good order, and starts as another version.
    async fn exchange(&mut self, number: usize, hold_level: Option<u32>, fleet: &mut Fleet) {
        self.cluster.stop(number).await;
        self.balance();
        self.cluster.members[number].hold_level = hold_level;
        self.cluster.start(number, &[]).await;
        self.balance();
        let version = hold_level.unwrap_or(NEW);
        fleet.works(&format!("with node {number} at a version that knows {version}")).await;
        fleet.goes_on_without_a_handshake().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_is_taken_back_and_done_and_no_device_notices() {
    // Given three nodes that know the level before, which refuse what only the new one has
    let nature = Nature { hold_level: Some(BEFORE), ..Nature::default() };
    let mut lab = Lab::of_three_as(nature, Spread::Flows).await;
    let status = lab.cluster.until("they are at the level before", is_at(BEFORE)).await;
    assert_eq!(holds(&status), 3, "{status}");
    let mut fleet = lab.fleet().await;
    fleet.works("before the upgrade").await;
    let newer = lab.cluster.any().ask("POST", "/cluster/keys/edges", None).await;
    let (code, words) = newer.expect("the API answers");
    assert!(code != 200 && words.to_string().contains("cluster.hold_level"), "{code} {words}");

    // When two are upgraded and taken back, the level stays
    for (number, hold_level) in [(0, None), (1, None), (1, Some(BEFORE)), (0, Some(BEFORE))] {
        lab.exchange(number, hold_level, &mut fleet).await;
    }
    let status = lab.cluster.until("they are at the level before", is_at(BEFORE)).await;
    assert_eq!(holds(&status), 3, "{status}");

    // And while one of them does not know the next
    for number in [2, 0] {
        lab.exchange(number, None, &mut fleet).await;
    }
    tokio::time::sleep(WATCH).await;
    let status = lab.cluster.until("they are at the level before", is_at(BEFORE)).await;
    assert_eq!(holds(&status), 1, "{status}");

    // Then it rises with the last, what is new can be asked for, and there is no way back
    lab.exchange(1, None, &mut fleet).await;
    lab.cluster.until("the level has risen", is_at(NEW)).await;
    assert_eq!(lab.asked("/cluster/keys/edges").await["version"], 2);
    fleet.works("after the upgrade").await;
    lab.cluster.stop(2).await;
    lab.balance();
    lab.cluster.members[2].hold_level = Some(BEFORE);
    let words = lab.cluster.refused(2).await;
    assert!(words.contains(&format!("the cluster is at level {NEW} already")), "{words}");
    lab.cluster.members[2].hold_level = None;
    lab.cluster.start(2, &[]).await;
    lab.balance();
    fleet.goes_on_without_a_handshake().await;
    fleet.end(lab.cluster.any()).await;
}
