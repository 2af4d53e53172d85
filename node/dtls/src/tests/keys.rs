//! Handshakes with keys that sign: raw public keys and chains, and the key agreements of OCF.

use super::pair::{Options, Pair, split};
use super::toy::{self, CLIENT_KEY, SERVER_KEY};
use crate::client::Offer;
use crate::schedule::{self, OpenError};
use crate::wire::handshake::kind;
use crate::{
    Alert, AlertDescription, CertificateType, Claim, ClientFailure, ClientOutput, Content,
    DropReason, EndpointConfig, FailureReason, HandshakeEvent, SUITES, Suite,
};

const RAW: CertificateType = CertificateType::RawPublicKey;
const X509: CertificateType = CertificateType::X509;
const ECDHE_PSK: u16 = 0xC037;
const ECDH_ANON: u16 = 0xFF00;

/// Both sides with keys of this form, and one suite.
pub(super) fn with_keys(suite: u16, form: CertificateType) -> Options {
    let config = EndpointConfig {
        identity: Some(toy::identity(SERVER_KEY, &[form])),
        ..EndpointConfig::default()
    };
    Options {
        suites: vec![suite],
        config,
        client: Some(toy::identity(CLIENT_KEY, &[form])),
        accepts: vec![form],
        ..Options::default()
    }
}

fn signed_suites() -> impl Iterator<Item = &'static Suite> {
    SUITES.iter().filter(|suite| suite.key_exchange.is_signed())
}

/// Up to the client's last flight, not yet delivered: its records.
fn client_records(pair: &mut Pair) -> Vec<Vec<u8>> {
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    let mut flight = pair.server_sends();
    pair.answer_keys();
    flight.extend(pair.server_sends());
    for (_, datagram) in flight {
        pair.client.receive(pair.now, &datagram);
    }
    let mut sent = pair.client_sends();
    while !pair.client_asks.is_empty() {
        pair.answer_keys();
        sent.extend(pair.client_sends());
    }
    sent.iter().flat_map(|datagram| split(datagram)).collect()
}

/// The type of the message in a record of epoch 0.
fn message(record: &[u8]) -> Option<u8> {
    (record[0] == 22 && record[4] == 0).then(|| record[13])
}

fn tell(pair: &mut Pair, records: &[Vec<u8>]) {
    records.iter().for_each(|record| pair.tell_server(record));
    let sent = pair.server_sends();
    assert!(sent.len() <= 1);
}

fn failed(pair: &Pair) -> Option<FailureReason> {
    pair.events.iter().find_map(|event| match event {
        HandshakeEvent::Failed { reason, .. } => Some(*reason),
        _ => None,
    })
}

#[test]
fn every_signed_suite_carries_data_with_every_form_of_keys() {
    for suite in signed_suites() {
        for (server, client) in [(RAW, RAW), (RAW, X509), (X509, RAW), (X509, X509)] {
            for cid in [None, Some(vec![1, 2, 3])] {
                for extended_master_secret in [true, false] {
                    let options = Options {
                        offer: Offer { extended_master_secret, ..Offer::ALL },
                        cid: cid.clone(),
                        client: Some(toy::identity(CLIENT_KEY, &[client])),
                        ..with_keys(suite.id, server)
                    };
                    let (mut pair, session) = Pair::established(options);

                    pair.client.send(b"there").expect("open");
                    pair.seal(session, Content::Application(b"and back"));
                    pair.settle();

                    assert_eq!(pair.records[0].payload, b"there", "{}", suite.name);
                    let back = ClientOutput::Data(b"and back".to_vec());
                    assert_eq!(pair.reports.last(), Some(&back), "{}", suite.name);
                }
            }
        }
    }
}

#[test]
fn a_device_without_extensions_for_types_presents_a_chain_and_gets_one() {
    let both = [RAW, X509];
    let mut options = with_keys(0xC0AE, X509);
    options.config.identity = Some(toy::identity(SERVER_KEY, &both));
    let mut pair = Pair::new(options);
    client_records(&mut pair).iter().for_each(|record| pair.tell_server(record));
    pair.server_sends();

    assert_eq!(pair.calls[0].claim, Claim::Key(toy::chain(CLIENT_KEY)));
}

#[test]
fn one_listener_has_keys_and_pre_shared_keys_and_the_client_chooses() {
    for (suites, expected) in [(vec![0xC0AE, 0xC0A8], 0xC0AE), (vec![0xC0A8, 0xC0AE], 0xC0A8)] {
        let options = Options { suites, ..with_keys(0, RAW) };
        let (pair, _) = Pair::established(options);
        let agreed = pair.events.iter().find_map(|event| match event {
            HandshakeEvent::Established { suite, .. } => Some(*suite),
            _ => None,
        });
        assert_eq!(agreed, Some(expected));
    }
    let keys = with_keys(0xC0AE, RAW);
    let (pair, _) = Pair::established(Options { config: keys.config, ..Options::default() });
    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_listener_without_a_key_takes_no_signed_suite() {
    let options = Options { config: EndpointConfig::default(), ..with_keys(0xC0AE, RAW) };
    let mut pair = Pair::new(options);

    pair.settle();

    let alert = Alert::fatal(AlertDescription::HANDSHAKE_FAILURE);
    assert_eq!(pair.reports, [ClientOutput::Failed(ClientFailure::Alert(alert))]);
    assert_eq!(failed(&pair), Some(FailureReason::NoCommonSuite));
}

#[test]
fn the_suites_of_ocf_are_taken_only_where_they_are_named() {
    for suite in [ECDHE_PSK, ECDH_ANON] {
        for cid in [None, Some(vec![1, 2, 3])] {
            let options = Options { suites: vec![suite], cid, ..Options::default() };
            let mut unnamed = Pair::new(options.clone());
            unnamed.settle();
            assert_eq!(failed(&unnamed), Some(FailureReason::NoCommonSuite));

            let config = EndpointConfig { suites: vec![suite], ..EndpointConfig::default() };
            let (mut pair, session) = Pair::established(Options { config, ..options });
            pair.client.send(b"there").expect("open");
            pair.seal(session, Content::Application(b"and back"));
            pair.settle();

            assert_eq!(pair.records[0].payload, b"there");
            let back = ClientOutput::Data(b"and back".to_vec());
            assert_eq!(pair.reports.last(), Some(&back));
        }
    }
}

#[test]
fn with_ecdhe_psk_a_wrong_key_is_as_wrong_as_with_psk_alone() {
    let config = EndpointConfig { suites: vec![ECDHE_PSK], ..EndpointConfig::default() };
    let suites = vec![ECDHE_PSK];
    let options = Options { client_psk: b"not the same key", suites, config, ..Options::default() };
    let mut pair = Pair::new(options);
    client_records(&mut pair).iter().for_each(|record| pair.tell_server(record));
    pair.server_sends();

    let call = pair.calls.remove(0);
    let refused = schedule::open(super::pair::PSK, pair.now, &call.evidence()).err();

    assert_eq!(refused, Some(OpenError::BadFinished));
}

#[test]
fn a_client_certificate_without_its_verification_asks_nobody() {
    // CVE-2022-29222, CVE-2020-2655.
    let mut pair = Pair::new(with_keys(0xC0AE, RAW));
    let mut records = client_records(&mut pair);
    records.retain(|record| message(record) != Some(kind::CERTIFICATE_VERIFY));

    tell(&mut pair, &records);

    assert!(pair.calls.is_empty());
    assert_eq!(pair.endpoint.sessions(), 0);
}

#[test]
fn a_client_that_presents_nothing_asks_nobody() {
    let mut pair = Pair::new(Options { client: None, ..with_keys(0xC0AE, X509) });
    let records = client_records(&mut pair);

    tell(&mut pair, &records);

    assert_eq!(pair.dropped(DropReason::NoKey), 1);
    assert!(pair.calls.is_empty());
    pair.later(60);
    pair.endpoint.handle_timeout(pair.now);
    pair.server_sends();
    assert_eq!(failed(&pair), Some(FailureReason::Untrusted));
}

#[test]
fn every_flipped_byte_of_a_clients_flight_is_noticed_before_anybody_is_asked() {
    for form in [RAW, X509] {
        let mut pair = Pair::new(with_keys(0xC0AE, form));
        let records = client_records(&mut pair);
        let verify = records.iter().position(|it| message(it) == Some(kind::CERTIFICATE_VERIFY));
        let verify = verify.expect("it is sent");
        for index in 0..=verify {
            // The bodies of messages, behind both headers; of a chain, its first certificate.
            for at in 25..records[index].len().min(80) {
                let mut pair = Pair::new(with_keys(0xC0AE, form));
                let mut records = client_records(&mut pair);
                records[index][at] ^= 1;
                tell(&mut pair, &records);
                assert!(pair.calls.is_empty(), "{index} {at}");
            }
        }
    }
}

#[test]
fn a_forged_flight_does_not_keep_the_real_one_out() {
    let mut pair = Pair::new(with_keys(0xC0AE, RAW));
    let records = client_records(&mut pair);
    let mut forged = records.clone();
    let verify = forged.iter().position(|it| message(it) == Some(kind::CERTIFICATE_VERIFY));
    *forged[verify.expect("it is sent")].last_mut().expect("a signature") ^= 1;
    // Its Finished need not be the real one.
    *forged.last_mut().and_then(|it| it.last_mut()).expect("a Finished") ^= 1;
    tell(&mut pair, &forged);
    assert_eq!(pair.dropped(DropReason::BadSignature), 1);

    tell(&mut pair, &records);
    pair.settle();

    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_share_that_is_no_point_asks_nobody() {
    for suite in [ECDHE_PSK, ECDH_ANON] {
        let config = EndpointConfig { suites: vec![suite], ..EndpointConfig::default() };
        // Length, form, and an element beyond the field; all zeros gives a secret of zeros.
        for change in [(0, 64), (1, 5), (58, 0xFF)] {
            let suites = vec![suite];
            let config = config.clone();
            let mut pair = Pair::new(Options { suites, config, ..Options::default() });
            let mut records = client_records(&mut pair);
            let exchange = &mut records[0];
            let start = exchange.len() - 66;
            exchange[start + change.0] = change.1;
            tell(&mut pair, &records);
            assert!(pair.calls.is_empty(), "{suite:#06x} {change:?}");
        }
        let mut pair = Pair::new(Options { suites: vec![suite], config, ..Options::default() });
        let mut records = client_records(&mut pair);
        let start = records[0].len() - 8;
        records[0][start..].fill(0);
        tell(&mut pair, &records);
        assert!(pair.calls.is_empty());
        assert_eq!(pair.dropped(DropReason::BadShare), 1);
    }
}

#[test]
fn a_chain_that_is_not_trusted_gets_alert_42() {
    let mut pair = Pair::new(with_keys(0xC0AE, X509));
    let records = client_records(&mut pair);
    tell(&mut pair, &records);
    let call = pair.calls.remove(0);

    pair.endpoint.refused(pair.now, call.call, crate::Refusal::Untrusted);

    let alert = pair.server_datagram();
    assert_eq!(alert[13..], [2, 42]);
    assert_eq!((pair.endpoint.half_open(), failed(&pair)), (0, Some(FailureReason::Untrusted)));
    assert!(pair.calls.is_empty());
}

#[test]
fn an_unknown_key_gets_alert_46_or_silence() {
    for hide_unknown_identity in [false, true] {
        let mut options = with_keys(0xC0AE, RAW);
        options.config.hide_unknown_identity = hide_unknown_identity;
        let mut pair = Pair::new(options);
        let records = client_records(&mut pair);
        tell(&mut pair, &records);
        let call = pair.calls.remove(0);
        assert_eq!(call.claim, Claim::Key(toy::raw(CLIENT_KEY)));

        pair.endpoint.refused(pair.now, call.call, crate::Refusal::UnknownIdentity);

        let said: Vec<_> =
            pair.server_sends().into_iter().map(|(_, it)| it[13..].to_vec()).collect();
        let expected: &[&[u8]] = if hide_unknown_identity { &[] } else { &[&[2, 46]] };
        assert_eq!(said, expected);
    }
}

#[test]
fn a_question_is_asked_again_and_answers_to_others_are_late() {
    let mut pair = Pair::new(with_keys(0xC0AE, X509));
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    assert!(pair.server_sends().is_empty(), "nothing leaves before the signature");
    pair.later(10);
    pair.endpoint.handle_timeout(pair.now);
    pair.server_sends();

    assert_eq!(pair.signs.len(), 2);
    assert_eq!(pair.signs[0], pair.signs[1]);
    let call = pair.signs[0].call;
    pair.endpoint.refused(pair.now, call, crate::Refusal::Denied);
    assert_eq!(pair.endpoint.counters().late_answers, 1);
    pair.endpoint.signed(pair.now, call, None);
    pair.server_sends();
    assert_eq!(failed(&pair), Some(FailureReason::Unavailable));
    assert_eq!(pair.endpoint.half_open(), 0);
}

#[test]
fn a_signature_longer_than_its_field_ends_the_handshake_and_sends_nothing() {
    let mut pair = Pair::new(with_keys(0xC0AE, RAW));
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    pair.server_sends();
    let call = pair.signs.remove(0).call;

    pair.endpoint.signed(pair.now, call, Some(vec![7; 1 << 16]));

    assert!(pair.server_sends().is_empty());
    assert_eq!(failed(&pair), Some(FailureReason::Unavailable));
}

#[test]
fn flights_come_in_smaller_datagrams_after_loss() {
    // RFC 6347 §4.1.1.1.
    let mut pair = Pair::new(with_keys(0xC0AE, X509));
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    pair.server_sends();
    pair.answer_keys();
    let longest = |sent: &[(_, Vec<u8>)]| sent.iter().map(|(_, it)| it.len()).max().unwrap_or(0);
    let first = pair.server_sends();
    assert!(first.len() > 1 && (508..=1200).contains(&longest(&first)));
    let mut last = first;
    for seconds in [1, 2, 4] {
        pair.later(seconds);
        pair.endpoint.handle_timeout(pair.now);
        last = pair.server_sends();
    }

    assert!(last.len() > 4 && longest(&last) <= 508);
    for (_, datagram) in last {
        pair.client.receive(pair.now, &datagram);
    }
    pair.settle();
    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_client_refuses_a_server_that_did_not_sign_or_is_not_trusted() {
    let mut pair = Pair::new(with_keys(0xC0AE, RAW));
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    pair.server_sends();
    let call = pair.signs.remove(0);
    pair.endpoint.signed(pair.now, call.call, Some(toy::sign(CLIENT_KEY, &call.message)));
    pair.settle();
    assert_eq!(pair.reports, [ClientOutput::Failed(ClientFailure::BadSignature)]);

    let mut options = with_keys(0xC0AE, RAW);
    options.config.identity = Some(toy::identity(b"somebody", &[RAW]));
    let mut pair = Pair::new(options);
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    pair.server_sends();
    let call = pair.signs.remove(0);
    pair.endpoint.signed(pair.now, call.call, Some(toy::sign(b"somebody", &call.message)));
    pair.settle();
    assert_eq!(pair.reports, [ClientOutput::Failed(ClientFailure::Untrusted)]);
}

#[test]
fn a_client_takes_each_message_of_a_server_once_and_in_its_place() {
    // dtls-fuzzer's MultipleCertificate, MultipleServerKeyExchange, MultipleCertificateRequest,
    // ReorderedCertificateRequest: a message that has no place is as if it had not come.
    let mut pair = Pair::new(with_keys(0xC0AE, RAW));
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    pair.server_sends();
    pair.answer_keys();
    let flight: Vec<_> =
        pair.server_sends().iter().flat_map(|(_, it)| pair.split_from_server(it)).collect();
    let order: Vec<_> = flight.iter().map(|record| record[13]).collect();
    assert_eq!(order, [2, 11, 12, 13, 14]);
    for record in &flight[..4] {
        pair.client.receive(pair.now, record);
        // The same again, and each of the others, under the next message's number.
        for other in &flight[..4] {
            if other[13] <= record[13] {
                let mut again = other.clone();
                again[17..19].copy_from_slice(&(u16::from(record[18]) + 1).to_be_bytes());
                pair.client.receive(pair.now, &again);
            }
        }
    }
    pair.client.receive(pair.now, &flight[4]);
    pair.settle();

    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_client_that_offered_pre_shared_keys_takes_no_certificates() {
    // dtls-fuzzer's UnrequestedCertificate.
    let mut pair = Pair::new(Options::without_cid());
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    let flight = pair.server_datagram();
    let records = pair.split_from_server(&flight);
    pair.client.receive(pair.now, &records[0]);
    for kind in [kind::CERTIFICATE, kind::CERTIFICATE_REQUEST] {
        let mut body = Vec::new();
        crate::wire::handshake::put_message(&mut body, kind, 2, &[0, 0, 0]);
        let record = super::pair::forged(crate::ContentType::Handshake, 9, &body);
        pair.client.receive(pair.now, &record);
    }
    pair.client.receive(pair.now, &records[1]);
    pair.settle();

    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn the_ledger_side_takes_no_evidence_that_lacks_or_invents_a_shared_secret() {
    let mut pair = Pair::new(with_keys(0xC0AE, RAW));
    let records = client_records(&mut pair);
    tell(&mut pair, &records);
    let call = pair.calls.remove(0);
    let evidence = call.evidence();
    assert!(schedule::open_shared(pair.now, &evidence).is_ok());
    let without = schedule::Evidence { shared: None, ..evidence };

    let malformed = Some(OpenError::Malformed);
    assert_eq!(schedule::open_shared(pair.now, &without).err(), malformed);
    assert_eq!(schedule::open(b"", pair.now, &evidence).err(), malformed);
    assert_eq!(schedule::identity(&call.transcript).err(), malformed);
    assert!(!format!("{call:?}").contains("SharedSecret(["));

    let mut psk = Pair::new(Options::default());
    let flight = psk.client_flight();
    psk.tell_server(&flight);
    psk.server_sends();
    let other = psk.calls.remove(0);
    let invented = schedule::Evidence { shared: call.shared.as_ref(), ..other.evidence() };
    assert_eq!(schedule::open(super::pair::PSK, psk.now, &invented).err(), malformed);
}
