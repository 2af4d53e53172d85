//! One ledger in memory; the network, the LwM2M server and the ledger misbehave.

use claviger_device::{DeviceConfig, Failure, Format, Version};
use claviger_ledger::memory::MemoryLedger;
use claviger_ledger::{DeviceRef, EventCode, Ledger, State, Unavailable, View};
use claviger_machine::Code;
use claviger_tests::{Faults, SeededCrypto, VirtualClock, World, WorldConfig, found, psk, system};
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) const KEY: [u8; 16] = [0x42; 16];
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A world over a founded ledger in memory.
pub(crate) async fn world(seed: u64, faults: Faults) -> (World, Arc<MemoryLedger>) {
    let clock = VirtualClock::start();
    let crypto = Arc::new(SeededCrypto::new(seed));
    let ledger = Arc::new(MemoryLedger::default());
    found(&*ledger, &clock, &*crypto).await;
    let config = WorldConfig { seed, faults, ledger: ledger.clone() };
    (World::new(config, clock, crypto), ledger)
}

pub(crate) fn config(name: &str) -> DeviceConfig {
    DeviceConfig::new(name, psk(KEY))
}

/// The states of the credentials that Claviger made for a device, and what its timeline says.
pub(crate) fn seen(ledger: &dyn Ledger, device: &DeviceRef) -> (Vec<State>, Vec<EventCode>) {
    let mut seen = None;
    ledger.read(&mut |rows| {
        let view = View::new(rows);
        let made = view.credentials(device).into_iter().filter(|(_, c)| c.profile.is_some());
        let timeline = view.timeline(device).into_iter().map(|entry| entry.code);
        seen = Some((made.map(|(_, c)| c.state).collect(), timeline.collect()));
    });
    seen.expect("the ledger shows its rows")
}

/// The generation of a device's one session.
fn generation(ledger: &dyn Ledger, device: &DeviceRef) -> u32 {
    let mut generation = 0;
    ledger.read(&mut |rows| {
        let view = View::new(rows);
        let sessions = view.credentials(device).into_iter().flat_map(|(_, c)| c.sessions);
        let sessions = sessions.filter_map(|id| view.session(device, id));
        generation = sessions.map(|session| session.generation).sum();
    });
    generation
}

pub(crate) fn bootstrapped(world: &World, address: core::net::SocketAddr) -> bool {
    world.fleet[&address].account.is_some()
}

#[test]
fn a_device_bootstraps_whatever_the_network_does() {
    for seed in 0..24 {
        system(async {
            // Given a network that loses, doubles and reorders
            let (mut world, ledger) = world(seed, Faults { lose: 15, double: 10 }).await;
            let device = world.enrol("urn:dev:1", &KEY).await;
            let config = DeviceConfig {
                cid: seed % 2 == 0,
                version: if seed % 4 == 0 { Version::V1_0 } else { Version::V1_1 },
                format: Format::ALL[seed as usize % Format::ALL.len()],
                ..config("urn:dev:1")
            };

            // When a device asks
            let address = world.switch_on(1000, config);
            let done = world.run_until(4 * MINUTE, |world| bootstrapped(world, address)).await;

            // Then it holds what the ledger made, and the ledger learns of it
            assert!(done, "seed {seed}:\n{}", world.log.join("\n"));
            world.run_for(MINUTE).await;
            let (states, timeline) = seen(&*ledger, &device);
            assert_eq!(states, [State::Delivered], "seed {seed}: {timeline:?}");
        });
    }
}

#[test]
fn a_bootstrap_commits_its_session_what_its_server_says_and_its_end() {
    system(async {
        let (mut world, ledger) = world(12, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let before = ledger.applied();

        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        world.run_for(Duration::from_secs(1)).await;

        let (_, timeline) = seen(&*ledger, &device);
        let expected = [
            EventCode::DeviceEnrolled,
            EventCode::SessionOpened,
            EventCode::CredentialActivated,
            EventCode::CredentialIssued,
            EventCode::ServerConfirmed,
            EventCode::CredentialDelivered,
        ];
        assert_eq!(timeline, expected);
        assert_eq!(ledger.applied() - before, 3, "{}", world.log.join("\n"));
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        system(async {
            let (mut world, _) = world(7, Faults { lose: 10, double: 10 }).await;
            for n in 0..5_u16 {
                let name = format!("urn:dev:{n}");
                world.enrol(&name, &KEY).await;
                world.switch_on(1000 + n, config(&name));
            }
            world.run_for(2 * MINUTE).await;
            world.log.join("\n")
        })
    };
    let first = run();
    assert!(first.lines().count() > 100, "{first}");
    assert_eq!(first, run());
}

#[test]
fn a_retry_gets_the_same_staged_credential() {
    system(async {
        // Given a bootstrap that stops because the LwM2M server does not answer
        let (mut world, ledger) = world(1, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        world.server_up = false;
        let address = world.switch_on(1000, config("urn:dev:1"));
        world.run_for(2 * MINUTE).await;
        assert!(!bootstrapped(&world, address));
        let (states, timeline) = seen(&*ledger, &device);
        assert_eq!(states, [State::Staged]);
        assert_eq!(timeline.last(), Some(&EventCode::BootstrapFailed), "{timeline:?}");

        // When the server is back and the device tries again
        world.server_up = true;
        let address = world.switch_on(1001, config("urn:dev:1"));
        let done = world.run_until(MINUTE, |world| bootstrapped(world, address)).await;

        // Then it gets the credential that was staged
        assert!(done, "{}", world.log.join("\n"));
        world.run_for(MINUTE).await;
        let (states, timeline) = seen(&*ledger, &device);
        assert_eq!(states, [State::Delivered]);
        assert!(timeline.contains(&EventCode::CredentialReissued), "{timeline:?}");
    });
}

#[test]
fn a_refused_write_stops_the_bootstrap_and_says_so() {
    system(async {
        let (mut world, ledger) = world(2, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let refuse = Some("/1/0".to_owned());

        let address = world.switch_on(1000, DeviceConfig { refuse, ..config("urn:dev:1") });
        world.run_for(MINUTE).await;

        assert!(!bootstrapped(&world, address), "no Finish after a refusal");
        let (states, timeline) = seen(&*ledger, &device);
        assert_eq!(states, [State::Staged]);
        assert_eq!(timeline.last(), Some(&EventCode::BootstrapFailed));
        assert_eq!(world.counters.bootstraps_finished[1].load(Ordering::Relaxed), 1);
    });
}

#[test]
fn another_endpoints_name_is_refused_and_audited() {
    system(async {
        let (mut world, ledger) = world(3, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        world.enrol("urn:dev:2", &KEY).await;
        let endpoint = "urn:dev:2".to_owned();

        let address = world.switch_on(1000, DeviceConfig { endpoint, ..config("urn:dev:1") });
        world.run_until(MINUTE, |world| world.fleet[&address].failure.is_some()).await;

        let failure = world.fleet[&address].failure.clone();
        assert!(matches!(failure, Some(Failure::Refused(Code::BAD_REQUEST, _))), "{failure:?}");
        world.run_for(Duration::from_secs(1)).await;
        let mut refusals = 0;
        ledger.read(&mut |rows| {
            let audit = View::new(rows).audit(&device);
            refusals = audit.iter().filter(|a| a.entry.code == EventCode::Refused).count();
        });
        assert_eq!(refusals, 1);
    });
}

#[test]
fn strangers_write_nothing_and_disturb_nobody() {
    system(async {
        // Given a wrong key and an unknown identity
        let (mut world, ledger) = world(4, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let rows = |ledger: &MemoryLedger| {
            let mut all = Vec::new();
            ledger.read(&mut |rows| all = rows.range(&[], &[0xff; 9], usize::MAX));
            all
        };
        let before = rows(&ledger);
        world.switch_on(1000, DeviceConfig::new("urn:dev:1", psk([9; 16])));
        world.switch_on(1001, config("urn:dev:nobody"));

        // When they try
        world.run_for(Duration::from_secs(5)).await;

        // Then nothing is written, the attempts are known, and the device itself gets in
        assert_eq!(rows(&ledger), before);
        let attempts = world.unproven.attempts("default");
        assert_eq!(attempts.len(), 2, "{attempts:?}");
        let address = world.switch_on(1002, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        assert_eq!(seen(&*ledger, &device).0.len(), 1);
    });
}

#[test]
fn nothing_is_said_while_the_ledger_is_cut_off() {
    system(async {
        // Given a device whose session is open when the ledger goes away
        let (mut world, ledger) = world(5, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        let opened = |world: &World| world.counters.sessions_opened.load(Ordering::Relaxed) == 1;
        assert!(world.run_until(MINUTE, opened).await);
        ledger.refuse(Some(Unavailable::NoLeader));
        world.run_for(Duration::from_secs(5)).await;
        assert!(!bootstrapped(&world, address));

        // When it is back, then the device's own retransmission goes on
        ledger.refuse(None);
        let done = world.run_until(2 * MINUTE, |world| bootstrapped(world, address)).await;
        assert!(done, "{}", world.log.join("\n"));
        world.run_for(Duration::from_secs(1)).await;
        assert_eq!(seen(&*ledger, &device).0, [State::Delivered]);
    });
}

#[test]
fn an_actor_sleeps_when_idle_and_its_session_goes_on() {
    system(async {
        // Given a device that has bootstrapped
        let (mut world, ledger) = world(6, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        assert_eq!(world.counters.actors.load(Ordering::Relaxed), 1);

        // When it is silent, its actor sleeps, and its edge lets the session go
        world.run_for(10 * MINUTE).await;
        assert_eq!(world.counters.actors.load(Ordering::Relaxed), 0);

        // Then it is bootstrapped again in the session that it has
        world.ask_again(address);
        let done = world.run_until(MINUTE, |world| bootstrapped(world, address)).await;
        assert!(done, "{}", world.log.join("\n"));
        assert_eq!(world.counters.activations_woken.load(Ordering::Relaxed), 1);
        assert_eq!(world.counters.finds[1].load(Ordering::Relaxed), 1);
        assert_eq!(world.counters.sessions_opened.load(Ordering::Relaxed), 1);
        assert_eq!(generation(&*ledger, &device), 1, "its numbers survived the sleep");
    });
}

#[test]
fn another_nodes_actors_go_on_with_a_session_under_new_numbers() {
    system(async {
        // Given a device with an open session
        let (mut world, ledger) = world(9, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);

        // When other actors take over, with nothing but the ledger
        world.take_over(ledger.clone());
        world.ask_again(address);
        let done = world.run_until(MINUTE, |world| bootstrapped(world, address)).await;

        // Then they serve it, and no record has a number that was used
        assert!(done, "{}", world.log.join("\n"));
        assert_eq!(world.counters.sessions_opened.load(Ordering::Relaxed), 1);
        assert_eq!(generation(&*ledger, &device), 2);
    });
}

#[test]
fn the_end_of_a_session_is_heard_and_kept() {
    system(async {
        let (mut world, ledger) = world(10, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);

        world.fleet.get_mut(&address).unwrap().device.close();
        world.run_for(Duration::from_secs(1)).await;

        assert_eq!(seen(&*ledger, &device).1.last(), Some(&EventCode::SessionClosed));
    });
}

#[test]
fn a_device_that_takes_short_records_is_bootstrapped_in_short_blocks() {
    for limit in [64, 128, 512] {
        system(async move {
            let (mut world, _) = world(8, Faults::default()).await;
            world.enrol("urn:dev:1", &KEY).await;
            let config = DeviceConfig { record_limit: Some(limit), ..config("urn:dev:1") };
            let address = world.switch_on(1000, config);

            let done = world.run_until(2 * MINUTE, |world| bootstrapped(world, address)).await;

            assert!(done, "{limit}: {}", world.log.join("\n"));
        });
    }
}

#[test]
fn a_device_whose_address_changes_goes_on_with_its_connection_id() {
    system(async {
        let (mut world, _) = world(8, Faults::default()).await;
        world.enrol("urn:dev:1", &KEY).await;
        let mut address = world.switch_on(1000, config("urn:dev:1"));
        let opened = |world: &World| world.log.iter().any(|line| line.contains("Handshake"));
        assert!(world.run_until(MINUTE, opened).await);

        address = world.rebind(address, 2000);

        let done = world.run_until(2 * MINUTE, |world| bootstrapped(world, address)).await;
        assert!(done, "{}", world.log.join("\n"));
        let sessions = world.counters.sessions_opened.load(Ordering::Relaxed);
        assert_eq!(sessions, 1, "no second handshake");
    });
}

#[test]
fn a_full_disk_puts_off_also_what_was_staged_before() {
    system(async {
        // Given a device whose session is open when the disk is full
        let (mut world, ledger) = world(13, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        let opened = |world: &World| world.counters.sessions_opened.load(Ordering::Relaxed) == 1;
        assert!(world.run_until(MINUTE, opened).await);
        ledger.refuse(Some(Unavailable::OutOfSpace));

        // When it asks, then it is told to come later, and nothing was begun that cannot be ended
        let failed = |world: &World| world.fleet[&address].failure.is_some();
        assert!(world.run_until(MINUTE, failed).await, "{}", world.log.join("\n"));
        let failure = world.fleet[&address].failure.clone();
        let Some(Failure::Refused(code, _)) = failure else { panic!("{failure:?}") };
        assert_eq!(code, Code::SERVICE_UNAVAILABLE);

        // And when there is room again it gets what was staged
        ledger.refuse(None);
        world.ask_again(address);
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        world.run_for(Duration::from_secs(1)).await;
        assert_eq!(seen(&*ledger, &device).0, [State::Delivered]);
    });
}

#[test]
fn a_full_disk_puts_a_device_off_and_nothing_is_promised() {
    system(async {
        // Given a device with an open session, and a disk that is full
        let (mut world, ledger) = world(11, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        let (before, _) = seen(&*ledger, &device);
        ledger.refuse(Some(Unavailable::OutOfSpace));

        // When it asks for new credentials, then it is told to come later
        world.ask_again(address);
        let failed = |world: &World| world.fleet[&address].failure.is_some();
        assert!(world.run_until(MINUTE, failed).await, "{}", world.log.join("\n"));
        let failure = world.fleet[&address].failure.clone();
        let Some(Failure::Refused(code, words)) = failure else { panic!("{failure:?}") };
        assert_eq!(code, Code::SERVICE_UNAVAILABLE);
        assert!(words.contains("try again later"), "{words}");
        assert_eq!(seen(&*ledger, &device).0, before);

        // And when there is room again it is served, in the same session
        ledger.refuse(None);
        world.ask_again(address);
        let done = world.run_until(MINUTE, |world| bootstrapped(world, address)).await;
        assert!(done, "{}", world.log.join("\n"));
        assert_eq!(world.counters.sessions_opened.load(Ordering::Relaxed), 1);
    });
}
