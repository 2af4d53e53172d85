//! What an edge makes of the actors' frames.

use claviger_dtls::{ClientOutput, SealError, SessionId};
use claviger_front::{Content, ToEdge, Transmit};
use core::net::SocketAddr;

use super::play::{Device, KEY, NAME, Play, open};
use crate::Undone;

fn moved(frame: ToEdge, to: SocketAddr) -> ToEdge {
    match frame {
        ToEdge::Transmit(transmit) => ToEdge::Transmit(Transmit { to: Some(to), ..transmit }),
        other => other,
    }
}

#[test]
fn a_record_names_its_owner_and_an_answer_reaches_the_device() {
    let (mut play, mut device, session) = open(true);
    device.client.send(b"question").expect("open");
    play.settle(&mut device);

    let answer = play.transmit(session, 1 << 24, Content::Application(b"answer".to_vec()));
    play.frame(&answer).expect("the number is new");
    play.settle(&mut device);

    let deliver = play.delivered.pop().expect("the question");
    assert_eq!((&deliver.tenant[..], &deliver.device[..]), ("default", "1"));
    assert_eq!((deliver.session, &deliver.payload[..]), (session, &b"question"[..]));
    assert_eq!(device.reports.last(), Some(&ClientOutput::Data(b"answer".to_vec())));
}

#[test]
fn a_close_notify_ends_the_devices_session_in_good_order() {
    let (mut play, mut device, session) = open(true);

    let leave = play.transmit(session, 1 << 24, Content::CloseNotify);
    play.frame(&leave).expect("the number is new");
    play.frame(&Play::close(session)).expect("it is known");
    play.settle(&mut device);

    assert_eq!(device.reports.last(), Some(&ClientOutput::Closed));
    assert_eq!(play.edge.report().sessions, 0);
}

#[test]
fn a_number_that_was_used_moves_nobody() {
    let (mut play, mut device, session) = open(true);
    let away = "198.51.100.7:7".parse().expect("an address");
    let first = play.transmit(session, 5, Content::Application(b"1".to_vec()));
    play.frame(&first).expect("the number is new");

    let used = moved(play.transmit(session, 5, Content::Application(b"2".to_vec())), away);
    let refused = play.frame(&used);
    let next = play.transmit(session, 6, Content::Application(b"3".to_vec()));
    play.frame(&next).expect("the number is new");

    assert_eq!(refused, Err(Undone::NotSealed(SealError::SequenceUsed)));
    let to: Vec<_> = play.sent.iter().map(|(to, _)| *to).collect();
    assert_eq!(to, [device.at, device.at]);
    let taken = moved(play.transmit(session, 7, Content::Application(b"4".to_vec())), away);
    play.frame(&taken).expect("the number is new");
    assert_eq!(play.sent.last().map(|(to, _)| *to), Some(away));
    play.settle(&mut device);
    assert_eq!(play.edge.report().frames_undone, 1);
}

#[test]
fn what_comes_late_or_is_unreadable_is_counted_and_not_done() {
    let (mut play, _, session) = open(true);
    let late = play.transmit(session, 1 << 24, Content::Application(b"late".to_vec()));
    play.now += core::time::Duration::from_secs(2);

    assert_eq!(play.frame(&late), Err(Undone::Late));
    assert_eq!(play.edge.frame(play.now, &[9, 9, 9]), Err(Undone::Unreadable));

    assert_eq!(play.edge.report().frames_undone, 2);
    assert!(play.sent.is_empty());
}

#[test]
fn a_lost_answer_is_asked_for_again_after_ten_seconds() {
    let (mut play, mut device) = (Play::new(), Device::new(1, NAME, KEY, true));
    // The device's flights up to its Finished; what the edge asks then is lost.
    for _ in 0..3 {
        for datagram in device.datagrams() {
            play.edge.receive(play.now, device.at, &datagram);
        }
        play.drain();
        for (_, datagram) in core::mem::take(&mut play.sent) {
            device.client.receive(play.now, &datagram);
        }
    }
    assert_eq!(play.opens.len(), 1);
    play.opens.clear();

    play.pass(&mut device, 9);
    assert_eq!(play.edge.report().sessions, 0);
    play.pass(&mut device, 1);

    assert_eq!(play.edge.report().sessions, 1);
    assert!(matches!(device.reports[..], [ClientOutput::Established { .. }]));
}

#[test]
fn nothing_is_kept_of_an_answer_that_comes_too_late() {
    let (mut play, mut device) = (Play::new(), Device::new(1, NAME, KEY, true));
    for _ in 0..3 {
        for datagram in device.datagrams() {
            play.edge.receive(play.now, device.at, &datagram);
        }
        play.drain();
        for (_, datagram) in core::mem::take(&mut play.sent) {
            device.client.receive(play.now, &datagram);
        }
    }
    let open = play.opens[0].clone();
    let answer = play.judge(&open);
    play.now += core::time::Duration::from_secs(60);
    play.edge.handle_timeout(play.now);
    play.drain();

    play.frame(&answer).expect("a frame of this version");

    assert_eq!(play.edge.report().dtls.late_answers, 1);
    assert_eq!(play.edge.report().sessions, 0);
}

#[test]
fn a_session_whose_address_was_taken_has_no_owner_any_more() {
    let (mut play, device, old) = open(false);
    let mut again = Device::new(2, NAME, KEY, false);
    again.at = device.at;

    play.settle(&mut again);

    assert_eq!((play.edge.report().sessions, play.edge.endpoint.owner(SessionId(old))), (1, None));
    let late = play.transmit(old, 1 << 24, Content::Application(b"x".to_vec()));
    assert_eq!(play.frame(&late), Err(Undone::NotSealed(SealError::UnknownSession)));
}

#[test]
fn a_closed_session_leaves_nothing() {
    let (mut play, _, session) = open(true);

    play.frame(&Play::close(session)).expect("it is known");

    assert_eq!(
        (play.edge.report().sessions, play.edge.endpoint.owner(SessionId(session))),
        (0, None)
    );
}

#[test]
fn records_that_follow_each_other_share_a_datagram() {
    let (mut play, mut device, session) = open(true);
    let acknowledgement = play.transmit(session, 1 << 24, Content::Application(b"ack".to_vec()));
    let request = play.transmit(session, (1 << 24) + 1, Content::Application(b"get".to_vec()));

    play.undrained(&acknowledgement);
    play.undrained(&request);
    play.drain();

    assert_eq!(play.sent.len(), 1);
    play.settle(&mut device);
    let data = |bytes: &[u8]| ClientOutput::Data(bytes.to_vec());
    assert_eq!(device.reports[device.reports.len() - 2..], [data(b"ack"), data(b"get")]);
}

#[test]
fn records_share_no_datagram_that_is_longer_than_a_block_or_goes_elsewhere() {
    let (mut play, mut device, session) = open(true);
    let block = |play: &Play, n: u64| {
        play.transmit(session, (1 << 24) + n, Content::Application(vec![7; 512]))
    };
    let away: SocketAddr = "198.51.100.7:7".parse().expect("an address");

    for n in 0..2 {
        play.undrained(&block(&play, n));
    }
    play.undrained(&moved(play.transmit(session, (1 << 24) + 2, Content::CloseNotify), away));
    play.drain();

    let sent: Vec<_> = play.sent.iter().map(|(to, bytes)| (*to, bytes.len() > 512)).collect();
    assert_eq!(sent, [(device.at, true), (device.at, true), (away, false)]);
    play.settle(&mut device);
    assert_eq!(device.reports.last(), Some(&ClientOutput::Closed));
}

#[test]
fn a_flight_that_was_cut_after_losses_is_not_put_together_again() {
    let datagram = |epoch: u8, length: usize| {
        let mut bytes = vec![22, 0xFE, 0xFD, 0, epoch];
        bytes.resize(length, 7);
        bytes
    };

    assert!(crate::may_share(&datagram(1, 508), &datagram(1, 40)));
    assert!(!crate::may_share(&datagram(1, 508), &datagram(1, 41)));
    assert!(crate::may_share(&datagram(0, 468), &datagram(0, 40)));
    for (first, second) in [(0, 0), (0, 1), (1, 0)] {
        assert!(!crate::may_share(&datagram(first, 508), &datagram(second, 40)));
    }
}
