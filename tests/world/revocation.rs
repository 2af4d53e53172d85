//! What was revoked, rotated or deleted, at any moment of a bootstrap: nothing more is said.

use crate::bootstrap::{KEY, MINUTE, bootstrapped, config, seen, world};
use claviger_actors::Reason;
use claviger_ledger::memory::MemoryLedger;
use claviger_ledger::{
    Command, CredentialId, DeleteDevice, DeviceRef, EventCode, ExpireCredentials, Ledger, Origin,
    RevokeCredential, RotateCredential, State, TimelineEntry, View,
};
use claviger_tests::{Faults, World, system};
use core::net::SocketAddr;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::sync::Arc;

pub(crate) fn credential(
    ledger: &dyn Ledger,
    of: &DeviceRef,
    origin: Origin,
) -> Option<CredentialId> {
    let mut found = None;
    ledger.read(&mut |rows| {
        let rows = View::new(rows).credentials(of).into_iter();
        found = rows.rev().find(|(_, c)| c.origin == origin && c.state.is_live());
    });
    found.map(|(id, _)| id)
}

pub(crate) fn revoke(device: &DeviceRef, credential: CredentialId) -> Command {
    let reason = "It was copied.".to_owned();
    RevokeCredential { device: device.clone(), credential, reason }.into()
}

fn timeline(ledger: &dyn Ledger, of: &DeviceRef) -> Vec<TimelineEntry> {
    let mut entries = Vec::new();
    ledger.read(&mut |rows| entries = View::new(rows).timeline(of));
    entries
}

/// True if the device has asked to be bootstrapped.
fn has_begun(world: &World) -> bool {
    world.counters.bootstraps_started.load(Ordering::Relaxed) > 0
}

/// A bootstrap that has gone as far as `datagrams` datagrams, and its device; none when it had
/// come to its end by then.
async fn halfway(
    seed: u64,
    datagrams: usize,
) -> Option<(World, Arc<MemoryLedger>, DeviceRef, SocketAddr)> {
    let (mut world, ledger) = world(seed, Faults::default()).await;
    let device = world.enrol("urn:dev:1", &KEY).await;
    let address = world.switch_on(1000, config("urn:dev:1"));
    let sent = |world: &World| world.log.iter().filter(|line| line.contains(" -> ")).count();
    let there = world.run_until(MINUTE, |world| sent(world) >= datagrams).await;
    (there && !bootstrapped(&world, address)).then_some((world, ledger, device, address))
}

/// Runs `test` for every datagram of a bootstrap that it can be stopped at, with the actors told
/// and not told; says how many there were.
fn at_any_moment(
    test: impl AsyncFn(World, Arc<MemoryLedger>, DeviceRef, SocketAddr, bool),
) -> usize {
    let mut moments = 0;
    for announced in [true, false] {
        for datagrams in 1.. {
            let going = system(async {
                let half = halfway(datagrams as u64, datagrams).await;
                let Some((world, ledger, device, address)) = half else { return false };
                test(world, ledger, device, address, announced).await;
                true
            });
            if !going {
                break;
            }
            moments += 1;
        }
    }
    moments
}

/// The world fails by itself if a record follows the end of its session.
#[test]
fn a_revoked_manufacturer_credential_is_answered_no_more_at_any_moment() {
    let moments = at_any_moment(async |mut world, ledger, device, _, announced| {
        let id = credential(&*ledger, &device, Origin::Manufacturer).unwrap();
        let opened = world.counters.sessions_opened.load(Ordering::Relaxed);
        let began = has_begun(&world);

        let ended = world.end(revoke(&device, id), announced).await;
        world.run_for(3 * MINUTE).await;

        assert_eq!(ended.closed.len() as u64, opened);
        let (_, codes) = seen(&*ledger, &device);
        let after = codes.iter().skip_while(|code| **code != EventCode::CredentialRevoked);
        let after: Vec<_> = after.skip(1).collect();
        assert!(!after.contains(&&EventCode::SessionOpened), "{codes:?}");
        let ends = [EventCode::BootstrapFailed, EventCode::CredentialDelivered];
        assert_eq!(after.iter().any(|code| ends.contains(code)), began, "{codes:?}");
        let again = world.switch_on(1001, config("urn:dev:1"));
        world.run_for(MINUTE).await;
        assert!(!bootstrapped(&world, again));
        let attempts = world.unproven.attempts("default");
        let reasons: Vec<_> = attempts.iter().map(|attempt| attempt.reason).collect();
        assert_eq!(reasons, [Reason::UnknownIdentity]);
    });
    assert!(moments > 20, "{moments}");
}

#[test]
fn a_deleted_device_is_answered_no_more_at_any_moment() {
    let moments = at_any_moment(async |mut world, ledger, device, _, announced| {
        let made = credential(&*ledger, &device, Origin::Claviger);

        let ended = world.end(DeleteDevice { device: device.clone() }, announced).await;
        world.run_for(3 * MINUTE).await;

        let mut left = Vec::new();
        ledger.read(&mut |rows| {
            let view = View::new(rows);
            assert_eq!(view.device(&device), None);
            left = view.outbox();
        });
        assert_eq!(ended.withdrawn.len(), usize::from(made.is_some()));
        // Whoever announces it wakes the outbox too.
        assert!(left.is_empty() || !announced, "{left:?}");
    });
    assert!(moments > 20, "{moments}");
}

#[test]
fn a_revoked_credential_is_not_brought_and_the_next_attempt_brings_another() {
    let moments = at_any_moment(async |mut world, ledger, device, address, announced| {
        let Some(id) = credential(&*ledger, &device, Origin::Claviger) else { return };
        let began = has_begun(&world);

        world.end(revoke(&device, id), announced).await;
        world.run_for(3 * MINUTE).await;

        if !began {
            // It was staged with the session, and the device had not asked for it.
            assert!(bootstrapped(&world, address));
            let (mut states, _) = seen(&*ledger, &device);
            states.sort_by_key(|state| state.as_str());
            return assert_eq!(states, [State::Delivered, State::Revoked]);
        }
        let told = timeline(&*ledger, &device);
        let mut after = told.iter().skip_while(|e| e.code != EventCode::CredentialRevoked);
        let failed = after.find(|entry| entry.code == EventCode::BootstrapFailed).unwrap();
        // What is on its way to the device cannot be taken back.
        let late = ["finish", "refuses to call it delivered"];
        let late = late.iter().any(|words| failed.words.contains(words));
        assert!(late || !announced || !bootstrapped(&world, address), "{failed:?}");
        world.switch_on(1001, config("urn:dev:1"));
        let again = SocketAddr::new(address.ip(), 1001);
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, again)).await);
        world.run_for(Duration::from_secs(1)).await;
        let (mut states, _) = seen(&*ledger, &device);
        states.sort_by_key(|state| state.as_str());
        assert_eq!(states, [State::Delivered, State::Revoked]);
    });
    assert!(moments > 20, "{moments}");
}

#[test]
fn a_rotation_in_the_middle_of_a_bootstrap_stops_it_in_words() {
    system(async {
        let (mut world, ledger) = world(1, Faults::default()).await;
        world.server_up = false;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        world.run_for(Duration::from_secs(5)).await;
        let first = credential(&*ledger, &device, Origin::Claviger).unwrap();

        world.end(RotateCredential { device: device.clone() }, true).await;
        world.run_for(Duration::from_secs(1)).await;

        let stopped = timeline(&*ledger, &device).pop().unwrap();
        assert_eq!(stopped.code, EventCode::BootstrapFailed);
        assert!(stopped.words.contains("the next attempt brings a fresh one"), "{stopped:?}");
        world.server_up = true;
        world.ask_again(address);
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        assert_ne!(credential(&*ledger, &device, Origin::Claviger), Some(first));
    });
}

#[test]
fn a_revocation_between_bootstraps_makes_the_device_a_stranger() {
    system(async {
        // Given a device that has bootstrapped, and whose actor sleeps
        let (mut world, ledger) = world(2, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        world.run_for(10 * MINUTE).await;
        let id = credential(&*ledger, &device, Origin::Manufacturer).unwrap();

        // When its credential is revoked and it asks again, in its session and by a handshake
        world.end(revoke(&device, id), true).await;
        world.ask_again(address);
        world.run_for(3 * MINUTE).await;
        let again = world.switch_on(1001, config("urn:dev:1"));
        world.run_for(MINUTE).await;

        // Then it gets nowhere, and the table of strangers says what can be done
        assert!(!bootstrapped(&world, address) && !bootstrapped(&world, again));
        let attempts = world.unproven.attempts("default");
        assert_eq!(attempts[0].identity, b"urn:dev:1");
        assert!(attempts[0].reason.advice().contains("revoked"), "{attempts:?}");
        assert_eq!(timeline(&*ledger, &device).pop().unwrap().code, EventCode::CredentialRevoked);
    });
}

#[test]
fn an_expired_credential_is_told_to_its_server() {
    system(async {
        let (mut world, ledger) = world(3, Faults::default()).await;
        let device = world.enrol("urn:dev:1", &KEY).await;
        let address = world.switch_on(1000, config("urn:dev:1"));
        assert!(world.run_until(MINUTE, |world| bootstrapped(world, address)).await);
        world.run_for(Duration::from_secs(86_400)).await;
        let id = credential(&*ledger, &device, Origin::Claviger).unwrap();

        let command = ExpireCredentials { credentials: vec![(device.clone(), id)] };
        let ended = world.end(command, true).await;
        world.run_for(Duration::from_secs(1)).await;

        assert_eq!(ended.withdrawn, [(device.clone(), id)]);
        let (states, codes) = seen(&*ledger, &device);
        assert_eq!((states, codes.last()), (vec![State::Expired], Some(&EventCode::ServerForgot)));
    });
}
