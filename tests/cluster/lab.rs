//! The same in a network of namespaces, where cables can be cut: each node of the ledger and each edge
//! is a host, and devices come through a router that balances them. It takes root, ip and nft.

use crate::fleet::Fleet;
use crate::{BINARY, Folder};
use claviger_tests::{Balancer, Cluster, Ground, Lab, Receiver, Spread};
use core::net::SocketAddr;
use core::time::Duration;
use std::path::Path;
use std::time::Instant;

/// What makes the network.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/lab");
/// The numbers of the edges in the network; the nodes of the ledger are 1 to 3.
const EDGES: [usize; 2] = [4, 5];

/// How long an edge that is cut off may think that it is ready.
const PATIENCE: Duration = Duration::from_secs(30);

struct Site {
    cluster: Cluster,
    fleet: Fleet,
    /// Between the devices and the router that balances: it sees what they say.
    _tap: Balancer,
    _folder: Folder,
}

impl Site {
    async fn build(lab: Lab) -> Self {
        let folder = Folder::new();
        let mut cluster = Cluster::found(BINARY, folder.path(), Ground::Lab(lab)).await;
        cluster = cluster.grown_to(3).await;
        cluster.with_edge("edge-0").await;
        cluster.with_edge("edge-1").await;
        let receiver = Receiver::start_at(Lab::RECEIVER).await;
        let any = cluster.any();
        any.configure(&receiver.url, &receiver.secret, "coaps://10.78.0.2:5999").await;
        lab_of(&cluster).balance("flows", 1, &EDGES);
        let tap = Balancer::start(Spread::Flows, vec![SocketAddr::from(Lab::SERVICE)]).await;
        let fleet = Fleet::start(&cluster, &tap, &receiver).await;
        Self { cluster, fleet, _tap: tap, _folder: folder }
    }

    fn lab(&self) -> &Lab {
        lab_of(&self.cluster)
    }

    /// The numbers in the network of the leader and of the other nodes of the ledger.
    async fn leader_and_others(&mut self) -> (usize, Vec<usize>) {
        self.cluster.passed_over = None;
        let leader = self.cluster.led().await;
        let others = (0..3).filter(|number| *number != leader).map(|number| number + 1);
        let others = others.collect();
        self.cluster.passed_over = Some(leader);
        (leader + 1, others)
    }

    /// So many edges are connected.
    async fn edges_are(&self, count: usize) {
        let connected = move |status: &serde_json::Value| {
            status["edges"].as_array().is_some_and(|edges| edges.len() == count)
        };
        self.cluster.until("so many edges are connected", connected).await;
    }

    async fn is_well(&mut self) {
        self.cluster.passed_over = None;
        self.cluster
            .until("all is well", |status| status["problems"].as_array().is_some_and(Vec::is_empty))
            .await;
    }
}

fn lab_of(cluster: &Cluster) -> &Lab {
    match cluster.ground() {
        Ground::Lab(lab) => lab,
        Ground::Loopback => unreachable!("it was built in a lab"),
    }
}

/// Runs `test`, whose name is `name`, in a network of its own.
fn within(name: &str, test: impl AsyncFnOnce(Site)) {
    let Some(lab) = Lab::within(Path::new(SCRIPT), name, 5) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("threads can be had").block_on(async { test(Site::build(lab).await).await });
}

#[test]
fn a_leader_that_is_cut_off_is_left_behind() {
    within("lab::a_leader_that_is_cut_off_is_left_behind", async |mut site| {
        site.fleet.works("before the cut").await;

        // When the leader and the other nodes do not reach each other, while edges reach all of them
        let (leader, others) = site.leader_and_others().await;
        for other in &others {
            site.lab().cut(leader, *other);
            site.lab().cut(*other, leader);
        }
        site.fleet.works("while the old leader is cut off").await;
        site.fleet.goes_on_without_a_handshake().await;
        site.lab().mend();
        site.is_well().await;

        // And when what the leader says reaches nobody, but it hears all
        let (leader, others) = site.leader_and_others().await;
        for other in others.iter().chain(&EDGES) {
            site.lab().cut(leader, *other);
        }
        site.fleet.works("while nobody hears the old leader").await;
        site.fleet.goes_on_without_a_handshake().await;
        site.lab().mend();
        site.is_well().await;

        // Then nothing that was told is gone
        site.fleet.end(site.cluster.any()).await;
    });
}

#[test]
fn an_edge_that_is_cut_off_answers_nobody_and_its_devices_go_on_elsewhere() {
    within(
        "lab::an_edge_that_is_cut_off_answers_nobody_and_its_devices_go_on_elsewhere",
        async |mut site| {
            site.fleet.works("before the cut").await;
            site.edges_are(5).await;

            for node in 1..4 {
                site.lab().cut(EDGES[0], node);
                site.lab().cut(node, EDGES[0]);
            }
            // The nodes of the ledger are edges too.
            site.edges_are(4).await;
            let begun = Instant::now();
            while site.cluster.members[3].running().page("/readyz").await.0 == 200 {
                assert!(begun.elapsed() < PATIENCE, "an edge that nobody reaches is ready");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            site.lab().balance("flows", 2, &EDGES[1..]);
            site.fleet.works("with one edge cut off").await;
            site.fleet.goes_on_without_a_handshake().await;
            site.lab().mend();
            site.is_well().await;

            // And successive datagrams of an open session may go to both
            site.fleet.rest().await;
            site.lab().balance("datagrams", 3, &EDGES);
            for _ in 0..10 {
                site.fleet.goes_on_without_a_handshake().await;
            }

            site.fleet.end(site.cluster.any()).await;
        },
    );
}
