//! What strangers and the network send that is of no use: each record is counted once, under one
//! reason, and changes nothing.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::pair::{Options, Pair, address, forged, split};
use crate::wire::handshake::{self, kind};
use crate::wire::record::{self, ContentType, Records};
use crate::{ClientOutput, Content, DropReason, FailureReason, HandshakeEvent, SessionId};

const UDP: usize = 65_507;

/// What was dropped so far, without the reasons that never occurred.
fn drops(pair: &Pair) -> Vec<(DropReason, u64)> {
    let all = DropReason::ALL.into_iter().map(|reason| (reason, pair.dropped(reason)));
    all.filter(|(_, count)| *count > 0).collect()
}

/// The three places that noise can meet: no peer, a handshake, a session.
fn places() -> [(Pair, Option<SessionId>); 3] {
    let mut waiting = Pair::new(Options::default());
    let hello = waiting.cookied_hello();
    waiting.tell_server(&hello);
    waiting.server_sends();
    let (open, session) = Pair::established(Options::default());
    [(Pair::new(Options::default()), None), (waiting, None), (open, Some(session))]
}

/// Nothing but counters has changed: the session still takes a record, once.
fn unmoved(pair: &mut Pair, session: Option<SessionId>) {
    assert!(pair.server_sends().is_empty());
    assert!(pair.records.is_empty() && pair.repeats.is_empty() && pair.calls.is_empty());
    if let Some(session) = session {
        let before = drops(pair);
        pair.client.send(b"alive").expect("open");
        let data = pair.client_datagram();
        pair.tell_server(&data);
        pair.server_sends();
        assert_eq!(pair.records.pop().map(|record| record.session), Some(session));
        assert_eq!(drops(pair), before);
    }
}

/// A record with these fields, whatever they are.
fn raw(kind: u8, version: u16, epoch: u16, sequence: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(version.to_be_bytes());
    bytes.extend(record::number(epoch, sequence));
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Random bytes, or a random body behind a header that is nearly right.
fn noise(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut body = vec![0; rng.next_u32() as usize % 200];
    rng.fill_bytes(&mut body);
    let pick = |rng: &mut ChaCha8Rng, of: &[u16]| of[rng.next_u32() as usize % of.len()];
    let mut datagram = Vec::new();
    for _ in 0..rng.next_u32() % 4 {
        let kind = pick(rng, &[20, 21, 22, 23, 25, 24, 0]) as u8;
        let version = pick(rng, &[0xFEFD, 0xFEFD, 0xFEFD, 0xFEFF, 0x0303]);
        let epoch = pick(rng, &[0, 1, 1, 2, 0xFFFF]);
        datagram.extend(raw(kind, version, epoch, rng.next_u64() & 0xFFFF, &body));
    }
    if datagram.is_empty() { body } else { datagram }
}

#[test]
fn of_random_datagrams_each_record_is_counted_once() {
    for (place, (mut pair, session)) in places().into_iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(place as u64);
        let (mut sent, before) = (0, drops(&pair).iter().map(|(_, count)| count).sum::<u64>());
        for _ in 0..5_000 {
            let datagram = noise(&mut rng);
            sent += (Records::new(&datagram, 8).count() as u64).max(1);
            pair.tell_server(&datagram);
        }

        let counted = drops(&pair).iter().map(|(_, count)| count).sum::<u64>() - before;
        assert_eq!(counted, sent, "place {place}");
        unmoved(&mut pair, session);
    }
}

#[test]
fn an_empty_datagram_is_malformed() {
    let mut pair = Pair::new(Options::default());

    pair.tell_server(&[]);

    assert_eq!(drops(&pair), [(DropReason::Malformed, 1)]);
}

#[test]
fn every_truncation_of_a_record_is_malformed() {
    for cid in [None, Some(vec![1])] {
        let (mut pair, session) = Pair::established(Options { cid, ..Options::default() });
        pair.client.send(b"cut off").expect("open");
        let record = pair.client_datagram();
        for length in 0..record.len() {
            pair.tell_server(&record[..length]);
        }

        assert_eq!(drops(&pair), [(DropReason::Malformed, record.len() as u64)]);
        unmoved(&mut pair, Some(session));
    }
}

#[test]
fn other_versions_are_counted_as_such() {
    for (mut pair, session) in places() {
        for (version, epoch) in [(0x0303, 0), (0x0100, 0), (0xFEFC, 0), (0xFEFF, 1), (0xFEFC, 1)] {
            pair.tell_server(&raw(23, version, epoch, 9, &[0; 40]));
        }

        assert_eq!(drops(&pair), [(DropReason::Version, 5)]);
        unmoved(&mut pair, session);
    }
}

#[test]
fn other_epochs_are_counted_as_such() {
    for (mut pair, session) in places() {
        for epoch in [2, 3, 0xFFFF] {
            pair.tell_server(&raw(23, 0xFEFD, epoch, 9, &[0; 40]));
        }
        // A connection id has no place before the keys.
        let mut cid = raw(25, 0xFEFD, 0, 9, &[]);
        cid.splice(11..11, [0; 8]);
        pair.tell_server(&cid);

        assert_eq!(drops(&pair), [(DropReason::Epoch, 4)]);
        unmoved(&mut pair, session);
    }
}

#[test]
fn a_hello_in_thirty_thousand_fragments_leaves_nothing_behind() {
    for (mut pair, session) in places() {
        let total = 8000_usize;
        for index in 0..30_000_usize {
            let offset = (index % total) as u32;
            let mut fragment = vec![kind::CLIENT_HELLO, 0, 0x1F, 0x40, 0, 0];
            fragment.extend_from_slice(&offset.to_be_bytes()[1..]);
            fragment.extend([0, 0, 1, 0xAA]);
            pair.tell_server(&forged(ContentType::Handshake, index as u64, &fragment));
        }

        assert_eq!(drops(&pair), [(DropReason::FragmentedHello, 30_000)]);
        unmoved(&mut pair, session);
    }
}

#[test]
fn fragments_of_every_other_message_hold_one_message_at_most() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    for index in 0..30_000_u32 {
        let offset = index % 8192;
        let mut fragment = vec![kind::CLIENT_KEY_EXCHANGE, 0, 0x20, 0, 0, 2];
        fragment.extend_from_slice(&offset.to_be_bytes()[1..]);
        fragment.extend([0, 0, 1, 0xAA]);
        pair.tell_server(&forged(ContentType::Handshake, 100, &fragment));
    }
    // The message of 8 KiB is complete and no key exchange; what follows begins it anew.
    assert_eq!(pair.endpoint.half_open(), 1);

    pair.tell_server(&flight);
    pair.settle();

    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn forged_alerts_are_ignored_wherever_they_come() {
    for (mut pair, session) in places() {
        for (sequence, alert) in (50..).zip([[2, 40], [1, 0], [2, 115], [1, 100], [2, 20]]) {
            pair.tell_server(&forged(ContentType::Alert, sequence, &alert));
        }

        assert_eq!(drops(&pair), [(DropReason::PlaintextAlert, 5)]);
        unmoved(&mut pair, session);
    }
}

#[test]
fn forged_change_cipher_specs_change_nothing() {
    // Outside a handshake, in clear
    let mut pair = Pair::new(Options::default());
    pair.tell_server(&forged(ContentType::ChangeCipherSpec, 9, &[1]));
    assert_eq!(drops(&pair), [(DropReason::PlaintextRecord, 1)]);
    unmoved(&mut pair, None);
    // In a session, in clear and in its epoch
    let (mut pair, session) = Pair::established(Options::without_cid());
    pair.tell_server(&forged(ContentType::ChangeCipherSpec, 9, &[1]));
    pair.tell_server(&raw(20, 0xFEFD, 1, 9, &[1]));
    pair.tell_server(&raw(20, 0xFEFD, 1, 9, &[0; 40]));
    assert_eq!(drops(&pair), [(DropReason::PlaintextRecord, 1), (DropReason::BadMac, 2)]);
    unmoved(&mut pair, Some(session));
    // In a handshake, many times before its message: it completes all the same
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    for sequence in 50..150 {
        pair.tell_server(&forged(ContentType::ChangeCipherSpec, sequence, &[1]));
    }
    pair.tell_server(&flight);
    pair.settle();
    assert_eq!(drops(&pair), []);
    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_wrong_key_fails_once_when_its_time_is_over() {
    let mut pair = Pair::new(Options { client_psk: b"not the same key", ..Options::default() });
    pair.settle();
    for _ in 0..12 {
        let due = pair.endpoint.next_timeout().into_iter().chain(pair.client.next_timeout()).min();
        let Some(due) = due else { break };
        pair.now = due;
        pair.client.handle_timeout(due);
        pair.endpoint.handle_timeout(due);
        pair.settle();
    }

    let failed = |reason| HandshakeEvent::Failed { peer: address("192.0.2.1:5000"), reason };
    let ended: Vec<_> =
        pair.events.iter().filter(|event| matches!(event, HandshakeEvent::Failed { .. })).collect();
    assert_eq!(ended, [&failed(FailureReason::BadFinished)]);
    assert_eq!((pair.endpoint.sessions(), pair.endpoint.half_open()), (0, 0));
    assert_eq!(pair.endpoint.counters().alerts_sent, 0);
    assert!(pair.endpoint.counters().opens <= 4);
}

#[test]
fn replayed_records_are_counted_as_such() {
    for options in [Options::default(), Options::without_cid()] {
        let (mut pair, session) = Pair::established(options);
        pair.client.send(b"once").expect("open");
        let data = pair.client_datagram();
        pair.tell_server(&data);
        pair.server_sends();
        pair.records.clear();

        for _ in 0..100 {
            pair.tell_server(&data);
        }

        assert_eq!(drops(&pair), [(DropReason::Replayed, 100)]);
        unmoved(&mut pair, Some(session));
    }
}

#[test]
fn an_id_that_nobody_made_and_an_id_that_nobody_holds_differ() {
    let (mut pair, session) = Pair::established(Options::default());
    let (mut gone, other) = Pair::established(Options { seed: 2, ..Options::default() });
    gone.endpoint.close(other);
    gone.client.send(b"to nobody").expect("open");
    let unheld = gone.client_datagram();
    let mut unmade = unheld.clone();
    unmade[18] ^= 1;

    pair.tell_server(&unheld);
    pair.tell_server(&unmade);

    assert_eq!(drops(&pair), [(DropReason::ForeignCid, 1), (DropReason::NoSession, 1)]);
    unmoved(&mut pair, Some(session));
}

#[test]
fn records_without_an_id_from_an_unknown_address_are_nobodys() {
    let (mut pair, _) = Pair::established(Options::without_cid());
    let home = pair.address;
    pair.address = address("203.0.113.9:9");
    for kind in [20, 21, 22, 23] {
        pair.tell_server(&raw(kind, 0xFEFD, 1, 9, &[0; 40]));
    }

    assert_eq!(drops(&pair), [(DropReason::NoSession, 4)]);
    assert!(pair.server_sends().is_empty());
    pair.address = home;
}

#[test]
fn oversized_records_are_counted_as_such() {
    for (mut pair, session) in places() {
        // Longer than any record, in clear and protected; plaintext longer than it may be.
        pair.tell_server(&raw(23, 0xFEFD, 1, 9, &vec![0; UDP - 13]));
        pair.tell_server(&raw(22, 0xFEFD, 0, 9, &vec![0; UDP - 13]));
        pair.tell_server(&raw(22, 0xFEFD, 0, 9, &vec![0; record::MAX_PLAINTEXT + 1]));
        // A message longer than we take, whole or not.
        let huge = [kind::CLIENT_KEY_EXCHANGE, 0xFF, 0xFF, 0xFF, 0, 2, 0, 0, 0, 0, 0, 1, 0];
        pair.tell_server(&forged(ContentType::Handshake, 9, &huge));

        assert_eq!(drops(&pair), [(DropReason::TooLong, 4)]);
        unmoved(&mut pair, session);
    }
}

#[test]
fn plaintext_that_is_too_long_for_a_record_is_dropped_though_it_verifies() {
    let (mut pair, session, keys, cid) = super::records::with_keys(Options::default());
    let longest = vec![7; record::MAX_PLAINTEXT];
    let longer = vec![7; record::MAX_PLAINTEXT + 1];
    for (sequence, payload) in (10..).zip([&longer, &longest]) {
        let kind = ContentType::ApplicationData;
        let bytes = super::records::seal_as_client(&keys, &cid, kind, sequence, payload);
        pair.tell_server(&bytes);
    }

    pair.server_sends();
    assert_eq!(drops(&pair), [(DropReason::TooLong, 1)]);
    assert_eq!(pair.records.pop().map(|record| record.payload), Some(longest));
    unmoved(&mut pair, Some(session));
}

#[test]
fn one_datagram_with_several_records_counts_each_once() {
    let (mut pair, session) = Pair::established(Options::default());
    pair.client.send(b"genuine").expect("open");
    let genuine = pair.client_datagram();
    let mut forged_mac = genuine.clone();
    *forged_mac.last_mut().expect("not empty") ^= 1;
    let datagram = [
        &raw(23, 0xFEFD, 7, 9, &[0; 40])[..],
        &forged(ContentType::Alert, 9, &[2, 40]),
        &forged_mac,
        &genuine,
        &genuine,
        &raw(23, 0xFEFF, 1, 9, &[0; 40]),
        // Nothing behind this one can be located.
        &[99, 1, 2, 3],
        &genuine,
    ]
    .concat();

    pair.tell_server(&datagram);

    pair.server_sends();
    assert_eq!(pair.records.pop().map(|record| record.session), Some(session));
    let expected = [
        DropReason::UnknownType,
        DropReason::Version,
        DropReason::Epoch,
        DropReason::PlaintextAlert,
        DropReason::BadMac,
        DropReason::Replayed,
    ];
    assert_eq!(drops(&pair), expected.map(|reason| (reason, 1)));
    unmoved(&mut pair, Some(session));
}

#[test]
fn a_bad_cookie_is_counted_and_answered_with_a_good_one() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();
    pair.address = address("192.0.2.77:1");

    pair.tell_server(&hello);

    assert_eq!(drops(&pair), [(DropReason::BadCookie, 1)]);
    assert_eq!(pair.server_sends().len(), 1);
    assert_eq!((pair.endpoint.half_open(), pair.endpoint.next_timeout()), (0, None));
}

#[test]
fn many_hellos_in_one_datagram_bring_one_answer() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.client_datagram();
    let message = &hello[13..];
    let records = hello.repeat(8);
    let fragments = forged(ContentType::Handshake, 0, &message.repeat(8));

    for datagram in [records, fragments] {
        pair.tell_server(&datagram);
        let answers = pair.server_sends();
        assert_eq!(answers.len(), 1);
        assert!(answers[0].1.len() <= hello.len());
    }

    // The fragments are one record, which is counted once.
    assert_eq!(drops(&pair), [(DropReason::RepeatLimit, 7 + 1)]);
}

#[test]
fn a_hello_with_a_session_id_is_a_new_handshake_behind_a_cookie() {
    use crate::wire::extension::Extensions;
    use crate::wire::hello::ClientHello;
    let mut pair = Pair::new(Options::default());
    let hello = ClientHello {
        version: 0xFEFD,
        random: [3; 32],
        session_id: &[9; 32],
        cookie: &[],
        suites: &[0xC0, 0xA8],
        compressions: &[0],
        raw_extensions: &[],
        extensions: Extensions::default(),
    };

    let flight = super::hello::offer(&mut pair, hello);

    assert_eq!(pair.endpoint.counters().cookies_sent, 1);
    assert_eq!(split(&flight).len(), 2);
    assert_eq!(drops(&pair), []);
}

#[test]
fn a_key_exchange_cut_anywhere_asks_nobody() {
    let mut pair = Pair::new(Options::default());
    let records = split(&pair.client_flight());
    let message = &records[0][13..];
    let body = &message[handshake::HEADER..];
    pair.tell_server(&records[1]);
    pair.tell_server(&records[2]);
    for length in 0..body.len() {
        let mut cut = Vec::new();
        handshake::put_message(&mut cut, kind::CLIENT_KEY_EXCHANGE, 2, &body[..length]);
        pair.tell_server(&forged(ContentType::Handshake, 60, &cut));
    }

    pair.server_sends();
    assert!(pair.calls.is_empty());
    assert_eq!(drops(&pair), [(DropReason::Malformed, body.len() as u64)]);

    // The client's repetition is whole.
    pair.tell_server(&records.concat());
    pair.settle();
    assert!(matches!(pair.reports[..], [ClientOutput::Established { .. }]));
}

#[test]
fn an_identity_of_64_kibibytes_is_too_long_a_message() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    let total = 2 + 65_535_u32;
    let mut first = vec![kind::CLIENT_KEY_EXCHANGE];
    first.extend_from_slice(&total.to_be_bytes()[1..]);
    first.extend([0, 2, 0, 0, 0, 0, 0, 4, 0xFF, 0xFF, 0, 0]);

    pair.tell_server(&forged(ContentType::Handshake, 60, &first));

    assert_eq!(drops(&pair), [(DropReason::TooLong, 1)]);
    pair.tell_server(&flight);
    pair.settle();
    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_closed_session_takes_nothing_any_more() {
    for options in [Options::default(), Options::without_cid()] {
        let (mut pair, session) = Pair::established(options);
        pair.client.send(b"late").expect("open");
        let data = pair.client_datagram();

        pair.endpoint.close(session);
        pair.tell_server(&data);

        assert_eq!(drops(&pair), [(DropReason::NoSession, 1)]);
        let sealed = pair.endpoint.seal(session, 9, None, Content::Application(b"x"));
        assert_eq!(sealed, Err(crate::SealError::UnknownSession));
        assert!(pair.server_sends().is_empty());
    }
}
