//! Who belongs to the group, and who leads it, in virtual time.

use super::cluster::{IDS, leader, part, same_index, three, world};
use super::{command, config, rows};
use crate::node::Pace;
use crate::wal::Hand;
use crate::{
    Even, Member, MembershipError, MemoryTransport, Node, NodeConfig, ProposeError, SimulatedDisk,
    Storage,
};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

fn member(id: u64) -> Member {
    Member { id, address: format!("10.0.0.{id}:7000") }
}

async fn open(id: u64, transport: &MemoryTransport) -> Node {
    let pace = Pace { snapshot: 50, kept: 10 };
    let node = Node::open_at(config(None, id, transport), pace, Hand::Thread).await.unwrap();
    transport.join(&node);
    node
}

/// A founded node with some entries, and others that are not founded.
async fn one_of(count: u64, transport: &MemoryTransport) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in 1..=count {
        nodes.push(open(id, transport).await);
    }
    nodes[0].found("10.0.0.1:7000").await.unwrap();
    nodes[0].leadership().wait_for(|shown| shown.leading.is_some()).await.unwrap();
    for number in 0..80 {
        nodes[0].propose(command(number, 64)).await.unwrap();
    }
    nodes
}

fn votes(node: &Node) -> Vec<(u64, bool)> {
    node.status().members.iter().map(|member| (member.id, member.votes)).collect()
}

async fn caught_up(leader: &Node, id: u64) {
    let reached = timeout(Duration::from_secs(10), async {
        loop {
            let status = leader.status();
            let member = status.members.iter().find(|member| member.id == id).expect("a member");
            if status.behind(member) == Some(0) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    reached.await.expect("it catches up");
}

#[test]
fn one_voter_grows_to_three_in_one_step_and_to_five_by_way_of_none() {
    world(1, async || {
        // Given one voter, and nodes with empty disks
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let nodes = one_of(5, &transport).await;
        let first = &nodes[0];
        assert_eq!(first.found("elsewhere").await, Ok(()), "it stays as it is");

        // When two join, and get a vote together
        for id in [2, 3] {
            first.join(member(id)).await.unwrap();
            assert_eq!(first.promote(&[id], Even::Refused).await, Err(MembershipError::Two));
            caught_up(first, id).await;
        }
        assert_eq!(votes(first), [(1, true), (2, false), (3, false)]);
        first.promote(&[2, 3], Even::Refused).await.unwrap();

        // Then all three vote, and hold the same
        same_index(&nodes[..3]).await;
        for node in &nodes[..3] {
            assert_eq!(votes(node), [(1, true), (2, true), (3, true)]);
            assert!(!node.status().changing);
            assert_eq!(rows(node), rows(first));
        }
        // And a fourth voter is refused unless it is meant, where five are not.
        for id in [4, 5] {
            first.join(member(id)).await.unwrap();
            caught_up(first, id).await;
        }
        assert_eq!(first.promote(&[4], Even::Refused).await, Err(MembershipError::Even(4)));
        first.promote(&[4, 5], Even::Refused).await.unwrap();
        assert_eq!(first.remove(5, Even::Refused).await, Err(MembershipError::Even(4)));
        first.remove(5, Even::Meant).await.unwrap();
        assert_eq!(votes(first).len(), 4);
    });
}

#[test]
fn a_dead_voter_is_replaced_in_one_step_and_a_learner_is_just_removed() {
    world(2, async || {
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let nodes = three(&transport, Pace { snapshot: 50, kept: 10 }).await;
        let lead = leader(&nodes, &[1, 2, 3]).await;
        for number in 0..80 {
            lead.propose(command(number, 64)).await.unwrap();
        }
        let dead = nodes.iter().find(|node| node.id() != lead.id()).unwrap();
        dead.shutdown().await;
        let (four, _five) = (open(4, &transport).await, open(5, &transport).await);
        for id in [4, 5] {
            lead.join(member(id)).await.unwrap();
            caught_up(lead, id).await;
        }

        assert_eq!(lead.remove(dead.id(), Even::Refused).await, Err(MembershipError::Two));
        lead.replace(dead.id(), 4, Even::Refused).await.unwrap();
        lead.remove(5, Even::Refused).await.unwrap();

        let left = votes(lead);
        assert_eq!(left.len(), 3);
        assert!(left.contains(&(4, true)) && left.iter().all(|(id, _)| *id != dead.id()));
        lead.propose(command(99, 64)).await.unwrap();
        caught_up(lead, 4).await;
        sleep(Duration::from_millis(200)).await;
        assert_eq!(rows(&four), rows(lead));
        let gone = lead.replace(dead.id(), 4, Even::Refused).await;
        assert_eq!(gone, Err(MembershipError::NoVoter(dead.id())));
        assert_eq!(lead.remove(5, Even::Refused).await, Err(MembershipError::NoMember(5)));
    });
}

#[test]
fn what_is_far_behind_or_unknown_gets_no_vote_and_followers_change_nothing() {
    world(3, async || {
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let nodes = one_of(2, &transport).await;
        let first = &nodes[0];
        for number in 80..2000 {
            first.propose(command(number, 8)).await.unwrap();
        }
        // Nobody is there.
        for id in [8, 9] {
            first.join(member(id)).await.unwrap();
        }
        let refused = first.promote(&[8, 9], Even::Refused).await;
        assert_eq!(refused, Err(MembershipError::Silent(8)));
        let refused = first.promote(&[6, 7], Even::Refused).await;
        assert_eq!(refused, Err(MembershipError::NoMember(6)));
        assert_eq!(first.remove(1, Even::Refused).await, Err(MembershipError::Last));
        first.join(member(2)).await.unwrap();
        caught_up(first, 2).await;
        sleep(Duration::from_millis(200)).await;
        let elsewhere = nodes[1].remove(8, Even::Refused).await;
        let not_here = ProposeError::NotLeader { leader: Some(1) };
        assert_eq!(elsewhere, Err(MembershipError::Unavailable(not_here)));
    });
}

/// A short log is no reason to believe that somebody is there.
#[test]
fn whom_nobody_hears_gets_no_vote_and_takes_no_quorum() {
    world(11, async || {
        // Given one voter with a few entries, one learner that has it all, and one that never was
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let (first, _second) = (open(1, &transport).await, open(2, &transport).await);
        first.found("first").await.unwrap();
        first.leadership().wait_for(|shown| shown.leading.is_some()).await.unwrap();
        for number in 0..5 {
            first.propose(command(number, 8)).await.unwrap();
        }
        for id in [2, 3] {
            first.join(member(id)).await.unwrap();
        }
        caught_up(&first, 2).await;
        let refused = first.promote(&[2, 3], Even::Refused).await;
        assert_eq!(refused, Err(MembershipError::Silent(3)));

        // When the other is cut off as well
        part(&transport, 2);
        transport.cut(1, 2);
        transport.cut(2, 1);
        sleep(Duration::from_secs(2)).await;

        // Then neither gets a vote, and the one goes on
        let refused = first.promote(&[2, 3], Even::Refused).await;
        assert_eq!(refused, Err(MembershipError::Silent(2)));
        first.propose(command(9, 8)).await.unwrap();
    });
}

#[test]
fn a_voter_that_would_take_the_quorum_along_is_not_removed() {
    world(12, async || {
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let mut nodes = Vec::new();
        for id in 1..=5 {
            nodes.push(open(id, &transport).await);
        }
        nodes[0].initialize(&[1, 2, 3, 4, 5]).await.unwrap();
        let lead = leader(&nodes, &[1, 2, 3, 4, 5]).await;
        let others: Vec<_> = (1..=5).filter(|id| *id != lead.id()).collect();
        for id in &others[..2] {
            part(&transport, *id);
            for other in 1..=5 {
                transport.cut(*id, other);
                transport.cut(other, *id);
            }
        }
        sleep(Duration::from_secs(2)).await;
        let refused = lead.remove(others[3], Even::Meant).await;
        assert_eq!(refused, Err(MembershipError::NoQuorum { voters: 4, heard: 2 }));
        lead.remove(others[0], Even::Meant).await.unwrap();
    });
}

#[test]
fn a_member_s_address_is_changed_where_it_is() {
    world(4, async || {
        let transport = MemoryTransport::default();
        let nodes = one_of(2, &transport).await;
        nodes[0].join(member(2)).await.unwrap();
        nodes[0].join(Member { id: 2, address: "there:1".to_owned() }).await.unwrap();
        nodes[0].set_address(1, "here:1").await.unwrap();
        caught_up(&nodes[0], 2).await;
        sleep(Duration::from_millis(200)).await;
        let members = nodes[1].status().members;
        let addresses: Vec<_> = members.iter().map(|member| &member.address[..]).collect();
        assert_eq!(addresses, ["here:1", "there:1"]);
        assert_eq!(nodes[1].leadership().borrow().leader.as_ref().unwrap().address, "here:1");
        assert_eq!(nodes[0].set_address(7, "x").await, Err(MembershipError::NoMember(7)));
    });
}

/// A leader cut off between the two entries of a change leaves the next one to end it.
#[test]
fn the_next_leader_ends_a_change_that_its_predecessor_began() {
    let mut halfway = 0;
    for seed in 0..24 {
        world(seed, async || {
            let transport = MemoryTransport::default();
            transport.delay(Duration::from_millis(5));
            let mut nodes = three(&transport, Pace { snapshot: 50, kept: 10 }).await;
            nodes.push(open(4, &transport).await);
            let first = leader(&nodes, &[1, 2, 3]).await.clone();
            first.join(member(4)).await.unwrap();
            caught_up(&first, 4).await;
            let old = if first.id() == 1 { 2 } else { 1 };
            let changing = first.clone();
            let change = tokio::spawn(async move { changing.replace(old, 4, Even::Refused).await });
            sleep(Duration::from_millis(1 + seed)).await;
            for other in (1..=4).filter(|id| *id != first.id()) {
                transport.cut(first.id(), other);
                transport.cut(other, first.id());
            }
            sleep(Duration::from_millis(20)).await;
            let rest: Vec<_> = nodes.iter().filter(|node| node.id() != first.id()).collect();
            let joint = rest.iter().filter(|node| node.status().changing).count() > 1;
            let ended = timeout(Duration::from_secs(5), async {
                while rest.iter().any(|node| node.id() != old && node.status().changing) {
                    sleep(Duration::from_millis(10)).await;
                }
            });
            let ended = ended.await;
            change.abort();
            if joint {
                halfway += 1;
                ended.expect("the next leader ends the change");
                let voters = votes(rest.iter().find(|node| node.id() != old).unwrap());
                assert!(voters.contains(&(4, true)), "seed {seed}: {voters:?}");
            }
        });
    }
    assert!(halfway > 0, "no leader was cut off in the middle");
}

#[test]
fn a_leader_hands_over_without_an_election_and_nothing_is_lost() {
    for seed in 0..8 {
        world(seed, async || {
            // Given three nodes under load
            let transport = MemoryTransport::default();
            transport.delay(Duration::from_millis(1));
            let nodes = three(&transport, Pace::default()).await;
            let first = leader(&nodes, &[1, 2, 3]).await;
            let loaded = first.clone();
            let load = tokio::spawn(async move {
                let mut done = Vec::new();
                for number in 0.. {
                    match loaded.propose(command(number, 64)).await {
                        Ok(_) => done.push(number),
                        Err(_) => return done,
                    }
                }
                done
            });
            sleep(Duration::from_millis(50)).await;

            // When the leader hands over
            let begun = Instant::now();
            let next = first.hand_over(None).await.unwrap().expect("another leads");
            let second = nodes.iter().find(|node| node.id() == next).unwrap();
            let mut shown = second.leadership();
            shown.wait_for(|shown| shown.leading.is_some()).await.unwrap();

            // Then another leads at once, and has all that was acknowledged
            assert!(begun.elapsed() <= Duration::from_millis(50), "{:?}", begun.elapsed());
            second.propose(command(1 << 20, 64)).await.unwrap();
            let done = load.await.unwrap();
            assert!(done.len() > 5);
            assert_eq!(rows(second).len(), done.len() + 1);
            assert_eq!(first.hand_over(None).await, Ok(None), "it leads no more");
        });
    }
}

#[test]
fn a_leader_hands_over_to_nobody_who_cannot_lead() {
    world(7, async || {
        let transport = MemoryTransport::default();
        let nodes = three(&transport, Pace::default()).await;
        let first = leader(&nodes, &[1, 2, 3]).await;
        let others: Vec<_> = nodes.iter().filter(|node| node.id() != first.id()).collect();
        others[0].stand(false).await.unwrap();
        for _ in 0..3 {
            assert_eq!(first.hand_over(None).await, Ok(Some(others[1].id())));
            sleep(Duration::from_secs(1)).await;
            let back = others[1].hand_over(Some(first.id())).await;
            assert_eq!(back, Ok(Some(first.id())));
            sleep(Duration::from_secs(1)).await;
        }
        others[1].shutdown().await;
        let nobody = first.hand_over(None).await;
        assert!(matches!(nobody, Err(MembershipError::NoSuccessor(_))), "{nobody:?}");
        assert_eq!(first.hand_over(Some(9)).await, Err(MembershipError::NoVoter(9)));
        first.propose(command(1, 8)).await.expect("it leads on");
    });
}

#[test]
fn a_leader_whose_disk_is_full_gives_way_to_one_with_room() {
    world(8, async || {
        // Given three nodes on disks with a reserve
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let disks: Vec<_> = IDS.map(|id| SimulatedDisk::new(id, 1 << 30)).into();
        let mut nodes = Vec::new();
        for (id, disk) in IDS.into_iter().zip(&disks) {
            let storage = Storage::Simulated(disk.clone());
            let config = NodeConfig { storage, reserve: 1 << 20, ..config(None, id, &transport) };
            nodes.push(Node::open_at(config, Pace::default(), Hand::Task).await.unwrap());
            transport.join(&nodes[nodes.len() - 1]);
        }
        nodes[0].initialize(&IDS).await.unwrap();
        let full = |node: &Node, is_full: bool| {
            let disk = &disks[usize::try_from(node.id() - 1).unwrap()];
            disk.resize(if is_full { (1 << 30) - disk.free() + 1000 } else { 1 << 30 });
        };
        let first = leader(&nodes, &IDS).await;
        first.propose(command(1, 64)).await.unwrap();

        // When the leader's disk is full, and a follower's too
        let other = nodes.iter().find(|node| node.id() != first.id()).unwrap();
        full(first, true);
        full(other, true);
        assert_eq!(first.propose(command(2, 64)).await, Err(ProposeError::OutOfSpace));

        // Then the third leads within two seconds, and takes what is proposed
        sleep(Duration::from_secs(2)).await;
        let third = nodes.iter().find(|it| ![first.id(), other.id()].contains(&it.id())).unwrap();
        assert_eq!(first.standing().leader, Some(third.id()));
        third.propose(command(3, 64)).await.unwrap();

        // And when nobody has room, it leads on and goes on when there is some
        full(third, true);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(third.propose(command(4, 64)).await, Err(ProposeError::OutOfSpace));
        assert_eq!(third.standing().leader, Some(third.id()));
        full(third, false);
        third.propose(command(5, 64)).await.unwrap();
        same_index(&nodes).await;
        assert_eq!(rows(first), rows(third));
    });
}

#[test]
fn a_node_that_is_sealed_hands_over_votes_and_never_stands() {
    for seed in 0..6 {
        world(seed, async || {
            // Given a leader that is sealed
            let transport = MemoryTransport::default();
            transport.delay(Duration::from_millis(1));
            let nodes = three(&transport, Pace::default()).await;
            let sealed = leader(&nodes, &[1, 2, 3]).await;
            sealed.stand(false).await.unwrap();
            assert_ne!(sealed.standing().leader, Some(sealed.id()));

            // When one leader after the other is cut off
            for _ in 0..3 {
                let able: Vec<_> = [1, 2, 3].into_iter().filter(|id| *id != sealed.id()).collect();
                let lead = leader(&nodes, &able).await;
                part(&transport, lead.id());
                sleep(Duration::from_secs(2)).await;
                transport.mend();
                sleep(Duration::from_secs(1)).await;
                assert!(sealed.leadership().borrow().leading.is_none());
            }

            // Then it has never led, and stands again when it is told to
            let able: Vec<_> = [1, 2, 3].into_iter().filter(|id| *id != sealed.id()).collect();
            let lead = leader(&nodes, &able).await;
            same_index(&nodes).await;
            assert_eq!(rows(sealed), rows(lead));
            assert!(!sealed.status().stands);
            sealed.stand(true).await.unwrap();
            assert_eq!(lead.hand_over(Some(sealed.id())).await, Ok(Some(sealed.id())));
        });
    }
}

/// What an operator reads: the leader's view of the others.
#[test]
fn the_status_tells_who_is_behind_and_silent() {
    world(9, async || {
        let transport = MemoryTransport::default();
        transport.delay(Duration::from_millis(1));
        let nodes = three(&transport, Pace::default()).await;
        let lead = leader(&nodes, &[1, 2, 3]).await;
        let lost = nodes.iter().find(|node| node.id() != lead.id()).unwrap();
        part(&transport, lost.id());
        for number in 0..30 {
            lead.propose(command(number, 64)).await.unwrap();
        }
        sleep(Duration::from_secs(3)).await;

        let status = lead.status();

        for member in &status.members {
            let is_lost = member.id == lost.id();
            assert_eq!(status.behind(member) > Some(20), is_lost, "{status:?}");
            assert_eq!(member.silent_for > Some(2000), is_lost, "{status:?}");
        }
        let surveyed = lead.survey().await;
        for (member, answer) in surveyed {
            assert_eq!(answer.is_err(), member.id == lost.id(), "{member:?} {answer:?}");
        }
        let follower = nodes.iter().find(|n| n.id() != lead.id() && n.id() != lost.id()).unwrap();
        assert!(follower.status().members.iter().all(|member| member.matched.is_none()));
        assert_eq!(follower.status().leader, Some(lead.id()));
    });
}

/// From the moment at which a leader is gone to the first commit of another: the lease, and a draw
/// between the shortest election time and the longest.
#[test]
fn another_leader_commits_within_six_tenths_of_a_second_in_the_middle_of_many() {
    let mut took = Vec::new();
    for seed in 0..31 {
        took.push(world(seed, async || {
            let transport = MemoryTransport::default();
            transport.delay(Duration::from_millis(1));
            let nodes = three(&transport, Pace::default()).await;
            let first = leader(&nodes, &[1, 2, 3]).await;
            sleep(Duration::from_secs(1)).await;
            part(&transport, first.id());
            let gone = Instant::now();
            let rest: Vec<_> = nodes.iter().filter(|node| node.id() != first.id()).collect();
            loop {
                let leads = |node: &&&Node| node.leadership().borrow().leading.is_some();
                if let Some(next) = rest.iter().find(leads) {
                    next.propose(command(1, 64)).await.unwrap();
                    return gone.elapsed();
                }
                sleep(Duration::from_millis(1)).await;
            }
        }));
    }
    took.sort();
    assert!(took[15] <= Duration::from_millis(600), "{took:?}");
    assert!(took[30] <= Duration::from_millis(1500), "{took:?}");
}
