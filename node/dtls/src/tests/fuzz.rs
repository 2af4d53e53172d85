//! A fuzzer: conversations whose datagrams are changed, reordered, repeated and mixed by one seed.
//!
//! Unlike random bytes these get deep: each begins as what a real end has sent, and the changes
//! know of headers and lengths. It is bounded and repeatable; `just long` runs more of it. A
//! failure prints the seed.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::pair::{Options, PSK, Pair, address};
use super::rounds;
use crate::reassembly::Reassembly;
use crate::resume::{self, Offer, Resumable};
use crate::schedule::{self, Evidence};
use crate::wire::alert::Alert;
use crate::wire::handshake::Fragments;
use crate::wire::hello::{ClientHello, ServerHello, decode_verify_request};
use crate::wire::record::Records;
use crate::{ClientOutput, EndpointConfig, HandshakeEvent, StoredSession};

/// `bytes` with some changes.
fn mutate(dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + dice.below(3) {
        let at = dice.below(bytes.len());
        match dice.below(6) {
            _ if bytes.is_empty() => bytes.push(dice.byte()),
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.byte(),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, dice.byte()),
            4 => {
                let end = (at + dice.below(40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = dice.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                bytes.remove(at);
            }
        }
    }
    if dice.chance(60) {
        mend(&mut bytes);
    }
    bytes
}

/// Makes the length in the first record's header true again, and that of an unfragmented message
/// in it, so that the change is met by what lies deeper.
fn mend(bytes: &mut [u8]) {
    let Some(body) = bytes.len().checked_sub(13) else { return };
    bytes[11..13].copy_from_slice(&(body as u16).to_be_bytes());
    if let (22, Some(message)) = (bytes[0], body.checked_sub(12)) {
        let length = (message as u32).to_be_bytes();
        bytes[14..17].copy_from_slice(&length[1..]);
        bytes[22..25].copy_from_slice(&length[1..]);
    }
}

/// The kinds of device that knock.
fn options(dice: &mut Dice, seed: u64) -> Options {
    let cids = [None, Some(Vec::new()), Some(vec![0xC1, 0x1D, 0x01])];
    let suites = crate::Suite::psk_defaults();
    let suite = suites[dice.below(suites.len())];
    Options {
        seed,
        cid: cids[dice.below(3)].clone(),
        suites: vec![suite],
        tickets: dice.chance(50),
        client_psk: if dice.chance(50) { PSK } else { b"not the same key" },
        config: EndpointConfig { half_open: 4, resumption: true, ..EndpointConfig::default() },
        ..Options::default()
    }
}

/// One conversation and what disturbs it.
struct Conversation {
    dice: Dice,
    pair: Pair,
    genuine: bool,
    /// What was said before, by either end: it comes again, changed or not.
    to_server: Vec<Vec<u8>>,
    to_client: Vec<Vec<u8>>,
}

impl Conversation {
    fn new(seed: u64, corpus: &[Vec<u8>]) -> Self {
        let mut dice = Dice::new(seed);
        let options = options(&mut dice, seed);
        let genuine = options.client_psk == PSK;
        let pair = Pair::new(options);
        Self { dice, pair, genuine, to_server: corpus.to_vec(), to_client: Vec::new() }
    }

    fn run(&mut self) {
        for _ in 0..12 {
            self.client_turn();
            self.server_turn();
            if self.dice.chance(30) {
                let milliseconds = self.dice.below(3_000) as u64;
                self.pair.now += core::time::Duration::from_millis(milliseconds);
                self.pair.endpoint.handle_timeout(self.pair.now);
                self.pair.client.handle_timeout(self.pair.now);
            }
            if self.dice.chance(20) {
                // Not open yet, or sent.
                let _ = self.pair.client.send(b"data");
            }
            self.check();
        }
    }

    fn client_turn(&mut self) {
        let said = self.pair.client_sends();
        let noise = self.noise(true);
        for datagram in said.into_iter().chain(noise) {
            if self.dice.chance(90) {
                self.pair.tell_server(&datagram);
            }
            self.to_server.push(datagram);
        }
    }

    fn server_turn(&mut self) {
        let mut said = self.pair.server_sends();
        if self.dice.chance(80) {
            self.pair.answer_perhaps_late();
        }
        said.extend(self.pair.server_sends());
        let noise = self.noise(false);
        for datagram in said.into_iter().map(|(_, bytes)| bytes).chain(noise) {
            if self.dice.chance(90) {
                self.pair.client.receive(self.pair.now, &datagram);
            }
            self.to_client.push(datagram);
        }
    }

    /// Some of what was said, changed. Never as the last word of a genuine pair: what a client
    /// believes before it has keys can end it, as RFC 6347 §4.1.2.7 admits.
    fn noise(&mut self, to_server: bool) -> Vec<Vec<u8>> {
        let said = if to_server { &self.to_server } else { &self.to_client };
        if said.is_empty() {
            return Vec::new();
        }
        let mut noise = Vec::new();
        for _ in 0..self.dice.below(4) {
            let source = said[self.dice.below(said.len())].clone();
            let changed =
                if self.dice.chance(80) { mutate(&mut self.dice, &source) } else { source };
            noise.push(changed);
        }
        noise
    }

    fn check(&mut self) {
        let counters = self.pair.endpoint.counters();
        let half_open = self.pair.endpoint.half_open();
        assert!(half_open as u64 <= counters.cookies_accepted, "state before the cookie");
        assert!(half_open <= 8, "more half-open handshakes than there may be");
        assert!(self.pair.endpoint.sessions() as u64 <= counters.established);
        let opened = self.pair.reports.iter();
        let open = opened.filter(|report| matches!(report, ClientOutput::Established { .. }));
        let open = open.count();
        assert!(open <= 1, "a client opens once");
        if !self.genuine {
            assert_eq!((counters.established, open), (0, 0), "open without the key");
        }
        if open == 1 {
            let established =
                |event: &HandshakeEvent| matches!(event, HandshakeEvent::Established { .. });
            let known = self.pair.events.iter().any(established) || counters.established > 0;
            assert!(known, "open at the client alone");
        }
        for data in &self.pair.records {
            assert!(data.payload == b"data" || data.payload.len() == 2, "forged data");
        }
    }
}

/// Everything that both ends say when nobody disturbs them, with a resumption.
fn corpus() -> Vec<Vec<u8>> {
    let mut corpus = Vec::new();
    for cid in [None, Some(vec![1, 2, 3])] {
        let config = EndpointConfig { resumption: true, ..EndpointConfig::default() };
        let options = Options { cid, tickets: true, config, ..Options::default() };
        let (mut pair, said) = overheard(Pair::new(options.clone()));
        corpus.extend(said);
        let again = Options { seed: 2, resumption: pair.client.resumption(), ..options };
        let mut second = Pair::new(again);
        core::mem::swap(&mut second.endpoint, &mut pair.endpoint);
        core::mem::swap(&mut second.kept, &mut pair.kept);
        corpus.extend(overheard(second).1);
    }
    corpus
}

fn overheard(mut pair: Pair) -> (Pair, Vec<Vec<u8>>) {
    let mut said = Vec::new();
    for _ in 0..8 {
        let from_client = pair.client_sends();
        from_client.iter().for_each(|datagram| pair.tell_server(datagram));
        let mut from_server = pair.server_sends();
        pair.answer();
        from_server.extend(pair.server_sends());
        for (_, datagram) in &from_server {
            pair.client.receive(pair.now, datagram);
        }
        said.extend(from_client);
        said.extend(from_server.into_iter().map(|(_, datagram)| datagram));
    }
    (pair, said)
}

#[test]
fn disturbed_conversations_open_nothing_without_the_key_and_panic_nowhere() {
    let corpus = corpus();
    let (mut genuine, mut opened) = (0, 0);
    for seed in 0..u64::from(rounds(1_500, 100_000)) {
        let mut conversation = Conversation::new(seed, &corpus);
        let run = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| conversation.run()));
        assert!(run.is_ok(), "seed {seed}");
        genuine += u32::from(conversation.genuine);
        opened += u32::from(conversation.pair.endpoint.counters().established > 0);
    }
    // Else the fuzzer would only ever see closed doors.
    assert!(opened * 4 > genuine, "{opened} of {genuine} opened");
}

#[test]
fn many_strangers_leave_no_more_than_the_table_holds() {
    let corpus = corpus();
    let mut dice = Dice::new(7);
    let config = EndpointConfig { half_open: 4, resumption: true, ..EndpointConfig::default() };
    let mut pair = Pair::new(Options { config, ..Options::default() });
    for round in 0..rounds(20_000, 1_000_000) {
        let source = &corpus[dice.below(corpus.len())];
        let datagram = mutate(&mut dice, source);
        pair.address = address(&format!("192.0.2.{}:{}", round % 250, 1024 + round % 60_000));
        pair.tell_server(&datagram);
        pair.server_sends();
        assert!(pair.endpoint.half_open() <= 8 && pair.endpoint.sessions() == 0);
    }

    assert!(pair.calls.is_empty() && pair.session_calls.is_empty());
    assert_eq!(pair.endpoint.counters().established, 0);
}

#[test]
fn no_mutation_panics_a_parser() {
    let seeds = seeds();
    let mut parsed = BTreeMap::<&str, u32>::new();
    let mut dice = Dice::new(11);
    for _ in 0..rounds(60_000, 3_000_000) {
        let bytes = &seeds[dice.below(seeds.len())];
        let bytes = if dice.chance(95) { mutate(&mut dice, bytes) } else { bytes.clone() };
        for (name, accepted) in parse(&bytes) {
            *parsed.entry(name).or_default() += u32::from(accepted);
        }
    }

    // Each parser accepts some of it, or else it was only ever shown garbage.
    for (name, accepted) in parsed {
        assert!(accepted > 0, "{name} accepted nothing");
    }
}

/// Datagrams, and what lies in them and beside them.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = corpus();
    let messages: Vec<_> = seeds
        .iter()
        .flat_map(|datagram| Records::new(datagram, 8).flatten())
        .filter(|record| record.epoch == 0 && record.body.len() > 12)
        .flat_map(|record| [record.body.to_vec(), record.body[12..].to_vec()])
        .collect();
    let (_, _, stored) = super::takeover::stored(Options::default());
    seeds.extend(messages);
    seeds.push(stored);
    seeds.push(vec![2, 40]);
    seeds.push(kept());
    seeds
}

fn kept() -> Vec<u8> {
    let config = EndpointConfig { resumption: true, ..EndpointConfig::default() };
    let (mut pair, _) = Pair::established(Options { config, ..Options::default() });
    pair.kept.pop_first().expect("one is kept").1
}

/// Every parser over the same bytes, and whether it accepted them.
fn parse(bytes: &[u8]) -> [(&'static str, bool); 9] {
    let mut reassembly = Reassembly::new(1);
    let fragments = Fragments::new(bytes).flatten().count();
    for fragment in Fragments::new(bytes).flatten() {
        let _ = reassembly.accept(&fragment);
    }
    let evidence = Evidence {
        transcript: bytes,
        finished: bytes,
        suite: 0xC0A8,
        cid: None,
        peer_cid: None,
        shared: None,
    };
    assert!(schedule::open(PSK, super::pair::START, &evidence).is_err());
    let _ = schedule::identity(bytes);
    let resumable = Resumable::decode(bytes);
    if let Some(kept) = &resumable {
        let offer = Offer { hello: bytes, random: &[0; 32], cid: None, sequence: 0 };
        assert!(resume::accept(kept, super::pair::START, &offer).is_err());
        assert!(resume::open(kept, super::pair::START, &evidence).is_err());
    }
    let stored = StoredSession::decode(bytes);
    if let Some(stored) = &stored {
        assert_eq!(stored.encode().expect("short ids")[..], *bytes);
    }
    [
        ("records", Records::new(bytes, 8).flatten().count() > 0),
        ("fragments", fragments > 0),
        ("reassembly", reassembly.pop(|_| true).is_some()),
        ("client hello", ClientHello::decode(bytes).is_some()),
        ("server hello", ServerHello::decode(bytes).is_some()),
        ("verify request", decode_verify_request(bytes).is_some()),
        ("alert", Alert::decode(bytes).is_some()),
        ("stored session", stored.is_some()),
        ("resumable", resumable.is_some()),
    ]
}
