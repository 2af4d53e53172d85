//! From the cookie to the session: flights lost, repeated, forged, out of place.

use core::time::Duration;

use super::pair::{Options, PSK, Pair, address, forged, split};
use crate::wire::record::ContentType;
use crate::{ClientOutput, Content, DropReason, FailureReason, HandshakeEvent};

#[test]
fn a_handshake_opens_one_session_at_both_ends() {
    let (pair, session) = Pair::established(Options::default());

    assert!(matches!(
        pair.events[..],
        [
            HandshakeEvent::CookieVerified { .. },
            HandshakeEvent::Established { suite: 0xC0A8, cid: true, .. }
        ]
    ));
    let [ClientOutput::Established { suite: 0xC0A8, cid: Some(cid), resumed: false }] =
        &pair.reports[..]
    else {
        panic!("the client is not open: {:?}", pair.reports);
    };
    assert_eq!(cid.len(), 8);
    assert_eq!((pair.endpoint.sessions(), pair.endpoint.half_open()), (1, 0));
    assert_ne!(session.0, [0; 16]);
}

#[test]
fn the_last_flight_is_epoch_1_sequence_0() {
    let mut pair = Pair::new(Options::without_cid());
    let flight = pair.client_flight();
    pair.tell_server(&flight);
    assert!(pair.server_sends().is_empty());

    pair.answer();

    let last = split(&pair.server_datagram());
    assert_eq!((last[0][0], &last[0][3..5], &last[0][13..]), (20, &[0, 0][..], &[1][..]));
    assert_eq!((last[1][0], &last[1][3..11]), (22, &[0, 1, 0, 0, 0, 0, 0, 0][..]));
}

#[test]
fn the_flight_may_arrive_in_any_order() {
    for order in [[2, 1, 0], [1, 2, 0], [2, 0, 1], [1, 0, 2], [0, 2, 1]] {
        let mut pair = Pair::new(Options::default());
        let records = split(&pair.client_flight());
        for index in order {
            pair.server_sends();
            assert!(pair.calls.is_empty());
            pair.tell_server(&records[index]);
        }
        pair.server_sends();
        assert_eq!(pair.calls.len(), 1, "{order:?}");
    }
}

#[test]
fn nothing_opens_before_all_three_have_come() {
    for missing in 0..3 {
        let mut pair = Pair::new(Options::default());
        let records = split(&pair.client_flight());
        for (index, record) in records.iter().enumerate() {
            if index != missing {
                pair.tell_server(record);
            }
        }
        pair.server_sends();
        assert!(pair.calls.is_empty(), "without record {missing}");
    }
}

#[test]
fn a_key_exchange_in_fragments_is_reassembled() {
    let mut pair = Pair::new(Options::default());
    let records = split(&pair.client_flight());
    let message = &records[0][13..];
    let total = message.len() - 12;
    for (index, byte) in message[12..].iter().enumerate().rev() {
        let mut fragment = message[..6].to_vec();
        fragment.extend([0, 0, index as u8, 0, 0, 1, *byte]);
        pair.tell_server(&forged(ContentType::Handshake, 10 + index as u64, &fragment));
    }
    assert!(total > 2);

    pair.tell_server(&records[1]);
    pair.tell_server(&records[2]);
    pair.settle();

    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_lost_verify_request_is_asked_for_again() {
    let mut pair = Pair::new(Options::default());
    pair.client_datagram();
    pair.later(1);

    pair.client.handle_timeout(pair.now);
    pair.settle();

    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_lost_flight_4_is_sent_again_by_timer_with_new_record_numbers() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    let lost = pair.server_datagram();
    assert_eq!(pair.endpoint.next_timeout(), Some(pair.now + Duration::from_secs(1)));
    pair.later(1);

    pair.endpoint.handle_timeout(pair.now);

    let again = pair.server_datagram();
    assert_ne!(again[5..11], lost[5..11]);
    assert_eq!(again[13..], {
        let mut expected = lost[13..].to_vec();
        let second = expected.len() - 25;
        expected[second + 5..second + 11]
            .copy_from_slice(&again[again.len() - 20..again.len() - 14]);
        expected
    });
    assert_eq!(pair.endpoint.next_timeout(), Some(pair.now + Duration::from_secs(2)));
}

#[test]
fn a_repeated_client_hello_brings_flight_4_again_up_to_a_limit() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();

    for _ in 0..30 {
        pair.tell_server(&hello);
    }

    assert_eq!(pair.server_sends().len(), 1 + 16);
    assert_eq!(pair.dropped(DropReason::RepeatLimit), 13);
    assert_eq!(pair.endpoint.half_open(), 1);
}

#[test]
fn a_handshake_ends_after_a_minute_of_silence() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    let mut wakes = 0;
    while let Some(at) = pair.endpoint.next_timeout() {
        pair.now = at;
        pair.endpoint.handle_timeout(at);
        wakes += 1;
    }

    assert_eq!(pair.server_sends().len(), 1 + 5);
    assert_eq!(wakes, 6);
    let last = pair.events.last();
    let reason = FailureReason::TimedOut;
    assert_eq!(last, Some(&HandshakeEvent::Failed { peer: pair.address, reason }));
    assert_eq!(pair.endpoint.half_open(), 0);
}

#[test]
fn while_the_ledger_thinks_a_repeated_flight_is_ignored() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    pair.tell_server(&flight);
    pair.later(1);
    pair.client.handle_timeout(pair.now);
    let again = pair.client_datagram();

    pair.tell_server(&again);

    pair.server_sends();
    assert_eq!(pair.calls.len(), 1);
    assert_eq!(pair.dropped(DropReason::Waiting), 3);
    pair.answer();
    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_waiting_handshake_delays_nobody() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    pair.tell_server(&flight);
    pair.server_sends();
    let held = core::mem::take(&mut pair.calls);

    let mut other = Pair::new(Options { seed: 2, ..Options::default() });
    pair.address = address("192.0.2.9:1");
    pair.swap_client(&mut other);
    pair.settle();

    assert_eq!(held.len(), 1);
    assert_eq!((pair.endpoint.sessions(), pair.endpoint.half_open()), (1, 1));
}

#[test]
fn plaintext_alerts_and_data_do_not_disturb_a_handshake() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    pair.tell_server(&forged(ContentType::Alert, 50, &[2, 40]));
    pair.tell_server(&forged(ContentType::Alert, 51, &[1, 0]));
    pair.tell_server(&forged(ContentType::ApplicationData, 52, b"GET /"));

    pair.tell_server(&flight);
    pair.settle();
    pair.answer();

    assert_eq!(pair.dropped(DropReason::PlaintextAlert), 2);
    assert_eq!(pair.dropped(DropReason::PlaintextRecord), 1);
    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn an_early_finished_and_other_messages_have_no_place() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    for kind in [0, 2, 11, 14, 15, 20] {
        let mut message = vec![kind, 0, 0, 12, 0, 2, 0, 0, 0, 0, 0, 12];
        message.extend([0; 12]);
        pair.tell_server(&forged(ContentType::Handshake, 60 + u64::from(kind), &message));
    }
    assert_eq!(pair.dropped(DropReason::UnexpectedMessage), 6);

    pair.tell_server(&flight);
    pair.server_sends();

    assert_eq!(pair.calls.len(), 1);
}

#[test]
fn fragments_that_contradict_each_other_do_not_keep_the_message_out() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    let first = [16, 0, 0, 40, 0, 2, 0, 0, 0, 0, 0, 1, 0];
    let longer = [16, 0, 0, 41, 0, 2, 0, 0, 1, 0, 0, 1, 0];
    let empty = [16, 0, 0, 40, 0, 2, 0, 0, 1, 0, 0, 0];
    let huge_total = [16, 0xFF, 0xFF, 0xFF, 0, 2, 0, 0, 0, 0, 0, 1, 0];
    let far = [16, 0, 0, 1, 0xFF, 0xFF, 0, 0, 0, 0, 0, 1, 0];
    for fragment in [&first[..], &longer, &empty, &huge_total, &far] {
        pair.tell_server(&forged(ContentType::Handshake, 70, fragment));
    }
    for reason in [
        DropReason::InconsistentFragment,
        DropReason::Malformed,
        DropReason::TooLong,
        DropReason::FutureMessage,
    ] {
        assert_eq!(pair.dropped(reason), 1, "{reason:?}");
    }

    pair.tell_server(&flight);
    pair.server_sends();

    assert_eq!(pair.calls.len(), 1);
}

#[test]
fn a_change_cipher_spec_is_one_byte_and_has_its_place() {
    let mut pair = Pair::new(Options::default());
    pair.tell_server(&forged(ContentType::ChangeCipherSpec, 0, &[1]));
    assert_eq!(pair.dropped(DropReason::PlaintextRecord), 1);
    let records = split(&pair.client_flight());
    pair.tell_server(&records[0]);
    pair.tell_server(&records[2]);

    pair.tell_server(&forged(ContentType::ChangeCipherSpec, 80, &[2]));
    pair.tell_server(&forged(ContentType::ChangeCipherSpec, 81, &[1, 1]));

    pair.server_sends();
    assert!(pair.calls.is_empty());
    assert_eq!(pair.dropped(DropReason::Malformed), 2);
}

#[test]
fn records_of_the_wrong_form_are_no_finished() {
    let mut pair = Pair::new(Options::default());
    let records = split(&pair.client_flight());
    let mut foreign = records[2].clone();
    foreign[18] ^= 1;
    let mut plain = records[2].clone();
    plain.drain(11..19);
    plain[0] = 22;

    pair.tell_server(&foreign);
    pair.tell_server(&plain);

    assert_eq!(pair.dropped(DropReason::ForeignCid), 1);
    assert_eq!(pair.dropped(DropReason::WrongForm), 1);
}

#[test]
fn a_lost_last_flight_is_asked_for_at_most_once_a_second() {
    for options in [Options::default(), Options::without_cid()] {
        let mut pair = Pair::new(options);
        let flight = pair.client_flight();
        pair.tell_server(&flight);
        pair.server_sends();
        pair.answer();
        let lost = pair.server_datagram();

        for seconds in [1, 0, 2] {
            pair.later(seconds);
            pair.client.handle_timeout(pair.now);
            for again in pair.client_sends() {
                pair.tell_server(&again);
            }
        }
        pair.server_sends();

        let session = pair.session();
        assert_eq!(pair.repeats, [session, session]);
        pair.seal(session, Content::Finished);
        let (_, again) = pair.server_sends().pop().expect("sealed");
        let (lost, again) = (pair.split_from_server(&lost), pair.split_from_server(&again));
        assert_ne!(lost[0][5..11], again[0][5..11]);
        pair.client.receive(pair.now, &again.concat());
        pair.client_sends();
        assert!(matches!(pair.reports[..], [ClientOutput::Established { .. }]));
    }
}

#[test]
fn the_same_finished_again_is_a_replay() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    pair.tell_server(&flight);
    pair.settle();
    pair.answer();

    pair.tell_server(&flight);

    pair.server_sends();
    assert!(pair.repeats.is_empty());
    assert_eq!(pair.dropped(DropReason::Replayed), 1);
}

#[test]
fn a_late_copy_of_the_hello_begins_nothing() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    pair.settle_server_flight();

    pair.tell_server(&hello);

    assert_eq!(pair.dropped(DropReason::RepeatedHello), 1);
    assert_eq!((pair.endpoint.sessions(), pair.endpoint.half_open()), (1, 0));
}

#[test]
fn a_new_handshake_leaves_the_session_of_its_address_alone_until_it_is_proven() {
    let (mut pair, old) = Pair::established(Options::without_cid());
    let mut newer = Pair::new(Options { seed: 7, ..Options::without_cid() });
    pair.swap_client(&mut newer);
    let flight = pair.client_flight();
    assert_eq!(pair.endpoint.half_open(), 1);

    newer.client.send(b"still here").expect("open");
    let data = newer.client_datagram();
    pair.tell_server(&data);
    pair.server_sends();
    assert_eq!(pair.records.len(), 1);
    assert_eq!(pair.records[0].session, old);

    pair.tell_server(&flight);
    pair.server_sends();
    pair.answer();
    pair.server_sends();
    assert_ne!(pair.session(), old);
    assert_eq!(pair.endpoint.sessions(), 1);
    assert_eq!(pair.displaced, [old]);
}

#[test]
fn a_session_with_an_id_outlives_a_new_handshake_of_its_address() {
    // Given a session that is found by its id, and a device that starts anew at the same address
    let (mut pair, old) = Pair::established(Options::default());
    let mut newer = Pair::new(Options { seed: 7, ..Options::default() });
    pair.swap_client(&mut newer);

    // When each step of the new handshake is followed by a record of the old session
    let mut read = 0;
    let mut old_speaks = |pair: &mut Pair| {
        newer.client.send(b"still here").expect("open");
        let data = newer.client_datagram();
        pair.tell_server(&data);
        read += 1;
        assert_eq!(pair.endpoint.counters().records_opened, read);
    };
    let hello = pair.client_datagram();
    pair.tell_server(&hello);
    old_speaks(&mut pair);
    let request = pair.server_datagram();
    pair.client.receive(pair.now, &request);
    let hello = pair.client_datagram();
    pair.tell_server(&hello);
    old_speaks(&mut pair);
    let flight = pair.server_datagram();
    pair.client.receive(pair.now, &flight);
    let finished = pair.client_datagram();
    pair.tell_server(&finished);
    old_speaks(&mut pair);
    pair.server_sends();
    pair.answer();
    old_speaks(&mut pair);

    // Then both are open, and the old one was never disturbed
    pair.server_sends();
    assert_eq!(pair.endpoint.sessions(), 2);
    assert!(pair.displaced.is_empty());
    assert!(pair.records.iter().all(|record| record.session == old));
}

#[test]
fn a_handshake_with_a_wrong_key_leaves_the_session_of_its_address_alone() {
    let (mut pair, old) = Pair::established(Options::default());
    let other = Options { seed: 7, client_psk: b"not the same key", ..Options::default() };
    let mut stranger = Pair::new(other);
    pair.swap_client(&mut stranger);
    pair.settle();
    assert_ne!(PSK, b"not the same key");

    pair.later(61);
    pair.endpoint.handle_timeout(pair.now);
    stranger.client.send(b"still here").expect("open");
    let data = stranger.client_datagram();
    pair.tell_server(&data);
    pair.server_sends();

    assert_eq!(pair.records.last().map(|record| record.session), Some(old));
    let reason = FailureReason::BadFinished;
    assert_eq!(pair.events.last(), Some(&HandshakeEvent::Failed { peer: pair.address, reason }));
}
