//! A server, its ledger side and a client, driven step by step.

use std::collections::{BTreeMap, BTreeSet};

use core::net::SocketAddr;
use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use super::toy::{self, CLIENT_KEY, SERVER_KEY, Toy};
use crate::client::Offer;
use crate::resume::{self, Declined, Derived, Resumable};
use crate::schedule::{self, OpenError};
use crate::wire::record::{ContentType, RawRecord, Records};
use crate::{
    CertificateType, Claim, Client, ClientConfig, ClientOutput, ClusterKeys, Content, DropReason,
    Endpoint, EndpointConfig, HandshakeEvent, NotResumed, OpenCall, Opened, Output, PublicIdentity,
    Record, Refusal, Resumption, SessionCall, SessionId, SessionName, SignCall, Suite,
};

pub(super) const PSK: &[u8] = b"sixteen byte key";
pub(super) const IDENTITY: &[u8] = b"urn:dev:ops:1";
pub(super) const START: Duration = Duration::from_secs(1_800_000_000);

/// The second step of a resumption says the same however its session was derived.
pub(super) fn assert_same(one: &Result<Opened, OpenError>, other: &Result<Opened, OpenError>) {
    let said = |it: &Result<Opened, OpenError>| {
        let parts = |opened: &Opened| (opened.session, opened.verify_data, opened.keys.to_bytes());
        it.as_ref().map(parts).map_err(|why| *why)
    };
    assert!(said(one) == said(other), "{one:?} {other:?}");
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// What distinguishes one pair from another.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) seed: u64,
    /// As in [`ClientConfig`].
    pub(super) cid: Option<Vec<u8>>,
    pub(super) offer: Offer,
    pub(super) client_psk: &'static [u8],
    /// As in [`ClientConfig`].
    pub(super) suites: Vec<u16>,
    /// As in [`ClientConfig`].
    pub(super) tickets: bool,
    /// As in [`ClientConfig`].
    pub(super) resumption: Option<Resumption>,
    pub(super) config: EndpointConfig,
    /// What the client presents.
    pub(super) client: Option<PublicIdentity>,
    /// As in [`ClientConfig`].
    pub(super) record_limit: Option<u16>,
    /// As in [`ClientConfig`].
    pub(super) accepts: Vec<CertificateType>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            cid: Some(vec![0xC1, 0x1D, 0x01]),
            offer: Offer::ALL,
            client_psk: PSK,
            suites: Suite::psk_defaults(),
            tickets: false,
            resumption: None,
            config: EndpointConfig::default(),
            client: None,
            record_limit: None,
            accepts: vec![CertificateType::X509],
        }
    }
}

impl Options {
    pub(super) fn without_cid() -> Self {
        Self { cid: None, ..Self::default() }
    }
}

pub(super) struct Pair {
    pub(super) now: Duration,
    pub(super) endpoint: Endpoint,
    pub(super) client: Client,
    pub(super) address: SocketAddr,
    /// Credential steps that nobody has answered.
    pub(super) calls: Vec<OpenCall>,
    /// Steps of resumptions that nobody has answered.
    pub(super) session_calls: Vec<SessionCall>,
    /// What the ledger keeps of resumable sessions, by handle.
    pub(super) kept: BTreeMap<[u8; 16], Vec<u8>>,
    /// What first steps derived, by handle.
    pub(super) derived: BTreeMap<[u8; 16], Derived>,
    /// Signatures that nobody has made.
    pub(super) signs: Vec<SignCall>,
    /// What the client asked and nobody has answered.
    pub(super) client_asks: Vec<ClientOutput>,
    pub(super) records: Vec<Record>,
    pub(super) repeats: Vec<SessionId>,
    pub(super) displaced: Vec<SessionId>,
    pub(super) rested: Vec<SessionName>,
    pub(super) events: Vec<HandshakeEvent>,
    /// What the client reported besides datagrams.
    pub(super) reports: Vec<ClientOutput>,
    /// Next sequence of each session, as its owner counts.
    pub(super) next_sequence: BTreeMap<SessionId, u64>,
    /// (sent by the server, epoch, sequence) of every record ever sealed.
    numbers: BTreeSet<(bool, u16, u64)>,
    cid_length: usize,
}

impl Pair {
    pub(super) fn new(options: Options) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let server_rng = Box::new(ChaCha8Rng::from_rng(&mut rng));
        let cid_length = options.cid.as_ref().map_or(0, Vec::len);
        let config = ClientConfig {
            cid: options.cid,
            suites: options.suites,
            tickets: options.tickets,
            resumption: options.resumption,
            public_identity: options.client,
            record_limit: options.record_limit,
            accepts: options.accepts,
            ..ClientConfig::new(IDENTITY.to_vec(), Zeroizing::new(options.client_psk.to_vec()))
        };
        Self {
            now: START,
            endpoint: Endpoint::new(options.config, ClusterKeys::new([1; 32], [2; 32]), server_rng)
                .with_curves(Box::new(Toy::new(2))),
            client: Client::offering(
                START,
                config,
                Some(Box::new(Toy::new(1))),
                &mut rng,
                options.offer,
            ),
            address: address("192.0.2.1:5000"),
            calls: Vec::new(),
            session_calls: Vec::new(),
            kept: BTreeMap::new(),
            derived: BTreeMap::new(),
            signs: Vec::new(),
            client_asks: Vec::new(),
            records: Vec::new(),
            repeats: Vec::new(),
            displaced: Vec::new(),
            rested: Vec::new(),
            events: Vec::new(),
            reports: Vec::new(),
            next_sequence: BTreeMap::new(),
            numbers: BTreeSet::new(),
            cid_length,
        }
    }

    /// A pair whose handshake is complete.
    pub(super) fn established(options: Options) -> (Self, SessionId) {
        let mut pair = Self::new(options);
        pair.settle();
        let session = pair.session();
        (pair, session)
    }

    /// The session of the last Established.
    pub(super) fn session(&self) -> SessionId {
        let established = self.events.iter().rev().find_map(|event| match event {
            HandshakeEvent::Established { session, .. } => Some(*session),
            _ => None,
        });
        established.expect("a session is established")
    }

    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        self.endpoint.counters().dropped(reason)
    }

    pub(super) fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Hands the server a datagram of the client's address.
    pub(super) fn tell_server(&mut self, datagram: &[u8]) {
        self.endpoint.receive(self.now, self.address, datagram);
    }

    /// The client's datagrams; its other outputs are kept.
    pub(super) fn client_sends(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Datagram(bytes) => datagrams.push(bytes),
                question @ (ClientOutput::Verify(_) | ClientOutput::Sign { .. }) => {
                    self.client_asks.push(question);
                }
                other => self.reports.push(other),
            }
        }
        for datagram in &datagrams {
            self.note_numbers(false, datagram, 8);
        }
        datagrams
    }

    /// The server's datagrams; its other outputs are kept.
    pub(super) fn server_sends(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut datagrams = Vec::new();
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Datagram { to, bytes } => datagrams.push((to, bytes)),
                Output::Open(call) => self.calls.push(*call),
                Output::NeedSession(call) => self.session_calls.push(*call),
                Output::Sign(call) => self.signs.push(*call),
                Output::Record(record) => self.records.push(record),
                Output::Repeat { session } => self.repeats.push(session),
                Output::Displaced { session } => self.displaced.push(session),
                Output::Rested(name) => self.rested.push(name),
                Output::Event(event) => self.events.push(event),
            }
        }
        for (_, datagram) in &datagrams {
            self.note_numbers(true, datagram, self.cid_length);
        }
        datagrams
    }

    /// No key meets a nonce twice: each end numbers every record of an epoch anew.
    fn note_numbers(&mut self, server: bool, datagram: &[u8], cid_length: usize) {
        for record in Records::new(datagram, cid_length) {
            let RawRecord { epoch, sequence, .. } = record.expect("our ends write records");
            let new = self.numbers.insert((server, epoch, sequence));
            assert!(new || epoch == 0, "number {sequence} of epoch {epoch} was used twice");
        }
    }

    /// Answers every question as a ledger with this one device would, and a client that trusts
    /// this one server.
    pub(super) fn answer(&mut self) {
        assert_eq!(self.answer_perhaps_late(), 0, "a handshake did not wait for its answer");
    }

    /// The same, where time may have ended a handshake; gives the number of answers in vain.
    pub(super) fn answer_perhaps_late(&mut self) -> usize {
        let mut late = 0;
        self.answer_keys();
        for call in core::mem::take(&mut self.calls) {
            match self.judge(&call) {
                Ok(opened) => {
                    self.next_sequence.insert(opened.session, 1);
                    late += usize::from(!self.endpoint.opened(self.now, call.call, opened));
                }
                Err(refusal) => self.endpoint.refused(self.now, call.call, refusal),
            }
        }
        for call in core::mem::take(&mut self.session_calls) {
            self.answer_session(&call);
        }
        late
    }

    /// Answers every question that is no credential step.
    pub(super) fn answer_keys(&mut self) {
        for call in core::mem::take(&mut self.signs) {
            self.endpoint.signed(self.now, call.call, Some(toy::sign(SERVER_KEY, &call.message)));
        }
        for question in core::mem::take(&mut self.client_asks) {
            match question {
                ClientOutput::Verify(presented) => {
                    let known = [toy::raw(SERVER_KEY), toy::chain(SERVER_KEY)];
                    self.client.verified(self.now, known.contains(&presented));
                }
                ClientOutput::Sign { message, .. } => {
                    self.client.signed(self.now, Some(toy::sign(CLIENT_KEY, &message)));
                }
                _ => {}
            }
        }
    }

    /// Answers a step of a resumption as a ledger would for which every credential is good.
    pub(super) fn answer_session(&mut self, call: &SessionCall) {
        let kept = self.kept.get(&call.handle).and_then(|bytes| Resumable::decode(bytes));
        let Some(kept) = kept else {
            return self.endpoint.not_resumed(self.now, call.call, NotResumed::FullHandshake);
        };
        if let Some(offer) = call.offer() {
            match resume::accept(&kept, self.now, &offer) {
                Ok((accepted, derived)) => {
                    self.derived.insert(call.handle, derived);
                    self.endpoint.resumed(self.now, call.call, &accepted);
                }
                Err(declined) => {
                    let why = match declined {
                        Declined::FullHandshake => NotResumed::FullHandshake,
                        Declined::Forbidden => NotResumed::Forbidden,
                        Declined::Malformed | Declined::Stale => NotResumed::Unavailable,
                    };
                    self.endpoint.not_resumed(self.now, call.call, why);
                }
            }
        } else if let Some(evidence) = call.evidence() {
            let anew = resume::open(&kept, self.now, &evidence);
            let derived = self.derived.get(&call.handle).filter(|it| it.is_of(&evidence));
            if let Some(derived) = derived {
                assert_same(&derived.open(self.now, &evidence), &anew);
            }
            match anew {
                Ok(opened) => {
                    self.next_sequence.insert(opened.session, 1 << 24);
                    self.endpoint.opened(self.now, call.call, opened);
                }
                Err(_) => self.endpoint.refused(self.now, call.call, Refusal::BadFinished),
            }
        }
    }

    fn judge(&mut self, call: &OpenCall) -> Result<crate::Opened, Refusal> {
        let claim = schedule::claim(&call.transcript).map_err(|_| Refusal::Unavailable)?;
        assert_eq!(claim, call.claim);
        let opened = match claim {
            Claim::Psk { identity } if identity == IDENTITY => {
                schedule::open_resumable(PSK, self.now, &call.evidence())
            }
            Claim::Key(key) if ![toy::raw(CLIENT_KEY), toy::chain(CLIENT_KEY)].contains(&key) => {
                return Err(Refusal::UnknownIdentity);
            }
            Claim::Key(_) | Claim::Nothing => {
                schedule::open_shared(self.now, &call.evidence()).map(|opened| (opened, None))
            }
            Claim::Psk { .. } => return Err(Refusal::UnknownIdentity),
        };
        let (opened, resumable) = opened.map_err(|error| match error {
            OpenError::BadFinished => Refusal::BadFinished,
            OpenError::Malformed | OpenError::Stale => Refusal::Unavailable,
        })?;
        if let Some(resumable) = resumable {
            self.kept.insert(resumable.handle, resumable.encode().to_vec());
        }
        Ok(opened)
    }

    /// Seals as the session's owner would.
    pub(super) fn seal(&mut self, session: SessionId, content: Content<'_>) {
        let next = self.next_sequence.entry(session).or_insert(1);
        let sequence = *next;
        *next += 1;
        self.endpoint.seal(session, sequence, None, content).expect("the sequence is new");
    }

    /// Delivers everything until both ends are silent.
    pub(super) fn settle(&mut self) {
        loop {
            let from_client = self.client_sends();
            for datagram in &from_client {
                self.tell_server(datagram);
            }
            let mut from_server = self.server_sends();
            let asked = !self.client_asks.is_empty();
            self.answer();
            from_server.extend(self.server_sends());
            for (_, datagram) in &from_server {
                self.client.receive(self.now, datagram);
            }
            if from_client.is_empty() && from_server.is_empty() && !asked {
                return;
            }
        }
    }

    /// Delivers the server's waiting flight, and all that follows.
    pub(super) fn settle_server_flight(&mut self) {
        let flight = self.server_datagram();
        self.client.receive(self.now, &flight);
        self.settle();
    }

    /// Another session begins at this address, with keys of its own.
    pub(super) fn forget_numbers(&mut self) {
        self.numbers.clear();
    }

    /// Puts another device, with its own keys, at this one's address.
    pub(super) fn swap_client(&mut self, other: &mut Self) {
        core::mem::swap(&mut self.client, &mut other.client);
        self.numbers.clear();
        other.numbers.clear();
    }

    /// Splits a datagram of the server into its records' bytes.
    pub(super) fn split_from_server(&self, datagram: &[u8]) -> Vec<Vec<u8>> {
        split_with(datagram, self.cid_length)
    }

    /// The client's next datagram, which must exist.
    pub(super) fn client_datagram(&mut self) -> Vec<u8> {
        self.client_sends().pop().expect("the client has something to send")
    }

    /// The server's next datagram, which must exist.
    pub(super) fn server_datagram(&mut self) -> Vec<u8> {
        self.server_sends().pop().expect("the server has something to send").1
    }

    /// Up to the client's ClientHello with the cookie, not yet delivered.
    pub(super) fn cookied_hello(&mut self) -> Vec<u8> {
        let hello = self.client_datagram();
        self.tell_server(&hello);
        let request = self.server_datagram();
        self.client.receive(self.now, &request);
        self.client_datagram()
    }

    /// Up to the client's last flight, not yet delivered.
    pub(super) fn client_flight(&mut self) -> Vec<u8> {
        let hello = self.cookied_hello();
        self.tell_server(&hello);
        let flight = self.server_datagram();
        self.client.receive(self.now, &flight);
        self.client_datagram()
    }
}

/// Splits a datagram to the server into its records' bytes.
pub(super) fn split(datagram: &[u8]) -> Vec<Vec<u8>> {
    split_with(datagram, 8)
}

fn split_with(datagram: &[u8], cid_length: usize) -> Vec<Vec<u8>> {
    Records::new(datagram, cid_length)
        .map(|record| record.expect("our ends write records").raw.to_vec())
        .collect()
}

/// A plaintext record of epoch 0 as anybody can write it.
pub(super) fn forged(kind: ContentType, sequence: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::wire::record::put_plain(&mut bytes, kind, 0xFEFD, sequence, body);
    bytes
}
