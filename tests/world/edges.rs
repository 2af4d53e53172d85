//! Several edges that share an address: any of them goes on with any session, and whatever is lost
//! of edges and leader, a bootstrap that has begun comes to its end by itself.

use crate::bootstrap::{KEY, MINUTE, bootstrapped, config, seen, world};
use crate::takeover::{asks_again, handshakes, noted};
use claviger_actors::{CameFrom, Counters, EdgeId};
use claviger_device::DeviceConfig;
use claviger_front::{Deliver, FromEdge, Trace};
use claviger_ledger::{EventCode, Ledger, State, View};
use claviger_tests::{Balance, Faults, World, system};
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long a device waits at most for what was under way when something was lost: for a message
/// that is sent again twice, and for the way to be found.
const SECONDS: Duration = Duration::from_secs(12);

async fn runs_to_its_end(world: &mut World, address: SocketAddr, limit: Duration) -> bool {
    world.run_until(limit, |world| bootstrapped(world, address)).await
}

/// A device whose session has been open for `moment`, at one of `edges`.
async fn under_way(seed: u64, edges: usize, moment: Duration, cid: bool) -> (World, SocketAddr) {
    let (mut world, _) = world(seed, Faults::default()).await;
    world.spread(edges, Balance::ByPort);
    world.enrol("urn:dev:1", &KEY).await;
    let address = world.switch_on(1000, DeviceConfig { cid, ..config("urn:dev:1") });
    assert!(world.run_until(MINUTE, |world| handshakes(world) == 1).await);
    world.run_for(moment).await;
    (world, address)
}

/// Loses something, by `lose`, at each of twelve moments of a bootstrap, which ends within 180 ms: it
/// comes to its end all the same, in seconds and without the device's doing. Gives how often it was
/// under way, and how much of what was done for it the counter shows.
fn lost_at_each_moment(
    seed: u64,
    edges: usize,
    lose: impl AsyncFn(&mut World, SocketAddr),
    counter: impl Fn(&Counters) -> &AtomicU64,
) -> (usize, u64) {
    let all: Vec<_> = (0..12)
        .map(|moment| {
            system(async {
                // Given a bootstrap that has come some way
                let (time, cid) = (Duration::from_millis(15 * moment), moment % 2 == 0);
                let (mut world, address) = under_way(seed + moment, edges, time, cid).await;
                let was_under_way = !bootstrapped(&world, address);

                // When something is lost
                lose(&mut world, address).await;

                // Then the bootstrap comes to its end
                let done = runs_to_its_end(&mut world, address, SECONDS).await;
                assert!(done, "{moment}: {}", world.log.join("\n"));
                let counters = world.counters.clone();
                has_ended_well(world, moment).await;
                (was_under_way, counter(&counters).load(Ordering::Relaxed))
            })
        })
        .collect();
    let under_way = all.iter().filter(|(under_way, _)| *under_way).count();
    (under_way, all.iter().map(|(_, done)| done).sum())
}

/// The device has one credential that lives, in the one session that it had.
async fn has_ended_well(mut world: World, moment: u64) {
    let device =
        claviger_ledger::DeviceRef { tenant: "default".to_owned(), device: "urn:dev:1".to_owned() };
    world.run_for(Duration::from_secs(10)).await;
    let (states, timeline) = seen(&*world.ledger, &device);
    assert!(
        matches!(states[..], [State::Delivered | State::Staged]),
        "{moment}: {states:?} {timeline:?}"
    );
    assert_eq!(noted(&*world.ledger, &device, EventCode::SessionOpened), 1, "{moment}");
}

#[test]
fn each_datagram_of_a_device_may_come_to_another_edge() {
    for (seed, cid) in [(1, true), (2, false), (3, true), (4, false)] {
        system(async {
            // Given three edges, and a balancer that looks at nothing
            let (mut world, ledger) = world(seed, Faults { lose: 2, double: 5 }).await;
            world.spread(3, Balance::InTurn);
            let device = world.enrol("urn:dev:1", &KEY).await;

            // When a device bootstraps, and again in the same session
            let address = world.switch_on(1000, DeviceConfig { cid, ..config("urn:dev:1") });
            for _ in 0..2 {
                let done = runs_to_its_end(&mut world, address, 2 * MINUTE).await;
                assert!(done, "{seed}: {}", world.log.join("\n"));
                world.run_for(Duration::from_secs(1)).await;
                world.ask_again(address);
            }

            // Then it has made one handshake, and other edges have gone on with its session
            assert_eq!(noted(&*ledger, &device, EventCode::SessionOpened), 1, "{seed}");
            assert!(world.counters.finds[1].load(Ordering::Relaxed) > 0, "{seed}");
        });
    }
}

#[test]
fn an_edge_that_dies_at_any_moment_of_a_bootstrap_costs_seconds() {
    let dies = async |world: &mut World, address: SocketAddr| {
        world.kill_edge(usize::from(address.port() % 2));
    };
    let (under_way, moved) = lost_at_each_moment(200, 2, dies, |it| &it.sessions_moved);
    assert!(under_way >= 8 && moved >= 1, "{under_way} {moved}");
}

#[test]
fn a_leader_that_is_lost_at_any_moment_of_a_bootstrap_costs_seconds() {
    let lost = async |world: &mut World, _| {
        world.step_down();
        world.run_for(Duration::from_millis(700)).await;
        world.lead();
        world.greet();
    };
    let (under_way, revived) = lost_at_each_moment(300, 2, lost, |it| &it.bootstraps_revived);
    assert!(under_way >= 8 && revived >= 4, "{under_way} {revived}");
}

#[test]
fn a_request_that_is_lost_with_the_leader_brings_one_credential() {
    // What it sends again first comes to the next leader, or is lost as well.
    let moments = [Duration::from_millis(300), Duration::from_secs(5)];
    for (seed, found) in (0..12).flat_map(|seed| moments.map(|found| (seed, found))) {
        system(async {
            // Given a device whose Bootstrap-Request is on its way
            let (mut world, address) = under_way(800 + seed, 2, Duration::ZERO, true).await;

            // When it is lost with the leader, and the next one is found so late
            world.step_down();
            world.run_for(Duration::from_millis(300)).await;
            world.lead();
            world.run_for(found).await;
            world.greet();

            // Then what the device sends again is not taken for another request
            let done = runs_to_its_end(&mut world, address, SECONDS).await;
            assert!(done, "{seed}: {}", world.log.join("\n"));
            has_ended_well(world, seed).await;
        });
    }
}

#[test]
fn a_device_whose_bootstrap_outlived_its_leader_may_ask_again_at_once() {
    for seed in 0..12 {
        system(async {
            // Given a bootstrap that the next leader has gone on with
            let moment = Duration::from_millis(15 * seed);
            let (mut world, address) = under_way(900 + seed, 2, moment, true).await;
            world.step_down();
            world.run_for(Duration::from_millis(700)).await;
            world.lead();
            world.greet();
            assert!(runs_to_its_end(&mut world, address, SECONDS).await, "{seed}");
            world.run_for(Duration::from_secs(1)).await;

            // When the device asks for another one
            world.ask_again(address);

            // Then it does not wait for it in vain
            let done = runs_to_its_end(&mut world, address, SECONDS).await;
            assert!(done, "{seed}: {}", world.log.join("\n"));
        });
    }
}

#[test]
fn an_edge_that_finds_the_new_leader_late_still_goes_on_with_its_bootstraps() {
    // The new leader has looked for what was under way before any edge is there.
    let late = async |world: &mut World, _| {
        world.step_down();
        world.lead();
        world.run_for(Duration::from_secs(8)).await;
        world.greet();
    };
    let (under_way, revived) = lost_at_each_moment(700, 1, late, |it| &it.bootstraps_revived);
    assert!(under_way >= 8 && revived >= 4, "{under_way} {revived}");
}

#[test]
fn a_leader_that_waits_for_its_quorum_still_goes_on_with_what_was_under_way() {
    // It has looked for that before anybody confirms what it shows.
    let alone = async |world: &mut World, _| {
        world.step_down();
        world.lead();
        world.greet();
        world.leave_alone(true);
        world.run_for(Duration::from_secs(6)).await;
        world.leave_alone(false);
    };
    let (under_way, revived) = lost_at_each_moment(750, 2, alone, |it| &it.bootstraps_revived);
    assert!(under_way >= 8 && revived >= 4, "{under_way} {revived}");
}

#[test]
fn a_node_that_is_edge_and_leader_in_one_costs_seconds_too() {
    let lost = async |world: &mut World, address: SocketAddr| {
        world.step_down();
        world.kill_edge(usize::from(address.port() % 3));
        world.run_for(Duration::from_millis(700)).await;
        world.lead();
        world.greet();
    };
    let (under_way, moved) = lost_at_each_moment(400, 3, lost, |it| &it.sessions_moved);
    assert!(under_way >= 8 && moved >= 1, "{under_way} {moved}");
}

#[test]
fn a_device_that_asks_for_too_much_at_once_is_told_so() {
    system(async {
        // Given a device that is awake
        let (mut world, ledger) = world(501, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(runs_to_its_end(&mut world, address, MINUTE).await);
        world.run_for(Duration::from_secs(1)).await;
        let mut session = None;
        ledger.read(&mut |rows| session = View::new(rows).newest_session(&device));
        let (session, _) = session.expect("it is open");

        // When its edge brings a hundred requests at once
        for number in 0..100 {
            let deliver = FromEdge::Deliver(Deliver {
                trace: Trace::of(session.0, false),
                session: session.0,
                tenant: device.tenant.clone(),
                device: device.device.clone(),
                alert: false,
                epoch: 1,
                sequence: 1000 + number,
                from: address,
                newest: true,
                // CON GET /
                payload: vec![0x40, 1, 0x77, number as u8],
                check: None,
                limit: None,
            });
            world.devices.frame(EdgeId(0), CameFrom::Here, deliver.encode());
        }
        world.run_for(Duration::from_secs(1)).await;

        // Then some are answered, a few are turned away, and the others are dropped
        let counters = &world.counters;
        let refused = counters.coap_refused.iter().map(|count| count.load(Ordering::Relaxed));
        let turned_away = refused.sum::<u64>();
        let dropped = counters.mailbox_full.load(Ordering::Relaxed);
        assert!(turned_away > 0 && turned_away < dropped, "{turned_away} {dropped}");
    });
}

#[test]
fn nobody_is_answered_while_nobody_leads() {
    system(async {
        let (mut world, _) = world(500, Faults::default()).await;
        world.spread(2, Balance::ByPort);
        world.enrol("urn:dev:1", &KEY).await;
        world.run_for(Duration::from_secs(1)).await;

        world.step_down();
        world.run_for(Duration::from_secs(3)).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        let before = world.log.len();
        world.run_for(Duration::from_secs(3)).await;

        let answers = world.log[before..].iter().filter(|line| line.contains("192.0.2.1:5684 ->"));
        assert_eq!(answers.count(), 0, "{}", world.log.join("\n"));
        world.lead();
        world.greet();
        assert!(runs_to_its_end(&mut world, address, MINUTE).await);
    });
}

#[test]
fn a_device_gets_what_it_asks_for_while_edges_and_leaders_come_and_go() {
    for seed in 0..32 {
        system(async {
            // Given a network that loses, and a balancer that looks at ports or at nothing
            let (mut world, ledger) = world(600 + seed, Faults { lose: 8, double: 8 }).await;
            let balance = if seed % 3 == 0 { Balance::InTurn } else { Balance::ByPort };
            world.spread(2 + seed as usize % 2, balance);
            let device = world.enrol("urn:dev:1", &KEY).await;
            let cid = seed % 2 == 0;
            let address = world.switch_on(1000, DeviceConfig { cid, ..config("urn:dev:1") });
            assert!(world.run_until(2 * MINUTE, |world| handshakes(world) > 0).await, "{seed}");

            // When something is lost every now and then, and something else comes
            for round in 0..6_u64 {
                world.run_for(Duration::from_millis((seed * 37 + round * 211) % 1500)).await;
                match (seed + round) % 3 {
                    0 => {
                        world.kill_edge(round as usize % 2);
                        world.add_edge();
                    }
                    1 => {
                        world.step_down();
                        world.run_for(Duration::from_millis(300 * (round % 4))).await;
                        world.lead();
                        world.greet();
                    }
                    _ => {
                        world.step_down();
                        world.kill_edge(0);
                        world.lead();
                        world.greet();
                        world.add_edge();
                    }
                }
            }

            // Then the device has it in the end, in the session that it had
            let done = runs_to_its_end(&mut world, address, MINUTE).await
                || asks_again(&mut world, address).await;
            assert!(done, "{seed}: {}", world.log.join("\n"));
            let opened = noted(&*ledger, &device, EventCode::SessionOpened);
            assert_eq!(opened, 1, "{seed}: {}", world.log.join("\n"));
        });
    }
}
