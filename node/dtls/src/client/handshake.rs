//! The client's states up to the server's Finished.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::config::{ClientConfig, ClientFailure};
use super::open::Connection;
use crate::prf;
use crate::reassembly::Reassembly;
use crate::schedule::finished_message;
use crate::suite::Suite;
use crate::wire::DTLS_1_2;
use crate::wire::cursor::put_vec16;
use crate::wire::extension::Extensions;
use crate::wire::handshake::{self, Fragment, kind};
use crate::wire::hello::{
    ClientHello, EMPTY_RENEGOTIATION_INFO_SCSV, ServerHello, decode_verify_request,
};
use crate::wire::record::{self, ContentType, RawRecord};

/// Longest identity and key.
const MAX_CREDENTIAL: usize = 4096;
/// Longest connection id (RFC 9146 §3).
const MAX_CID: usize = 255;
/// Most suites offered: far more than there are.
const MAX_SUITES: usize = 32;
/// How many cookies a server may ask for.
const MAX_COOKIES: u16 = 4;

/// What a state makes of a message.
pub(super) enum Step {
    /// Nothing to do.
    Wait,
    /// Our flight has changed: send it.
    Send,
    /// The server's flight is complete.
    Finish(Box<Finishing>),
}

/// ClientHello sent, perhaps with a cookie; the server's flight is awaited.
pub(super) struct Hello {
    config: ClientConfig,
    random: [u8; 32],
    extended_master_secret: bool,
    cookie: Vec<u8>,
    /// Number of our ClientHello, and so of the server's first message.
    message: u16,
    next_record: u64,
    reassembly: Reassembly,
    /// Our ClientHello, then what the server has said.
    transcript: Vec<u8>,
    hello_length: usize,
    server: Option<Chosen>,
}

/// What the server chose.
struct Chosen {
    random: [u8; 32],
    suite: &'static Suite,
    extended_master_secret: bool,
    cid: Option<Vec<u8>>,
}

impl Hello {
    pub(super) fn new(
        config: ClientConfig,
        rng: &mut dyn CryptoRng,
        extended_master_secret: bool,
    ) -> Result<Self, ClientFailure> {
        let cid_length = config.cid.as_ref().map_or(0, Vec::len);
        let longest = config.identity.len().max(config.psk.len());
        let suites = &config.suites;
        let known = suites.iter().all(|id| Suite::by_id(*id).is_some());
        if !known || suites.is_empty() || suites.len() > MAX_SUITES {
            return Err(ClientFailure::Config);
        }
        if longest > MAX_CREDENTIAL || cid_length > MAX_CID {
            return Err(ClientFailure::Config);
        }
        let mut random = [0; 32];
        rng.fill_bytes(&mut random);
        let mut hello = Self {
            config,
            random,
            extended_master_secret,
            cookie: Vec::new(),
            message: 0,
            next_record: 0,
            reassembly: Reassembly::new(0),
            transcript: Vec::new(),
            hello_length: 0,
            server: None,
        };
        hello.write_hello();
        Ok(hello)
    }

    /// Our ClientHello as a datagram, under a new record number.
    pub(super) fn write_flight(&mut self) -> Vec<u8> {
        let hello = &self.transcript[..self.hello_length];
        let mut datagram = Vec::with_capacity(record::HEADER + hello.len());
        let sequence = self.next_record;
        record::put_plain(&mut datagram, ContentType::Handshake, DTLS_1_2, sequence, hello);
        self.next_record += 1;
        datagram
    }

    /// A handshake fragment of epoch 0.
    pub(super) fn fragment(&mut self, fragment: &Fragment<'_>) -> Result<Step, ClientFailure> {
        let expected = match (&self.server, fragment.kind) {
            (None, kind::HELLO_VERIFY_REQUEST) => return Ok(self.verify_request(fragment)),
            (None, kind) => kind == kind::SERVER_HELLO,
            (Some(_), kind) => [kind::SERVER_KEY_EXCHANGE, kind::SERVER_HELLO_DONE].contains(&kind),
        };
        if !expected {
            return Ok(Step::Wait);
        }
        let Ok(Some(message)) = self.reassembly.accept(fragment) else {
            return Ok(Step::Wait);
        };
        let body = &message[handshake::HEADER..];
        if fragment.kind == kind::SERVER_HELLO {
            self.server = Some(self.choose(body).ok_or(ClientFailure::IllegalParameter)?);
        }
        self.transcript.extend_from_slice(&message);
        match &self.server {
            Some(server) if fragment.kind == kind::SERVER_HELLO_DONE => {
                Ok(Step::Finish(Box::new(self.finish(server))))
            }
            _ => Ok(Step::Wait),
        }
    }

    /// A cookie; the ClientHello before it is no part of the transcript (RFC 6347 §4.2.6).
    fn verify_request(&mut self, fragment: &Fragment<'_>) -> Step {
        let cookie = decode_verify_request(fragment.body).filter(|_| fragment.is_whole());
        let (Some(cookie), true) = (cookie, fragment.sequence == self.message) else {
            return Step::Wait;
        };
        if self.message == MAX_COOKIES {
            return Step::Wait;
        }
        self.cookie = cookie.to_vec();
        self.message += 1;
        self.reassembly = Reassembly::new(self.message);
        self.write_hello();
        Step::Send
    }

    fn write_hello(&mut self) {
        let offered = self.config.suites.iter();
        let mut suites: Vec<u8> = offered.flat_map(|id| id.to_be_bytes()).collect();
        suites.extend(EMPTY_RENEGOTIATION_INFO_SCSV.to_be_bytes());
        let hello = ClientHello {
            version: DTLS_1_2,
            random: self.random,
            session_id: &[],
            cookie: &self.cookie,
            suites: &suites,
            compressions: &[0],
            raw_extensions: &[],
            extensions: Extensions {
                extended_master_secret: self.extended_master_secret,
                cid: self.config.cid.as_deref(),
                ..Extensions::default()
            },
        };
        let mut body = Vec::with_capacity(128);
        hello.encode(&mut body).expect("cookie, connection id and suites are short");
        self.transcript.clear();
        handshake::put_message(&mut self.transcript, kind::CLIENT_HELLO, self.message, &body);
        self.hello_length = self.transcript.len();
    }

    fn choose(&self, body: &[u8]) -> Option<Chosen> {
        let hello = ServerHello::decode(body)?;
        let extensions = hello.extensions;
        let offered = self.config.suites.contains(&hello.suite);
        let suite = Suite::by_id(hello.suite).filter(|_| offered)?;
        let acceptable = hello.version == DTLS_1_2
            && hello.compression == 0
            && extensions.renegotiation.is_none_or(<[u8]>::is_empty)
            && (self.extended_master_secret || !extensions.extended_master_secret)
            && (self.config.cid.is_some() || extensions.cid.is_none());
        acceptable.then(|| Chosen {
            random: hello.random,
            suite,
            extended_master_secret: extensions.extended_master_secret,
            cid: extensions.cid.map(<[u8]>::to_vec),
        })
    }

    fn finish(&self, server: &Chosen) -> Finishing {
        let mut body = Vec::with_capacity(2 + self.config.identity.len());
        put_vec16(&mut body, |out| out.extend_from_slice(&self.config.identity))
            .expect("an identity has at most 4096 bytes");
        let mut key_exchange = Vec::with_capacity(handshake::HEADER + body.len());
        let message = self.message + 1;
        handshake::put_message(&mut key_exchange, kind::CLIENT_KEY_EXCHANGE, message, &body);

        let hash = prf::hash(&[&self.transcript, &key_exchange]);
        let session_hash = server.extended_master_secret.then_some(&hash[..]);
        let randoms = [&self.random[..], &server.random];
        let master = prf::psk_master_secret(&self.config.psk, randoms, session_hash);
        let keys = prf::key_block(&master, &server.random, &self.random);
        let verify_data = prf::verify_data(&master, b"client finished", &hash);
        let finished = finished_message(message + 1, &verify_data);
        let server_hash = prf::hash(&[&self.transcript, &key_exchange, &finished]);
        let server_data = prf::verify_data(&master, b"server finished", &server_hash);
        // Without the server's consent nobody puts ids into records.
        let cid = server.cid.as_ref().and(self.config.cid.clone()).unwrap_or_default();
        Finishing {
            connection: Connection::new(server.suite, keys, cid, server.cid.clone()),
            key_exchange,
            finished,
            next_record: self.next_record,
            expected: finished_message(self.reassembly.next(), &server_data),
            repeated: false,
        }
    }
}

/// Our last flight sent; the server's Finished is awaited.
pub(super) struct Finishing {
    pub(super) connection: Connection,
    key_exchange: Vec<u8>,
    finished: Vec<u8>,
    next_record: u64,
    /// The server's Finished message.
    expected: Vec<u8>,
    /// Whether the flight was repeated on the server's request since the timer last ran out.
    repeated: bool,
}

impl Finishing {
    /// ClientKeyExchange, ChangeCipherSpec and Finished as one datagram, under new numbers.
    pub(super) fn write_flight(&mut self) -> Result<Vec<u8>, ClientFailure> {
        let mut datagram = Vec::with_capacity(160 + self.key_exchange.len());
        let number = self.next_record;
        self.next_record += 2;
        let plain = [
            (ContentType::Handshake, number, &self.key_exchange[..]),
            (ContentType::ChangeCipherSpec, number + 1, &[1]),
        ];
        for (kind, number, body) in plain {
            record::put_plain(&mut datagram, kind, DTLS_1_2, number, body);
        }
        self.connection
            .seal(&mut datagram, ContentType::Handshake, &self.finished)
            .ok_or(ClientFailure::Exhausted)?;
        Ok(datagram)
    }

    /// The timer has run out, so the server may ask again.
    pub(super) fn rearm(&mut self) {
        self.repeated = false;
    }

    /// The server repeated its flight: whether ours is to be sent again.
    pub(super) fn repetition(&mut self, fragment: &Fragment<'_>) -> bool {
        fragment.kind == kind::SERVER_HELLO_DONE && !core::mem::replace(&mut self.repeated, true)
    }

    /// A record of epoch 1: whether it bears the server's Finished.
    pub(super) fn protected(&mut self, record: &RawRecord<'_>) -> Result<bool, ClientFailure> {
        match self.connection.open(record) {
            Some((ContentType::Handshake, message)) if message.ct_eq(&self.expected).into() => {
                Ok(true)
            }
            Some((ContentType::Handshake, _)) => Err(ClientFailure::BadFinished),
            _ => Ok(false),
        }
    }
}
