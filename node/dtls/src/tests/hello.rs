//! ClientHellos: cookies, numbers, and what is refused before a handshake begins.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::pair::{Options, Pair, address, forged, split};
use crate::wire::cursor::Cursor;
use crate::wire::extension::Extensions;
use crate::wire::handshake::{self, Fragment, kind};
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::record::{self, ContentType};
use crate::{ClusterKeys, DropReason, EndpointConfig, FailureReason, HandshakeEvent};

/// The first handshake message of a datagram.
fn message(datagram: &[u8]) -> Fragment<'_> {
    let record = record::decode(datagram, 8).expect("our ends write records");
    Fragment::decode(&mut Cursor::new(record.body)).expect("our ends write messages")
}

/// Sends a ClientHello built by hand, answers the cookie, and gives the server's answer.
pub(super) fn offer(pair: &mut Pair, hello: ClientHello<'_>) -> Vec<u8> {
    let encode = |hello: &ClientHello<'_>, number: u16| {
        let (mut body, mut bytes) = (Vec::new(), Vec::new());
        hello.encode(&mut body).expect("short");
        handshake::put_message(&mut bytes, kind::CLIENT_HELLO, number, &body);
        forged(ContentType::Handshake, number.into(), &bytes)
    };
    pair.tell_server(&encode(&hello, 0));
    let request = pair.server_datagram();
    let cookie = message(&request).body[3..].to_vec();
    pair.tell_server(&encode(&ClientHello { cookie: &cookie, ..hello }, 1));
    pair.server_datagram()
}

fn plain_hello() -> ClientHello<'static> {
    ClientHello {
        version: 0xFEFD,
        random: [3; 32],
        session_id: &[],
        cookie: &[],
        suites: &[0xC0, 0xA8],
        compressions: &[0],
        raw_extensions: &[],
        extensions: Extensions::default(),
    }
}

/// Those of the pair's server.
fn keys() -> ClusterKeys {
    ClusterKeys::new([1; 32], [2; 32])
}

#[test]
fn the_verify_request_echoes_numbers_in_dtls_1_0_and_amplifies_nothing() {
    let mut pair = Pair::new(Options::without_cid());
    let mut hello = pair.client_datagram();
    hello[5..11].copy_from_slice(&[0, 0, 0, 0, 7, 9]);

    pair.tell_server(&hello);

    let request = pair.server_datagram();
    assert_eq!(request[..3], [22, 0xFE, 0xFF]);
    assert_eq!(request[5..11], hello[5..11]);
    assert_eq!(message(&request).kind, kind::HELLO_VERIFY_REQUEST);
    assert_eq!(message(&request).body[..3], [0xFE, 0xFF, 17]);
    assert!(request.len() <= hello.len());
    assert_eq!(pair.endpoint.half_open(), 0);
    assert!(pair.events.is_empty());
}

#[test]
fn the_server_hello_continues_the_numbers_of_the_second_client_hello() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();

    pair.tell_server(&hello);

    let flight = pair.server_datagram();
    let records = split(&flight);
    assert_eq!(records.len(), 2);
    assert_eq!(records[0][5..11], hello[5..11]);
    assert_eq!((message(&records[0]).kind, message(&records[0]).sequence), (2, 1));
    assert_eq!((message(&records[1]).kind, message(&records[1]).sequence), (14, 2));
}

#[test]
fn the_server_random_begins_with_the_time() {
    let mut pair = Pair::new(Options::default());

    let flight = offer(&mut pair, plain_hello());

    let hello = ServerHello::decode(message(&flight).body).expect("a ServerHello");
    assert_eq!(hello.random[..4], 1_800_000_000_u32.to_be_bytes());
    assert_eq!((hello.session_id, hello.suite, hello.compression), (&[][..], 0xC0A8, 0));
    assert_eq!(hello.extensions, Extensions::default());
}

#[test]
fn answers_either_signal_of_secure_renegotiation() {
    let empty = Extensions { renegotiation: Some(&[]), ..Extensions::default() };
    let by_suite = ClientHello { suites: &[0xC0, 0xA8, 0, 0xFF], ..plain_hello() };
    let by_extension = ClientHello { extensions: empty, ..plain_hello() };

    for hello in [by_suite, by_extension] {
        let flight = offer(&mut Pair::new(Options::default()), hello);
        let hello = ServerHello::decode(message(&flight).body).expect("a ServerHello");
        assert_eq!(hello.extensions, empty);
    }
}

#[test]
fn refuses_what_has_nothing_in_common_with_a_fatal_alert() {
    let renegotiating = Extensions { renegotiation: Some(&[1, 2]), ..Extensions::default() };
    let rows = [
        (ClientHello { suites: &[0xC0, 0x2B, 0, 0x2F], ..plain_hello() }, 40),
        (ClientHello { compressions: &[1], ..plain_hello() }, 40),
        (ClientHello { extensions: renegotiating, ..plain_hello() }, 40),
        (ClientHello { version: 0xFEFF, ..plain_hello() }, 70),
        (ClientHello { version: 0x0303, ..plain_hello() }, 70),
    ];

    for (row, (hello, alert)) in rows.into_iter().enumerate() {
        let mut pair = Pair::new(Options::default());
        let answer = offer(&mut pair, hello);

        assert_eq!(answer[..3], [21, 0xFE, 0xFD], "row {row}");
        assert_eq!(answer[13..], [2, alert], "row {row}");
        assert_eq!(pair.endpoint.half_open(), 0, "row {row}");
        assert_eq!(pair.dropped(DropReason::NoCommonSuite), 1, "row {row}");
    }
}

#[test]
fn alerts_to_one_prefix_are_bounded() {
    let mut pair = Pair::new(Options::default());
    for index in 0..20 {
        let mut random = [0; 32];
        random[0] = index;
        let hello = ClientHello { suites: &[0, 0x2F], random, ..plain_hello() };
        let (mut body, mut bytes) = (Vec::new(), Vec::new());
        let cookie = crate::cookie::make(&keys(), pair.now, pair.address, &hello).expect("a key");
        ClientHello { cookie: &cookie, ..hello }.encode(&mut body).expect("short");
        handshake::put_message(&mut bytes, kind::CLIENT_HELLO, 1, &body);

        pair.tell_server(&forged(ContentType::Handshake, 1, &bytes));
    }

    assert_eq!(pair.server_sends().len(), 8);
    assert_eq!(pair.endpoint.counters().alerts_held, 12);
}

#[test]
fn a_cookie_of_another_address_is_as_good_as_none() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();

    pair.endpoint.receive(pair.now, address("192.0.2.2:5000"), &hello);

    let request = pair.server_datagram();
    assert_eq!(message(&request).kind, kind::HELLO_VERIFY_REQUEST);
    assert_eq!(pair.dropped(DropReason::BadCookie), 1);
    assert_eq!(pair.endpoint.half_open(), 0);
}

#[test]
fn a_cookie_with_changed_parameters_or_too_late_is_as_good_as_none() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();
    let mut changed = hello.clone();
    changed[27] ^= 1;

    pair.tell_server(&changed);
    pair.later(200);
    pair.tell_server(&hello);

    assert_eq!(pair.dropped(DropReason::BadCookie), 2);
    assert_eq!(pair.endpoint.half_open(), 0);
}

#[test]
fn another_edge_of_the_cluster_takes_the_cookie() {
    let mut first = Pair::new(Options::default());
    let mut second = Pair::new(Options { seed: 2, ..Options::default() });
    let hello = first.cookied_hello();

    second.tell_server(&hello);

    assert_eq!(second.endpoint.half_open(), 1);
}

#[test]
fn a_fragmented_hello_leaves_nothing_behind() {
    let mut pair = Pair::new(Options::default());
    for offset in 0..200_u8 {
        let fragment = [1, 0, 0, 200, 0, 0, 0, 0, offset, 0, 0, 1, 0];
        pair.tell_server(&forged(ContentType::Handshake, offset.into(), &fragment));
    }

    assert!(pair.server_sends().is_empty());
    assert_eq!(pair.dropped(DropReason::FragmentedHello), 200);
    assert_eq!((pair.endpoint.half_open(), pair.endpoint.next_timeout()), (0, None));
}

#[test]
fn refuses_huge_message_and_record_numbers() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.client_datagram();
    let (mut message, mut record) = (hello.clone(), hello);
    message[17..19].copy_from_slice(&[0xFF, 0xFF]);
    record[5..11].copy_from_slice(&[0xFF; 6]);

    pair.tell_server(&message);
    pair.tell_server(&record);

    assert!(pair.server_sends().is_empty());
    assert_eq!(pair.dropped(DropReason::Number), 2);
}

#[test]
fn a_client_hello_in_another_epoch_is_no_hello() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();
    for epoch in [1, 2, 0xFFFF_u16] {
        let mut moved = hello.clone();
        moved[3..5].copy_from_slice(&epoch.to_be_bytes());
        pair.tell_server(&moved);
    }

    assert!(pair.server_sends().is_empty());
    assert_eq!(pair.dropped(DropReason::Epoch), 2);
    assert_eq!(pair.dropped(DropReason::NoSession), 1);
}

#[test]
fn no_truncation_of_the_hello_begins_a_handshake() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();

    for length in 13..hello.len() {
        let mut cut = hello[..length].to_vec();
        let inner = (length - 13) as u16;
        cut[11..13].copy_from_slice(&inner.to_be_bytes());
        pair.tell_server(&cut);
        if length >= 25 {
            let body = inner - 12;
            cut[15..17].copy_from_slice(&body.to_be_bytes());
            cut[23..25].copy_from_slice(&body.to_be_bytes());
            pair.tell_server(&cut);
        }
    }

    assert_eq!(pair.endpoint.half_open(), 0);
    assert_eq!(pair.endpoint.counters().cookies_accepted, 0);
}

#[test]
fn the_oldest_half_open_handshake_gives_way() {
    let config = EndpointConfig { half_open: 3, ..EndpointConfig::default() };
    let mut pair = Pair::new(Options { config, ..Options::default() });
    for port in 1..=4 {
        pair.address.set_port(port);
        pair.later(1);
        offer(&mut pair, plain_hello());
    }

    assert_eq!(pair.endpoint.half_open(), 3);
    let failed =
        HandshakeEvent::Failed { peer: address("192.0.2.1:1"), reason: FailureReason::Evicted };
    assert!(pair.events.contains(&failed));
}

/// The hello of this random and session id with a good cookie.
fn with_cookie(pair: &Pair, first: u8, session_id: &[u8]) -> Vec<u8> {
    let extensions = Extensions { extended_master_secret: true, ..Extensions::default() };
    let hello = ClientHello { random: [first; 32], session_id, extensions, ..plain_hello() };
    let (mut body, mut again, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    hello.encode(&mut body).expect("short");
    let hello = ClientHello::decode(&body).expect("it was just written");
    let cookie = crate::cookie::make(&keys(), pair.now, pair.address, &hello).expect("a key");
    ClientHello { cookie: &cookie, ..hello }.encode(&mut again).expect("short");
    handshake::put_message(&mut bytes, kind::CLIENT_HELLO, 1, &again);
    forged(ContentType::Handshake, 1, &bytes)
}

#[test]
fn hellos_that_take_turns_get_no_more_flights_than_one() {
    let config = EndpointConfig { resumption: true, ..EndpointConfig::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let handle = crate::handle::make(&keys().checks, &mut rng).expect("a key");
    for ids in [[&[][..], &[]], [&handle[..], &[]], [&handle[..], &handle[..]]] {
        let mut pair = Pair::new(Options { config: config.clone(), ..Options::default() });
        let mut flights = 0;
        for turn in 0..60 {
            let hello = with_cookie(&pair, 1 + turn % 2, ids[usize::from(turn % 2)]);
            pair.tell_server(&hello);
            flights += pair.server_sends().len();
            pair.answer();
            flights += pair.server_sends().len();
        }

        assert_eq!(flights, 17);
        assert_eq!(pair.dropped(DropReason::RepeatLimit), 43);
        pair.later(61);
        pair.endpoint.handle_timeout(pair.now);
        pair.server_sends();
        let hello = with_cookie(&pair, 3, &[]);
        pair.tell_server(&hello);
        assert_eq!(pair.server_sends().len(), 1);
    }
}

#[test]
fn while_the_queue_is_full_each_prefix_has_a_share_of_it() {
    let config = EndpointConfig { half_open: 20, ..EndpointConfig::default() };
    let mut pair = Pair::new(Options { config, ..Options::default() });
    let begin = |pair: &mut Pair, ip: &str, port: u16| {
        pair.address = address(&format!("{ip}:{port}"));
        let hello = with_cookie(pair, 1, &[]);
        pair.tell_server(&hello);
        pair.server_sends().len()
    };
    // Not full: the first twenty of one prefix are nobody's harm.
    let first: usize = (1..=20).map(|port| begin(&mut pair, "192.0.2.1", port)).sum();
    let flood: usize = (21..=60).map(|port| begin(&mut pair, "192.0.2.1", port)).sum();

    assert_eq!((first, flood), (20, 8));
    assert_eq!(pair.dropped(DropReason::Crowded), 32);
    assert_eq!(begin(&mut pair, "198.51.100.1", 1), 1);
    assert_eq!((pair.endpoint.half_open(), pair.endpoint.counters().evicted), (20, 9));
}
