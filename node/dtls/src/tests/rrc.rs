//! Checks whether a peer is at its address (RFC 9853).

use super::pair::{Options, Pair, address};
use super::records::{seal_as_client, with_keys};
use super::takeover::{edge, stored};
use crate::client::Offer;
use crate::wire::hello::ClientHello;
use crate::{
    ClientOutput, Content, ContentType, DropReason, PathMessage, SealError, StoredSession,
};

#[test]
fn a_challenge_is_answered_at_once_and_once() {
    let (mut pair, session) = Pair::established(Options::default());

    pair.seal(session, Content::Path(PathMessage::Challenge([7; 8])));
    let challenge = pair.server_datagram();
    pair.client.receive(pair.now, &challenge);
    pair.client.receive(pair.now, &challenge);

    let answers = pair.client_sends();
    assert_eq!(answers.len(), 1);
    pair.tell_server(&answers[0]);
    pair.server_sends();
    let [record] = &pair.records[..] else { panic!("{:?}", pair.records) };
    assert_eq!((record.content, record.rrc), (ContentType::ReturnRoutabilityCheck, true));
    let answer = PathMessage::decode(&record.payload);
    assert_eq!(answer, Some(PathMessage::Response([7; 8])));
}

#[test]
fn a_challenge_goes_where_the_owner_says() {
    let (mut pair, session) = Pair::established(Options::default());
    let (new, check) = (address("198.51.100.7:7"), PathMessage::Challenge([7; 8]));

    pair.endpoint.seal(session, 1, Some(new), Content::Path(check)).expect("the number is new");

    let to: Vec<_> = pair.server_sends().into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [new]);
}

#[test]
fn without_the_extension_or_without_ids_nothing_is_checked() {
    let not_offered = Options { offer: Offer { rrc: false, ..Offer::ALL }, ..Options::default() };
    for options in [not_offered, Options::without_cid()] {
        let (mut pair, session) = Pair::established(options);

        let check = Content::Path(PathMessage::Challenge([7; 8]));
        let sealed = pair.endpoint.seal(session, 1, None, check);

        assert_eq!(sealed, Err(SealError::NotNegotiated));
        pair.client.send(b"data").expect("open");
        pair.settle();
        assert!(!pair.records[0].rrc);
    }
}

#[test]
fn a_message_of_another_type_or_length_is_dropped() {
    let (mut pair, _, keys, cid) = with_keys(Options::default());
    let kind = ContentType::ReturnRoutabilityCheck;
    let messages = [&[9, 7, 7, 7, 7, 7, 7, 7, 7][..], &[1, 7, 7], &[]];

    for (sequence, bytes) in (5..).zip(messages) {
        pair.tell_server(&seal_as_client(&keys, &cid, kind, sequence, bytes));
    }

    assert!(pair.server_sends().is_empty() && pair.records.is_empty());
    assert_eq!(pair.dropped(DropReason::Meaningless), 3);
}

#[test]
fn answers_that_nobody_asked_for_move_no_client() {
    let (mut pair, session) = Pair::established(Options::default());

    pair.seal(session, Content::Path(PathMessage::Response([7; 8])));
    pair.seal(session, Content::Path(PathMessage::Drop([7; 8])));
    pair.settle();

    assert!(matches!(pair.reports[..], [ClientOutput::Established { .. }]));
    assert!(pair.records.is_empty());
}

#[test]
fn in_clear_it_says_nothing() {
    let (mut pair, _) = Pair::established(Options::default());

    let forged = super::pair::forged(ContentType::ReturnRoutabilityCheck, 9, &[0; 9]);
    pair.tell_server(&forged);
    pair.client.receive(pair.now, &forged);

    assert!(pair.server_sends().is_empty() && pair.client_sends().is_empty());
    assert_eq!(pair.dropped(DropReason::PlaintextRecord), 1);
}

#[test]
fn another_edge_goes_on_with_checks() {
    let (mut pair, call, bytes) = stored(Options::default());
    pair.calls.push(call);
    pair.answer();
    pair.settle();
    let stored = StoredSession::decode(&bytes).expect("written");
    pair.endpoint = edge(7);
    assert!(pair.endpoint.restore(pair.now, &stored));
    pair.next_sequence.insert(stored.session, 1 << 24);

    pair.seal(stored.session, Content::Path(PathMessage::Challenge([7; 8])));
    pair.settle();

    assert_eq!(pair.records.len(), 1);
}

#[test]
fn a_hello_asks_for_checks_beside_a_connection_id_alone() {
    for (options, asks) in [(Options::default(), true), (Options::without_cid(), false)] {
        let mut pair = Pair::new(options);
        let hello = pair.client_datagram();
        assert_eq!(ClientHello::decode(&hello[25..]).expect("whole").extensions.rrc, asks);
    }
}
