//! Hubs and uplinks over streams in memory.

use super::hub::{About, Hub, Seat};
use super::uplink::{Counters, Reach, Uplink};
use super::way::{ToTask, Way};
use crate::clock::SystemClock;
use crate::crypto::SystemCrypto;
use claviger_actors::{Devices, EdgeId, Outbox, Ports};
use claviger_curves::AwsLc;
use claviger_dtls::{Endpoint, EndpointConfig};
use claviger_edge::Output;
use claviger_front::{EdgeReport, Hello, Peer, ToEdge, WhyRefused};
use claviger_ledger::memory::MemoryLedger;
use claviger_ledger::{CreateTenant, CredentialId, DeviceRef, Envelope, Found, Ledger, RequestId};
use claviger_machine::{Crypto, Draw};
use claviger_raft::{Channel, Receiver, Sender};
use claviger_seal::{ClusterSecret, Keyring, RootKey};
use core::time::Duration;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::timeout;
use zeroize::Zeroizing;

const SOON: Duration = Duration::from_secs(20);

struct Half(mpsc::Sender<Vec<u8>>);
struct Other(mpsc::Receiver<Vec<u8>>);

impl Sender for Half {
    fn send(&mut self, frame: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async { self.0.send(frame).await.map_err(io::Error::other) })
    }
}

impl Receiver for Other {
    fn receive(&mut self) -> BoxFuture<'_, io::Result<Option<Vec<u8>>>> {
        Box::pin(async { Ok(self.0.recv().await) })
    }
}

/// Both ends of a stream.
fn stream() -> (Channel, Channel) {
    let ((to_one, one), (to_other, other)) = (mpsc::channel(64), mpsc::channel(64));
    let end = |to, from| Channel { sender: Box::new(Half(to)), receiver: Box::new(Other(from)) };
    (end(to_other, one), end(to_one, other))
}

/// Nodes by their ids, of which one that is not there cannot be reached; and what these say of each
/// other, which is nothing at first.
#[derive(Default)]
struct Nodes(Mutex<BTreeMap<u64, Arc<Hub>>>, watch::Sender<Vec<Peer>>);

impl Reach for Nodes {
    fn open(&self, node: &Peer) -> BoxFuture<'static, io::Result<Channel>> {
        let hub = self.0.lock().unwrap().get(&node.id).cloned();
        let nodes = self.1.subscribe();
        Box::pin(async move {
            let hub = hub.ok_or(io::ErrorKind::ConnectionRefused)?;
            let (near, far) = stream();
            let from = Peer { id: 99, address: "edge".to_owned() };
            tokio::spawn(hub.serve(from, far, nodes));
            Ok(near)
        })
    }
}

fn peer(id: u64) -> Peer {
    Peer { id, address: format!("node-{id}:1") }
}

struct Nobody;

impl Outbox for Nobody {
    fn wake(&self, _: &DeviceRef, _: CredentialId) {}
}

/// Lets the hub's node lead in `term`; call it within a [`LocalSet`].
async fn lead(hub: &Arc<Hub>, term: u64) -> Devices {
    let ledger = Arc::new(MemoryLedger::default());
    let keys = Arc::new(Keyring::new(RootKey::new([1; 32]), ClusterSecret::new([5; 32])));
    let wrapped = keys.wrap("default", 1, &Zeroizing::new([2; 32]), [3; 16]);
    let (root, wrapped_key) = wrapped.unwrap();
    let create = CreateTenant { tenant: "default".into(), wrapped_key, root };
    for (request, command) in [(1, Found { cluster: [0; 16] }.into()), (2, create.into())] {
        let envelope = Envelope::new(1, RequestId([request; 16]), command);
        ledger.propose(envelope).await.unwrap();
    }
    let (serial, edges) = hub.voice();
    let ports = Ports {
        ledger,
        keys,
        clock: Arc::new(SystemClock::new()),
        crypto: Arc::new(SystemCrypto),
        pki: Arc::new(AwsLc),
        outbox: Arc::new(Nobody),
        edges,
        unproven: Arc::default(),
        counters: Arc::default(),
        sleep_after: Duration::from_secs(120),
    };
    let devices = Devices::start(ports);
    hub.open(serial, term, devices.clone());
    devices
}

struct Edge {
    told: mpsc::Receiver<ToTask>,
    counters: Arc<Counters>,
}

impl Edge {
    /// An edge with lines to nodes 1 and 2.
    fn start(nodes: &Arc<Nodes>) -> Self {
        let (task, told) = mpsc::channel(64);
        let counters = Arc::<Counters>::default();
        let known = watch::Sender::new(vec![peer(1), peer(2)]);
        let uplink = Uplink {
            hello: hello(),
            task,
            report: report(),
            hub: None,
            node: 99,
            nodes: known.subscribe(),
            heard: Some(known),
            believed: watch::Sender::default(),
            reach: Some(nodes.clone()),
            crypto: Arc::new(SystemCrypto),
            counters: counters.clone(),
        };
        tokio::spawn(uplink.run());
        Self { told, counters }
    }

    async fn told(&mut self) -> ToTask {
        timeout(SOON, self.told.recv()).await.expect("soon").expect("the uplink runs")
    }

    /// The next way that it is told; frames before it are passed over.
    async fn way(&mut self) -> Way {
        loop {
            if let ToTask::Way(way) = self.told().await {
                return way;
            }
        }
    }

    /// Waits for the answer to what [`listen`] gives.
    async fn presented(&mut self) {
        loop {
            if let ToTask::Frame(frame) = self.told().await
                && let ToEdge::Present(_) = ToEdge::decode(&frame).unwrap()
            {
                return;
            }
        }
    }
}

/// How all edges here say they stand.
fn said() -> EdgeReport {
    EdgeReport { sessions: 3, serves: true, ..EdgeReport::default() }
}

fn report() -> super::uplink::Report {
    Arc::new(said)
}

/// Waits until an edge has said at this hub how it stands.
async fn heard(hub: &Hub) {
    let said = async {
        while hub.seated()[0].2 != Some(said()) {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, said).await.expect("it says so");
}

fn hello() -> Hello {
    Hello { edge: 7, listener: "l".into(), realm: "default".into(), version: "v".into() }
}

/// What an edge says at first: which listener it is.
fn listen() -> super::way::Frame {
    let keys = claviger_dtls::ClusterKeys::new([1; 32], [2; 32]);
    let crypto: Arc<dyn Crypto> = Arc::new(SystemCrypto);
    let random = Box::new(Draw(crypto));
    let endpoint = Endpoint::new(EndpointConfig::default(), keys, random);
    let mut edge = claviger_edge::Edge::new("l", "default", endpoint);
    edge.greet();
    match edge.poll() {
        Some(Output::Frame(frame)) => frame,
        other => panic!("it says who it is: {other:?}"),
    }
}

fn about(node: u64) -> About {
    About {
        edge: EdgeId(7),
        node,
        address: String::new(),
        listener: "l".into(),
        realm: "default".into(),
        version: "v".into(),
        since: SystemTime::now(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_edge_finds_whoever_leads_and_frames_pass() {
    LocalSet::new()
        .run_until(async {
            // Given two nodes, and an edge with lines to both
            let (one, two) = (Arc::<Hub>::default(), Arc::<Hub>::default());
            let nodes = Arc::<Nodes>::default();
            nodes.0.lock().unwrap().extend([(1, one.clone()), (2, two.clone())]);
            let mut edge = Edge::start(&nodes);

            // When the first begins to lead
            lead(&one, 1).await;
            let way = edge.way().await;

            // Then the edge's frames come to its actors, and theirs to it
            assert!(way.send(EdgeId(7), listen()));
            edge.presented().await;
            assert_eq!(one.seated()[0].0.listener, "l");
            heard(&one).await;

            // And when the lead moves, the edge moves without looking for anybody
            one.close();
            assert!(matches!(edge.way().await, Way::Nowhere));
            lead(&two, 2).await;
            let way = edge.way().await;
            assert!(way.send(EdgeId(7), listen()));
            edge.presented().await;
            assert_eq!((one.seated().len(), two.seated().len()), (0, 1));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn of_two_that_lead_the_one_of_the_higher_term_is_believed() {
    LocalSet::new()
        .run_until(async {
            let (old, new) = (Arc::<Hub>::default(), Arc::<Hub>::default());
            let nodes = Arc::<Nodes>::default();
            nodes.0.lock().unwrap().extend([(1, old.clone()), (2, new.clone())]);
            let mut edge = Edge::start(&nodes);
            let devices = lead(&old, 4).await;
            let first = edge.way().await;
            assert!(first.send(EdgeId(7), listen()));
            edge.presented().await;

            lead(&new, 5).await;
            let second = edge.way().await;
            // The old one does not know yet that it leads no more.
            devices.identity_changed("default");
            assert!(second.send(EdgeId(7), listen()));

            edge.presented().await;
            assert_eq!(new.seated().len(), 1);
            while edge.counters.lost.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_edge_hears_from_its_leader_of_nodes_that_come() {
    LocalSet::new()
        .run_until(async {
            // Given an edge that has come to the leader, before there was a third node
            let (one, three) = (Arc::<Hub>::default(), Arc::<Hub>::default());
            let nodes = Arc::<Nodes>::default();
            nodes.0.lock().unwrap().extend([(1, one.clone()), (3, three.clone())]);
            let mut edge = Edge::start(&nodes);
            lead(&one, 1).await;
            assert!(matches!(edge.way().await, Way::There(_)));

            // When that one comes, and then has the lead
            nodes.1.send_replace(vec![peer(1), peer(2), peer(3)]);
            lead(&three, 2).await;

            // Then the edge finds it
            let way = edge.way().await;
            assert!(way.send(EdgeId(7), listen()));
            edge.presented().await;
            assert_eq!(three.seated().len(), 1);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_says_nothing_is_left() {
    LocalSet::new()
        .run_until(async {
            let hub = Arc::<Hub>::default();
            let nodes = Arc::<Nodes>::default();
            nodes.0.lock().unwrap().insert(1, hub.clone());
            let mut edge = Edge::start(&nodes);

            // It leads, and its heart does not beat.
            lead(&hub, 1).await;

            assert!(matches!(edge.way().await, Way::There(_)));
            assert!(matches!(edge.way().await, Way::Nowhere));
            assert_eq!(edge.counters.silences.load(Ordering::Relaxed), 1);
            assert!(matches!(edge.way().await, Way::There(_)), "it comes again");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_edge_of_this_process_needs_no_stream() {
    LocalSet::new()
        .run_until(async {
            let hub = Arc::<Hub>::default();
            let (task, told) = mpsc::channel(64);
            let counters = Arc::<Counters>::default();
            let uplink = Uplink {
                hello: hello(),
                task,
                report: report(),
                hub: Some(hub.clone()),
                node: 1,
                nodes: watch::Sender::default().subscribe(),
                heard: None,
                believed: watch::Sender::default(),
                reach: None,
                crypto: Arc::new(SystemCrypto),
                counters: counters.clone(),
            };
            tokio::spawn(uplink.run());
            let mut edge = Edge { told, counters };

            for term in 1..3 {
                lead(&hub, term).await;
                let way = edge.way().await;
                assert!(matches!(way, Way::Here(_)));
                assert!(way.send(EdgeId(7), listen()));
                edge.presented().await;
                heard(&hub).await;
                hub.close();
                assert!(matches!(edge.way().await, Way::Nowhere));
            }
        })
        .await;
}

#[tokio::test]
async fn an_id_belongs_to_the_node_that_came_with_it() {
    LocalSet::new()
        .run_until(async {
            let hub = Arc::<Hub>::default();
            lead(&hub, 1).await;
            let reign = hub.reigns().borrow().clone().unwrap();
            let seat = || Seat::There(mpsc::channel(1).0);
            let first = hub.sit(&reign, about(1), seat()).unwrap();

            // Another node is refused, the same one comes again, and what it had goes unheard.
            assert_eq!(hub.sit(&reign, about(2), seat()).err(), Some(Some(WhyRefused::Taken)));
            let again = hub.sit(&reign, about(1), seat()).unwrap();
            drop(first);
            assert_eq!(hub.seated().len(), 1);
            drop(again);
            assert_eq!(hub.seated().len(), 0);
            assert!(hub.sit(&reign, about(2), seat()).is_ok());

            // And a reign that has ended has no seats.
            hub.close();
            lead(&hub, 2).await;
            assert_eq!(hub.sit(&reign, about(1), seat()).err(), Some(None));
        })
        .await;
}

#[tokio::test]
async fn a_frame_for_an_edge_that_is_behind_is_dropped_and_counted() {
    LocalSet::new()
        .run_until(async {
            let hub = Arc::<Hub>::default();
            let (serial, edges) = hub.voice();
            let devices = lead(&hub, 1).await;
            hub.open(serial, 1, devices);
            let reign = hub.reigns().borrow().clone().unwrap();
            let (stream, mut frames) = mpsc::channel(1);
            let seated = hub.sit(&reign, about(1), Seat::There(stream)).unwrap();

            for number in 0..3 {
                edges.send(EdgeId(7), vec![number].into());
            }
            assert_eq!(hub.counters().lost.load(Ordering::Relaxed), 2);
            assert_eq!(*frames.recv().await.unwrap(), [0]);

            // Those of actors that are no more, too.
            drop(seated);
            hub.close();
            edges.send(EdgeId(7), vec![9].into());
            assert_eq!(hub.counters().lost.load(Ordering::Relaxed), 3);
            assert!(frames.recv().await.is_none());
        })
        .await;
}
