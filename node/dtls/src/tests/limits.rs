//! Records no longer than a client takes (RFC 8449, RFC 6066 §4).

use super::keys::with_keys;
use super::pair::{Options, Pair};
use super::takeover::stored;
use crate::client::Offer;
use crate::wire::hello::ServerHello;
use crate::wire::record::{ContentType, Records};
use crate::{
    Alert, AlertDescription, CertificateType, ClientFailure, ClientOutput, Content, Endpoint,
    SealError, SendError, StoredSession,
};

/// A client that asks for records of so much plaintext, by either extension.
fn limited(limit: u16, options: Options) -> [Options; 2] {
    let number = limit.trailing_zeros() as u8 - 8;
    let offer = Offer { max_fragment_length: Some(number), ..options.offer };
    [Options { record_limit: Some(limit), ..options.clone() }, Options { offer, ..options }]
}

/// The longest body of a record in the flights of the server up to the end of the handshake.
fn longest_record(pair: &mut Pair) -> usize {
    let mut longest = 0;
    loop {
        let from_client = pair.client_sends();
        from_client.iter().for_each(|datagram| pair.tell_server(datagram));
        let asked = !pair.client_asks.is_empty();
        let mut from_server = pair.server_sends();
        pair.answer();
        from_server.extend(pair.server_sends());
        for (_, datagram) in &from_server {
            let plain = |body: &crate::wire::record::RawRecord<'_>| body.epoch == 0;
            let records = Records::new(datagram, 3).flatten().filter(plain);
            longest = records.map(|record| record.body.len()).fold(longest, usize::max);
            pair.client.receive(pair.now, datagram);
        }
        if from_client.is_empty() && from_server.is_empty() && !asked {
            return longest;
        }
    }
}

#[test]
fn flights_and_data_to_a_client_keep_to_its_limit() {
    let keys = with_keys(0xC02B, CertificateType::X509);
    for cid in [None, Some(Vec::new()), Some(vec![1, 2, 3])] {
        for options in limited(512, Options { cid: cid.clone(), ..keys.clone() }) {
            let mut pair = Pair::new(options);

            assert!((400..=512).contains(&longest_record(&mut pair)));

            let session = pair.session();
            // The type behind the content counts where there is a connection id.
            let most = 512 - usize::from(cid.as_ref().is_some_and(|cid| !cid.is_empty()));
            let long =
                pair.endpoint.seal(session, 1, None, Content::Application(&vec![7; most + 1]));
            assert_eq!(long, Err(SealError::TooLong));
            pair.seal(session, Content::Application(&vec![7; most]));
            pair.settle();
            assert_eq!(pair.reports.last(), Some(&ClientOutput::Data(vec![7; most])));
        }
    }
}

#[test]
fn the_least_limit_is_enough_for_a_handshake() {
    let keys = with_keys(0xC02B, CertificateType::X509);
    for options in [Options::default(), keys] {
        let mut pair = Pair::new(Options { record_limit: Some(64), ..options });

        assert!(longest_record(&mut pair) <= 64);

        assert!(matches!(pair.reports[..], [ClientOutput::Established { .. }]));
    }
}

#[test]
fn the_server_answers_the_extension_that_the_client_sent() {
    let answers = |options: Options| {
        let mut pair = Pair::new(options);
        let hello = pair.cookied_hello();
        pair.tell_server(&hello);
        let flight = pair.server_datagram();
        let hello = ServerHello::decode(&flight[25..25 + usize::from(flight[24])]);
        let extensions = hello.expect("it is short").extensions;
        (extensions.record_size_limit, extensions.max_fragment_length)
    };
    let [size, length] = limited(1024, Options::default());
    let both = Options { offer: length.offer, ..size.clone() };

    assert_eq!(answers(Options::default()), (None, None));
    assert_eq!(answers(size), (Some(3584), None));
    assert_eq!(answers(length), (None, Some(2)));
    // RFC 8449 §5.
    assert_eq!(answers(both), (Some(3584), None));
}

#[test]
fn a_length_that_is_none_gets_alert_47() {
    let offer = Offer { max_fragment_length: Some(5), ..Offer::ALL };
    let mut pair = Pair::new(Options { offer, ..Options::default() });

    pair.settle();

    let alert = Alert::fatal(AlertDescription::ILLEGAL_PARAMETER);
    assert_eq!(pair.reports, [ClientOutput::Failed(ClientFailure::Alert(alert))]);
    assert_eq!(pair.endpoint.half_open(), 0);
}

#[test]
fn a_client_cannot_ask_for_less_than_64_bytes() {
    let mut pair = Pair::new(Options { record_limit: Some(63), ..Options::default() });

    assert!(pair.client_sends().is_empty());
    assert_eq!(pair.reports, [ClientOutput::Failed(ClientFailure::Config)]);
}

#[test]
fn a_client_keeps_to_a_length_that_it_asked_for() {
    let [_, options] = limited(512, Options::without_cid());
    let (mut pair, _) = Pair::established(options);
    let [_, with_cid] = limited(512, Options::default());
    let (mut other, _) = Pair::established(with_cid);

    assert_eq!(pair.client.send(&[7; 513]), Err(SendError::TooLong));
    assert_eq!(pair.client.send(&[7; 512]), Ok(()));
    assert_eq!(other.client.send(&[7; 512]), Err(SendError::TooLong));
}

#[test]
fn a_client_does_not_read_a_record_above_its_limit() {
    let (mut pair, session) =
        Pair::established(Options { record_limit: Some(512), ..Options::without_cid() });
    let mut bytes = stored(Options { record_limit: Some(512), ..Options::without_cid() }).2;
    // Another edge that forgot about the limit.
    let forgetful =
        StoredSession { record_limit: None, ..StoredSession::decode(&bytes).expect("written") };
    bytes = forgetful.encode().expect("short ids").to_vec();
    pair.endpoint = super::takeover::edge(7);
    assert!(pair.endpoint.restore(pair.now, &StoredSession::decode(&bytes).expect("written")));
    pair.next_sequence.insert(session, 1 << 24);

    pair.seal(session, Content::Application(&[7; 513]));
    pair.seal(session, Content::Application(&[7; 512]));
    pair.settle();

    assert_eq!(pair.reports[1..], [ClientOutput::Data(vec![7; 512])]);
}

#[test]
fn a_limit_goes_with_its_session_to_another_edge() {
    for options in limited(512, Options::without_cid()) {
        let (pair, _, bytes) = stored(options);
        let stored = StoredSession::decode(&bytes).expect("written");
        let mut other: Endpoint = super::takeover::edge(7);
        assert!(other.restore(pair.now, &stored));

        let seal = |edge: &mut Endpoint, sequence, length: usize| {
            edge.seal(stored.session, sequence, None, Content::Application(&vec![7; length]))
        };

        assert_eq!(seal(&mut other, 1 << 24, 513), Err(SealError::TooLong));
        assert_eq!(seal(&mut other, 1 << 24, 512), Ok(()));
    }
}

#[test]
fn alerts_and_last_flights_fit_every_limit() {
    for options in limited(512, Options::default()) {
        let (mut pair, session) = Pair::established(Options { record_limit: Some(64), ..options });

        pair.seal(session, Content::Finished);
        pair.seal(session, Content::Alert(Alert::CLOSE_NOTIFY));
        for (_, datagram) in pair.server_sends() {
            for record in Records::new(&datagram, 3) {
                let record = record.expect("well-formed");
                // Explicit nonce and tag aside.
                assert!(record.kind != ContentType::Tls12Cid || record.body.len() <= 64 + 16);
            }
            pair.client.receive(pair.now, &datagram);
        }
        pair.settle();

        assert_eq!(pair.reports.last(), Some(&ClientOutput::Closed));
    }
}
