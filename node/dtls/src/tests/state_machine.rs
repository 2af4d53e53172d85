//! A fuzzer of the server's state machine: messages that are all well-formed, in any order.
//!
//! It speaks the alphabets of dtls-fuzzer's PSK and ECDHE models (Fiterau-Brostean et al., USENIX
//! Security 2020, NDSS 2023), each message in clear or protected, whether it has its place or not,
//! and looks for that work's bug patterns in what comes back. A failure prints the word.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use super::dice::Dice;
use super::keys::with_keys;
use super::pair::{IDENTITY, Options, PSK, Pair, forged};
use super::rounds;
use super::toy::{self, CLIENT_KEY, Toy};
use crate::keys::{Form, SessionKeys};
use crate::prf;
use crate::protection::Direction;
use crate::wire::certificate::{self, Signed};
use crate::wire::extension::Extensions;
use crate::wire::handshake::{self, Fragments, kind};
use crate::wire::hello::{ClientHello, ServerHello, decode_verify_request};
use crate::wire::key_exchange::{ClientKeyExchange, ServerKeyExchange};
use crate::wire::record::{ContentType, Records};
use crate::{
    Alert, AlertDescription, CertificateType, Curves, EndpointConfig, Group, SignatureScheme, Suite,
};

/// A message of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    /// Without a cookie, and with a random of its own.
    Hello,
    /// The same again, with the cookie that came last.
    CookiedHello,
    /// With that cookie, and another suite than before: InvalidHelloVerifyRequestResponse.
    ChangedHello,
    Certificate,
    EmptyCertificate,
    KeyExchange,
    CertificateVerify,
    ChangeCipherSpec,
    Finished,
    /// One that does not verify.
    WrongFinished,
    Application,
    CloseNotify,
    FatalAlert,
}

use Symbol::*;

const SYMBOLS: [Symbol; 13] = [
    Hello,
    CookiedHello,
    ChangedHello,
    Certificate,
    EmptyCertificate,
    KeyExchange,
    CertificateVerify,
    ChangeCipherSpec,
    Finished,
    WrongFinished,
    Application,
    CloseNotify,
    FatalAlert,
];

/// A message and its epoch.
type Letter = (Symbol, u16);

const DATA: &[u8] = b"data";

/// What came back, by epoch: a handshake message's type, or another record's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Message(u16, u8),
    Other(u16, ContentType),
    Unreadable,
}

/// A client that says what it is told to say, as well as it can.
struct Mapper {
    suite: &'static Suite,
    rng: ChaCha8Rng,
    toy: Toy,
    random: [u8; 32],
    cookie: Vec<u8>,
    /// Numbers of the next message, and of the next record of each epoch.
    message: u16,
    records: [u64; 2],
    /// The last hello and all since.
    transcript: Vec<u8>,
    /// Number of the next message of the server, so that repetitions are known.
    theirs: u16,
    server_random: [u8; 32],
    share: Option<(Group, Vec<u8>)>,
    master: Option<Zeroizing<[u8; 48]>>,
    keys: SessionKeys,
    /// What was sent since the last hello of another random: all that may have opened a session.
    since_hello: Vec<Letter>,
}

impl Mapper {
    fn new(suite: &'static Suite, seed: u64) -> Self {
        let bytes = [0; Form::LONGEST];
        let form = Form::of(suite.cipher, false);
        Self {
            suite,
            rng: ChaCha8Rng::seed_from_u64(seed),
            toy: Toy::new(seed),
            random: [1; 32],
            cookie: Vec::new(),
            message: 0,
            records: [0; 2],
            transcript: Vec::new(),
            theirs: 0,
            server_random: [0; 32],
            share: None,
            master: None,
            // Whoever has none uses these, so that every letter can be said.
            keys: SessionKeys::from_block(form, &bytes[..form.length()]),
            since_hello: Vec::new(),
        }
    }

    /// The datagram of a letter.
    fn say(&mut self, (symbol, epoch): Letter) -> Vec<u8> {
        if symbol == Hello {
            self.since_hello.clear();
        }
        self.since_hello.push((symbol, epoch));
        let (kind, body) = match symbol {
            ChangeCipherSpec => (ContentType::ChangeCipherSpec, vec![1]),
            Application => (ContentType::ApplicationData, DATA.to_vec()),
            CloseNotify => (ContentType::Alert, Alert::CLOSE_NOTIFY.encode().to_vec()),
            FatalAlert => {
                let alert = Alert::fatal(AlertDescription::HANDSHAKE_FAILURE);
                (ContentType::Alert, alert.encode().to_vec())
            }
            _ => (ContentType::Handshake, self.message(symbol)),
        };
        let number = self.records[usize::from(epoch)];
        self.records[usize::from(epoch)] += 1;
        if epoch == 0 {
            return forged(kind, number, &body);
        }
        let mut datagram = Vec::new();
        let direction = Direction::from_client(self.suite.cipher, &self.keys, &[]);
        direction.seal(&mut datagram, kind, (epoch, number), &body);
        datagram
    }

    fn message(&mut self, symbol: Symbol) -> Vec<u8> {
        let hash = prf::hash(&[&self.transcript]);
        let master = self.master.clone().unwrap_or_else(|| Zeroizing::new([0; 48]));
        let (kind, body) = match symbol {
            Hello | CookiedHello | ChangedHello => (kind::CLIENT_HELLO, self.hello(symbol)),
            Certificate => (kind::CERTIFICATE, certificate::encode(Some(&toy::raw(CLIENT_KEY)))),
            EmptyCertificate => (kind::CERTIFICATE, certificate::encode(None)),
            KeyExchange => (kind::CLIENT_KEY_EXCHANGE, Vec::new()),
            CertificateVerify => {
                let signature = toy::sign(CLIENT_KEY, &self.transcript);
                let (scheme, mut body) = (SignatureScheme::EcdsaSha256, Vec::new());
                Signed { scheme, signature }.encode(&mut body).expect("it is short");
                (kind::CERTIFICATE_VERIFY, body)
            }
            Finished => {
                let verify_data = prf::verify_data(&master, b"client finished", &hash);
                (kind::FINISHED, verify_data.to_vec())
            }
            _ => (kind::FINISHED, vec![7; 12]),
        };
        let (body, shared) = if symbol == KeyExchange { self.key_exchange() } else { (body, None) };
        let mut message = Vec::new();
        handshake::put_message(&mut message, kind, self.message, &body);
        self.message += 1;
        if matches!(symbol, Hello | CookiedHello | ChangedHello) {
            self.transcript.clear();
        }
        self.transcript.extend_from_slice(&message);
        if symbol == KeyExchange {
            self.derive(shared.as_ref().map(crate::SharedSecret::expose));
        }
        message
    }

    fn hello(&mut self, symbol: Symbol) -> Vec<u8> {
        if symbol == Hello {
            self.rng.fill_bytes(&mut self.random);
            self.cookie.clear();
        }
        let mut suites = self.suite.id.to_be_bytes().to_vec();
        if symbol == ChangedHello {
            suites.extend([0xC0, 0xA4]);
        }
        let signed = self.suite.key_exchange.is_signed();
        let raw: Option<&[u8]> = signed.then_some(&[1, CertificateType::RawPublicKey as u8]);
        let hello = ClientHello {
            version: 0xFEFD,
            random: self.random,
            session_id: &[],
            cookie: &self.cookie,
            suites: &suites,
            compressions: &[0],
            raw_extensions: &[],
            extensions: Extensions {
                signature_schemes: signed.then_some(&[4, 3]),
                client_certificate_type: raw,
                server_certificate_type: raw,
                extended_master_secret: true,
                ..Extensions::default()
            },
        };
        let mut body = Vec::new();
        hello.encode(&mut body).expect("it is short");
        body
    }

    fn key_exchange(&mut self) -> (Vec<u8>, Option<crate::SharedSecret>) {
        let exchange = self.suite.key_exchange;
        let pair = exchange.is_ephemeral().then(|| {
            let (group, theirs) = self.share.clone().unwrap_or((Group::Secp256r1, vec![4; 65]));
            let own = self.toy.ephemeral(group).expect("every group");
            let shared = own.agree(&theirs);
            (own.public().to_vec(), shared)
        });
        let (public, shared) = pair.unwrap_or_default();
        let message = ClientKeyExchange { identity: IDENTITY, public: &public };
        (message.encode(exchange).expect("it is short"), shared)
    }

    /// The keys of what was said so far.
    fn derive(&mut self, shared: Option<&[u8]>) {
        let premaster = if self.suite.key_exchange.uses_psk() {
            prf::psk_premaster(PSK, shared)
        } else {
            Zeroizing::new(shared.unwrap_or_default().to_vec())
        };
        let hash = prf::hash(&[&self.transcript]);
        let randoms = [&self.random[..], &self.server_random];
        let master = prf::master_secret(&premaster, randoms, Some(&hash));
        let form = Form::of(self.suite.cipher, false);
        self.keys = prf::key_block(&master, &self.server_random, &self.random, form);
        self.master = Some(master);
    }

    /// What the server says, and what of it belongs to the transcript.
    fn hear(&mut self, datagram: &[u8]) -> Vec<Answer> {
        let mut heard = Vec::new();
        for record in Records::new(datagram, 0) {
            let record = record.expect("our server writes records");
            let mut body = record.body.to_vec();
            if record.epoch == 1 {
                body.clear();
                let direction = Direction::from_server(self.suite.cipher, &self.keys, &[]);
                if direction.open(&record, &mut body).is_err() {
                    heard.push(Answer::Unreadable);
                    continue;
                }
            }
            if record.kind != ContentType::Handshake {
                heard.push(Answer::Other(record.epoch, record.kind));
                continue;
            }
            for fragment in Fragments::new(&body).flatten() {
                heard.push(Answer::Message(record.epoch, fragment.kind));
                self.read(&fragment);
            }
        }
        heard
    }

    fn read(&mut self, fragment: &handshake::Fragment<'_>) {
        if fragment.kind == kind::HELLO_VERIFY_REQUEST {
            self.cookie = decode_verify_request(fragment.body).expect("ours").to_vec();
            return;
        }
        if fragment.kind == kind::SERVER_HELLO {
            let hello = ServerHello::decode(fragment.body).expect("ours");
            if self.server_random != hello.random {
                self.server_random = hello.random;
                self.theirs = fragment.sequence;
            }
        }
        if fragment.kind == kind::SERVER_KEY_EXCHANGE {
            let read = ServerKeyExchange::decode(self.suite.key_exchange, fragment.body);
            let share = read.expect("ours").share;
            self.share = share.map(|(group, public)| (group, public.to_vec()));
        }
        if fragment.sequence == self.theirs {
            self.theirs += 1;
            handshake::put_message(
                &mut self.transcript,
                fragment.kind,
                fragment.sequence,
                fragment.body,
            );
        }
    }
}

/// A server, the mapper, and what was seen of both.
struct Run {
    pair: Pair,
    mapper: Mapper,
}

impl Run {
    fn new(suite: &'static Suite, seed: u64) -> Self {
        let pair = Pair::new(options(suite));
        Self { pair, mapper: Mapper::new(suite, seed) }
    }

    /// Says one letter; looks at what comes of it.
    fn step(&mut self, letter: Letter) {
        let (sessions, opened) = (self.pair.endpoint.sessions(), self.opened());
        let (records, repeats) = (self.pair.records.len(), self.pair.repeats.len());
        let half_open = self.pair.endpoint.half_open();
        if self.opened() > 0 && letter.0 == CookiedHello {
            self.pair.forget_numbers();
        }
        let datagram = self.mapper.say(letter);
        self.pair.tell_server(&datagram);
        let mut heard = self.hear();
        self.check_calls();
        loop {
            self.pair.answer_perhaps_late();
            let more = self.hear();
            if more.is_empty() {
                break;
            }
            heard.extend(more);
            self.check_calls();
        }
        self.check_answers(letter, &heard);
        self.check_opening(letter, opened);
        // CVE-2019-20786: nothing is data that did not come protected within a session.
        let new = &self.pair.records[records..];
        assert!(new.is_empty() || (letter.1 == 1 && sessions > 0 && new.len() == 1));
        assert!(new.iter().all(|record| record.payload == DATA || record.payload.len() == 2));
        // InvalidFinishedAsRetransmission.
        let repeated = self.pair.repeats.len() > repeats;
        assert!(!repeated || letter == (Finished, 1) || letter == (WrongFinished, 1));
        // ContinueAfterFatalAlert and ContinueAfterCloseNotify: the owner ends the session.
        let alert = new.first().filter(|record| record.content == ContentType::Alert);
        if let Some(session) = alert.map(|record| record.session) {
            self.pair.endpoint.close(session);
        }
        if alert.is_none() && self.opened() == opened {
            assert_eq!(self.pair.endpoint.sessions(), sessions, "a session has gone");
        }
        if !matches!(letter.0, Hello | CookiedHello | ChangedHello) {
            assert!(self.pair.endpoint.half_open() <= half_open, "InvalidHandshakeStart");
        }
    }

    fn opened(&self) -> u64 {
        self.pair.endpoint.counters().established
    }

    fn hear(&mut self) -> Vec<Answer> {
        let sent = self.pair.server_sends();
        sent.iter().flat_map(|(_, datagram)| self.mapper.hear(datagram)).collect()
    }

    /// Whoever asks to be let in has said all that belongs there, once, in order, and no more.
    fn check_calls(&self) {
        let server: &[u8] = match self.mapper.suite.key_exchange {
            it if it.is_signed() => &[
                kind::SERVER_HELLO,
                kind::CERTIFICATE,
                kind::SERVER_KEY_EXCHANGE,
                kind::CERTIFICATE_REQUEST,
                kind::SERVER_HELLO_DONE,
                kind::CERTIFICATE,
                kind::CLIENT_KEY_EXCHANGE,
                kind::CERTIFICATE_VERIFY,
            ],
            it if it.is_ephemeral() => &[
                kind::SERVER_HELLO,
                kind::SERVER_KEY_EXCHANGE,
                kind::SERVER_HELLO_DONE,
                kind::CLIENT_KEY_EXCHANGE,
            ],
            _ => &[kind::SERVER_HELLO, kind::SERVER_HELLO_DONE, kind::CLIENT_KEY_EXCHANGE],
        };
        for call in &self.pair.calls {
            let messages = Fragments::new(&call.transcript).flatten();
            let kinds: Vec<_> = messages.map(|message| message.kind).collect();
            assert_eq!(kinds, [&[kind::CLIENT_HELLO], server].concat());
        }
    }

    fn check_answers(&self, (symbol, epoch): Letter, heard: &[Answer]) {
        let hello = epoch == 0 && matches!(symbol, Hello | CookiedHello | ChangedHello);
        for answer in heard {
            match answer {
                // InsecureRenegotiation, HelloVerifyRequestRetransmission.
                Answer::Message(_, kind::HELLO_VERIFY_REQUEST | kind::SERVER_HELLO) => {
                    assert!(hello, "{answer:?} to no hello");
                }
                Answer::Message(1, sent) => assert_eq!(*sent, kind::FINISHED),
                Answer::Other(0, sent) => {
                    let known = [ContentType::ChangeCipherSpec, ContentType::Alert];
                    assert!(known.contains(sent));
                }
                Answer::Other(..) => panic!("{answer:?} without its owner"),
                Answer::Message(..) | Answer::Unreadable => {}
            }
        }
        let verify = Answer::Message(0, kind::HELLO_VERIFY_REQUEST);
        let requests = heard.iter().filter(|answer| **answer == verify).count();
        assert!(requests <= 1);
    }

    /// EarlyFinished, FinishedBeforeCCS, HandshakeRestarted, InvalidHandshakeStart.
    fn check_opening(&self, letter: Letter, opened: u64) {
        match self.opened() - opened {
            0 => {}
            1 => {
                let since = &self.mapper.since_hello;
                let mut needed = vec![(KeyExchange, 0), (ChangeCipherSpec, 0), (Finished, 1)];
                if self.mapper.suite.key_exchange.is_signed() {
                    needed.extend([(Certificate, 0), (CertificateVerify, 0)]);
                }
                let begin = since.iter().position(|letter| *letter == (CookiedHello, 0));
                let since = &since[begin.expect("never without a cookie")..];
                for needed in &needed {
                    assert!(since.contains(needed), "opened without {needed:?}");
                }
                assert!(needed.contains(&letter), "{letter:?} has opened a session");
            }
            many => panic!("{many} sessions at once"),
        }
    }
}

fn options(suite: &'static Suite) -> Options {
    let options = if suite.key_exchange.is_signed() {
        with_keys(suite.id, CertificateType::RawPublicKey)
    } else {
        Options::default()
    };
    let config = EndpointConfig { suites: vec![suite.id], ..options.config };
    Options { config, ..options }
}

/// What a client says that means no harm.
fn proper(suite: &Suite) -> Vec<Letter> {
    let flight: &[Letter] = if suite.key_exchange.is_signed() {
        &[(Certificate, 0), (KeyExchange, 0), (CertificateVerify, 0)]
    } else {
        &[(KeyExchange, 0)]
    };
    let hello = [(Hello, 0), (CookiedHello, 0)];
    let end = [(ChangeCipherSpec, 0), (Finished, 1), (Application, 1)];
    [&hello[..], flight, &end].concat()
}

fn suites() -> [&'static Suite; 3] {
    [0xC0A8, 0xC0AE, 0xC037].map(|id| Suite::by_id(id).expect("it is in the table"))
}

/// Says a word; afterwards the server still takes a client that means no harm.
fn speak(suite: &'static Suite, word: &[Letter], seed: u64) -> u64 {
    let mut run = Run::new(suite, seed);
    let spoken = core::panic::AssertUnwindSafe(|| {
        word.iter().for_each(|letter| run.step(*letter));
        let opened = run.opened();
        run.mapper = Mapper::new(suite, seed + 1);
        proper(suite).into_iter().for_each(|letter| run.step(letter));
        assert_eq!(run.opened(), opened + 1, "the server is stuck");
        let data = run.pair.records.last().expect("it was sent");
        assert_eq!(data.payload, DATA);
        opened
    });
    let opened = std::panic::catch_unwind(spoken);
    opened.unwrap_or_else(|_| panic!("{}: {word:?}, seed {seed}", suite.name))
}

#[test]
fn the_proper_word_opens_in_every_model() {
    for suite in suites() {
        assert_eq!(speak(suite, &proper(suite), 1), 1);
    }
}

#[test]
fn no_letter_at_any_place_of_a_handshake_does_harm() {
    for suite in suites() {
        let proper = proper(suite);
        for at in 0..=proper.len() {
            for letter in SYMBOLS.into_iter().flat_map(|symbol| [(symbol, 0), (symbol, 1)]) {
                let inserted = [&proper[..at], &[letter], &proper[at..]].concat();
                speak(suite, &inserted, 1);
                if at < proper.len() {
                    let replaced = [&proper[..at], &[letter], &proper[at + 1..]].concat();
                    speak(suite, &replaced, 1);
                }
            }
        }
    }
}

#[test]
fn no_word_of_a_client_does_harm() {
    let (mut opened, rounds) = (0, u64::from(rounds(1_500, 200_000)));
    for seed in 0..rounds {
        let mut dice = Dice::new(seed);
        let suite = suites()[dice.below(3)];
        let word = dice.word(&proper(suite), |dice| {
            (SYMBOLS[dice.below(SYMBOLS.len())], u16::from(dice.chance(35)))
        });
        opened += speak(suite, &word, seed);
    }

    // Else it would only ever see closed doors.
    assert!(opened * 20 > rounds, "{opened} of {rounds} opened");
}

#[test]
fn a_finished_that_is_not_the_one_before_asks_for_nothing() {
    // dtls-fuzzer's InvalidFinishedAsRetransmission.
    for suite in suites() {
        let mut run = Run::new(suite, 1);
        proper(suite).into_iter().for_each(|letter| run.step(letter));

        run.step((WrongFinished, 1));

        assert!(run.pair.repeats.is_empty(), "{}", suite.name);
    }
}

#[test]
fn a_session_that_its_client_has_ended_answers_nothing() {
    // dtls-fuzzer's ContinueAfterCloseNotify and ContinueAfterFatalAlert.
    for (suite, end) in suites().into_iter().flat_map(|it| [(it, CloseNotify), (it, FatalAlert)]) {
        let mut run = Run::new(suite, 1);
        proper(suite).into_iter().for_each(|letter| run.step(letter));
        run.step((end, 1));
        let read = run.pair.records.len();

        for symbol in SYMBOLS.into_iter().filter(|symbol| *symbol != Hello) {
            let datagram = run.mapper.say((symbol, 1));
            run.pair.tell_server(&datagram);
        }

        assert!(run.pair.server_sends().is_empty());
        assert_eq!((run.pair.records.len(), run.pair.endpoint.sessions()), (read, 0));
    }
}
