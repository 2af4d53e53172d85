//! Records of an open session: forged, replayed, numbered, moved to another address.

use core::time::Duration;

use super::pair::{Options, Pair, address, forged};
use crate::client::Offer;
use crate::keys::SessionKeys;
use crate::protection::Direction;
use crate::wire::handshake::{self, kind};
use crate::wire::record::{ContentType, MAX_SEQUENCE};
use crate::{Alert, ClientOutput, Content, DropReason, SUITES, SealError, SessionId};

fn data(pair: &mut Pair, payload: &[u8]) -> Vec<u8> {
    pair.client.send(payload).expect("open");
    pair.client_datagram()
}

/// Opens a session by hand, so that the test can seal as the client.
pub(super) fn with_keys(options: Options) -> (Pair, SessionId, SessionKeys, Vec<u8>) {
    let mut pair = Pair::new(options);
    let flight = pair.client_flight();
    pair.tell_server(&flight);
    pair.server_sends();
    let call = pair.calls.remove(0);
    let opened = crate::schedule::open(super::pair::PSK, pair.now, &call.evidence());
    let opened = opened.expect("the key is right");
    let (session, keys) = (opened.session, opened.keys.clone());
    assert!(pair.endpoint.opened(pair.now, call.call, opened));
    pair.settle();
    let cid = call.cid.map(Vec::from).unwrap_or_default();
    (pair, session, keys, cid)
}

pub(super) fn seal_as_client(
    keys: &SessionKeys,
    cid: &[u8],
    kind: ContentType,
    sequence: u64,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    Direction::from_client(SUITES[0].cipher, keys, cid).seal(
        &mut bytes,
        kind,
        (1, sequence),
        payload,
    );
    bytes
}

#[test]
fn plaintext_after_completion_changes_nothing() {
    for options in [Options::default(), Options::without_cid()] {
        let (mut pair, _) = Pair::established(options);
        pair.tell_server(&forged(ContentType::Alert, 9, &[2, 40]));
        pair.tell_server(&forged(ContentType::Alert, 9, &[1, 0]));
        pair.tell_server(&forged(ContentType::ApplicationData, 9, b"data"));
        pair.tell_server(&forged(ContentType::ChangeCipherSpec, 9, &[1]));
        let finished = crate::schedule::finished_message(3, &[0; 12]);
        pair.tell_server(&forged(ContentType::Handshake, 9, &finished));

        assert!(pair.server_sends().is_empty());
        assert!(pair.records.is_empty() && pair.repeats.is_empty());
        assert_eq!(pair.dropped(DropReason::PlaintextAlert), 2);
        assert_eq!(pair.dropped(DropReason::PlaintextRecord), 3);
        let data = data(&mut pair, b"alive");
        pair.tell_server(&data);
        pair.server_sends();
        assert_eq!(pair.records.len(), 1);
    }
}

#[test]
fn a_record_that_does_not_verify_is_never_answered() {
    for options in [Options::default(), Options::without_cid()] {
        let (mut pair, _) = Pair::established(options);
        let mut bytes = data(&mut pair, b"hello");
        let genuine = bytes.clone();
        *bytes.last_mut().expect("not empty") ^= 1;

        for _ in 0..100 {
            pair.tell_server(&bytes);
        }
        assert!(pair.server_sends().is_empty());
        assert_eq!(pair.dropped(DropReason::BadMac), 100);

        pair.tell_server(&genuine);
        pair.server_sends();
        assert_eq!(pair.records.len(), 1);
    }
}

#[test]
fn a_record_is_handed_out_once() {
    let (mut pair, session) = Pair::established(Options::default());
    let (first, second) = (data(&mut pair, b"1"), data(&mut pair, b"2"));

    for bytes in [&second, &first, &second, &first] {
        pair.tell_server(bytes);
    }

    pair.server_sends();
    let read: Vec<_> =
        pair.records.iter().map(|r| (r.session, r.epoch, r.sequence, r.newest)).collect();
    assert_eq!(read, [(session, 1, 2, true), (session, 1, 1, false)]);
    assert_eq!(pair.dropped(DropReason::Replayed), 2);
}

#[test]
fn a_forged_number_does_not_move_the_window() {
    let (mut pair, ..) = with_keys(Options::default());
    let bytes = data(&mut pair, b"1");
    let mut ahead = bytes.clone();
    ahead[5..11].copy_from_slice(&[0xFF; 6]);

    pair.tell_server(&ahead);
    pair.tell_server(&bytes);

    pair.server_sends();
    assert_eq!(pair.dropped(DropReason::BadMac), 1);
    assert_eq!(pair.records.len(), 1);
}

#[test]
fn the_last_sequence_is_read_and_nothing_below_its_window() {
    let (mut pair, _, keys, cid) = with_keys(Options::default());
    let last = seal_as_client(&keys, &cid, ContentType::ApplicationData, MAX_SEQUENCE, b"last");
    let early = data(&mut pair, b"early");

    pair.tell_server(&last);
    pair.tell_server(&early);

    pair.server_sends();
    assert_eq!(pair.records.len(), 1);
    assert_eq!(pair.dropped(DropReason::Replayed), 1);
}

#[test]
fn connection_ids_that_nobody_made_or_holds_are_told_apart() {
    let (mut pair, session) = Pair::established(Options::default());
    let bytes = data(&mut pair, b"1");
    let mut foreign = bytes.clone();
    foreign[12] ^= 1;

    pair.tell_server(&foreign);
    pair.endpoint.close(session);
    pair.tell_server(&bytes);

    assert_eq!(pair.dropped(DropReason::ForeignCid), 1);
    assert_eq!(pair.dropped(DropReason::NoSession), 1);
    assert_eq!(pair.endpoint.sessions(), 0);
}

#[test]
fn once_ids_are_agreed_on_records_without_are_dropped() {
    let (mut pair, _, keys, _) = with_keys(Options::default());
    let plain = seal_as_client(&keys, &[], ContentType::ApplicationData, 5, b"no id");

    pair.tell_server(&plain);

    assert!(pair.server_sends().is_empty() && pair.records.is_empty());
    assert_eq!(pair.dropped(DropReason::WrongForm), 1);
}

#[test]
fn ids_may_come_from_any_address_but_answers_go_where_the_owner_says() {
    let (mut pair, session) = Pair::established(Options::default());
    let (home, away) = (pair.address, address("198.51.100.7:7"));
    pair.address = away;
    let bytes = data(&mut pair, b"moved");

    pair.tell_server(&bytes);
    pair.seal(session, Content::Application(b"to the old address"));
    pair.endpoint
        .seal(session, 1, Some(away), Content::Application(b"under a used number"))
        .expect_err("the number is used");
    pair.seal(session, Content::Application(b"still to the old one"));
    pair.endpoint
        .seal(session, 3, Some(away), Content::Application(b"to the new one"))
        .expect("the number is new");
    pair.next_sequence.insert(session, 4);
    pair.seal(session, Content::Application(b"and there it stays"));

    let to: Vec<_> = pair.server_sends().into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [home, home, away, away]);
    assert_eq!((pair.records[0].from, pair.records[0].newest), (away, true));
}

#[test]
fn without_an_id_a_session_is_found_by_its_address_only() {
    let (mut pair, _) = Pair::established(Options::without_cid());
    let bytes = data(&mut pair, b"moved");
    pair.address = address("198.51.100.7:7");

    pair.tell_server(&bytes);

    assert!(pair.server_sends().is_empty() && pair.records.is_empty());
    assert_eq!(pair.dropped(DropReason::NoSession), 1);
}

#[test]
fn renegotiation_and_other_handshakes_inside_a_session_are_dropped() {
    let (mut pair, _, keys, cid) = with_keys(Options::default());
    let (mut hello, mut other) = (Vec::new(), Vec::new());
    handshake::put_message(&mut hello, kind::CLIENT_HELLO, 0, &[0; 40]);
    handshake::put_message(&mut other, kind::CLIENT_KEY_EXCHANGE, 0, &[0; 4]);
    let payloads = [
        (ContentType::Handshake, &hello[..]),
        (ContentType::Handshake, &other),
        (ContentType::ChangeCipherSpec, &[1]),
        (ContentType::Alert, &[1]),
    ];
    for (sequence, (kind, payload)) in (10..).zip(payloads) {
        pair.tell_server(&seal_as_client(&keys, &cid, kind, sequence, payload));
    }

    assert!(pair.server_sends().is_empty() && pair.records.is_empty());
    assert_eq!(pair.dropped(DropReason::Renegotiation), 1);
    assert_eq!(pair.dropped(DropReason::UnexpectedMessage), 1);
    assert_eq!(pair.dropped(DropReason::Meaningless), 2);
}

#[test]
fn an_alert_is_for_the_owner_to_judge() {
    let (mut pair, session) = Pair::established(Options::default());
    pair.client.close();
    let bytes = pair.client_datagram();

    pair.tell_server(&bytes);

    pair.server_sends();
    assert_eq!(pair.records[0].content, ContentType::Alert);
    assert_eq!(Alert::decode(&pair.records[0].payload), Some(Alert::CLOSE_NOTIFY));
    assert_eq!(pair.endpoint.sessions(), 1);
    pair.endpoint.close(session);
    assert_eq!(pair.endpoint.sessions(), 0);
}

#[test]
fn no_sequence_is_sealed_twice_or_backwards_or_past_48_bits() {
    let (mut pair, session) = Pair::established(Options::default());
    let mut seal =
        |sequence| pair.endpoint.seal(session, sequence, None, Content::Application(b"x"));

    assert_eq!(seal(0), Err(SealError::SequenceUsed));
    assert_eq!(seal(1 << 24), Ok(()));
    assert_eq!(seal(1 << 24), Err(SealError::SequenceUsed));
    assert_eq!(seal(5), Err(SealError::SequenceUsed));
    assert_eq!(seal(MAX_SEQUENCE + 1), Err(SealError::SequenceExhausted));
    assert_eq!(seal(MAX_SEQUENCE), Ok(()));
    assert_eq!(seal(MAX_SEQUENCE), Err(SealError::SequenceUsed));
    assert_eq!(pair.server_sends().len(), 2);
}

#[test]
fn what_does_not_fit_uses_no_sequence_up() {
    let (mut pair, session) = Pair::established(Options::default());
    let long = vec![0; (1 << 14) + 1];

    let refused = pair.endpoint.seal(session, 1, None, Content::Application(&long));
    let taken = pair.endpoint.seal(session, 1, None, Content::Application(&long[1..]));

    assert_eq!((refused, taken), (Err(SealError::TooLong), Ok(())));
    let unknown = pair.endpoint.seal(SessionId([0; 16]), 1, None, Content::Finished);
    assert_eq!(unknown, Err(SealError::UnknownSession));
}

#[test]
fn the_client_follows_a_jump_of_the_owner_and_closes_with_it() {
    let (mut pair, session) = Pair::established(Options::default());
    pair.next_sequence.insert(session, 3 << 24);
    pair.seal(session, Content::Application(b"hello"));
    pair.seal(session, Content::Alert(Alert::CLOSE_NOTIFY));

    pair.settle();

    assert_eq!(pair.reports[1..], [ClientOutput::Data(b"hello".to_vec()), ClientOutput::Closed]);
}

#[test]
fn the_last_flight_is_kept_for_four_minutes() {
    let (mut pair, session) = Pair::established(Options::default());
    assert_eq!(pair.endpoint.next_timeout(), Some(pair.now + Duration::from_secs(240)));
    pair.later(239);
    pair.endpoint.handle_timeout(pair.now);
    assert_eq!(pair.endpoint.seal(session, 1, None, Content::Finished), Ok(()));
    pair.later(1);

    pair.endpoint.handle_timeout(pair.now);

    assert_eq!(
        pair.endpoint.seal(session, 2, None, Content::Finished),
        Err(SealError::FlightForgotten)
    );
    assert_eq!(pair.endpoint.seal(session, 2, None, Content::Application(b"x")), Ok(()));
    assert_eq!(pair.endpoint.next_timeout(), None);
}

#[test]
fn forgeries_that_are_dear_to_see_through_are_looked_at_up_to_a_limit() {
    // MAC-then-encrypt; an encrypt-then-MAC forgery costs no more than a record.
    for (encrypt_then_mac, looked_at) in [(false, 64), (true, 200)] {
        let offer = Offer { encrypt_then_mac, ..Offer::ALL };
        let suites = vec![0x00AE];
        let (mut pair, session) =
            Pair::established(Options { offer, suites, ..Options::default() });
        pair.client.send(b"genuine").expect("open");
        let genuine = pair.client_datagram();
        let mut forgery = genuine.clone();
        *forgery.last_mut().expect("not empty") ^= 1;
        for _ in 0..200 {
            pair.tell_server(&forgery);
        }

        assert_eq!(pair.dropped(DropReason::BadMac), looked_at);
        assert_eq!(pair.dropped(DropReason::Unverified), 200 - looked_at);
        // The session stays, and is read again a moment later.
        pair.later(1);
        pair.tell_server(&genuine);
        pair.server_sends();
        assert_eq!(pair.records.iter().map(|r| r.session).collect::<Vec<_>>(), [session]);
    }
}
