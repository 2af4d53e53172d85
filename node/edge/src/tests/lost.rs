//! Sessions that an edge does not hold, and what it asks for besides credentials.

use claviger_dtls::{DropReason, SealError};
use claviger_front::{Content, Continue, Find, FromEdge, Present, Signed, ToEdge, Unknown};
use core::time::Duration;

use super::play::{Device, KEY, NAME, Play, open};
use crate::Undone;

/// A device with an open session, and an edge that never saw it. It has said something there.
fn restarted(cid: bool) -> (Play, Device, Find, Vec<u8>) {
    let (before, mut device, _) = open(cid);
    let mut play = Play::new();
    play.now = before.now;
    device.client.send(b"question").expect("open");
    play.settle(&mut device);
    let find = play.finds.pop().expect("it is asked for");
    (play, device, find, before.stored)
}

fn go_on(find: &Find, stored: Vec<u8>) -> ToEdge {
    let (tenant, device) = ("default".into(), "1".into());
    ToEdge::Continue(Continue { call: find.call, tenant, device, stored })
}

#[test]
fn a_session_that_is_not_held_is_asked_for_once_and_goes_on() {
    for cid in [true, false] {
        let (mut play, mut device, find, stored) = restarted(cid);
        device.client.send(b"again").expect("open");
        play.settle(&mut device);
        assert!(play.finds.is_empty() && play.delivered.is_empty(), "one question is out");

        play.frame(&go_on(&find, stored)).expect("it is asked");

        let deliver = play.delivered.pop().expect("the question");
        assert_eq!((&deliver.device[..], &deliver.payload[..]), ("1", &b"question"[..]));
        let session = deliver.session;
        let answer = play.transmit(session, 2 << 24, Content::Application(b"answer".to_vec()));
        play.frame(&answer).expect("the number is new");
        play.settle(&mut device);
        let report = play.edge.report();
        assert_eq!((report.dtls.restored, report.strays), (1, [1, 0, 0, 1]));
        assert!(report.opened.iter().flatten().all(|count| *count == 0));
    }
}

#[test]
fn a_session_that_was_silent_rests_and_goes_on() {
    for cid in [true, false] {
        let (mut play, mut device, session) = open(cid);
        play.pass(&mut device, 200);
        device.client.send(b"still there").expect("open");
        play.settle(&mut device);

        // It was used in the first four minutes, and in the next four it was not.
        play.pass(&mut device, 279);
        assert_eq!((play.edge.report().sessions, play.edge.report().dtls.rested), (1, 0));
        play.pass(&mut device, 3);
        assert_eq!((play.edge.report().sessions, play.edge.report().dtls.rested), (0, 1));
        let late = play.transmit(session, 2 << 24, Content::Application(b"late".to_vec()));
        assert_eq!(play.frame(&late), Err(Undone::NotSealed(SealError::UnknownSession)));

        play.delivered.clear();
        device.client.send(b"awake").expect("open");
        play.settle(&mut device);
        let find = play.finds.pop().expect("it is asked for");
        let stored = play.stored.clone();
        play.frame(&go_on(&find, stored)).expect("it is asked");
        assert_eq!(play.delivered.pop().expect("the record").payload, b"awake");
        let answer = play.transmit(session, 2 << 24, Content::Application(b"answer".to_vec()));
        play.frame(&answer).expect("the number is new");
        play.settle(&mut device);
        assert_eq!((play.edge.report().sessions, play.edge.report().strays), (1, [1, 0, 0, 0]));
    }
}

#[test]
fn what_nobody_holds_is_asked_for_again_after_a_second() {
    let (mut play, mut device, find, _) = restarted(true);
    play.frame(&ToEdge::Unknown(Unknown { call: find.call, nobody: true })).expect("it is asked");

    device.client.send(b"again").expect("open");
    play.settle(&mut device);
    assert!(play.finds.is_empty());
    play.now += Duration::from_secs(1);
    device.client.send(b"and again").expect("open");
    play.settle(&mut device);

    assert_eq!(play.finds.len(), 1);
    assert_eq!(play.dropped(DropReason::NoSession), 3);
    assert_eq!(play.edge.report().strays, [0, 1, 0, 1]);
}

#[test]
fn a_record_that_was_read_before_costs_no_second() {
    let (mut play, mut device, find, _) = restarted(true);
    play.frame(&ToEdge::Unknown(Unknown { call: find.call, nobody: false })).expect("it is asked");

    device.client.send(b"new").expect("open");
    play.settle(&mut device);

    assert_eq!(play.finds.len(), 1);
    assert_eq!(play.edge.report().strays, [0, 0, 1, 0]);
}

#[test]
fn an_answer_that_nobody_asked_for_restores_nothing() {
    let (mut play, _, find, stored) = restarted(true);
    let other = Find { call: find.call + 1, ..find.clone() };

    assert_eq!(play.frame(&go_on(&other, stored.clone())), Err(Undone::NotAsked));
    assert_eq!(play.frame(&go_on(&find, vec![9; 90])), Err(Undone::Unreadable));

    assert_eq!(play.edge.report().sessions, 0);
}

#[test]
fn garbage_with_a_foreign_connection_id_asks_nobody() {
    let (mut play, device) = (Play::new(), Device::new(1, NAME, KEY, true));
    let header = [25, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 40];
    let datagram = [&header[..], &[7; 40]].concat();

    play.edge.receive(play.now, device.at, &datagram);
    play.drain();

    assert!(play.finds.is_empty());
    assert_eq!(play.dropped(DropReason::ForeignCid), 1);
}

#[test]
fn a_listener_says_that_it_is_there_before_anything_else() {
    let mut play = Play::new();

    play.drain();

    assert!(matches!(&play.others[..], [FromEdge::Listen(listen)] if listen.realm == "default"));
}

#[test]
fn what_cannot_be_presented_is_not_and_that_of_another_realm_is_passed_over() {
    let mut play = Play::new();
    let present = |realm: &str, group, length| {
        let (realm, public_key) = (realm.to_owned(), vec![7; length]);
        ToEdge::Present(Present {
            realm,
            chain: Vec::new(),
            public_key,
            group,
            scheme: 0x0403,
            version: Some(7),
        })
    };

    assert_eq!(play.frame(&present("default", 23, 91)), Ok(()));
    assert_eq!(play.frame(&present("another", 99, 91)), Ok(()));
    assert_eq!(play.frame(&present("default", 99, 91)), Err(Undone::NotPresentable));
    assert_eq!(play.frame(&present("default", 23, 9000)), Err(Undone::NotPresentable));
}

#[test]
fn signatures_are_counted_by_what_came_of_them() {
    let mut play = Play::new();

    play.frame(&ToEdge::Signed(Signed { call: 1, signature: None })).expect("it is read");
    let signature = Some(vec![7; 70].into());
    play.frame(&ToEdge::Signed(Signed { call: 2, signature })).expect("it is read");

    assert_eq!(play.edge.report().signatures, [1, 1]);
}
