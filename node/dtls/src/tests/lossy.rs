//! Many seeds over a network that loses, delays, reorders and duplicates.

use std::collections::BTreeMap;

use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::keys::with_keys;
use super::pair::{Options, Pair};
use crate::client::Offer;
use crate::{CertificateType, ClientOutput, Content, OpenCall};

enum Arrival {
    AtServer(Vec<u8>),
    AtClient(Vec<u8>),
    Answer(OpenCall),
    SendPing,
}

/// The network and its clock.
struct Network {
    rng: ChaCha8Rng,
    arrivals: BTreeMap<(Duration, u64), Arrival>,
    serial: u64,
    lost_in_a_row: u32,
    /// Percent that are lost.
    loss: u32,
}

impl Network {
    fn after(&mut self, now: Duration, delay: u64, arrival: Arrival) {
        self.serial += 1;
        self.arrivals.insert((now + Duration::from_millis(delay), self.serial), arrival);
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.next_u32() % 100 < percent
    }

    /// Some are lost, but never three in a row: nothing completes if all is lost. One in eight
    /// comes twice, all are late by up to 400 ms.
    fn send(&mut self, now: Duration, bytes: &[u8], arrival: fn(Vec<u8>) -> Arrival) {
        let copies = if self.chance(12) { 2 } else { 1 };
        for _ in 0..copies {
            if self.chance(self.loss) && self.lost_in_a_row < 2 {
                self.lost_in_a_row += 1;
                continue;
            }
            self.lost_in_a_row = 0;
            let delay = 5 + u64::from(self.rng.next_u32() % 400);
            self.after(now, delay, arrival(bytes.to_vec()));
        }
    }
}

/// Runs a handshake and an exchange of data; panics if they do not complete in 60 s.
fn run(options: Options, loss: u32) {
    let seed = options.seed;
    let mut pair = Pair::new(options);
    let mut network = Network {
        rng: ChaCha8Rng::seed_from_u64(seed ^ 0xBAD_CAB1E),
        arrivals: BTreeMap::new(),
        serial: 0,
        lost_in_a_row: 0,
        loss,
    };
    network.after(pair.now, 1000, Arrival::SendPing);
    let end = pair.now + Duration::from_secs(60);
    loop {
        exchange(&mut pair, &mut network);
        if pair.reports.iter().any(|report| matches!(report, ClientOutput::Data(_))) {
            break;
        }
        let arrival = network.arrivals.first_key_value().map(|((at, _), _)| *at);
        let timers = [pair.client.next_timeout(), pair.endpoint.next_timeout(), arrival];
        pair.now = timers.into_iter().flatten().min().expect("something is always due");
        assert!(pair.now < end, "seed {seed} does not complete: {:?}", pair.client);
        pair.client.handle_timeout(pair.now);
        pair.endpoint.handle_timeout(pair.now);
        if arrival == Some(pair.now) {
            let (_, arrival) = network.arrivals.pop_first().expect("it is due");
            arrive(&mut pair, &mut network, arrival);
        }
    }
    assert_eq!(pair.endpoint.sessions(), 1, "seed {seed}");
    assert_eq!(pair.endpoint.half_open(), 0, "seed {seed}");
    let mut read: Vec<_> = pair.records.iter().map(|record| record.sequence).collect();
    let count = read.len();
    read.sort_unstable();
    read.dedup();
    assert_eq!(read.len(), count, "seed {seed} hands a record out twice");
}

fn exchange(pair: &mut Pair, network: &mut Network) {
    send_all(pair, network);
    while !(pair.signs.is_empty() && pair.client_asks.is_empty()) {
        pair.answer_keys();
        send_all(pair, network);
    }
    for call in core::mem::take(&mut pair.calls) {
        let delay = u64::from(network.rng.next_u32() % 300);
        network.after(pair.now, delay, Arrival::Answer(call));
    }
    for session in core::mem::take(&mut pair.repeats) {
        pair.seal(session, Content::Finished);
    }
}

fn send_all(pair: &mut Pair, network: &mut Network) {
    for datagram in pair.client_sends() {
        network.send(pair.now, &datagram, Arrival::AtServer);
    }
    for (_, datagram) in pair.server_sends() {
        network.send(pair.now, &datagram, Arrival::AtClient);
    }
}

fn arrive(pair: &mut Pair, network: &mut Network, arrival: Arrival) {
    match arrival {
        Arrival::AtServer(bytes) => {
            let before = pair.records.len();
            pair.tell_server(&bytes);
            exchange(pair, network);
            if pair.records.len() > before {
                let session = pair.session();
                pair.seal(session, Content::Application(b"pong"));
            }
        }
        Arrival::AtClient(bytes) => pair.client.receive(pair.now, &bytes),
        Arrival::Answer(call) => {
            pair.calls.push(call);
            pair.answer();
        }
        Arrival::SendPing => {
            // Not yet open, or sent: in either case the next one follows.
            let _ = pair.client.send(b"ping");
            network.after(pair.now, 1000, Arrival::SendPing);
        }
    }
}

fn seeds(options: &Options) {
    with_loss(options, 20);
}

fn with_loss(options: &Options, percent: u32) {
    for seed in 0..150 {
        run(Options { seed, ..options.clone() }, percent);
    }
}

#[test]
fn completes_with_connection_ids_both_ways() {
    seeds(&Options::default());
}

#[test]
fn completes_with_a_connection_id_of_the_server_alone() {
    seeds(&Options { cid: Some(Vec::new()), ..Options::default() });
}

#[test]
fn completes_without_connection_ids() {
    seeds(&Options::without_cid());
}

#[test]
fn completes_without_extended_master_secret() {
    let offer = Offer { extended_master_secret: false, ..Offer::ALL };
    seeds(&Options { offer, ..Options::default() });
}

#[test]
fn completes_with_raw_public_keys() {
    seeds(&with_keys(0xC0AE, CertificateType::RawPublicKey));
}

#[test]
fn completes_with_chains_in_many_fragments() {
    // Of so many datagrams the one that counts is lost too often to come in 60 s otherwise.
    with_loss(&with_keys(0xC02B, CertificateType::X509), 10);
}
