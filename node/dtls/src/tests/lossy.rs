//! Whole conversations over a network that loses, delays, reorders, doubles and narrows, in every
//! mode: by dice, and every flight once by every fault.

use std::collections::BTreeMap;

use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::keys::with_keys;
use super::pair::{Options, Pair};
use super::resumption::{self, returning};
use super::rounds;
use crate::client::Offer;
use crate::{CertificateType, ClientOutput, Content, EndpointConfig, OpenCall, SessionCall, Suite};

enum Arrival {
    AtServer(Vec<u8>),
    AtClient(Vec<u8>),
    Answer(OpenCall),
    AnswerSession(SessionCall),
    SendPing,
}

/// What happens to one flight: all that one end sends at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Lost,
    /// It arrives twice, the second time a second later.
    Doubled,
    /// Its datagrams arrive in the opposite order.
    Reversed,
    /// It arrives after what follows.
    Late,
    /// From it on no datagram arrives that is longer than this.
    Narrow(usize),
}

const FAULTS: [Fault; 6] = [
    Fault::Lost,
    Fault::Doubled,
    Fault::Reversed,
    Fault::Late,
    Fault::Narrow(1280),
    Fault::Narrow(548),
];

/// How the network is.
enum Weather {
    /// So many percent are lost, one in eight is doubled, all are late by up to 400 ms.
    Dice { rng: Box<ChaCha8Rng>, loss: u32, lost_in_a_row: u32 },
    /// Fair but for one flight, by its number.
    One { flight: usize, fault: Fault },
}

/// The network and its clock.
struct Network {
    weather: Weather,
    arrivals: BTreeMap<(Duration, i64), Arrival>,
    serial: i64,
    /// Number of the flight that is being sent; when, and whether by the server.
    flight: usize,
    sent: Option<(Duration, bool)>,
}

impl Network {
    fn new(weather: Weather) -> Self {
        Self { weather, arrivals: BTreeMap::new(), serial: 0, flight: 0, sent: None }
    }

    fn dice(seed: u64, loss: u32) -> Self {
        let rng = Box::new(ChaCha8Rng::seed_from_u64(seed ^ 0xBAD_CAB1E));
        Self::new(Weather::Dice { rng, loss, lost_in_a_row: 0 })
    }

    fn after(&mut self, now: Duration, delay: u64, arrival: Arrival) {
        self.serial += 1;
        self.arrivals.insert((now + Duration::from_millis(delay), self.serial), arrival);
    }

    /// How long somebody outside takes to answer.
    fn thought(&mut self) -> u64 {
        match &mut self.weather {
            Weather::Dice { rng, .. } => u64::from(rng.next_u32() % 300),
            Weather::One { .. } => 0,
        }
    }

    fn send(&mut self, now: Duration, server: bool, bytes: Vec<u8>) {
        if self.sent.replace((now, server)).is_some_and(|before| before != (now, server)) {
            self.flight += 1;
        }
        for delay in self.delays(bytes.len()) {
            let bytes = bytes.clone();
            let arrival = if server { Arrival::AtClient(bytes) } else { Arrival::AtServer(bytes) };
            self.after(now, delay, arrival);
            if matches!(self.weather, Weather::One { flight, fault: Fault::Reversed } if flight == self.flight)
            {
                // Of one moment the later one comes first.
                let last = self.arrivals.pop_last().expect("it was just added");
                self.arrivals.insert((last.0.0, -last.0.1), last.1);
            }
        }
    }

    /// When copies of a datagram of so many bytes arrive.
    fn delays(&mut self, length: usize) -> Vec<u64> {
        const FAIR: u64 = 20;
        match &mut self.weather {
            Weather::Dice { rng, loss, lost_in_a_row } => {
                let mut delays = Vec::new();
                for _ in 0..if rng.next_u32() % 8 == 0 { 2 } else { 1 } {
                    // Never three in a row: nothing completes if all is lost.
                    if rng.next_u32() % 100 < *loss && *lost_in_a_row < 2 {
                        *lost_in_a_row += 1;
                    } else {
                        *lost_in_a_row = 0;
                        delays.push(5 + u64::from(rng.next_u32() % 400));
                    }
                }
                delays
            }
            Weather::One { flight, fault: Fault::Narrow(most) } => {
                let arrives = self.flight < *flight || length <= *most;
                if arrives { vec![FAIR] } else { Vec::new() }
            }
            Weather::One { flight, fault } if *flight == self.flight => match fault {
                Fault::Lost => Vec::new(),
                Fault::Doubled => vec![FAIR, 1000 + FAIR],
                Fault::Late => vec![1500],
                Fault::Reversed | Fault::Narrow(_) => vec![FAIR],
            },
            Weather::One { .. } => vec![FAIR],
        }
    }
}

/// Runs a handshake and an exchange of data; gives the number of flights. Panics if they do not
/// complete in 60 s.
fn run(mut pair: Pair, mut network: Network, what: &str) -> usize {
    let older = pair.reports.len();
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
        assert!(pair.now < end, "{what} does not complete: {:?}", pair.client);
        pair.client.handle_timeout(pair.now);
        pair.endpoint.handle_timeout(pair.now);
        if arrival == Some(pair.now) {
            let (_, arrival) = network.arrivals.pop_first().expect("it is due");
            arrive(&mut pair, &mut network, arrival);
        }
    }
    assert_eq!(pair.endpoint.half_open(), 0, "{what}");
    assert!(matches!(pair.reports[older], ClientOutput::Established { .. }), "{what}");
    let mut read: Vec<_> = pair.records.iter().map(|record| record.sequence).collect();
    let count = read.len();
    read.sort_unstable();
    read.dedup();
    assert_eq!(read.len(), count, "{what} hands a record out twice");
    network.flight + 1
}

fn exchange(pair: &mut Pair, network: &mut Network) {
    send_all(pair, network);
    while !(pair.signs.is_empty() && pair.client_asks.is_empty()) {
        pair.answer_keys();
        send_all(pair, network);
    }
    for call in core::mem::take(&mut pair.calls) {
        let delay = network.thought();
        network.after(pair.now, delay, Arrival::Answer(call));
    }
    for call in core::mem::take(&mut pair.session_calls) {
        let delay = network.thought();
        network.after(pair.now, delay, Arrival::AnswerSession(call));
    }
    for session in core::mem::take(&mut pair.repeats) {
        pair.seal(session, Content::Finished);
    }
}

fn send_all(pair: &mut Pair, network: &mut Network) {
    for datagram in pair.client_sends() {
        network.send(pair.now, false, datagram);
    }
    for (_, datagram) in pair.server_sends() {
        network.send(pair.now, true, datagram);
    }
}

fn arrive(pair: &mut Pair, network: &mut Network, arrival: Arrival) {
    match arrival {
        Arrival::AtServer(bytes) => {
            pair.tell_server(&bytes);
            echo(pair, network);
        }
        Arrival::AtClient(bytes) => pair.client.receive(pair.now, &bytes),
        Arrival::Answer(call) => {
            pair.calls.push(call);
            pair.answer();
        }
        Arrival::AnswerSession(call) => {
            pair.answer_session(&call);
            // What overtook the client's Finished is read now.
            echo(pair, network);
        }
        Arrival::SendPing => {
            // Not yet open, or sent: in either case the next one follows.
            let _ = pair.client.send(b"ping");
            network.after(pair.now, 1000, Arrival::SendPing);
        }
    }
}

/// Answers what was read.
fn echo(pair: &mut Pair, network: &mut Network) {
    let before = pair.records.len();
    exchange(pair, network);
    if let Some(session) = pair.records.get(before).map(|record| record.session) {
        pair.seal(session, Content::Application(b"pong"));
    }
}

/// Every mode of a handshake, with every form of connection ids.
fn modes() -> Vec<(String, Options, bool)> {
    let signed = |suite, form| (with_keys(suite, form), false);
    let named = |suite| {
        let config = EndpointConfig { suites: vec![suite], ..EndpointConfig::default() };
        (Options { suites: vec![suite], config, ..Options::default() }, false)
    };
    let plain = Offer { extended_master_secret: false, ..Offer::ALL };
    let modes = [
        ("PSK", (Options::default(), false)),
        ("PSK without EMS", (Options { offer: plain, ..Options::default() }, false)),
        ("PSK in short records", (Options { record_limit: Some(64), ..Options::default() }, false)),
        ("ECDHE_PSK", named(0xC037)),
        ("ECDH_anon", named(0xFF00)),
        ("raw public keys", signed(0xC0AE, CertificateType::RawPublicKey)),
        ("chains", signed(0xC02B, CertificateType::X509)),
        ("resumed by id", (resumption::options(false), true)),
        ("resumed by ticket", (resumption::options(true), true)),
    ];
    let cids = [None, Some(Vec::new()), Some(vec![0xC1, 0x1D, 0x01])];
    let every = modes.iter().flat_map(|(name, (options, resumed))| {
        cids.iter().map(move |cid| {
            let options = Options { cid: cid.clone(), ..options.clone() };
            (format!("{name}, id {cid:?}"), options, *resumed)
        })
    });
    every.collect()
}

fn begin(options: &Options, resumed: bool) -> Pair {
    if resumed { returning(options) } else { Pair::new(options.clone()) }
}

#[test]
fn every_mode_completes_on_a_bad_network() {
    for (name, options, resumed) in modes() {
        // Of so many datagrams the one that counts is lost too often to come in 60 s otherwise.
        let loss = if name.starts_with("chains") { 10 } else { 20 };
        for seed in 0..rounds(60, 2_000).into() {
            let pair = begin(&Options { seed, ..options.clone() }, resumed);
            run(pair, Network::dice(seed, loss), &format!("{name}, seed {seed}"));
        }
    }
}

#[test]
fn every_flight_of_every_mode_outlives_every_fault() {
    for (name, options, resumed) in modes() {
        let fair = Weather::One { flight: usize::MAX, fault: Fault::Lost };
        let flights = run(begin(&options, resumed), Network::new(fair), &name);
        // A hello, its request, a hello, and two flights at least, then data and its answer.
        assert!(flights >= 7, "{name}: {flights}");
        for flight in 0..flights {
            for fault in FAULTS {
                let weather = Weather::One { flight, fault };
                let what = format!("{name}, flight {flight} {fault:?}");
                run(begin(&options, resumed), Network::new(weather), &what);
            }
        }
    }
}

#[test]
fn every_suite_completes_on_a_bad_network() {
    for suite in Suite::psk_defaults() {
        let options = Options { suites: vec![suite], ..Options::default() };
        for seed in 0..30 {
            let pair = Pair::new(Options { seed, ..options.clone() });
            run(pair, Network::dice(seed, 20), &format!("{suite:#06x}, seed {seed}"));
        }
    }
}
