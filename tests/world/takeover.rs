//! A process that is killed and started again: the open sessions of devices go on.

use crate::bootstrap::{KEY, MINUTE, bootstrapped, config, seen, world};
use crate::revocation::{credential, revoke};
use claviger_actors::Clock;
use claviger_device::DeviceConfig;
use claviger_ledger::{DeviceRef, EventCode, Ledger, Origin};
use claviger_tests::{Faults, World, system};
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::atomic::Ordering;

/// How many handshakes have ended with a session.
pub(crate) fn handshakes(world: &World) -> usize {
    world.log.iter().filter(|line| line.contains("edge Established")).count()
}

pub(crate) fn noted(ledger: &dyn Ledger, device: &DeviceRef, code: EventCode) -> usize {
    seen(ledger, device).1.into_iter().filter(|noted| *noted == code).count()
}

/// Lets the device ask until it is bootstrapped again; it gives up on what was cut off.
pub(crate) async fn asks_again(world: &mut World, address: SocketAddr) -> bool {
    for _ in 0..3 {
        world.ask_again(address);
        let over =
            |world: &World| bootstrapped(world, address) || world.fleet[&address].failure.is_some();
        world.run_until(5 * MINUTE, over).await;
        if bootstrapped(world, address) {
            return true;
        }
    }
    false
}

#[test]
fn an_open_session_goes_on_after_a_restart_without_a_handshake() {
    for cid in [true, false] {
        system(async {
            // Given a device that was bootstrapped
            let (mut world, ledger) = world(41, Faults::default()).await;
            let device = world.enrol("urn:dev:1", &KEY).await;
            let address = world.switch_on(1000, DeviceConfig { cid, ..config("urn:dev:1") });
            assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
            world.run_for(Duration::from_secs(1)).await;

            // When the process is killed, and the device asks again in its session
            for _ in 0..3 {
                world.restart();
                assert!(asks_again(&mut world, address).await, "{}", world.log.join("\n"));
            }

            // Then no handshake took place, and no number was given twice, which the world sees to
            assert_eq!(handshakes(&world), 1, "cid {cid}: {}", world.log.join("\n"));
            assert_eq!(noted(&*ledger, &device, EventCode::SessionOpened), 1);
            assert_eq!(world.counters.finds[1].load(Ordering::Relaxed), 3);
        });
    }
}

#[test]
fn a_restart_at_any_moment_of_a_bootstrap_costs_no_second_handshake() {
    for moment in 0..12 {
        system(async {
            // Given a lossy network, and a bootstrap that has come some way behind its handshake
            let faults = Faults { lose: 5, double: 10 };
            let (mut world, ledger) = world(100 + moment, faults).await;
            let device = world.enrol("urn:dev:1", &KEY).await;
            let cid = moment % 2 == 0;
            let address = world.switch_on(1000, DeviceConfig { cid, ..config("urn:dev:1") });
            assert!(world.run_until(2 * MINUTE, |world| handshakes(world) == 1).await);
            world.run_for(Duration::from_millis(moment * 15)).await;

            // When the process is killed
            world.restart();
            let done = bootstrapped(&world, address) || {
                let over = |world: &World| {
                    bootstrapped(world, address) || world.fleet[&address].failure.is_some()
                };
                world.run_until(5 * MINUTE, over).await;
                bootstrapped(&world, address) || asks_again(&mut world, address).await
            };

            // Then the device has one credential that lives, in the session that it had
            assert!(done, "{moment}: {}", world.log.join("\n"));
            world.run_for(MINUTE).await;
            // Killed between the answer to Finish and its commit, it learns of it by the use.
            let (states, timeline) = seen(&*ledger, &device);
            let live = states.iter().filter(|state| state.is_live()).count();
            assert!(live == 1, "{moment}: {states:?} {timeline:?}");
            assert_eq!(noted(&*ledger, &device, EventCode::SessionOpened), 1, "{moment}");
        });
    }
}

#[test]
fn what_was_recorded_before_a_restart_is_not_read_again() {
    system(async {
        // Given a device whose last records the ledger has heard of, and a copy of all it sent
        let (mut world, ledger) = world(43, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        world.recorded = Some(Vec::new());
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        world.run_for(Duration::from_secs(1)).await;
        let recorded = world.recorded.take().unwrap_or_default();
        let (before, version) = (ledger.applied(), seen(&*ledger, &device));

        // When it comes again, from its own address and from another, after a restart
        world.restart();
        for datagram in recorded {
            world.replay(address, datagram.clone());
            world.replay(SocketAddr::from(([192, 0, 2, 66], 6)), datagram);
            world.run_for(Duration::from_secs(2)).await;
        }

        // Then no edge got the session's keys, and nothing happened
        assert_eq!(world.counters.finds[1].load(Ordering::Relaxed), 0);
        assert_eq!((ledger.applied(), seen(&*ledger, &device)), (before, version));
    });
}

#[test]
fn a_session_of_a_revoked_credential_does_not_go_on() {
    system(async {
        let (mut world, ledger) = world(44, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        world.run_for(Duration::from_secs(1)).await;
        let proven = credential(&*ledger, &device, Origin::Manufacturer).unwrap();

        world.end(revoke(&device, proven), false).await;
        world.restart();
        world.ask_again(address);
        world.run_for(MINUTE).await;

        assert!(!bootstrapped(&world, address));
        assert_eq!(world.counters.finds[1].load(Ordering::Relaxed), 0);
        assert!(world.counters.finds[0].load(Ordering::Relaxed) > 0);
    });
}

#[test]
fn a_session_goes_on_at_its_own_listener_alone() {
    system(async {
        let (mut world, _) = world(45, Faults::default()).await;
        world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        world.run_for(Duration::from_secs(1)).await;
        world.make_tenant("other").await;
        let home = world.realm.clone();

        world.realm = "other".to_owned();
        world.restart();
        assert!(!asks_again(&mut world, address).await);
        assert_eq!(world.counters.finds[1].load(Ordering::Relaxed), 0);

        world.realm = home;
        world.restart();
        assert!(asks_again(&mut world, address).await, "{}", world.log.join("\n"));
    });
}

#[test]
fn a_handshake_of_before_an_incarnation_opens_nothing() {
    system(async {
        // Given a handshake that waits for the client's last flight
        let (mut world, ledger) = world(46, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let early = world.switch_on(1000, config("urn:dev:1"));
        let hello_done = |world: &World| world.log.iter().any(|it| it.contains("CookieVerified"));
        assert!(world.run_until(MINUTE, hello_done).await);

        // When the ledger is restored
        let now = world.clock.now().as_millis();
        ledger.begin_incarnation(u64::try_from(now).expect("virtual time is short"));
        world.run_for(MINUTE).await;

        // Then it opens no session, and the next one does
        assert!(!bootstrapped(&world, early), "{}", world.log.join("\n"));
        assert_eq!(noted(&*ledger, &device, EventCode::SessionOpened), 0);
        let late = world.switch_on(1001, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, late)).await);
    });
}
