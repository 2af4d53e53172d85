//! The same fuzzer on the other side: a server that says well-formed messages in any order, and a
//! model of what a client may make of them. A failure prints the word.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use super::dice::Dice;
use super::pair::{IDENTITY, PSK, START, forged};
use super::rounds;
use super::toy::{self, CLIENT_KEY, SERVER_KEY, Toy};
use crate::keys::{Form, SessionKeys};
use crate::prf;
use crate::protection::Direction;
use crate::wire::certificate::{self, Signed};
use crate::wire::extension::Extensions;
use crate::wire::handshake::{self, Fragments, kind};
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::key_exchange::{ClientKeyExchange, params};
use crate::wire::record::{ContentType, Records};
use crate::{
    Alert, AlertDescription, CertificateType, Client, ClientConfig, ClientOutput, Curves,
    Ephemeral, Group, SignatureScheme, Suite,
};

/// A message of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    VerifyRequest,
    ServerHello,
    Certificate,
    EmptyCertificate,
    KeyExchange,
    CertificateRequest,
    HelloDone,
    ChangeCipherSpec,
    Finished,
    WrongFinished,
    Application,
    CloseNotify,
    FatalAlert,
    HelloRequest,
    ClientHello,
}

use Symbol::{
    Application, Certificate, CertificateRequest, ChangeCipherSpec, CloseNotify, EmptyCertificate,
    FatalAlert, Finished, HelloDone, HelloRequest, KeyExchange, VerifyRequest, WrongFinished,
};

const SYMBOLS: [Symbol; 15] = [
    VerifyRequest,
    Symbol::ServerHello,
    Certificate,
    EmptyCertificate,
    KeyExchange,
    CertificateRequest,
    HelloDone,
    ChangeCipherSpec,
    Finished,
    WrongFinished,
    Application,
    CloseNotify,
    FatalAlert,
    HelloRequest,
    Symbol::ClientHello,
];

type Letter = (Symbol, u16);

const DATA: &[u8] = b"data";
const SERVER_RANDOM: [u8; 32] = [9; 32];

/// Where a client may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Hello,
    /// A ServerHello was taken; the rest of the flight is awaited.
    Flight,
    /// The client's own flight is out.
    Finishing,
    Open,
    Ended,
}

/// What a client should make of the letters.
struct Model {
    phase: Phase,
    cookies: u16,
    certificate: bool,
    exchange: bool,
    request: bool,
}

struct Rig {
    suite: &'static Suite,
    client: Client,
    model: Model,
    /// Numbers are not left out where the client drops a message.
    patient: bool,
    ephemeral: Box<dyn Ephemeral>,
    client_random: [u8; 32],
    /// Number of our next message, and the one that the client waits for.
    message: u16,
    expected: u16,
    records: [u64; 2],
    /// All that the client has taken or said, from its last hello on.
    transcript: Vec<u8>,
    master: Zeroizing<[u8; 48]>,
    keys: SessionKeys,
    /// Types of the messages of the client's flight, each time that it was sent.
    flights: Vec<Vec<u8>>,
    outputs: Vec<ClientOutput>,
}

impl Rig {
    fn new(suite: &'static Suite, seed: u64, patient: bool) -> Self {
        let raw = CertificateType::RawPublicKey;
        let config = ClientConfig {
            cid: None,
            suites: vec![suite.id],
            public_identity: Some(toy::identity(CLIENT_KEY, &[raw])),
            accepts: vec![raw],
            ..ClientConfig::new(IDENTITY.to_vec(), Zeroizing::new(PSK.to_vec()))
        };
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let client = Client::with_curves(START, config, Box::new(Toy::new(seed)), rng);
        let (form, zeros) = (Form::of(suite.cipher, false), [0; Form::LONGEST]);
        let mut rig = Self {
            suite,
            client,
            model: Model {
                phase: Phase::Hello,
                cookies: 0,
                certificate: false,
                exchange: false,
                request: false,
            },
            patient,
            ephemeral: Toy::new(seed + 1).ephemeral(Group::Secp256r1).expect("every group"),
            client_random: [0; 32],
            message: 0,
            expected: 0,
            records: [0; 2],
            transcript: Vec::new(),
            master: Zeroizing::new([0; 48]),
            keys: SessionKeys::from_block(form, &zeros[..form.length()]),
            flights: Vec::new(),
            outputs: Vec::new(),
        };
        rig.hear();
        rig
    }

    /// Takes what the client says and asks.
    fn hear(&mut self) {
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Datagram(bytes) => self.datagram(&bytes),
                ClientOutput::Verify(presented) => {
                    self.client.verified(START, presented == toy::raw(SERVER_KEY));
                }
                ClientOutput::Sign { message, .. } => {
                    self.client.signed(START, Some(toy::sign(CLIENT_KEY, &message)));
                }
                other => self.outputs.push(other),
            }
        }
    }

    fn datagram(&mut self, bytes: &[u8]) {
        let mut flight = Vec::new();
        for record in Records::new(bytes, 0) {
            let record = record.expect("our client writes records");
            let mut body = record.body.to_vec();
            if record.epoch == 1 {
                body.clear();
                let direction = Direction::from_client(self.suite.cipher, &self.keys, &[]);
                let kind = direction.open(&record, &mut body).expect("by our keys");
                if kind != ContentType::Handshake {
                    continue;
                }
            } else if record.kind != ContentType::Handshake {
                continue;
            }
            for message in Fragments::new(&body).flatten() {
                flight.push(message.kind);
                self.read(&message, self.flights.is_empty());
            }
        }
        if !flight.is_empty() && flight[0] != kind::CLIENT_HELLO {
            self.flights.push(flight);
        }
    }

    /// Reads a message; of a flight that was sent before nothing is new.
    fn read(&mut self, message: &handshake::Fragment<'_>, new: bool) {
        if message.kind == kind::CLIENT_HELLO {
            let hello = ClientHello::decode(message.body).expect("ours");
            self.client_random = hello.random;
            self.transcript.clear();
            (self.message, self.expected) = (message.sequence, message.sequence);
        }
        if new {
            let (kind, number) = (message.kind, message.sequence);
            handshake::put_message(&mut self.transcript, kind, number, message.body);
        }
        if new && message.kind == kind::CLIENT_KEY_EXCHANGE {
            self.derive(message.body);
        }
    }

    fn derive(&mut self, body: &[u8]) {
        let exchange = self.suite.key_exchange;
        let read = ClientKeyExchange::decode(exchange, body).expect("ours");
        let shared = exchange.is_ephemeral().then(|| self.ephemeral.agree(read.public));
        let shared = shared.flatten();
        let shared = shared.as_ref().map(crate::SharedSecret::expose);
        let premaster = if exchange.uses_psk() {
            prf::psk_premaster(PSK, shared)
        } else {
            Zeroizing::new(shared.unwrap_or_default().to_vec())
        };
        let hash = prf::hash(&[&self.transcript]);
        let randoms = [&self.client_random[..], &SERVER_RANDOM];
        self.master = prf::master_secret(&premaster, randoms, Some(&hash));
        let form = Form::of(self.suite.cipher, false);
        self.keys = prf::key_block(&self.master, &SERVER_RANDOM, &self.client_random, form);
    }

    /// Says one letter; looks at what comes of it.
    fn step(&mut self, letter: Letter) {
        let (phase, flights, outputs) = (self.model.phase, self.flights.len(), self.outputs.len());
        let (kind, body) = self.body(letter.0);
        let (number, next) = (self.message, self.message == self.expected);
        let taken = next && letter.1 == 0 && self.model.takes(self.suite, letter.0);
        let bytes = self.record(letter, kind, &body);
        if let Some(kind) = kind {
            self.count(letter.0, taken);
            if taken && letter.0 != VerifyRequest {
                handshake::put_message(&mut self.transcript, kind, number, &body);
            }
        }
        self.client.receive(START, &bytes);
        self.hear();
        let said = self.flights.len() > flights;
        // RetransmittedFlight5, ServerHelloFlightRestart, UnexpectedClientHelloResponse: it says
        // nothing but what it has to.
        let asked = letter == (HelloDone, 0) && phase == Phase::Finishing;
        let complete = taken && letter.0 == HelloDone;
        assert!(!said || asked || complete, "a flight nobody asked for");
        assert_eq!(said && complete, complete, "no flight");
        if said {
            self.check_flight();
        }
        self.model.follow(letter, taken, next);
        self.check_outputs(letter, phase, outputs);
    }

    /// A message was sent. That of a HelloVerifyRequest is the hello's number, and the next one
    /// goes on from there.
    fn count(&mut self, symbol: Symbol, taken: bool) {
        if symbol != VerifyRequest {
            self.expected += u16::from(taken);
            self.message += u16::from(taken || !self.patient);
        }
    }

    fn check_flight(&self) {
        let mut flight = vec![kind::CLIENT_KEY_EXCHANGE, kind::FINISHED];
        if self.model.request {
            // UnrequestedCertificate.
            flight.insert(0, kind::CERTIFICATE);
            flight.insert(2, kind::CERTIFICATE_VERIFY);
        }
        assert_eq!(self.flights.last(), Some(&flight));
    }

    fn check_outputs(&self, letter: Letter, before: Phase, outputs: usize) {
        let new = &self.outputs[outputs..];
        match (before, self.model.phase) {
            (Phase::Finishing, Phase::Open) => {
                assert!(matches!(new, [ClientOutput::Established { .. }]), "{new:?}");
            }
            (Phase::Open, Phase::Open) if letter == (Application, 1) => {
                assert_eq!(new, [ClientOutput::Data(DATA.to_vec())]);
            }
            (Phase::Ended, Phase::Ended) => assert!(new.is_empty(), "{new:?} after the end"),
            (_, Phase::Ended) => {
                assert!(matches!(new, [ClientOutput::Failed(_) | ClientOutput::Closed]));
            }
            _ => assert!(new.is_empty(), "{new:?} in {before:?}"),
        }
    }

    fn body(&self, symbol: Symbol) -> (Option<u8>, Vec<u8>) {
        let hash = prf::hash(&[&self.transcript]);
        let (kind, body) = match symbol {
            VerifyRequest => (kind::HELLO_VERIFY_REQUEST, vec![0xFE, 0xFF, 2, 7, 7]),
            Symbol::ServerHello => (kind::SERVER_HELLO, self.server_hello()),
            Certificate => (kind::CERTIFICATE, certificate::encode(Some(&toy::raw(SERVER_KEY)))),
            EmptyCertificate => (kind::CERTIFICATE, certificate::encode(None)),
            KeyExchange => (kind::SERVER_KEY_EXCHANGE, self.key_exchange()),
            CertificateRequest => (kind::CERTIFICATE_REQUEST, certificate::request()),
            HelloDone => (kind::SERVER_HELLO_DONE, Vec::new()),
            Finished => {
                let verify_data = prf::verify_data(&self.master, b"server finished", &hash);
                (kind::FINISHED, verify_data.to_vec())
            }
            WrongFinished => (kind::FINISHED, vec![7; 12]),
            HelloRequest => (0, Vec::new()),
            Symbol::ClientHello => (kind::CLIENT_HELLO, vec![0; 41]),
            ChangeCipherSpec => return (None, vec![1]),
            Application => return (None, DATA.to_vec()),
            CloseNotify => return (None, Alert::CLOSE_NOTIFY.encode().to_vec()),
            FatalAlert => {
                let alert = Alert::fatal(AlertDescription::HANDSHAKE_FAILURE);
                return (None, alert.encode().to_vec());
            }
        };
        (Some(kind), body)
    }

    fn server_hello(&self) -> Vec<u8> {
        let raw: Option<&[u8]> =
            self.suite.key_exchange.is_signed().then_some(&[CertificateType::RawPublicKey as u8]);
        let hello = ServerHello {
            version: 0xFEFD,
            random: SERVER_RANDOM,
            session_id: &[],
            suite: self.suite.id,
            compression: 0,
            extensions: Extensions {
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

    fn key_exchange(&self) -> Vec<u8> {
        let exchange = self.suite.key_exchange;
        let hint: &[u8] = if exchange.uses_psk() { &[0, 0] } else { &[] };
        if !exchange.is_ephemeral() {
            return hint.to_vec();
        }
        let params = params(Group::Secp256r1, self.ephemeral.public());
        let mut body = [hint, &params].concat();
        if exchange.is_signed() {
            let message = [&self.client_random[..], &SERVER_RANDOM, &params].concat();
            let (scheme, signature) =
                (SignatureScheme::EcdsaSha256, toy::sign(SERVER_KEY, &message));
            Signed { scheme, signature }.encode(&mut body).expect("it is short");
        }
        body
    }

    fn record(&mut self, (symbol, epoch): Letter, message: Option<u8>, body: &[u8]) -> Vec<u8> {
        let mut content = body.to_vec();
        let kind = match (message, symbol) {
            (Some(kind), _) => {
                content.clear();
                handshake::put_message(&mut content, kind, self.message, body);
                ContentType::Handshake
            }
            (None, ChangeCipherSpec) => ContentType::ChangeCipherSpec,
            (None, Application) => ContentType::ApplicationData,
            (None, _) => ContentType::Alert,
        };
        let number = self.records[usize::from(epoch)];
        self.records[usize::from(epoch)] += 1;
        if epoch == 0 {
            return forged(kind, number, &content);
        }
        let mut bytes = Vec::new();
        let direction = Direction::from_server(self.suite.cipher, &self.keys, &[]);
        direction.seal(&mut bytes, kind, (epoch, number), &content);
        bytes
    }
}

impl Model {
    /// Whether a message in clear is taken that has the number which comes next.
    fn takes(&self, suite: &Suite, symbol: Symbol) -> bool {
        let exchange = suite.key_exchange;
        let (signed, ephemeral) = (exchange.is_signed(), exchange.is_ephemeral());
        match (self.phase, symbol) {
            (Phase::Hello, VerifyRequest) => self.cookies < 4,
            (Phase::Hello, Symbol::ServerHello) => true,
            (Phase::Flight, Certificate | EmptyCertificate) => signed && !self.certificate,
            (Phase::Flight, KeyExchange) => (!signed || self.certificate) && !self.exchange,
            (Phase::Flight, CertificateRequest) => signed && self.exchange && !self.request,
            (Phase::Flight, HelloDone) => !ephemeral || self.exchange,
            _ => false,
        }
    }

    fn follow(&mut self, (symbol, epoch): Letter, taken: bool, next: bool) {
        match (self.phase, symbol) {
            (Phase::Hello, VerifyRequest) if taken => self.cookies += 1,
            (Phase::Hello, Symbol::ServerHello) if taken => self.phase = Phase::Flight,
            (Phase::Flight, Certificate) if taken => self.certificate = true,
            (Phase::Flight, EmptyCertificate) if taken => self.phase = Phase::Ended,
            (Phase::Flight, KeyExchange) if taken => self.exchange = true,
            (Phase::Flight, CertificateRequest) if taken => self.request = true,
            (Phase::Flight, HelloDone) if taken => self.phase = Phase::Finishing,
            (Phase::Finishing, Finished) if epoch == 1 && next => self.phase = Phase::Open,
            (Phase::Finishing, symbol) if epoch == 1 && is_message(symbol) => {
                self.phase = Phase::Ended;
            }
            // RFC 6347 §4.1.2.7 admits it: before there are keys an alert is believed.
            (Phase::Hello | Phase::Flight | Phase::Finishing, FatalAlert) if epoch == 0 => {
                self.phase = Phase::Ended;
            }
            (Phase::Open, FatalAlert | CloseNotify) if epoch == 1 => self.phase = Phase::Ended,
            _ => {}
        }
    }
}

fn is_message(symbol: Symbol) -> bool {
    !matches!(symbol, ChangeCipherSpec | Application | CloseNotify | FatalAlert)
}

fn proper(suite: &Suite) -> Vec<Letter> {
    let flight: &[Letter] = if suite.key_exchange.is_signed() {
        &[(Certificate, 0), (KeyExchange, 0), (CertificateRequest, 0), (HelloDone, 0)]
    } else {
        &[(KeyExchange, 0), (HelloDone, 0)]
    };
    let begin = [(VerifyRequest, 0), (Symbol::ServerHello, 0)];
    let end = [(ChangeCipherSpec, 0), (Finished, 1), (Application, 1), (CloseNotify, 1)];
    [&begin[..], flight, &end].concat()
}

fn suites() -> [&'static Suite; 3] {
    [0xC0A8, 0xC0AE, 0xC037].map(|id| Suite::by_id(id).expect("it is in the table"))
}

/// Says a word; whether it opened the client.
fn speak(suite: &'static Suite, word: &[Letter], seed: u64, patient: bool) -> bool {
    let mut rig = Rig::new(suite, seed, patient);
    let spoken = core::panic::AssertUnwindSafe(|| {
        word.iter().for_each(|letter| rig.step(*letter));
        rig.outputs.iter().any(|output| matches!(output, ClientOutput::Established { .. }))
    });
    let opened = std::panic::catch_unwind(spoken);
    opened.unwrap_or_else(|_| panic!("{}: {word:?}, seed {seed}, {patient}", suite.name))
}

#[test]
fn the_proper_word_opens_in_every_model() {
    for suite in suites() {
        assert!(speak(suite, &proper(suite), 1, false), "{}", suite.name);
    }
}

#[test]
fn no_letter_at_any_place_of_a_handshake_confuses_a_client() {
    for (suite, patient) in suites().into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let proper = proper(suite);
        for at in 0..=proper.len() {
            for letter in SYMBOLS.into_iter().flat_map(|symbol| [(symbol, 0), (symbol, 1)]) {
                let inserted = [&proper[..at], &[letter], &proper[at..]].concat();
                speak(suite, &inserted, 1, patient);
                if at < proper.len() {
                    let replaced = [&proper[..at], &[letter], &proper[at + 1..]].concat();
                    speak(suite, &replaced, 1, patient);
                }
            }
        }
    }
}

#[test]
fn no_word_of_a_server_confuses_a_client() {
    let (mut opened, rounds) = (0, u64::from(rounds(3_000, 400_000)));
    for seed in 0..rounds {
        let mut dice = Dice::new(seed);
        let suite = suites()[dice.below(3)];
        let word = dice.word(&proper(suite), |dice| {
            (SYMBOLS[dice.below(SYMBOLS.len())], u16::from(dice.chance(35)))
        });
        let patient = dice.chance(70);
        opened += u64::from(speak(suite, &word, seed, patient));
    }

    // Else it would only ever see closed doors.
    assert!(opened * 20 > rounds, "{opened} of {rounds} opened");
}
