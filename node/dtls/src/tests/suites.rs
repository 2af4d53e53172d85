//! Every suite of the table, between our two ends.

use super::pair::{Options, PSK, Pair, split};
use crate::cipher::Cipher;
use crate::client::Offer;
use crate::schedule::{self, OpenError};
use crate::wire::record::ContentType;
use crate::{ClientFailure, ClientOutput, Content, HandshakeEvent, SUITES, Suite};

const OFFERS: [Offer; 4] = [
    Offer::ALL,
    Offer { extended_master_secret: false, ..Offer::ALL },
    Offer { encrypt_then_mac: false, ..Offer::ALL },
    Offer { extended_master_secret: false, encrypt_then_mac: false, ..Offer::ALL },
];

/// The rows of a pre-shared key alone.
fn psk_suites() -> impl Iterator<Item = &'static Suite> {
    Suite::psk_defaults().into_iter().filter_map(Suite::by_id)
}

fn only(suite: &Suite) -> Options {
    Options { suites: vec![suite.id], ..Options::default() }
}

/// The suite that both ends of an established pair report.
fn agreed(pair: &Pair) -> u16 {
    let server = pair.events.iter().find_map(|event| match event {
        HandshakeEvent::Established { suite, .. } => Some(*suite),
        _ => None,
    });
    let client = pair.reports.iter().find_map(|report| match report {
        ClientOutput::Established { suite, .. } => Some(*suite),
        _ => None,
    });
    assert_eq!(client, server);
    server.expect("the handshake is complete")
}

#[test]
fn each_suite_carries_data_both_ways_in_every_form_of_session() {
    for suite in psk_suites() {
        for cid in [None, Some(Vec::new()), Some(vec![1, 2, 3])] {
            for offer in OFFERS {
                let options = Options { cid: cid.clone(), offer, ..only(suite) };
                let (mut pair, session) = Pair::established(options);

                pair.client.send(b"there").expect("open");
                pair.seal(session, Content::Application(b"and back"));
                pair.settle();

                assert_eq!(agreed(&pair), suite.id);
                assert_eq!(pair.records[0].payload, b"there", "{}", suite.name);
                let back = ClientOutput::Data(b"and back".to_vec());
                assert_eq!(pair.reports.last(), Some(&back), "{}", suite.name);
            }
        }
    }
}

#[test]
fn the_first_of_the_clients_that_we_have_is_taken() {
    let [ccm_8, gcm, ccm, ..] = SUITES.each_ref().map(|suite| suite.id);
    for suites in [vec![ccm_8, gcm, ccm], vec![gcm, ccm_8], vec![ccm, gcm, ccm_8]] {
        let (pair, _) = Pair::established(Options { suites: suites.clone(), ..Options::default() });

        assert_eq!(agreed(&pair), suites[0]);
    }
}

#[test]
fn a_record_bears_its_number_as_its_nonce_and_the_suites_tag() {
    for suite in psk_suites() {
        let Cipher::Aead(cipher) = suite.cipher else { continue };
        let (mut pair, session) = Pair::established(Options { cid: None, ..only(suite) });

        pair.seal(session, Content::Application(b"12345"));

        let record = pair.server_datagram();
        assert_eq!(record[3..11], record[13..21], "{}", suite.name);
        assert_eq!(record.len(), 13 + 8 + 5 + cipher.tag(), "{}", suite.name);
    }
}

#[test]
fn every_flipped_bit_of_a_finished_is_noticed_in_every_suite() {
    for suite in psk_suites() {
        let mut pair = Pair::new(only(suite));
        let flight = pair.client_flight();
        pair.tell_server(&flight);
        pair.server_sends();
        let call = pair.calls.remove(0);
        // Of a vector of CBC and of its ciphertext likewise.
        for bit in 0..call.finished.len() * 8 {
            let mut finished = call.finished.clone();
            finished[bit / 8] ^= 1 << (bit % 8);
            let evidence = schedule::Evidence { finished: &finished, ..call.evidence() };
            assert!(schedule::open(PSK, pair.now, &evidence).is_err(), "{} {bit}", suite.name);
        }
        assert!(schedule::open(PSK, pair.now, &call.evidence()).is_ok());
    }
}

#[test]
fn a_finished_of_the_length_of_another_suite_asks_nobody() {
    let mut pair = Pair::new(only(&SUITES[1]));
    let mut records = split(&pair.client_flight());
    let finished = records[2].clone();
    // The tag of CCM_8 is eight bytes shorter.
    let mut short = finished[..finished.len() - 9].to_vec();
    let length = u16::from_be_bytes([finished[19], finished[20]]) - 9;
    short[19..21].copy_from_slice(&length.to_be_bytes());
    records[2] = short;

    pair.tell_server(&records.concat());

    pair.server_sends();
    assert!(pair.calls.is_empty());
}

#[test]
fn an_edge_that_names_another_suite_than_the_hellos_is_not_believed() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    pair.tell_server(&flight);
    pair.server_sends();
    let call = pair.calls.remove(0);

    for suite in psk_suites().filter(|suite| suite.id != call.suite) {
        let evidence = schedule::Evidence { suite: suite.id, ..call.evidence() };
        let refused = schedule::open(PSK, pair.now, &evidence).err();
        assert_eq!(refused, Some(OpenError::Malformed));
    }
}

#[test]
fn the_client_refuses_a_suite_that_exists_but_that_it_did_not_offer() {
    let mut pair = Pair::new(Options { cid: None, ..only(&SUITES[0]) });
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    let mut flight = pair.server_datagram();
    assert_eq!(flight[60..62], SUITES[0].id.to_be_bytes());
    flight[60..62].copy_from_slice(&SUITES[1].id.to_be_bytes());

    pair.client.receive(pair.now, &flight);
    pair.client_sends();

    assert_eq!(pair.reports, [ClientOutput::Failed(ClientFailure::IllegalParameter)]);
}

#[test]
fn a_client_cannot_offer_what_nobody_has() {
    for suites in [vec![], vec![0x1301], vec![SUITES[0].id, 0x008C], vec![SUITES[0].id; 33]] {
        let mut pair = Pair::new(Options { suites, ..Options::default() });
        pair.client_sends();

        assert_eq!(pair.reports, [ClientOutput::Failed(ClientFailure::Config)]);
    }
}

#[test]
fn a_session_has_one_key_for_each_direction() {
    for suite in psk_suites() {
        let (mut pair, session) = Pair::established(Options { cid: None, ..only(suite) });
        pair.seal(session, Content::Application(b"to the client"));
        let own = pair.server_datagram();
        assert_eq!(own[0], ContentType::ApplicationData as u8);

        // Our own record, thrown back at us.
        pair.tell_server(&own);

        pair.server_sends();
        assert!(pair.records.is_empty(), "{}", suite.name);
        assert_eq!(pair.dropped(crate::DropReason::BadMac), 1, "{}", suite.name);
    }
}

/// The ServerHello's block of extensions.
fn server_extensions(suites: Vec<u16>, offer: Offer) -> Vec<u8> {
    let mut pair = Pair::new(Options { cid: None, suites, offer, ..Options::default() });
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    let flight = pair.server_datagram();
    split(&flight)[0][13 + 12 + 38..].to_vec()
}

#[test]
fn encrypt_then_mac_is_agreed_with_a_block_cipher_and_never_with_an_aead() {
    let extension = [0, 22, 0, 0];
    let has_it = |block: Vec<u8>| block.windows(4).any(|part| part == extension);
    let not_offered = Offer { encrypt_then_mac: false, ..Offer::ALL };

    assert!(has_it(server_extensions(vec![0x00AE], Offer::ALL)));
    assert!(!has_it(server_extensions(vec![0x00AE], not_offered)));
    // The client offers both, and so the extension; RFC 7366 §3.
    assert!(!has_it(server_extensions(vec![0xC0A8, 0x00AE], Offer::ALL)));
}

#[test]
fn the_client_refuses_encrypt_then_mac_with_an_aead() {
    let suites = vec![0x00AE, 0xC0A8];
    let mut pair = Pair::new(Options { cid: None, suites, ..Options::default() });
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    let mut flight = pair.server_datagram();
    // The extended master secret's extension becomes that of encrypt-then-MAC.
    let at = flight.windows(4).position(|part| part == [0, 23, 0, 0]).expect("it is there");
    flight[at + 1] = 22;

    pair.client.receive(pair.now, &flight);
    pair.client_sends();

    assert_eq!(pair.reports, [ClientOutput::Failed(ClientFailure::IllegalParameter)]);
}

#[test]
fn keys_of_another_suite_open_nothing() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    pair.tell_server(&flight);
    pair.server_sends();
    let call = pair.calls.remove(0);
    let mut opened = schedule::open(PSK, pair.now, &call.evidence()).expect("the key is right");
    let right = opened.clone();
    opened.keys = crate::SessionKeys::from_bytes(&[1; 97]).expect("a key block of CBC");

    assert!(!pair.endpoint.opened(pair.now, call.call, opened));
    assert!(pair.endpoint.opened(pair.now, call.call, right));
}
