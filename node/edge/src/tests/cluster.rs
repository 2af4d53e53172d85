//! An edge as one of many: keys from the actors, silence without them, sessions of other edges.

use claviger_dtls::{ClientOutput, DropReason};
use claviger_front::{Content, FromEdge, Hold, Listen, ToEdge};
use core::time::Duration;

use super::play::{Device, KEY, NAME, Play, open};
use crate::Undone;

const BUCKET: Duration = Duration::from_secs(64);

/// Lets the device's datagrams reach the edge; nothing is heard of the actors.
fn unheard(play: &mut Play, device: &mut Device) {
    for datagram in device.datagrams() {
        play.edge.receive(play.now, device.at, &datagram);
    }
    play.drain();
}

#[test]
fn an_edge_that_has_heard_nothing_answers_nobody() {
    let (mut play, mut device) = (Play::unheard(), Device::new(1, NAME, KEY, true));
    assert!(play.edge.is_silent(play.now));

    unheard(&mut play, &mut device);

    assert!(play.sent.is_empty());
    assert_eq!((play.edge.report().cut_off, play.edge.report().dtls.datagrams), (1, 0));
}

#[test]
fn two_seconds_after_the_last_word_nothing_is_answered_until_the_next() {
    let (mut play, mut device, _) = open(true);
    play.now += Duration::from_secs(2);
    device.client.send(b"in time").expect("open");
    unheard(&mut play, &mut device);
    assert_eq!(play.delivered.len(), 1);

    play.now += Duration::from_millis(1);
    device.client.send(b"too late").expect("open");
    unheard(&mut play, &mut device);
    assert!(play.edge.is_silent(play.now));
    play.undrained(&ToEdge::Beat(play.now.as_millis() as u64));
    device.client.send(b"heard again").expect("open");
    unheard(&mut play, &mut device);

    let heard: Vec<_> = play.delivered.iter().map(|it| &it.payload[..]).collect();
    assert_eq!(heard, [&b"in time"[..], b"heard again"]);
    assert_eq!(play.edge.report().cut_off, 1);
    assert!(!play.edge.is_silent(play.now));
}

#[test]
fn keys_that_have_grown_old_answer_nobody_though_the_actors_are_heard() {
    let (mut play, mut device) = (Play::new(), Device::new(1, NAME, KEY, true));
    // They reach two buckets ahead.
    play.now += 2 * BUCKET;
    play.undrained(&ToEdge::Beat(play.now.as_millis() as u64));
    assert!(!play.edge.is_silent(play.now));

    play.now += BUCKET;
    play.undrained(&ToEdge::Beat(play.now.as_millis() as u64));
    unheard(&mut play, &mut device);

    assert!(play.sent.is_empty() && play.edge.is_silent(play.now));
    assert_eq!(play.dropped(DropReason::NoKeys), 1);
}

#[test]
fn a_cookie_of_one_edge_is_good_at_another() {
    let (mut one, mut other) = (Play::new(), Play::new());
    let mut device = Device::new(1, NAME, KEY, true);
    unheard(&mut one, &mut device);
    let (_, cookie) = one.sent.remove(0);
    device.client.receive(one.now, &cookie);

    // Which has the keys of the next bucket.
    other.now += BUCKET;
    other.settle(&mut device);

    assert!(matches!(device.reports[..], [ClientOutput::Established { .. }]));
    assert_eq!(other.edge.report().dtls.cookies_sent, 0);
}

#[test]
fn an_edge_that_is_to_end_begins_no_handshake_and_ends_those_under_way() {
    let (mut play, mut known, session) = open(true);
    let mut begun = Device::new(2, NAME, KEY, true);
    begun.at.set_port(5001);
    unheard(&mut play, &mut begun);
    begun.client.receive(play.now, &play.sent.remove(0).1);
    unheard(&mut play, &mut begun);
    assert!(!play.edge.is_idle());

    play.edge.drain();
    let mut late = Device::new(3, NAME, KEY, true);
    late.at.set_port(5002);
    unheard(&mut play, &mut late);
    for (_, datagram) in core::mem::take(&mut play.sent) {
        begun.client.receive(play.now, &datagram);
    }
    play.settle(&mut begun);
    known.client.send(b"still here").expect("open");
    unheard(&mut play, &mut known);

    assert_eq!(play.dropped(DropReason::Draining), 1);
    assert!(matches!(begun.reports[..], [ClientOutput::Established { .. }]));
    assert!(play.delivered.iter().any(|it| it.session == session && it.payload == b"still here"));
    assert!(play.edge.is_idle());
}

#[test]
fn a_session_that_was_not_asked_for_is_held_and_spoken_in() {
    for cid in [true, false] {
        let (before, mut device, session) = open(cid);
        let mut play = Play::new();
        let (tenant, names) = (String::from("default"), String::from("1"));
        let hold = ToEdge::Hold(Hold { tenant, device: names, stored: before.stored });

        play.frame(&hold).expect("it is new here");
        let get = play.transmit(session, 2 << 24, Content::Application(b"get".to_vec()));
        play.frame(&get).expect("the number is new");
        play.settle(&mut device);
        device.client.send(b"answer").expect("open");
        play.settle(&mut device);

        assert_eq!(device.reports.last(), Some(&ClientOutput::Data(b"get".to_vec())));
        assert_eq!(play.delivered.pop().map(|it| it.payload.clone()), Some(b"answer".to_vec()));
        assert_eq!(play.frame(&hold), Err(Undone::NotRestored));
        assert!(play.finds.is_empty());
    }
}

#[test]
fn a_listener_says_again_that_it_is_there_when_it_is_told_to() {
    let mut play = Play::unheard();
    play.drain();

    play.edge.greet();
    play.drain();

    let listen = |it: &FromEdge| matches!(it, FromEdge::Listen(Listen { shared: false, .. }));
    assert!(play.others.len() == 2 && play.others.iter().all(listen));
}

#[test]
fn what_the_actors_took_with_them_is_asked_again() {
    // Given a handshake that waits for its credential step, and a session that is looked for
    let mut play = Play::new();
    let (mut device, mut stray) = (Device::new(1, NAME, KEY, true), open(true).1);
    for _ in 0..3 {
        unheard(&mut play, &mut device);
        for (_, datagram) in core::mem::take(&mut play.sent) {
            device.client.receive(play.now, &datagram);
        }
    }
    stray.at.set_port(5001);
    stray.client.send(b"question").expect("open");
    unheard(&mut play, &mut stray);
    let (open, find) = (play.opens.remove(0), play.finds.remove(0));

    // When others run the actors
    play.edge.greet();
    play.drain();

    // Then both are asked again, and answered once
    assert_eq!((&play.opens[..], &play.finds[..]), (&[open][..], &[find][..]));
    play.answer();
    play.settle(&mut device);
    assert!(matches!(device.reports[..], [ClientOutput::Established { .. }]));
}
