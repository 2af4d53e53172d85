//! What the targets share: a server whose ledger knows one device, that device, and scripts of
//! datagrams.
//!
//! All randomness is seeded, so that what one run has said is understood by the next: the seeds of
//! the targets are flights that were recorded.

use claviger_dtls::resume::{self, Derived, Resumable};
use claviger_dtls::{
    CallId, CertificateType, Claim, Client, ClientConfig, ClientOutput, ClusterKeys, Content,
    Curves, Endpoint, EndpointConfig, Ephemeral, Group, HandshakeEvent, NotResumed, OpenCall,
    Output, Presented, PublicIdentity, Refusal, Resumption, SUITES, SessionCall, SessionId,
    SharedSecret, SignatureScheme, schedule,
};
use core::net::SocketAddr;
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

pub const KEY: &[u8] = b"sixteen byte key";
pub const NAME: &[u8] = b"urn:dev:1";
pub const START: Duration = Duration::from_secs(1_800_000_000);
/// Most half-open handshakes of each kind.
pub const HALF_OPEN: usize = 4;

/// Where the device is.
pub fn address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5000))
}

/// Curves that are none, so that a fuzzer sees behind them: what two ends agree on is the sum of
/// their shares, and anybody can sign.
struct Toy(u8);

struct Share(Vec<u8>);

impl Curves for Toy {
    fn ephemeral(&self, group: Group) -> Option<Box<dyn Ephemeral>> {
        let (length, first) = match group {
            Group::Secp256r1 => (65, 4),
            Group::Secp384r1 => (97, 4),
            Group::X25519 => (32, self.0),
        };
        let mut share = vec![self.0; length];
        share[0] = first;
        Some(Box::new(Share(share)))
    }

    fn verify(&self, _: &Presented, _: SignatureScheme, message: &[u8], signature: &[u8]) -> bool {
        sign(message) == signature
    }
}

impl Ephemeral for Share {
    fn public(&self) -> &[u8] {
        &self.0
    }

    fn agree(&self, peer: &[u8]) -> Option<SharedSecret> {
        let same = peer.len() == self.0.len();
        let sum = self.0.iter().zip(peer).map(|(own, peer)| own.wrapping_add(*peer));
        SharedSecret::new(Zeroizing::new(sum.take(32).collect())).filter(|_| same)
    }
}

/// A signature that anybody can make: FNV-1a.
fn sign(message: &[u8]) -> Vec<u8> {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    message.iter().fold(0xcbf2_9ce4_8422_2325, step).to_be_bytes().to_vec()
}

/// What either end presents: a chain that fills more than a datagram, or a key.
fn identity() -> PublicIdentity {
    let chain = vec![vec![6; 300], vec![7; 700], vec![8; 500]];
    let (group, scheme) = (Group::Secp256r1, SignatureScheme::EcdsaSha256);
    PublicIdentity::new(chain, vec![9; 91], group, scheme).expect("it fits a message")
}

/// A server and its ledger.
pub struct Server {
    pub now: Duration,
    pub endpoint: Endpoint,
    pub sessions: Vec<SessionId>,
    /// Payloads of what was read.
    pub read: Vec<Vec<u8>>,
    /// The last credential step.
    pub call: Option<Box<OpenCall>>,
    kept: BTreeMap<[u8; 16], Resumable>,
    derived: BTreeMap<[u8; 16], Derived>,
    next: u64,
}

impl Default for Server {
    fn default() -> Self {
        let config = EndpointConfig {
            half_open: HALF_OPEN,
            resumption: true,
            suites: SUITES.iter().map(|suite| suite.id).collect(),
            identity: Some(identity()),
            ..EndpointConfig::default()
        };
        let rng = Box::new(ChaCha8Rng::seed_from_u64(1));
        let endpoint = Endpoint::new(config, ClusterKeys::new([1; 32], [2; 32]), rng);
        let mut endpoint = endpoint.with_curves(Box::new(Toy(2)));
        endpoint.let_rest();
        Self {
            now: START,
            endpoint,
            sessions: Vec::new(),
            read: Vec::new(),
            call: None,
            kept: BTreeMap::new(),
            derived: BTreeMap::new(),
            next: 1,
        }
    }
}

impl Server {
    /// Takes a datagram of the device's address; gives what is answered.
    pub fn receive(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.endpoint.receive(self.now, address(), datagram);
        self.answer()
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) -> Vec<Vec<u8>> {
        self.now += time;
        self.endpoint.handle_timeout(self.now);
        self.answer()
    }

    /// Sends data in the newest session.
    pub fn send(&mut self, data: &[u8]) -> Vec<Vec<u8>> {
        if let Some(session) = self.sessions.last() {
            self.next += 1;
            // It may have been displaced.
            let _ = self.endpoint.seal(*session, self.next, None, Content::Application(data));
        }
        self.answer()
    }

    fn answer(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Datagram { to, bytes } => {
                    assert_eq!(to, address(), "nobody else has said anything");
                    datagrams.push(bytes);
                }
                Output::Open(call) => {
                    self.open(call.call, &call.evidence());
                    self.call = Some(call);
                }
                Output::Sign(call) => {
                    self.endpoint.signed(self.now, call.call, Some(sign(&call.message)));
                }
                Output::NeedSession(call) => self.resume(&call),
                Output::Record(record) => self.read.push(record.payload),
                Output::Event(HandshakeEvent::Established { session, .. }) => {
                    self.sessions.push(session);
                }
                _ => {}
            }
        }
        self.check();
        datagrams
    }

    fn open(&mut self, call: CallId, evidence: &schedule::Evidence<'_>) {
        let opened = match schedule::claim(evidence.transcript) {
            Ok(Claim::Psk { identity }) if identity == NAME => {
                Some(schedule::open_resumable(KEY, self.now, evidence))
            }
            Ok(Claim::Key(_) | Claim::Nothing) => {
                let opened = schedule::open_shared(self.now, evidence);
                Some(opened.map(|opened| (opened, None)))
            }
            _ => None,
        };
        match opened {
            None => self.endpoint.refused(self.now, call, Refusal::UnknownIdentity),
            Some(Err(_)) => self.endpoint.refused(self.now, call, Refusal::BadFinished),
            Some(Ok((opened, kept))) => {
                self.kept.extend(kept.map(|kept| (kept.handle, kept)));
                self.endpoint.opened(self.now, call, opened);
            }
        }
    }

    fn resume(&mut self, call: &SessionCall) {
        let kept = self.kept.get(&call.handle);
        let (now, name) = (self.now, call.call);
        match (kept, call.offer(), call.evidence()) {
            (Some(kept), Some(offer), _) => match resume::accept(kept, now, &offer) {
                Ok((accepted, derived)) => {
                    self.derived.insert(call.handle, derived);
                    self.endpoint.resumed(now, name, &accepted);
                }
                Err(_) => self.endpoint.not_resumed(now, name, NotResumed::FullHandshake),
            },
            (Some(kept), _, Some(evidence)) => {
                let opened = resume::open(kept, now, &evidence);
                let derived = self.derived.get(&call.handle).filter(|it| it.is_of(&evidence));
                if let Some(derived) = derived {
                    let session = derived.open(now, &evidence).map(|opened| opened.session);
                    assert_eq!(session, opened.as_ref().map(|it| it.session).map_err(|why| *why));
                }
                match opened {
                    Ok(opened) => drop(self.endpoint.opened(now, name, opened)),
                    Err(_) => self.endpoint.refused(now, name, Refusal::BadFinished),
                }
            }
            _ => self.endpoint.not_resumed(now, name, NotResumed::FullHandshake),
        }
    }

    /// What must hold whatever comes.
    fn check(&self) {
        let counters = self.endpoint.counters();
        assert!(self.endpoint.half_open() as u64 <= counters.cookies_accepted);
        assert!(self.endpoint.half_open() <= 2 * HALF_OPEN);
        assert!(self.endpoint.sessions() as u64 <= counters.established);
    }
}

const SUITE_OF_FORM: [u16; 8] = [0xC0A8, 0xC0A4, 0x00A8, 0x00AE, 0xC0AE, 0xC02B, 0xC037, 0xFF00];

/// The forms of the device.
pub fn device(form: u8, resumption: Option<Resumption>) -> Client {
    let cid = [None, Some(Vec::new()), Some(vec![1, 2, 3]), Some(vec![7; 20])];
    let config = ClientConfig {
        cid: cid[usize::from(form & 3)].clone(),
        tickets: form & 4 != 0,
        record_limit: (form & 8 != 0).then_some(512),
        suites: vec![SUITE_OF_FORM[usize::from(form >> 4 & 7)]],
        public_identity: Some(identity()),
        accepts: vec![if form & 4 == 0 {
            CertificateType::RawPublicKey
        } else {
            CertificateType::X509
        }],
        resumption,
        ..ClientConfig::new(NAME.to_vec(), Zeroizing::new(KEY.to_vec()))
    };
    // Who comes back says another random than before.
    let seed = u64::from(form) + if config.resumption.is_some() { 1_000 } else { 0 };
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    Client::with_curves(START, config, Box::new(Toy(1)), rng)
}

/// The device's datagrams; what it reports besides goes to `reports`.
pub fn said(client: &mut Client, reports: &mut Vec<ClientOutput>) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    while let Some(output) = client.poll() {
        match output {
            ClientOutput::Datagram(bytes) => datagrams.push(bytes),
            ClientOutput::Verify(_) => client.verified(START, true),
            ClientOutput::Sign { message, .. } => client.signed(START, Some(sign(&message))),
            other => reports.push(other),
        }
    }
    datagrams
}

/// Runs so many turns of an undisturbed conversation; gives the client's datagrams and the
/// server's.
pub fn converse(
    server: &mut Server,
    client: &mut Client,
    turns: usize,
) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut up, mut down, mut reports) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns {
        for datagram in said(client, &mut reports) {
            let answers = server.receive(&datagram);
            up.push(datagram);
            for answer in answers {
                client.receive(server.now, &answer);
                down.push(answer);
            }
        }
    }
    (up, down)
}

/// One thing of a script.
pub enum Act<'a> {
    /// This arrives.
    Datagram(&'a [u8]),
    /// So much time passes.
    Wait(Duration),
}

/// Reads a script: lengths of 16 bits with the datagrams behind them; one with its highest bit set
/// is a time in milliseconds instead. What does not fit is the last datagram.
pub fn script(mut bytes: &[u8]) -> impl Iterator<Item = Act<'_>> {
    core::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = u16::from_be_bytes(*length);
        if length >> 15 == 1 {
            bytes = rest;
            return Some(Act::Wait(Duration::from_millis((length & 0x7FFF).into())));
        }
        let (datagram, rest) = rest.split_at(usize::from(length).min(rest.len()));
        bytes = rest;
        Some(Act::Datagram(datagram))
    })
}

/// The script of these datagrams.
pub fn written(datagrams: &[Vec<u8>]) -> Vec<u8> {
    let each = datagrams.iter();
    each.flat_map(|it| [&(it.len() as u16).to_be_bytes()[..], it].concat()).collect()
}
