//! What an edge counts of those who prove nothing: each once, under one reason.

use claviger_dtls::{ClientFailure, ClientOutput, DropReason};

use super::play::{Device, KEY, NAME, Play, open};
use crate::FAILURES;

/// The failed handshakes by reason, without the reasons that never occurred.
fn failed(play: &Play) -> Vec<(&'static str, u64)> {
    let all = FAILURES.into_iter().zip(play.edge.report().failed);
    all.filter(|(_, count)| *count > 0).collect()
}

fn drops(play: &Play) -> Vec<(DropReason, u64)> {
    let all = DropReason::ALL.into_iter().map(|reason| (reason, play.dropped(reason)));
    all.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_wrong_key_is_silence_and_one_failure() {
    let (mut play, mut device) = (Play::new(), Device::new(1, NAME, b"another", true));

    play.settle(&mut device);
    play.pass(&mut device, 61);

    assert_eq!(failed(&play), [("bad_key", 1)]);
    assert_eq!(device.reports, [ClientOutput::Failed(ClientFailure::TimedOut)]);
    assert!(play.edge.report().dtls.opens <= 4);
    assert_eq!((play.edge.report().sessions, play.edge.report().half_open), (0, 0));
}

#[test]
fn an_unknown_identity_is_an_alert_and_one_failure() {
    let (mut play, mut device) = (Play::new(), Device::new(1, "urn:dev:nobody", KEY, true));

    play.settle(&mut device);

    assert_eq!(failed(&play), [("unknown_identity", 1)]);
    assert_eq!(drops(&play), []);
    assert!(matches!(
        device.reports[..],
        [ClientOutput::Failed(ClientFailure::Alert(alert))] if alert.encode() == [2, 115]
    ));
    assert!(play.delivered.is_empty());
}

#[test]
fn a_device_that_falls_silent_is_one_failure() {
    let (mut play, mut device) = (Play::new(), Device::new(1, NAME, KEY, true));
    let hello = device.datagrams().remove(0);
    play.edge.receive(play.now, device.at, &hello);
    play.drain();
    device.client.receive(play.now, &play.sent.remove(0).1);
    let hello = device.datagrams().remove(0);
    play.edge.receive(play.now, device.at, &hello);
    device.client.close();
    device.datagrams();

    play.pass(&mut device, 61);

    assert_eq!(failed(&play), [("timeout", 1)]);
}

#[test]
fn noise_on_a_session_reaches_no_actor_and_leaves_it_open() {
    let (mut play, mut device, session) = open(true);
    device.client.send(b"genuine").expect("open");
    let genuine = device.datagrams().remove(0);
    let mut forged = genuine.clone();
    *forged.last_mut().expect("not empty") ^= 1;
    let mut foreign = genuine.clone();
    foreign[12] ^= 1;
    let alert = [21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];

    for datagram in [&forged[..], &foreign, &alert, &genuine[..20], &[]] {
        play.edge.receive(play.now, device.at, datagram);
    }
    play.drain();

    assert!(play.delivered.is_empty() && play.sent.is_empty());
    let expected = [
        (DropReason::Malformed, 2),
        (DropReason::PlaintextAlert, 1),
        (DropReason::ForeignCid, 1),
        (DropReason::BadMac, 1),
    ];
    assert_eq!(drops(&play), expected);
    play.edge.receive(play.now, device.at, &genuine);
    play.edge.receive(play.now, device.at, &genuine);
    play.drain();
    assert_eq!(play.delivered.len(), 1);
    assert_eq!(play.delivered[0].session, session);
    assert_eq!(play.dropped(DropReason::Replayed), 1);
}
