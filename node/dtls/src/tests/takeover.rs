//! A session goes on at an edge that has its stored bytes and its numbering, and nothing else.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::pair::{Options, PSK, Pair, START, address};
use crate::{
    Alert, ClientOutput, ClusterKeys, Content, DropReason, Endpoint, EndpointConfig, OpenCall,
    SealError, SessionName, Sought, StoredSession, schedule,
};

/// First number of a generation.
pub(super) fn generation(number: u64) -> u64 {
    number << 24
}

/// An edge that has seen nothing.
pub(super) fn edge(seed: u64) -> Endpoint {
    let rng = Box::new(ChaCha8Rng::seed_from_u64(seed));
    Endpoint::new(EndpointConfig::default(), ClusterKeys::new([1; 32], [2; 32]), rng)
}

/// A pair whose credential step waits, and what the ledger would store of it.
pub(super) fn stored(options: Options) -> (Pair, OpenCall, Vec<u8>) {
    let mut pair = Pair::new(options);
    let flight = pair.client_flight();
    pair.tell_server(&flight);
    pair.server_sends();
    let call = pair.calls.remove(0);
    let opened = schedule::open(PSK, pair.now, &call.evidence()).expect("the key is right");
    let stored = StoredSession::at_open(&call.evidence(), &opened, call.peer, pair.now);
    let bytes = stored.expect("it was just opened").encode().expect("short ids").to_vec();
    (pair, call, bytes)
}

/// The same, and both ends are open.
fn open_at_a(options: Options) -> (Pair, Vec<u8>) {
    let (mut pair, call, bytes) = stored(options);
    pair.calls.push(call);
    pair.answer();
    pair.settle();
    (pair, bytes)
}

/// The first edge is gone; another has the bytes and the number that comes next.
fn go_on_at_b(pair: &mut Pair, bytes: &[u8], next: u64) {
    let stored = StoredSession::decode(bytes).expect("they were just written");
    pair.endpoint = edge(77);
    assert!(pair.endpoint.restore(pair.now, &stored));
    pair.next_sequence.insert(stored.session, next);
}

/// Four minutes, in which each quarter brings what `each` does.
fn four_minutes(pair: &mut Pair, mut each: impl FnMut(&mut Pair)) {
    for _ in 0..4 {
        pair.later(60);
        each(pair);
        pair.endpoint.handle_timeout(pair.now);
        pair.settle();
    }
}

#[test]
fn only_records_that_verify_keep_a_session_from_resting() {
    for options in every_form() {
        let mut pair = Pair::new(options);
        pair.endpoint.let_rest();
        pair.settle();
        let session = pair.session();
        for _ in 0..3 {
            four_minutes(&mut pair, |pair| pair.client.send(b"here").expect("open"));
            four_minutes(&mut pair, |pair| pair.seal(session, Content::Application(b"there")));
        }
        assert_eq!((pair.endpoint.sessions(), &pair.rested[..]), (1, &[][..]));

        pair.client.send(b"last").expect("open");
        let last = pair.client_sends().remove(0);
        pair.tell_server(&last);
        pair.server_sends();
        let mut forged = last.clone();
        *forged.last_mut().expect("not empty") ^= 1;
        for _ in 0..2 {
            assert_eq!(pair.endpoint.sessions(), 1);
            four_minutes(&mut pair, |pair| {
                pair.tell_server(&last);
                pair.tell_server(&forged);
            });
        }

        assert_eq!(pair.endpoint.sessions(), 0);
        let name = match Sought::of(&last).expect("a record") {
            Sought::Cid(cid) => SessionName::Cid(cid),
            Sought::Address => SessionName::Home(pair.address),
        };
        assert_eq!(pair.rested, [name]);
        assert_eq!(pair.endpoint.counters().rested, 1);
    }
}

#[test]
fn where_nobody_finds_it_again_a_session_stays() {
    let (mut pair, _) = Pair::established(Options::default());

    (0..3).for_each(|_| four_minutes(&mut pair, |_| {}));

    assert_eq!((pair.endpoint.sessions(), pair.endpoint.next_timeout()), (1, None));
}

fn every_form() -> [Options; 3] {
    let cid_of_the_server = Options { cid: Some(Vec::new()), ..Options::default() };
    [Options::default(), cid_of_the_server, Options::without_cid()]
}

#[test]
fn the_client_goes_on_without_a_handshake() {
    for options in every_form() {
        let (mut pair, bytes) = open_at_a(options);
        let session = pair.session();
        pair.seal(session, Content::Application(b"from a"));
        pair.settle();
        go_on_at_b(&mut pair, &bytes, generation(2));

        pair.client.send(b"to b").expect("open");
        pair.settle();
        pair.seal(session, Content::Application(b"from b"));
        pair.seal(session, Content::Alert(Alert::CLOSE_NOTIFY));
        pair.settle();

        assert_eq!(pair.records[0].payload, b"to b");
        assert_eq!((pair.records[0].epoch, pair.records[0].sequence), (1, 1));
        let heard = [
            ClientOutput::Data(b"from a".to_vec()),
            ClientOutput::Data(b"from b".to_vec()),
            ClientOutput::Closed,
        ];
        assert_eq!(pair.reports[1..], heard);
        let counters = pair.endpoint.counters();
        assert_eq!((counters.restored, counters.cookies_sent, counters.opens), (1, 0, 0));
    }
}

#[test]
fn every_suite_goes_on() {
    for suite in crate::Suite::psk_defaults() {
        let options = Options { suites: vec![suite], ..Options::default() };
        let (mut pair, bytes) = open_at_a(options);
        go_on_at_b(&mut pair, &bytes, generation(2));

        let session = pair.session();
        pair.seal(session, Content::Application(b"from b"));
        pair.settle();

        let heard = ClientOutput::Data(b"from b".to_vec());
        assert_eq!(pair.reports.last(), Some(&heard), "{suite:#06x}");
    }
}

#[test]
fn an_edge_that_dies_before_its_last_flight_is_survived() {
    let (mut pair, _, bytes) = stored(Options::default());
    // The session is committed; the edge dies before it hears of that.
    go_on_at_b(&mut pair, &bytes, generation(1));
    let session = StoredSession::decode(&bytes).expect("written").session;

    pair.later(1);
    pair.client.handle_timeout(pair.now);
    for datagram in pair.client_sends() {
        pair.tell_server(&datagram);
    }
    pair.server_sends();

    assert_eq!(pair.repeats, [session]);
    pair.seal(session, Content::Finished);
    pair.settle();
    assert!(matches!(pair.reports[..], [ClientOutput::Established { .. }]));
}

#[test]
fn the_last_flight_is_forgotten_by_its_age_and_not_by_the_time_at_this_edge() {
    let (mut pair, _, bytes) = stored(Options::default());
    let session = StoredSession::decode(&bytes).expect("written").session;
    pair.later(240);

    let next = generation(1);
    go_on_at_b(&mut pair, &bytes, next);

    let flight = pair.endpoint.seal(session, next, None, Content::Finished);
    assert_eq!(flight, Err(SealError::FlightForgotten));
    assert_eq!(pair.endpoint.seal(session, next, None, Content::Application(b"x")), Ok(()));
    assert_eq!(pair.endpoint.next_timeout(), None);
}

#[test]
fn a_last_flight_is_not_forgotten_when_the_time_of_an_older_one_is_over() {
    let (mut pair, _, bytes) = stored(Options::default());
    let first = StoredSession::decode(&bytes).expect("written");
    let session = first.session;
    assert!(pair.endpoint.restore(pair.now, &first));
    pair.endpoint.close(session);
    pair.later(100);
    assert!(pair.endpoint.restore(pair.now, &StoredSession { created: pair.now, ..first }));

    pair.later(140);
    pair.endpoint.handle_timeout(pair.now);

    let flight = pair.endpoint.seal(session, generation(1), None, Content::Finished);
    assert_eq!(flight, Ok(()));
}

#[test]
fn what_was_read_before_is_not_read_again() {
    let (mut pair, bytes) = open_at_a(Options::default());
    let sent: Vec<_> = (0..6)
        .map(|_| {
            pair.client.send(b"once").expect("open");
            pair.client_datagram()
        })
        .collect();
    // The actor heard of the first four, the last of which is sequence 4.
    let stored = StoredSession::decode(&bytes).expect("written");
    let heard = StoredSession { window: crate::ReplayWindow::above(4), ..stored };
    go_on_at_b(&mut pair, &heard.encode().expect("short ids"), generation(2));

    for datagram in sent.iter().chain(&sent) {
        pair.tell_server(datagram);
    }

    pair.server_sends();
    let read: Vec<_> = pair.records.iter().map(|record| record.sequence).collect();
    assert_eq!(read, [5, 6]);
    assert_eq!(pair.dropped(DropReason::Replayed), 10);
}

#[test]
fn the_record_that_bore_the_finished_is_a_replay_at_every_edge() {
    let (mut pair, call, bytes) = stored(Options::default());
    go_on_at_b(&mut pair, &bytes, generation(1));

    pair.tell_server(&call.finished);

    assert_eq!(pair.dropped(DropReason::Replayed), 1);
}

#[test]
fn a_session_that_is_here_is_not_wound_back() {
    let (mut pair, bytes) = open_at_a(Options::default());
    let session = pair.session();
    assert_eq!(pair.endpoint.seal(session, 9, None, Content::Application(b"x")), Ok(()));

    let stored = StoredSession::decode(&bytes).expect("written");
    assert!(!pair.endpoint.restore(pair.now, &stored));

    let again = pair.endpoint.seal(session, 9, None, Content::Application(b"y"));
    assert_eq!(again, Err(SealError::SequenceUsed));
}

#[test]
fn a_newer_session_of_the_address_is_not_pushed_out() {
    let (mut older, bytes) = open_at_a(Options::without_cid());
    let (mut newer, _) = Pair::established(Options { seed: 2, ..Options::without_cid() });
    let stored = StoredSession::decode(&bytes).expect("written");

    assert!(!newer.endpoint.restore(newer.now, &stored));

    newer.client.send(b"here").expect("open");
    older.client.send(b"there").expect("open");
    for datagram in [newer.client_datagram(), older.client_datagram()] {
        newer.tell_server(&datagram);
    }
    newer.server_sends();
    assert_eq!(newer.records.len(), 1);
    assert_eq!(newer.dropped(DropReason::BadMac), 1);
}

#[test]
fn a_session_with_an_id_does_not_push_out_one_that_is_found_by_its_address() {
    let (_, _, with_id) = stored(Options::default());
    let (mut pair, session) = Pair::established(Options { seed: 2, ..Options::without_cid() });
    let restored = StoredSession::decode(&with_id).expect("written");

    assert!(pair.endpoint.restore(pair.now, &restored));

    pair.client.send(b"still here").expect("open");
    pair.settle();
    assert_eq!(pair.records.iter().map(|r| r.session).collect::<Vec<_>>(), [session]);
    assert_eq!(pair.endpoint.sessions(), 2);
    pair.endpoint.close(restored.session);
    pair.client.send(b"and still").expect("open");
    pair.settle();
    assert_eq!(pair.records.len(), 2);
}

#[test]
fn a_session_found_by_its_address_is_restored_where_one_with_an_id_had_its_handshake() {
    let (mut older, without_id) = open_at_a(Options::without_cid());
    let (mut pair, _) = Pair::established(Options { seed: 2, ..Options::default() });
    let stored = StoredSession::decode(&without_id).expect("written");

    assert!(pair.endpoint.restore(pair.now, &stored));

    older.client.send(b"by address").expect("open");
    let by_address = older.client_datagram();
    pair.tell_server(&by_address);
    pair.client.send(b"by id").expect("open");
    pair.settle();
    let read: Vec<_> = pair.records.iter().map(|record| &record.payload[..]).collect();
    assert_eq!(read, [&b"by address"[..], b"by id"]);
}

#[test]
fn an_answer_that_comes_after_the_session_was_restored_winds_nothing_back() {
    let (mut pair, call, bytes) = stored(Options::default());
    let restored = StoredSession::decode(&bytes).expect("written");
    assert!(pair.endpoint.restore(pair.now, &restored));
    let next = generation(1);
    let sealed = pair.endpoint.seal(restored.session, next, None, Content::Application(b"x"));
    assert_eq!(sealed, Ok(()));
    pair.endpoint.poll();
    pair.calls.push(call);

    pair.answer();

    let again = pair.endpoint.seal(restored.session, next, None, Content::Application(b"y"));
    assert_eq!(again, Err(SealError::SequenceUsed));
    pair.settle();
    pair.client.send(b"once").expect("open");
    let datagram = pair.client_datagram();
    pair.tell_server(&datagram);
    pair.tell_server(&datagram);
    pair.server_sends();
    assert_eq!(pair.records.len(), 1);
}

#[test]
fn an_edge_may_be_handed_the_session_and_never_asked_to_number_it() {
    let (mut pair, bytes) = open_at_a(Options::default());
    go_on_at_b(&mut pair, &bytes, 0);
    let session = pair.session();

    // Those of generation 0 were the edge's that ran the handshake.
    for used in [0, 1, generation(1) - 1] {
        let sealed = pair.endpoint.seal(session, used, None, Content::Application(b"x"));
        assert_eq!(sealed, Err(SealError::SequenceUsed));
    }
}

#[test]
fn a_device_that_moved_before_is_followed_by_the_number_that_says_so() {
    let (mut pair, bytes) = open_at_a(Options::default());
    let away = address("198.51.100.7:7");
    go_on_at_b(&mut pair, &bytes, generation(2));
    let session = pair.session();
    pair.address = away;
    pair.client.send(b"from afar").expect("open");
    let datagram = pair.client_datagram();
    pair.tell_server(&datagram);

    pair.endpoint
        .seal(session, generation(2), Some(away), Content::Application(b"x"))
        .expect("the number is new");

    let to: Vec<_> = pair.server_sends().into_iter().map(|(to, _)| to).collect();
    assert_eq!((to, pair.records[0].from), (vec![away], away));
}

#[test]
fn stored_bytes_hold_neither_the_key_nor_more_than_250_bytes() {
    let (_, _, bytes) = stored(Options { cid: Some(vec![7; 16]), ..Options::default() });

    assert!(bytes.len() <= 250, "{}", bytes.len());
    assert!(!bytes.windows(PSK.len()).any(|window| window == PSK));
    assert_eq!(StoredSession::decode(&bytes).expect("written").created, START);
}
