//! The client: what it does not put up with, and how it ends.

use core::time::Duration;

use zeroize::Zeroizing;

use super::pair::{Options, Pair, forged};
use crate::wire::record::ContentType;
use crate::{Client, ClientConfig, ClientFailure, ClientOutput, SendError};

#[test]
fn sends_nothing_before_it_is_open() {
    let mut pair = Pair::new(Options::default());

    assert_eq!(pair.client.send(b"early"), Err(SendError::NotOpen));
}

#[test]
fn gives_up_in_time_after_doubling_its_waits() {
    let mut pair = Pair::new(Options::default());
    let begin = pair.now;
    let mut waits = Vec::new();
    while let Some(at) = pair.client.next_timeout() {
        waits.push((at - begin).as_secs());
        pair.now = at;
        pair.client.handle_timeout(at);
    }

    assert_eq!(waits, [1, 3, 7, 15, 31, 60]);
    assert_eq!(pair.client_sends().len(), 6);
    assert_eq!(pair.reports, [ClientOutput::Failed(ClientFailure::TimedOut)]);
}

#[test]
fn a_wrong_key_ends_in_silence() {
    let mut pair = Pair::new(Options { client_psk: b"not the same key", ..Options::default() });
    pair.settle();
    pair.later(60);

    pair.client.handle_timeout(pair.now);
    pair.client_sends();

    assert_eq!(pair.reports, [ClientOutput::Failed(ClientFailure::TimedOut)]);
}

#[test]
fn refuses_a_choice_that_it_did_not_offer() {
    // Suite, compression and version of the ServerHello, each changed.
    for (index, byte) in [(60, 0xC0), (62, 1), (25, 0xFF)] {
        let mut pair = Pair::new(Options::without_cid());
        let hello = pair.cookied_hello();
        pair.tell_server(&hello);
        let mut flight = pair.server_datagram();
        flight[index + usize::from(index == 60)] ^= byte;

        pair.client.receive(pair.now, &flight);
        pair.client_sends();

        assert_eq!(
            pair.reports,
            [ClientOutput::Failed(ClientFailure::IllegalParameter)],
            "{index}"
        );
    }
}

#[test]
fn plaintext_does_not_disturb_an_open_connection() {
    let (mut pair, session) = Pair::established(Options::default());
    pair.client.receive(pair.now, &forged(ContentType::Alert, 9, &[2, 40]));
    pair.client.receive(pair.now, &forged(ContentType::ApplicationData, 9, b"data"));
    pair.seal(session, crate::Content::Application(b"genuine"));

    pair.settle();

    assert_eq!(pair.reports[1..], [ClientOutput::Data(b"genuine".to_vec())]);
    assert_eq!(pair.client.next_timeout(), None);
}

#[test]
fn a_repeated_server_flight_brings_its_own_again_once_a_timer_period() {
    let mut pair = Pair::new(Options::default());
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    let flight = pair.server_datagram();
    for _ in 0..5 {
        pair.client.receive(pair.now, &flight);
    }

    assert_eq!(pair.client_sends().len(), 2);
}

#[test]
fn refuses_credentials_that_do_not_fit() {
    let config = ClientConfig::new(vec![0; 4097], Zeroizing::new(vec![1]));
    let mut rng = <rand_chacha::ChaCha8Rng as rand_core::SeedableRng>::seed_from_u64(1);

    let mut client = Client::new(Duration::ZERO, config, &mut rng);

    assert_eq!(client.poll(), Some(ClientOutput::Failed(ClientFailure::Config)));
    assert_eq!(client.poll(), None);
}
