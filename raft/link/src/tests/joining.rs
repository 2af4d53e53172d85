//! Tokens, and the certificates that nodes get for them.

use super::*;
use crate::{Answer, JoinError, Member, Peer, Registrar, Request, Token, answer, join};
use claviger_ledger::memory::MemoryLedger;
use claviger_ledger::{CreateTenant, Envelope, Found, Ledger, RequestId, RevokeJoinToken, View};
use claviger_seal::{ClusterSecret, Keyring, RootKey};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

const HOUR: Duration = Duration::from_secs(3600);

/// A cluster of one ledger node that lets others in.
struct Cluster {
    ledger: Arc<MemoryLedger>,
    registrar: Arc<Registrar>,
    link: Link,
    address: String,
    /// How many minutes its clock is ahead.
    ahead: Arc<AtomicU64>,
}

async fn propose(ledger: &MemoryLedger, command: impl Into<claviger_ledger::Command>) {
    let request = RequestId(now().as_nanos().to_be_bytes());
    let envelope = Envelope::new(now().as_millis() as u64, request, command.into());
    ledger.propose(envelope).await.unwrap();
}

async fn cluster(id: [u8; 16]) -> Cluster {
    let ledger = Arc::new(MemoryLedger::default());
    propose(&ledger, Found { cluster: id }).await;
    propose(&ledger, CreateTenant { tenant: "default".into(), wrapped_key: vec![1], root: 0 })
        .await;
    let registrar = Arc::new(Registrar::new(ledger.clone(), ring(1)));
    let key = FreshKey::generate().unwrap();
    let credential = registrar.certify(1, &key, now()).await.unwrap();
    let (link, mut incomings, address) = listening(credential);
    let ahead = Arc::new(AtomicU64::new(0));
    let minutes = ahead.clone();
    let (deciding, members) = (registrar.clone(), vec![Member { id: 1, address: address.clone() }]);
    tokio::spawn(async move {
        while let Some(incoming) = incomings.next().await {
            let (peer, members) = (incoming.peer, members.clone());
            let at = now() + Duration::from_secs(60 * minutes.load(Ordering::Relaxed));
            let decide =
                async |request: Request| deciding.decide(peer, &request, members, at).await;
            drop(answer(incoming.channel, decide).await);
        }
    });
    Cluster { ledger, registrar, link, address, ahead }
}

impl Cluster {
    async fn token(&self, role: Role, uses: u32) -> Token {
        self.registrar.token(role, uses, HOUR, now()).await.unwrap()
    }

    async fn join(&self, token: &Token, node: u64) -> Result<(Credential, Vec<Member>), JoinError> {
        let key = FreshKey::generate().unwrap();
        join(token, std::slice::from_ref(&self.address), node, &key, None, now()).await
    }

    fn nodes(&self) -> Vec<u64> {
        let mut found = Vec::new();
        self.ledger.read(&mut |rows| found = View::new(rows).nodes());
        found.into_iter().map(|(id, _)| id).collect()
    }
}

#[tokio::test]
async fn a_node_with_a_token_gets_a_certificate_that_lets_it_in() {
    let cluster = cluster(CLUSTER).await;
    let text = cluster.token(Role::Edge, 1).await.expose();

    let (credential, members) = cluster.join(&text.parse().unwrap(), 9).await.unwrap();

    let identity = credential.identity();
    assert_eq!(
        identity.to_string(),
        "spiffe://c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1/edge/0000000000000009"
    );
    assert_eq!(members, [Member { id: 1, address: cluster.address.clone() }]);
    assert_eq!(cluster.nodes(), [1, 9]);
    let link = reaching(credential);
    assert!(link.open(1, &cluster.address, crate::Purpose::Edge).await.is_ok());
}

#[tokio::test]
async fn a_token_that_is_used_up_revoked_or_late_lets_nobody_in_and_the_node_is_told() {
    let cluster = cluster(CLUSTER).await;
    let used = cluster.token(Role::Ledger, 1).await;
    cluster.join(&used, 2).await.unwrap();
    let revoked = cluster.token(Role::Ledger, 1).await;
    propose(&cluster.ledger, RevokeJoinToken { token: revoked.id }).await;
    let late = cluster.registrar.token(Role::Edge, 1, Duration::ZERO, now()).await.unwrap();

    for token in [&used, &revoked, &late] {
        let error = cluster.join(token, 3).await.unwrap_err().to_string();
        let words = "the cluster refuses: there is no join token that is valid named";
        assert!(error.starts_with(words), "{error}");
    }
    assert_eq!(cluster.nodes(), [1, 2]);
}

#[tokio::test]
async fn a_token_with_a_changed_secret_proposes_nothing() {
    let cluster = cluster(CLUSTER).await;
    let real = cluster.token(Role::Edge, 1).await;
    let forged = Token::new(real.cluster, real.authority, real.id, [0; 16], Role::Edge);
    let before = cluster.ledger.applied();

    let error = cluster.join(&forged, 3).await.unwrap_err().to_string();

    assert!(error.contains("no join token that is valid"), "{error}");
    assert_eq!(cluster.ledger.applied(), before);
}

#[tokio::test]
async fn a_token_of_one_cluster_is_not_shown_to_another() {
    let (ours, other) = (cluster(CLUSTER).await, cluster([0xc2; 16]).await);
    let token = ours.token(Role::Edge, 1).await;
    let same_authority = Token::new([0xc3; 16], token.authority, token.id, [0; 16], Role::Edge);

    let forged = other.join(&token, 3).await.unwrap_err();
    let named = ours.join(&same_authority, 3).await.unwrap_err();

    assert!(matches!(forged, JoinError::OtherCluster { .. }), "{forged}");
    assert!(matches!(named, JoinError::OtherCluster { .. }), "{named}");
    assert!(forged.to_string().contains("not of the cluster that the join token is of"));
}

#[tokio::test]
async fn an_edge_that_poses_as_the_cluster_gets_no_token() {
    let cluster = cluster(CLUSTER).await;
    let token = cluster.token(Role::Edge, 9).await;
    let (credential, _) = cluster.join(&token, 9).await.unwrap();
    let (_edge, _incomings, address) = listening(credential);

    let key = FreshKey::generate().unwrap();
    let fooled = join(&token, &[address], 8, &key, None, now()).await.unwrap_err();

    assert!(fooled.to_string().contains("none of a ledger node"), "{fooled}");
}

#[tokio::test]
async fn nobody_joins_under_the_id_of_another_node() {
    let cluster = cluster(CLUSTER).await;
    let token = cluster.token(Role::Ledger, 9).await;
    cluster.join(&token, 2).await.unwrap();

    for taken in [1, 2] {
        let error = cluster.join(&token, taken).await.unwrap_err().to_string();
        assert!(error.ends_with("is taken"), "{error}");
    }
}

#[tokio::test]
async fn a_node_renews_its_certificate_by_the_one_it_has() {
    let cluster = cluster(CLUSTER).await;
    let token = cluster.token(Role::Edge, 1).await;
    let (credential, _) = cluster.join(&token, 9).await.unwrap();
    let before = credential.certificate().to_vec();
    let link = reaching(credential);
    cluster.ahead.store(2, Ordering::Relaxed);

    let key = FreshKey::generate().unwrap();
    let renewed = link.renew(1, &cluster.address, &key, None, now()).await;
    let (renewed, members) = renewed.unwrap();

    assert_eq!(renewed.identity(), link.identity());
    assert_ne!(renewed.certificate(), before);
    assert_eq!(members.len(), 1);
    assert!(link.open(1, &cluster.address, crate::Purpose::Edge).await.is_ok());
}

#[tokio::test]
async fn a_certificate_is_given_for_its_own_holder_alone() {
    let cluster = cluster(CLUSTER).await;
    let token = cluster.token(Role::Edge, 1).await;
    let (credential, _) = cluster.join(&token, 9).await.unwrap();
    let key = FreshKey::generate().unwrap();

    let other = Request::further(1, &key, None);
    let peer = Peer::Node(credential.identity(), [7; 32]);
    let answer = cluster.registrar.decide(peer, &other, Vec::new(), now()).await;
    let nothing = Request::further(1, &key, None);
    let bare = cluster.registrar.decide(Peer::Stranger, &nothing, Vec::new(), now()).await;

    let Answer::Refused(words) = answer else { panic!("a certificate of another node") };
    assert!(words.contains("no certificate of yours"), "{words}");
    assert_eq!(bare, Answer::Refused("a join token or a certificate is needed".to_owned()));
}

#[tokio::test]
async fn two_registrars_share_one_authority_and_another_key_opens_it_not() {
    let cluster = cluster(CLUSTER).await;
    let again = Registrar::new(cluster.ledger.clone(), ring(1));
    let other = Registrar::new(cluster.ledger.clone(), ring(2));

    let authority = again.authority(now()).await.unwrap();

    assert_eq!(authority.pin(), cluster.registrar.authority(now()).await.unwrap().pin());
    assert!(other.authority(now()).await.is_err());
    cluster.link.close().await;
}

#[tokio::test]
async fn another_authority_takes_over_while_both_are_believed() {
    // Given an edge that knows the first authority alone, and a token of its time
    let cluster = cluster(CLUSTER).await;
    let token = cluster.token(Role::Edge, 9).await;
    let (credential, _) = cluster.join(&token, 9).await.unwrap();
    let edge = reaching(credential);
    let believes = |link: &Link| {
        link.believe(cluster.registrar.believed().unwrap()).unwrap();
    };
    let opens = async |link: &Link| {
        link.forget_peers();
        link.open(1, &cluster.address, crate::Purpose::Edge).await.is_ok()
    };
    let before = cluster.registrar.authority(now()).await.unwrap().pin();

    // When another one takes its place, and the node of the ledger shows a certificate of that
    cluster.registrar.replace(now()).await.unwrap();
    assert!(cluster.registrar.replace(now()).await.is_err(), "one after the other");
    believes(&cluster.link);
    assert_ne!(cluster.registrar.authority(now()).await.unwrap().pin(), before);
    let certified = cluster.registrar.certify(1, &FreshKey::generate().unwrap(), now()).await;
    cluster.link.show(&certified.unwrap()).unwrap();
    believes(&cluster.link);

    // Then the edge is let in and believes it, and another one joins by the token
    let left = || cluster.registrar.handover(now()).map(|it| (it.replaces, it.nodes, it.left));
    assert_eq!(left(), Some((true, 2, 1)));
    // A certificate says whose it is: one that holds until late is not of the newest for that.
    propose(&cluster.ledger, claviger_ledger::RaiseLevel { level: 5 }).await;
    assert!(opens(&edge).await);
    let (credential, _) = cluster.join(&token, 10).await.unwrap();
    assert!(opens(&reaching(credential)).await);
    cluster.registrar.retire(now()).await.unwrap();
    assert_eq!(left(), Some((true, 3, 1)), "the first edge has its certificate of before");

    // When it has renewed that, the one before is retired
    cluster.ahead.store(2, Ordering::Relaxed);
    let key = FreshKey::generate().unwrap();
    edge.renew(1, &cluster.address, &key, None, now()).await.unwrap();
    cluster.registrar.retire(now()).await.unwrap();
    believes(&cluster.link);
    assert_eq!(left(), Some((false, 3, 0)));
    assert!(opens(&edge).await);
    let late = cluster.join(&token, 11).await.unwrap_err();
    assert!(matches!(late, JoinError::OtherCluster { .. }), "{late}");
}

/// A connection of somebody without a certificate who knows the cluster.
async fn stranger(cluster: &Cluster) -> (quinn::Endpoint, quinn::ClientConfig) {
    let pin = cluster.registrar.authority(now()).await.unwrap().pin();
    let endpoint = crate::link::endpoint(quinn::EndpointConfig::default(), None, None).unwrap();
    (endpoint, crate::link::client(crate::tls::stranger(pin).unwrap()))
}

#[tokio::test]
async fn a_stranger_has_one_channel_and_only_to_join() {
    use crate::{Counters, Purpose, stream};
    let cluster = cluster(CLUSTER).await;
    let (endpoint, config) = stranger(&cluster).await;
    let connection = crate::link::connect(&endpoint, &config, &cluster.address).await.unwrap();
    let counters = Arc::new(Counters::default());
    for purpose in [Purpose::Append, Purpose::Call, Purpose::Snapshot, Purpose::Edge] {
        let (mut send, receive) = connection.open_bi().await.unwrap();
        send.write_all(&[purpose.byte()]).await.unwrap();
        let mut channel = stream::channel(purpose, (send, receive), 100, &counters, None);
        let sent = channel.sender.send(vec![1]).await;
        let answer = channel.receiver.receive().await;
        assert!(sent.is_err() || !matches!(answer, Ok(Some(_))), "{purpose:?}");
    }
    let (first, second) = (connection.open_bi().await, connection.open_bi());
    let second = tokio::time::timeout(Duration::from_millis(200), second).await;
    assert!(first.is_ok() && second.is_err());
}

/// Strangers of one address, who stay as long as they may.
#[tokio::test]
async fn who_comes_too_often_is_not_answered_and_keeps_no_node_out() {
    let cluster = cluster(CLUSTER).await;
    let pin = cluster.registrar.authority(now()).await.unwrap().pin();
    let elsewhere = std::net::UdpSocket::bind("127.0.0.2:0").unwrap();
    let config = quinn::EndpointConfig::default();
    let endpoint = crate::link::endpoint(config, Some(elsewhere), None).unwrap();
    let stranger = crate::link::client(crate::tls::stranger(pin).unwrap());
    let limited = || cluster.link.counters().refused(crate::Refusal::Limit);
    let limited = || limited().load(Ordering::Relaxed);
    let address: SocketAddr = cluster.address.parse().unwrap();
    let begin = |_| endpoint.connect_with(stranger.clone(), address, crate::tls::NAME).unwrap();

    let begun: Vec<_> = (0..400).map(begin).collect();
    let counted = async {
        while limited() < 100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), counted).await.unwrap();

    let token = cluster.token(Role::Edge, 1).await;
    let (credential, _) = cluster.join(&token, 9).await.unwrap();
    let link = reaching(credential);
    assert!(link.open(1, &cluster.address, crate::Purpose::Edge).await.is_ok());
    assert!(cluster.link.connections() < 100, "{}", cluster.link.connections());
    drop(begun);
}

#[tokio::test]
async fn a_node_has_so_many_connections() {
    let authority = authority(CLUSTER);
    let (served, _incomings, address) = listening(credential(&authority, Role::Ledger, 1));
    let edge = credential(&authority, Role::Edge, 9);
    let mut links = Vec::new();
    for _ in 0..12 {
        let link = reaching(edge.clone());
        let channel = link.open(1, &address, crate::Purpose::Edge).await;
        links.push((link, channel));
    }
    let refused = || served.counters().refused(crate::Refusal::Limit);
    let counted = async {
        while refused().load(Ordering::Relaxed) < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), counted).await.unwrap();
    let left = async {
        while served.connections() > 8 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), left).await.unwrap();
    assert_eq!(served.connections(), 8);
}

/// Both have the edge's key and certificate; the second to ask again is refused, and it is told.
#[tokio::test]
async fn of_two_that_hold_one_certificate_the_second_gets_no_other() {
    let cluster = cluster(CLUSTER).await;
    let token = cluster.token(Role::Edge, 1).await;
    let (credential, _) = cluster.join(&token, 9).await.unwrap();
    let known = zeroize::Zeroizing::new(credential.expose_key().to_vec());
    let known = FreshKey::of(known).unwrap();
    let (node, thief) = (reaching(credential.clone()), reaching(credential));
    let later = |minutes: u64| now() + Duration::from_secs(60 * minutes);
    let key = || FreshKey::generate().unwrap();
    let decide = async |shown: &FreshKey, new: &FreshKey, minutes| {
        let peer = Peer::Node(node.identity(), Sha256::digest(shown.public()).into());
        let request = Request::further(9, new, None);
        cluster.registrar.decide(peer, &request, Vec::new(), later(minutes)).await
    };
    let soon = thief.renew(1, &cluster.address, &key(), None, now()).await.unwrap_err();
    assert!(soon.to_string().contains("a moment ago"), "{soon}");

    let (second, third) = (key(), key());
    assert!(matches!(decide(&known, &second, 2).await, Answer::Granted { .. }));
    assert!(matches!(decide(&second, &third, 4).await, Answer::Granted { .. }));
    let Answer::Refused(words) = decide(&known, &key(), 6).await else { panic!("two renewed") };

    assert!(words.contains("newest key of node"), "{words}");
}

#[test]
fn no_key_and_no_secret_is_shown() {
    let key = FreshKey::generate().unwrap();
    let token = Token::new(CLUSTER, [2; 32], [3; 16], [0x5e; 16], Role::Edge);
    let credential = credential(&authority(CLUSTER), Role::Edge, 9);
    let request = Request::with(&token, 9, &key, None);
    let shown = format!("{key:?} {token:?} {credential:?} {request:?}");
    let expected = "FreshKey(..) Token(edge, ..) \
                    Credential(spiffe://c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1/edge/0000000000000009, ..) \
                    Request(0000000000000009, ..)";
    assert_eq!(shown, expected);
}

/// The keys of a cluster with this secret.
fn ring(secret: u8) -> Arc<Keyring> {
    Arc::new(Keyring::new(RootKey::new([3; 32]), ClusterSecret::new([secret; 32])))
}
