//! Channels between two nodes.

use super::*;
use crate::{Peer, Purpose, Refusal};
use claviger_raft::Channel;
use std::sync::atomic::Ordering;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

fn refused(link: &Link, why: Refusal) -> u64 {
    link.counters().refused(why).load(Ordering::Relaxed)
}

/// Sends a frame and gives the one that comes back.
async fn echo(channel: &mut Channel, frame: Vec<u8>) -> Option<Vec<u8>> {
    channel.sender.send(frame).await.ok()?;
    timeout(PATIENCE, channel.receiver.receive()).await.unwrap().ok()?
}

/// Sends back what comes in, on every channel.
fn echoing(mut incomings: Incomings) {
    tokio::spawn(async move {
        while let Some(incoming) = incomings.next().await {
            let mut channel = incoming.channel;
            tokio::spawn(async move {
                while let Ok(Some(frame)) = channel.receiver.receive().await {
                    if channel.sender.send(frame).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
}

#[tokio::test]
async fn a_channel_says_who_opened_it_and_carries_whole_frames() {
    let authority = authority(CLUSTER);
    let (_served, mut incomings, address) = listening(credential(&authority, Role::Ledger, 1));
    let edge = reaching(credential(&authority, Role::Edge, 9));

    let mut channel = edge.open(1, &address, Purpose::Edge).await.unwrap();
    let incoming = incomings.next().await.unwrap();
    let mut other = incoming.channel;
    let frames: Vec<Vec<u8>> = [0, 1, 5, 70_000, 256 << 10].map(|length| vec![7; length]).into();
    let sent = frames.clone();
    let sending = tokio::spawn(async move {
        for frame in sent {
            channel.sender.send(frame).await.unwrap();
        }
        drop(channel.sender);
        channel.receiver
    });

    assert!(matches!(incoming.peer, Peer::Node(identity, _) if identity == edge.identity()));
    assert_eq!(incoming.purpose, Purpose::Edge);
    for frame in frames {
        assert_eq!(other.receiver.receive().await.unwrap(), Some(frame));
    }
    assert_eq!(other.receiver.receive().await.unwrap(), None);
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn frames_that_are_sent_together_arrive_one_by_one() {
    let authority = authority(CLUSTER);
    let (_served, mut incomings, address) = listening(credential(&authority, Role::Ledger, 1));
    let link = reaching(credential(&authority, Role::Ledger, 2));

    for purpose in [Purpose::Append, Purpose::Edge] {
        let mut channel = link.open(1, &address, purpose).await.unwrap();
        let mut other = incomings.next().await.unwrap().channel;
        let frames: Vec<Vec<u8>> =
            [1, 0, 5, 20_000, 3].map(|length| vec![length as u8; length]).into();
        let too_long = vec![vec![7; 3], vec![8; (8 << 20) + 1]];

        assert!(channel.sender.send_all(too_long).await.is_err());
        channel.sender.send_all(Vec::new()).await.unwrap();
        channel.sender.send_all(frames.clone()).await.unwrap();
        channel.sender.send(vec![9; 100_000]).await.unwrap();

        for frame in frames {
            assert_eq!(other.receiver.receive().await.unwrap(), Some(frame));
        }
        assert_eq!(other.receiver.receive().await.unwrap(), Some(vec![9; 100_000]));
    }
}

#[tokio::test]
async fn one_connection_leads_to_a_peer_for_all_channels() {
    let authority = authority(CLUSTER);
    let (served, incomings, address) = listening(credential(&authority, Role::Ledger, 1));
    echoing(incomings);
    let link = reaching(credential(&authority, Role::Ledger, 2));

    let opening = (0..20).map(|_| link.open(1, &address, Purpose::Call));
    let mut channels = futures::future::try_join_all(opening).await.unwrap();
    for (number, channel) in channels.iter_mut().enumerate() {
        assert_eq!(echo(channel, vec![number as u8]).await, Some(vec![number as u8]));
    }

    assert_eq!(served.connections(), 1);
    assert_eq!(link.connections(), 1);
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_not_sent() {
    let authority = authority(CLUSTER);
    let (_served, incomings, address) = listening(credential(&authority, Role::Ledger, 1));
    echoing(incomings);
    let edge = reaching(credential(&authority, Role::Edge, 9));

    let mut channel = edge.open(1, &address, Purpose::Edge).await.unwrap();
    let sent = channel.sender.send(vec![0; (256 << 10) + 1]).await;

    assert_eq!(sent.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(echo(&mut channel, vec![1]).await, Some(vec![1]));
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused_and_says_why() {
    let (_served, _incomings, address) =
        listening(credential(&authority(CLUSTER), Role::Ledger, 1));
    let stranger = reaching(credential(&authority([0xc2; 16]), Role::Ledger, 2));

    let error = stranger.open(1, &address, Purpose::Call).await.unwrap_err().to_string();

    assert!(error.contains("the chain is not trusted"), "{error}");
    assert_eq!(refused(&stranger, Refusal::Disbelief), 1);
}

#[tokio::test]
async fn a_certificate_of_the_authority_for_another_cluster_is_refused_by_both() {
    let (key, certificate) = Authority::make(CLUSTER, now()).unwrap();
    let other = Authority::open([0xc2; 16], &key, certificate.clone()).unwrap();
    let ours = Authority::open(CLUSTER, &key, certificate).unwrap();
    let (served, mut incomings, address) = listening(credential(&ours, Role::Ledger, 1));
    let link = reaching(credential(&other, Role::Ledger, 2));

    let error = link.open(1, &address, Purpose::Call).await.unwrap_err().to_string();

    assert!(error.contains("is no node of this cluster"), "{error}");
    assert_eq!(refused(&link, Refusal::Identity), 1);
    drop(link);
    served.close().await;
    assert!(incomings.next().await.is_none());
}

#[tokio::test]
async fn who_is_not_the_node_that_was_meant_is_left() {
    let authority = authority(CLUSTER);
    let (_served, _incomings, address) = listening(credential(&authority, Role::Ledger, 1));
    let (_edge, _edges, edge) = listening(credential(&authority, Role::Edge, 3));
    let link = reaching(credential(&authority, Role::Ledger, 2));

    let other = link.open(4, &address, Purpose::Call).await.unwrap_err().to_string();
    let role = link.open(3, &edge, Purpose::Call).await.unwrap_err().to_string();

    assert!(other.contains("/ledger/0000000000000001 and not ledger node"), "{other}");
    assert!(role.contains("/edge/0000000000000003 and not ledger node"), "{role}");
    assert_eq!(refused(&link, Refusal::OtherNode), 2);
}

#[tokio::test]
async fn a_dismissed_node_is_left_too() {
    let authority = authority(CLUSTER);
    let (_served, _incomings, address) = listening(credential(&authority, Role::Ledger, 1));
    let credential = credential(&authority, Role::Edge, 9);
    let config = LinkConfig { listen: None, credential, admits: Arc::new(|peer| peer.node != 1) };
    let (edge, _incomings) = Link::new(config).unwrap();

    let error = edge.open(1, &address, Purpose::Edge).await.unwrap_err().to_string();

    assert!(error.contains("which was dismissed"), "{error}");
}

#[tokio::test]
async fn an_edge_may_not_speak_as_a_ledger_node() {
    let authority = authority(CLUSTER);
    let (_served, incomings, address) = listening(credential(&authority, Role::Ledger, 1));
    echoing(incomings);
    let edge = reaching(credential(&authority, Role::Edge, 9));

    for purpose in [Purpose::Append, Purpose::Call, Purpose::Snapshot] {
        let mut channel = edge.open(1, &address, purpose).await.unwrap();
        assert_eq!(echo(&mut channel, vec![1]).await, None, "{purpose:?}");
    }
    let mut channel = edge.open(1, &address, Purpose::Edge).await.unwrap();
    assert_eq!(echo(&mut channel, vec![1]).await, Some(vec![1]));
}

#[tokio::test]
async fn a_dismissed_node_opens_nothing_more_and_loses_what_it_has() {
    let authority = authority(CLUSTER);
    let admitted = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = admitted.clone();
    let config = LinkConfig {
        listen: Some(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()),
        credential: credential(&authority, Role::Ledger, 1),
        admits: Arc::new(move |_| asked.load(Ordering::Relaxed)),
    };
    let (served, incomings) = Link::new(config).unwrap();
    echoing(incomings);
    let address = served.local_address().unwrap().to_string();
    let link = reaching(credential(&authority, Role::Ledger, 2));
    let mut before = link.open(1, &address, Purpose::Call).await.unwrap();
    assert_eq!(echo(&mut before, vec![1]).await, Some(vec![1]));

    admitted.store(false, Ordering::Relaxed);

    let mut after = link.open(1, &address, Purpose::Call).await.unwrap();
    assert_eq!(echo(&mut after, vec![1]).await, None);
    let lost = timeout(PATIENCE, before.receiver.receive()).await.unwrap().unwrap_err();
    let lost = lost.get_ref().map(ToString::to_string).unwrap_or_default();
    assert!(lost.contains("connection lost"), "{lost}");
    let again = link.open(1, &address, Purpose::Call).await;
    let answer = match again {
        Ok(mut channel) => echo(&mut channel, vec![1]).await,
        Err(_) => None,
    };
    assert_eq!(answer, None);
}

/// A socket where one was until now: whoever had it lets go of it soon.
async fn rebound(address: &str) -> std::net::UdpSocket {
    let bound = timeout(PATIENCE, async {
        loop {
            match std::net::UdpSocket::bind(address) {
                Ok(socket) => return socket,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    bound.await.unwrap()
}

#[tokio::test]
async fn a_peer_that_is_closed_is_noticed_and_one_that_comes_back_is_reached() {
    let authority = authority(CLUSTER);
    let (served, incomings, address) = listening(credential(&authority, Role::Ledger, 1));
    echoing(incomings);
    let link = reaching(credential(&authority, Role::Ledger, 2));
    let mut channel = link.open(1, &address, Purpose::Call).await.unwrap();
    assert_eq!(echo(&mut channel, vec![1]).await, Some(vec![1]));

    served.close().await;
    assert_eq!(echo(&mut channel, vec![2]).await, None);
    drop(served);
    let config = LinkConfig {
        listen: Some(rebound(&address).await),
        credential: credential(&authority, Role::Ledger, 1),
        admits: Arc::new(|_| true),
    };
    let (_again, incomings) = Link::new(config).unwrap();
    echoing(incomings);

    let mut channel = link.open(1, &address, Purpose::Call).await.unwrap();
    assert_eq!(echo(&mut channel, vec![3]).await, Some(vec![3]));
}

/// Nothing is said at its end: its runtime, with all that it has, is gone at once.
#[test]
fn a_node_that_was_killed_and_started_again_is_known_to_have_been() {
    let authority = authority(CLUSTER);
    let shown = credential(&authority, Role::Ledger, 1);
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let start = |listen: std::net::UdpSocket| {
        let admits: crate::Admits = Arc::new(|_| true);
        let config = LinkConfig { listen: Some(listen), credential: shown.clone(), admits };
        let (link, incomings) = Link::new(config).unwrap();
        let address = link.local_address().unwrap().to_string();
        echoing(incomings);
        (link, address)
    };
    let (first, peers) = (runtime().unwrap(), runtime().unwrap());
    let (served, address) =
        first.block_on(async { start(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()) });
    let (link, mut channel) = peers.block_on(async {
        let link = reaching(credential(&authority, Role::Ledger, 2));
        let mut channel = link.open(1, &address, Purpose::Call).await.unwrap();
        assert_eq!(echo(&mut channel, vec![1]).await, Some(vec![1]));
        (link, channel)
    });

    first.shutdown_timeout(PATIENCE);
    drop(served);
    let second = runtime().unwrap();
    let _again = second.block_on(async { start(rebound(&address).await) });

    peers.block_on(async {
        channel.sender.send(vec![2]).await.unwrap();
        let error = timeout(PATIENCE, channel.receiver.receive()).await.unwrap().unwrap_err();
        let lost = error.get_ref().and_then(|error| error.downcast_ref::<quinn::ReadError>());
        let reset = quinn::ReadError::ConnectionLost(quinn::ConnectionError::Reset);
        assert_eq!(lost, Some(&reset));
        let mut channel = link.open(1, &address, Purpose::Call).await.unwrap();
        assert_eq!(echo(&mut channel, vec![3]).await, Some(vec![3]));
    });
}

#[tokio::test]
async fn nobody_at_an_address_is_an_error_that_says_so() {
    let authority = authority(CLUSTER);
    let link = reaching(credential(&authority, Role::Ledger, 2));
    let unused = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();

    let address = unused.local_addr().unwrap().to_string();
    let error = link.open(1, &address, Purpose::Call).await.unwrap_err();

    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut, "{error}");
    assert_eq!(refused(&link, Refusal::Unreachable), 1);
}

#[tokio::test]
async fn a_new_credential_is_shown_on_new_channels_while_old_ones_go_on() {
    let authority = authority(CLUSTER);
    let (served, incomings, address) = listening(credential(&authority, Role::Ledger, 1));
    echoing(incomings);
    let link = reaching(credential(&authority, Role::Ledger, 2));
    let mut old = link.open(1, &address, Purpose::Call).await.unwrap();
    assert_eq!(echo(&mut old, vec![1]).await, Some(vec![1]));

    link.show(&credential(&authority, Role::Ledger, 2)).unwrap();
    served.show(&credential(&authority, Role::Ledger, 1)).unwrap();

    let mut new = link.open(1, &address, Purpose::Call).await.unwrap();
    assert_eq!(echo(&mut new, vec![2]).await, Some(vec![2]));
    assert_eq!(echo(&mut old, vec![3]).await, Some(vec![3]));
    assert_eq!(link.connections(), 2);
    let other = link.show(&credential(&authority, Role::Ledger, 3)).unwrap_err().to_string();
    assert_eq!(other, "it is another node's");
}

#[test]
fn a_credential_in_a_file_is_the_same_and_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credential");
    assert!(Credential::kept(&path, now()).unwrap().is_none());
    let authority = authority(CLUSTER);
    let credential = credential(&authority, Role::Ledger, 2);

    credential.keep(&path).unwrap();

    let kept = Credential::kept(&path, now()).unwrap().unwrap();
    assert_eq!(kept.identity(), credential.identity());
    assert_eq!(kept.expose_key(), credential.expose_key());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let late = Credential::kept(&path, now() + Duration::from_secs(31 * 86_400)).unwrap_err();
    assert!(late.to_string().contains("does not hold"), "{late}");
    std::fs::write(&path, b"\x01nonsense").unwrap();
    assert!(matches!(Credential::kept(&path, now()), Err(crate::BadFile::Damaged)));
}

/// Whether a channel has ended, soon.
async fn ends(channel: &mut Channel) -> bool {
    !matches!(timeout(PATIENCE, channel.receiver.receive()).await, Ok(Ok(Some(_))) | Err(_))
}

fn believing(believed: &[Vec<u8>]) -> crate::Authorities {
    crate::Authorities { believed: believed.to_vec(), bridge: Vec::new() }
}

#[tokio::test]
async fn who_came_back_by_a_newer_authority_than_its_rows_name_believes_that_too() {
    // Given two authorities made at one time, a node of each that listens, and one that reaches them
    let old = authority(CLUSTER);
    let new = authority_of(CLUSTER, old.succeeded(now()));
    let [by_old, by_new] = [&old, &new].map(|it| believing(&[it.certificate().to_vec()]));
    let (first, _first, at_old) = listening(credential(&old, Role::Ledger, 1));
    let (second, _second, at_new) = listening(credential(&new, Role::Ledger, 2));
    for link in [&first, &second] {
        link.believe(believing(&[&new, &old].map(|it| it.certificate().to_vec()))).unwrap();
    }
    let reaches = async |link: &Link| {
        link.forget_peers();
        let (old, new) =
            (link.open(1, &at_old, Purpose::Call), link.open(2, &at_new, Purpose::Call));
        (old.await.is_ok(), new.await.is_ok())
    };

    // When one shows the newer, and its rows name the older, then it believes both until they do not
    let back = reaching(credential(&new, Role::Ledger, 3));
    back.believe(by_old.clone()).unwrap();
    assert!(back.is_of_newest(&by_old));
    assert_eq!(reaches(&back).await, (true, true));
    back.believe(by_new.clone()).unwrap();
    assert_eq!(reaches(&back).await, (false, true));

    // And one that shows the older believes whom its rows name alone
    let outdated = reaching(credential(&old, Role::Ledger, 4));
    outdated.believe(by_new.clone()).unwrap();
    assert!(!outdated.is_of_newest(&by_new));
    assert_eq!(reaches(&outdated).await, (false, true));
}

#[tokio::test]
async fn who_came_by_an_authority_that_is_given_up_goes_at_once_whichever_end_he_is() {
    // Given nodes with certificates of two authorities, each of which the others believe
    let (old, new) = (authority(CLUSTER), authority(CLUSTER));
    let both = [&new, &old].map(|it| it.certificate().to_vec());
    let (served, incomings, address) = listening(credential(&new, Role::Ledger, 1));
    let (thief, stolen, elsewhere) = listening(credential(&old, Role::Ledger, 3));
    echoing(incomings);
    echoing(stolen);
    let (good, bad) = (credential(&new, Role::Edge, 8), credential(&old, Role::Edge, 9));
    let (good, bad) = (reaching(good), reaching(bad));
    for link in [&served, &thief, &good, &bad] {
        link.believe(believing(&both)).unwrap();
    }
    let mut stays = good.open(1, &address, Purpose::Edge).await.unwrap();
    let mut goes = bad.open(1, &address, Purpose::Edge).await.unwrap();
    let mut fooled = good.open(3, &elsewhere, Purpose::Edge).await.unwrap();
    for channel in [&mut stays, &mut goes, &mut fooled] {
        assert_eq!(echo(channel, vec![1]).await, Some(vec![1]));
    }
    // A connection that is shown no more is none that stands unseen.
    good.forget_peers();

    // When one of them is believed no more
    served.believe(believing(&both[..1])).unwrap();
    good.believe(believing(&both[..1])).unwrap();

    // Then what was made by it ends, and nothing else
    assert!(ends(&mut goes).await);
    assert!(ends(&mut fooled).await);
    assert_eq!(echo(&mut stays, vec![2]).await, Some(vec![2]));
    assert_eq!(refused(&served, Refusal::Identity), 1);
}
