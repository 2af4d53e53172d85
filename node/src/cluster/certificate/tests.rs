//! An edge on loopback, and a node of the ledger whose clock is so far behind that what it grants
//! holds for three seconds.

use super::*;
use crate::clock::SystemClock;
use claviger_ledger::memory::MemoryLedger;
use claviger_ledger::{CreateTenant, DismissNode, Envelope, Found, Ledger, RequestId, View};
use claviger_link::{Purpose, Registrar, Role, answer};
use claviger_seal::{ClusterSecret, Keyring, RootKey};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::timeout;

const DAY: Duration = Duration::from_secs(86_400);
const HOLDS: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(30);
const EDGE: u64 = 9;

fn now() -> Duration {
    SystemClock::new().now()
}

struct Cluster {
    ledger: Arc<MemoryLedger>,
    address: String,
    /// Of the token that lets in one edge.
    token: [u8; 16],
    edge: Late,
    waits: watch::Receiver<Option<String>>,
    /// Tells the edge whom to believe.
    believed: watch::Sender<Option<Believed>>,
    /// How many seconds the node's clock is before that.
    ahead: Arc<AtomicU64>,
    registrar: Arc<Registrar>,
    file: PathBuf,
    joining: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

async fn propose(ledger: &MemoryLedger, command: impl Into<claviger_ledger::Command>) {
    let time = u64::try_from(now().as_millis()).unwrap();
    let request = RequestId(now().as_nanos().to_be_bytes());
    ledger.propose(Envelope::new(time, request, command.into())).await.unwrap();
}

/// A cluster, and an edge that has joined it.
async fn cluster() -> Cluster {
    cluster_ahead(0).await
}

/// The same, where the node's clock is ahead of that by so many seconds.
async fn cluster_ahead(seconds: u64) -> Cluster {
    let ahead = Arc::new(AtomicU64::new(seconds));
    let ledger = Arc::new(MemoryLedger::default());
    propose(&ledger, Found { cluster: [7; 16] }).await;
    let tenant = "default".to_owned();
    propose(&ledger, CreateTenant { tenant, wrapped_key: vec![1], root: 0 }).await;
    let keys = Arc::new(Keyring::new(RootKey::new([3; 32]), ClusterSecret::new([4; 32])));
    let registrar = Arc::new(Registrar::new(ledger.clone(), keys));
    let key = FreshKey::generate().unwrap();
    let credential = registrar.certify(1, &key, now()).await.unwrap();
    let token = registrar.token(Role::Edge, 1, DAY, now()).await.unwrap();
    let listen = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = LinkConfig { listen: Some(listen), credential, admits: Arc::new(|_| true) };
    let (link, mut incomings) = Link::new(config).unwrap();
    let address = link.local_address().unwrap().to_string();
    let members = vec![Member { id: 1, address: address.clone() }];
    let (deciding, shift) = (registrar.clone(), ahead.clone());
    tokio::spawn(async move {
        let _link = link;
        while let Some(incoming) = incomings.next().await {
            let (peer, members, registrar) = (incoming.peer, members.clone(), deciding.clone());
            let shift = Duration::from_secs(shift.load(Ordering::Relaxed));
            tokio::spawn(async move {
                let behind = now() + HOLDS + shift - DAY;
                let decide =
                    async |request| registrar.decide(peer, &request, members, behind).await;
                drop(answer(incoming.channel, decide).await);
            });
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, token.expose().as_bytes()).unwrap();
    let read: ReadToken = |path| {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        text.parse().map_err(|error: claviger_link::BadToken| error.to_string())
    };
    let edge = Late::default();
    let believed = watch::Sender::default();
    let joining = Joining {
        token: (file.clone(), read),
        seeds: vec![address.clone()],
        node: EDGE,
        link: edge.clone(),
        nodes: watch::Sender::default(),
        believed: believed.subscribe(),
        waits: watch::Sender::new(Some("it has only begun".to_owned())),
        clock: Arc::new(SystemClock::new()),
    };
    let mut waits = joining.waits.subscribe();
    let joining = tokio::spawn(joining.run());
    timeout(SOON, waits.wait_for(Option::is_none)).await.unwrap().unwrap();
    let token = token.id;
    Cluster {
        ledger,
        address,
        token,
        edge,
        waits,
        believed,
        ahead,
        registrar,
        file,
        joining,
        _folder: folder,
    }
}

impl Cluster {
    async fn is_let_in(&self) -> bool {
        let link = self.edge.get().unwrap();
        link.open(1, &self.address, Purpose::Edge).await.is_ok()
    }
}

#[tokio::test]
async fn an_edge_whose_certificate_is_over_comes_back_by_its_token_and_uses_it_once() {
    let cluster = cluster().await;
    let first = now() + HOLDS;
    assert!(cluster.is_let_in().await);

    // When no next certificate is granted until the first is over
    let back = async {
        while now() < first + HOLDS / 3 || !cluster.is_let_in().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, back).await.expect("it comes back");

    // Then it is the same node, by the one use that its token has had
    let mut token = None;
    cluster.ledger.read(&mut |rows| token = View::new(rows).join_token(&cluster.token));
    assert_eq!(token.map(|token| (token.uses_left, token.admitted.len())), Some((0, 1)));
    assert_eq!(cluster.edge.get().unwrap().identity().node, EDGE);
}

#[tokio::test]
async fn an_edge_that_was_dismissed_does_not_come_back_and_says_why() {
    let mut cluster = cluster().await;

    propose(&cluster.ledger, DismissNode { node: EDGE }).await;

    let refused = |words: &Option<String>| {
        words.as_ref().is_some_and(|words| words.contains("is over") && words.contains("is taken"))
    };
    timeout(SOON, cluster.waits.wait_for(refused)).await.expect("it says so").unwrap();
}

#[tokio::test]
async fn an_edge_with_a_token_of_another_authority_ends() {
    // Given an edge that has joined, and a cluster that goes on as another incarnation
    let cluster = cluster().await;
    cluster.ledger.begin_incarnation(u64::try_from(now().as_millis()).unwrap());
    let token = cluster.registrar.token(Role::Edge, 1, DAY, now()).await.unwrap();

    // When its certificate is over, and its token is another one
    std::fs::write(&cluster.file, token.expose().as_bytes()).unwrap();

    // Then it does not go on with what it holds
    timeout(SOON, cluster.joining).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn an_edge_that_hears_of_another_authority_has_a_certificate_of_it_at_once() {
    // Given an edge whose certificate holds for an hour more
    let cluster = cluster_ahead(3_600).await;
    let edge = cluster.edge.get().unwrap().clone();
    let before = edge.authority();
    cluster.ahead.store(7_200, Ordering::Relaxed);

    // When another authority takes the place of the one that issued it, and the leader says so
    cluster.registrar.replace(now()).await.unwrap();
    let newest = || cluster.registrar.believed().unwrap();
    cluster.believed.send_replace(Some(super::super::link::told(&newest())));
    let renewed = async {
        while edge.authority() == before {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, renewed).await.expect("it has another certificate");
    assert!(edge.is_of_newest(&newest()));
    // The node knows and shows the one before alone, which vouches for the newest.
    let let_in = async {
        while !cluster.is_let_in().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, let_in).await.expect("it is let in");

    // Then it does not believe the one before any longer than the leader
    let mut after = newest();
    after.believed.truncate(1);
    cluster.believed.send_replace(Some(super::super::link::told(&after)));
    let given_up = async {
        while cluster.is_let_in().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, given_up).await.expect("it goes from who has no other");
}
