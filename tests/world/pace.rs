//! A device that begins again and again, and those beside it.

use crate::bootstrap::{KEY, MINUTE, bootstrapped, config, seen, world};
use claviger_device::Failure;
use claviger_ledger::{DeviceRef, EventCode, Ledger};
use claviger_machine::Code;
use claviger_tests::{Faults, World, system};
use core::sync::atomic::Ordering;
use core::time::Duration;

/// How often the device's timeline says that it was refused.
fn refused(ledger: &dyn Ledger, device: &DeviceRef) -> usize {
    let (_, timeline) = seen(ledger, device);
    timeline.iter().filter(|code| **code == EventCode::Refused).count()
}

#[test]
fn a_device_that_asks_again_and_again_is_told_when_to_come() {
    system(async {
        // Given a device that asks again whenever it was bootstrapped
        let (mut world, ledger) = world(21, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        let over =
            |world: &World| bootstrapped(world, address) || world.fleet[&address].failure.is_some();
        let mut served = 0;
        while world.run_until(MINUTE, over).await && bootstrapped(&world, address) {
            served += 1;
            assert!(served < 200, "nobody stops it");
            world.ask_again(address);
        }

        // Then it is put off, and that stands on its timeline once
        let failure = world.fleet[&address].failure.clone();
        let Some(Failure::Refused(code, words)) = failure else { panic!("{failure:?}") };
        assert_eq!((code, served >= 59), (Code::SERVICE_UNAVAILABLE, true), "{words} {served}");
        world.ask_again(address);
        assert!(world.run_until(MINUTE, |world| world.fleet[&address].failure.is_some()).await);
        assert_eq!(refused(&*ledger, &device), 1);

        // And others are served, as it is with the next minute
        world.enrol("urn:dev:2", &KEY).await;
        let other = world.switch_on(2000, config("urn:dev:2"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, other)).await);
        world.run_for(MINUTE).await;
        world.ask_again(address);
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
    });
}

#[test]
fn a_device_that_opens_session_after_session_waits_for_the_next_minute() {
    system(async {
        // Given a device that begins anew whenever it has a session
        let (mut world, ledger) = world(22, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let opened = |world: &World| world.counters.sessions_opened.load(Ordering::Relaxed);
        let mut sessions = 0;
        while sessions < 200 {
            world.switch_on(1000, config("urn:dev:1"));
            if !world.run_until(Duration::from_secs(5), |world| opened(world) > sessions).await {
                break;
            }
            sessions += 1;
        }

        // Then its next handshake waits, and that stands on its timeline once
        assert!((30..=120).contains(&sessions), "{sessions}");
        assert_eq!(refused(&*ledger, &device), 1);
        let commits = ledger.applied();
        world.switch_on(1000, config("urn:dev:1"));
        world.run_for(Duration::from_secs(3)).await;
        assert_eq!(ledger.applied(), commits, "a session that is not opened costs nothing");

        // And with the next minute it is let in
        world.run_for(MINUTE).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
    });
}
