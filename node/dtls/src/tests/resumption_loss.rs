//! Abbreviated handshakes of which something is lost, late, early, repeated or forged.

use super::pair::{Options, Pair, forged, split};
use super::resumption::{asked, nearly, options, resumed};
use crate::wire::record::{self, ContentType};
use crate::{DropReason, FailureReason, HandshakeEvent, NotResumed, ResumptionStep, SessionCall};

#[test]
fn a_lost_flight_is_asked_for_again_under_another_number() {
    let (mut pair, call) = asked(&options(true));
    pair.answer_session(&call);
    let lost = pair.server_datagram();
    pair.later(1);

    pair.endpoint.handle_timeout(pair.now);
    pair.server_sends();

    let again = pair.session_calls.remove(0);
    assert_ne!(again.call, call.call);
    assert!(matches!(again.step, ResumptionStep::Accept { sequence: 1, .. }));
    pair.answer_session(&again);
    let flight = pair.server_datagram();
    let (lost, flight) = (pair.split_from_server(&lost), pair.split_from_server(&flight));
    for (lost, flight) in lost.iter().zip(&flight) {
        assert_ne!(lost[5..11], flight[5..11]);
    }
    pair.client.receive(pair.now, &flight.concat());
    pair.settle();
    assert!(resumed(&pair));
}

#[test]
fn a_repeated_hello_brings_the_flight_again_up_to_a_limit() {
    let (mut pair, call) = asked(&options(false));
    pair.answer_session(&call);
    pair.server_sends();
    let hello = pair.cookied_hello_again(&call);
    for _ in 0..40 {
        pair.tell_server(&hello);
        pair.server_sends();
        pair.answer();
        pair.server_sends();
    }

    assert_eq!(pair.endpoint.counters().resumption_calls, 17);
    assert!(pair.dropped(DropReason::RepeatLimit) > 0);
}

#[test]
fn a_lost_last_flight_of_the_client_is_sent_again() {
    let (mut pair, _lost) = nearly(&options(true));
    pair.later(1);
    pair.endpoint.handle_timeout(pair.now);
    pair.server_sends();
    assert_eq!(pair.session_calls.len(), 1);

    pair.answer();
    pair.settle();

    assert!(resumed(&pair));
    assert_eq!(pair.endpoint.half_open(), 0);
}

#[test]
fn two_records_that_come_before_the_commit_are_read_after_it() {
    let (mut pair, last) = nearly(&options(true));
    let early: Vec<_> = (0..3_u8)
        .map(|n| {
            pair.client.send(&[n; 5]).expect("the client is open");
            pair.client_datagram()
        })
        .collect();
    pair.tell_server(&last);
    early.iter().for_each(|datagram| pair.tell_server(datagram));
    pair.server_sends();
    assert!(pair.records.is_empty());

    pair.answer();
    pair.settle();

    let read: Vec<_> = pair.records.iter().map(|record| record.payload.clone()).collect();
    assert_eq!(read, [[0; 5], [1; 5]]);
    assert_eq!(pair.dropped(DropReason::Waiting), 1);
}

#[test]
fn a_forged_finished_does_not_end_the_handshake() {
    let (mut pair, last) = nearly(&options(true));
    let mut records = split(&last);
    let finished = records.pop().expect("the Finished is last");
    let mut other = finished.clone();
    *other.last_mut().expect("not empty") ^= 1;
    for bytes in [&records[0], &other] {
        pair.tell_server(bytes);
    }
    pair.server_sends();
    pair.answer();
    assert_eq!(pair.endpoint.half_open(), 1);

    pair.tell_server(&finished);
    pair.server_sends();
    pair.answer();
    pair.server_sends();

    assert!(resumed(&pair));
}

#[test]
fn what_came_while_a_forged_finished_was_asked_about_is_asked_about_next() {
    let (mut pair, last) = nearly(&options(true));
    let mut forged = split(&last);
    *forged[1].last_mut().expect("not empty") ^= 1;
    let records = split(&last);
    for bytes in [&forged[0], &forged[1], &records[1]] {
        pair.tell_server(bytes);
    }
    pair.server_sends();
    pair.answer();
    pair.server_sends();

    // No timer and no word of the client's in between.
    pair.answer();
    pair.server_sends();

    assert!(matches!(pair.events.last(), Some(HandshakeEvent::Established { resumed: true, .. })));
}

#[test]
fn a_lost_last_flight_behind_which_data_arrives_ends_well() {
    for cid in [None, Some(Vec::new()), Some(vec![1, 2, 3])] {
        for suite in crate::Suite::psk_defaults() {
            for early in 1..=2_usize {
                let options = Options { cid: cid.clone(), suites: vec![suite], ..options(true) };
                let (mut pair, _lost) = nearly(&options);
                for n in 0..early {
                    // As long as the message of a Finished, so that the record is too.
                    pair.client.send(&[n as u8; 24]).expect("the client is open");
                    let datagram = pair.client_datagram();
                    pair.tell_server(&datagram);
                }

                for _ in 0..3 {
                    pair.later(1);
                    pair.endpoint.handle_timeout(pair.now);
                    pair.settle();
                }

                assert!(resumed(&pair), "{suite:#06x} {cid:?} {early}");
                assert_eq!(pair.records.len(), early, "{suite:#06x} {cid:?}");
                assert_eq!(pair.endpoint.half_open(), 0);
            }
        }
    }
}

#[test]
fn when_nobody_answers_it_is_asked_again_and_given_up() {
    let (mut pair, call) = asked(&options(true));
    pair.endpoint.not_resumed(pair.now, call.call, NotResumed::Unavailable);
    let mut asked = 0;
    while pair.endpoint.half_open() > 0 {
        pair.now = pair.endpoint.next_timeout().expect("it waits");
        pair.endpoint.handle_timeout(pair.now);
        pair.server_sends();
        asked += core::mem::take(&mut pair.session_calls).len();
    }

    assert_eq!(asked, 5);
    let failed = HandshakeEvent::Failed { peer: pair.address, reason: FailureReason::TimedOut };
    assert_eq!(pair.events.last(), Some(&failed));
}

#[test]
fn an_answer_that_comes_late_or_twice_does_nothing() {
    let (mut pair, call) = asked(&options(true));
    pair.answer_session(&call);
    pair.server_sends();

    pair.answer_session(&call);
    pair.endpoint.not_resumed(pair.now, call.call, NotResumed::FullHandshake);

    assert!(pair.server_sends().is_empty());
    assert_eq!(pair.endpoint.counters().late_answers, 2);
    assert_eq!(pair.endpoint.half_open(), 1);
}

#[test]
fn noise_does_not_disturb_a_resumption() {
    let (mut pair, call) = asked(&options(true));
    let noise = |pair: &mut Pair| {
        pair.tell_server(&forged(ContentType::Alert, 9, &[2, 40]));
        pair.tell_server(&forged(ContentType::ApplicationData, 9, b"x"));
        pair.tell_server(&forged(ContentType::ChangeCipherSpec, 9, &[2]));
        pair.tell_server(&forged(ContentType::Handshake, 9, &[20; 24]));
        let mut wrong = Vec::new();
        record::put_header(&mut wrong, ContentType::Handshake, 0xFEFD, (1, 1), &[], 40);
        wrong.extend([0; 40]);
        pair.tell_server(&wrong);
    };
    noise(&mut pair);
    pair.answer_session(&call);
    let flight = pair.server_datagram();
    noise(&mut pair);
    pair.client.receive(pair.now, &flight);
    noise(&mut pair);

    pair.settle();

    assert!(resumed(&pair));
}

impl Pair {
    /// The ClientHello of this call, as a datagram of its sender once more.
    fn cookied_hello_again(&self, call: &SessionCall) -> Vec<u8> {
        let offer = call.offer().expect("the first step");
        forged(ContentType::Handshake, 40, offer.hello)
    }
}
