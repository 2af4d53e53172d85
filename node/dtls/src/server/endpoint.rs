//! The endpoint: what its driver calls, and the way of a datagram through it.

use std::collections::VecDeque;

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use rand_core::CryptoRng;

use super::half_open::{Due, GIVE_UP, HalfOpen, Question, Stage};
use super::limits::PrefixLimits;
use super::output::{CallId, Claim, FailureReason, HandshakeEvent, Opened, Output, Refusal};
use super::pending::Pending;
use super::resuming::Resuming;
use super::session::{LastFlight, Place, Said, Session, Sessions, Watch};
use super::spare::Spare;
use crate::cid;
use crate::cluster::ClusterKeys;
use crate::counters::{Counters, DropReason};
use crate::curves::{CertificateType, Curves, PublicIdentity};
use crate::keys::SessionId;
use crate::limit;
use crate::sealed::Sealed;
use crate::stored::hello_mark;
use crate::suite::Suite;
use crate::wire::alert::{Alert, AlertDescription};
use crate::wire::handshake::{Fragments, kind};
use crate::wire::record::{self, ContentType, MAX_PLAINTEXT, RawRecord, Records};
use crate::wire::{DTLS_1_0, DTLS_1_2};

/// Limits and options of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// First wait before our flight is sent again; doubles each time. 1 s (RFC 6347 §4.2.4.1),
    /// or 9 s where the network is slow (RFC 7925 §11).
    pub retransmit: Duration,
    /// Most half-open handshakes; the oldest gives way.
    pub half_open: usize,
    /// Answer an unknown identity like a wrong key: with silence (RFC 4279 §2).
    pub hide_unknown_identity: bool,
    /// Give out handles, and resume sessions by them. Whoever drives the endpoint then answers
    /// [`Output::NeedSession`].
    pub resumption: bool,
    /// IANA numbers of the suites that are taken, each one of [`crate::SUITES`]. Those with a key
    /// agreement need [`Endpoint::with_curves`] as well, and signed ones `identity`.
    pub suites: Vec<u16>,
    /// What this listener presents. Its private key is behind [`Output::Sign`].
    pub identity: Option<PublicIdentity>,
    /// In which forms a client may present its key; with none of them no signed suite is taken.
    pub client_types: Vec<CertificateType>,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            retransmit: Duration::from_secs(1),
            half_open: 4096,
            hide_unknown_identity: false,
            resumption: false,
            suites: Suite::defaults(),
            identity: None,
            client_types: vec![CertificateType::X509, CertificateType::RawPublicKey],
        }
    }
}

/// One listener's server side at one edge: all its peers.
///
/// Call [`Endpoint::poll`] until it is empty after every other call.
pub struct Endpoint {
    pub(super) config: EndpointConfig,
    pub(super) keys: ClusterKeys,
    pub(super) rng: Box<dyn CryptoRng + Send>,
    pub(super) curves: Option<Box<dyn Curves>>,
    pub(super) pending: Pending<HalfOpen>,
    pub(super) resuming: Pending<Resuming>,
    pub(super) sessions: Sessions,
    pub(super) limits: PrefixLimits,
    /// Handshakes begun while their queue is full.
    pub(super) crowd: PrefixLimits,
    pub(super) counters: Counters,
    pub(super) outputs: VecDeque<Output>,
    pub(super) spare: Spare,
    /// Whether this datagram was answered with a HelloVerifyRequest already.
    pub(super) verify_requested: bool,
    pub(super) next_call: u64,
    /// Whether no handshake begins any more.
    pub(super) draining: bool,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("half_open", &self.half_open())
            .field("sessions", &self.sessions())
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint without peers. `rng` makes server randoms and connection ids.
    pub fn new(
        config: EndpointConfig,
        keys: ClusterKeys,
        mut rng: Box<dyn CryptoRng + Send>,
    ) -> Self {
        Self {
            sessions: Sessions::new(rng.as_mut()),
            pending: Pending::new(config.half_open),
            resuming: Pending::new(config.half_open),
            config,
            keys,
            rng,
            curves: None,
            limits: PrefixLimits::default(),
            crowd: PrefixLimits::default(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
            spare: Spare::default(),
            verify_requested: false,
            next_call: 0,
            draining: false,
        }
    }

    /// The same, for suites with a key agreement too.
    pub fn with_curves(self, curves: Box<dyn Curves>) -> Self {
        Self { curves: Some(curves), ..self }
    }

    /// Lets sessions that begin from now on go, when nothing comes and goes in them for four minutes:
    /// for a driver that finds what is not here, and restores it ([`Output::Rested`]).
    pub fn let_rest(&mut self) {
        self.sessions.resting = true;
    }

    /// What this listener presents from now on. A handshake that waits for a signature under another
    /// key gets one that its client refuses, and the client begins again.
    pub fn present(&mut self, identity: Option<PublicIdentity>) {
        self.config.identity = identity;
    }

    /// The cluster's keys as they are from now on; those of before are wiped. Whoever hands them out
    /// sees to it that what was made under older ones is still understood.
    pub fn set_keys(&mut self, keys: ClusterKeys) {
        self.keys = keys;
    }

    /// Whether it has the cluster's keys for what comes now; without them all is dropped.
    pub fn has_keys(&self, now: Duration) -> bool {
        self.keys.are_current(now)
    }

    /// Begins no more handshakes: a ClientHello gets nothing, so that another edge may have it. What
    /// is open goes on, and [`Endpoint::half_open`] tells when the last handshake is over.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Asks everything again that is not answered, since the one who was asked is gone. An answer
    /// that comes twice is a late one.
    pub fn ask_again(&mut self) {
        let mut questions = self.pending.asked(|peer, half_open| half_open.ask(peer));
        let sessions = self.resuming.asked(|peer, resuming| resuming.ask(peer));
        questions.extend(sessions.into_iter().map(|call| Output::NeedSession(Box::new(call))));
        questions.into_iter().for_each(|question| self.ask(question));
    }

    /// A datagram has arrived. Whatever is wrong with it is dropped and counted.
    pub fn receive(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) {
        self.counters.datagrams += 1;
        if !self.keys.are_current(now) {
            return self.counters.drop_for(DropReason::NoKeys);
        }
        self.verify_requested = false;
        if datagram.is_empty() {
            self.counters.drop_for(DropReason::Malformed);
        }
        for record in Records::new(datagram, cid::LENGTH) {
            let result = record.and_then(|record| self.record(now, from, &record));
            if let Err(reason) = result {
                self.counters.drop_for(reason);
            }
        }
    }

    /// The time of [`Endpoint::next_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some((peer, mut half_open)) = self.pending.take_due(now) {
            if now >= half_open.started + GIVE_UP {
                self.counters.timed_out += 1;
                self.fail(peer, half_open.reason);
                continue;
            }
            match half_open.due(now, peer) {
                Due::Flight(datagrams) => {
                    self.counters.retransmissions += 1;
                    self.send(peer, datagrams);
                }
                Due::Ask(question) => self.ask(question),
                Due::Nothing => {}
            }
            self.pending.put(peer, half_open);
        }
        self.resumptions_due(now);
        for name in self.sessions.look(now) {
            self.counters.rested += 1;
            self.outputs.push_back(Output::Rested(name));
        }
    }

    /// When [`Endpoint::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Duration> {
        let pending = [self.pending.next_wake(), self.resuming.next_wake()];
        let deadlines = [pending[0], pending[1], self.sessions.next_look()];
        deadlines.into_iter().flatten().min()
    }

    /// What is to be done next, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes back the buffer of an output, for the next one. Nobody must; who does, spares an
    /// allocation for each record. It is wiped.
    pub fn reuse(&mut self, bytes: Vec<u8>) {
        self.spare.give(bytes);
    }

    /// A credential step went well: the session is open, and the last flight leaves with epoch 1
    /// sequence 0. If the handshake is gone by now, or has another suite than these keys, nothing
    /// happens, and the answer is false.
    pub fn opened(&mut self, now: Duration, call: CallId, opened: Opened) -> bool {
        if self.resuming.asker(call).is_some() {
            return self.resumption_opened(now, call, opened);
        }
        let Some((peer, half_open)) = self.answered(call, is_open) else {
            return false;
        };
        if !opened.keys.fit(half_open.agreement.suite.cipher) {
            // The answer to another handshake. This one waits, and asks again.
            self.counters.late_answers += 1;
            self.pending.put(peer, half_open);
            return false;
        }
        let took = now.saturating_sub(half_open.started);
        let (suite, cid) = (half_open.agreement.suite.id, half_open.agreement.cid.is_some());
        let session = opened.session;
        self.establish(now, peer, *half_open, opened);
        self.counters.established += 1;
        self.outputs.push_back(Output::Event(HandshakeEvent::Established {
            session,
            peer,
            suite,
            cid,
            resumed: false,
            took,
        }));
        true
    }

    /// A credential step went otherwise.
    pub fn refused(&mut self, now: Duration, call: CallId, refusal: Refusal) {
        if self.resuming.asker(call).is_some() {
            return self.resumption_refused(now, call, refusal);
        }
        let Some((peer, mut half_open)) = self.answered(call, is_open) else {
            return;
        };
        let unknown = match &half_open.stage {
            Stage::Waiting { question: Question::Open(proven), .. } => match proven.claim {
                Claim::Psk { .. } => AlertDescription::UNKNOWN_PSK_IDENTITY,
                Claim::Key(_) | Claim::Nothing => AlertDescription::CERTIFICATE_UNKNOWN,
            },
            _ => return,
        };
        let (reason, alert) = match refusal {
            Refusal::UnknownIdentity if self.config.hide_unknown_identity => {
                (FailureReason::UnknownIdentity, None)
            }
            Refusal::UnknownIdentity => (FailureReason::UnknownIdentity, Some(unknown)),
            Refusal::Untrusted => {
                (FailureReason::Untrusted, Some(AlertDescription::BAD_CERTIFICATE))
            }
            Refusal::Denied => (FailureReason::Denied, Some(AlertDescription::ACCESS_DENIED)),
            Refusal::BadFinished => (FailureReason::BadFinished, None),
            Refusal::Unavailable => (FailureReason::Unavailable, None),
        };
        if let Some(description) = alert {
            self.alert(now, peer, half_open.next_record, Alert::fatal(description));
            self.fail(peer, reason);
        } else {
            half_open.resume(now, reason);
            self.pending.put(peer, half_open);
        }
    }

    /// The signature that [`Output::Sign`] asked for, DER-encoded; `None` if there is none to be
    /// had. Then the handshake is given up, and the client's next ClientHello begins another.
    pub fn signed(&mut self, now: Duration, call: CallId, signature: Option<Vec<u8>>) {
        let asked = |question: &Question| matches!(question, Question::Sign { .. });
        let Some((peer, mut half_open)) = self.answered(call, asked) else {
            return;
        };
        if signature.and_then(|signature| half_open.signed(now, signature)).is_none() {
            return self.fail(peer, FailureReason::Unavailable);
        }
        let flight = half_open.write_flight();
        self.pending.put(peer, half_open);
        self.send(peer, flight);
    }

    /// Forgets a session and its keys. To tell the peer, seal a close_notify before.
    pub fn close(&mut self, session: SessionId) {
        self.sessions.remove(session);
    }

    /// Notes whose a session is, for [`Endpoint::owner`]; nothing of it is on the wire.
    pub fn own(&mut self, session: SessionId, owner: Box<str>) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.owner = owner;
        }
    }

    /// Whose a session is, as long as it is open.
    pub fn owner(&self, session: SessionId) -> Option<&str> {
        self.sessions.get(session).map(|session| &*session.owner)
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Number of open sessions.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Number of half-open handshakes.
    pub fn half_open(&self) -> usize {
        self.pending.len() + self.resuming.len()
    }

    fn record(
        &mut self,
        now: Duration,
        from: SocketAddr,
        record: &RawRecord<'_>,
    ) -> Result<(), DropReason> {
        match record.epoch {
            0 if ![DTLS_1_2, DTLS_1_0].contains(&record.version) => Err(DropReason::Version),
            0 => self.plaintext(now, from, record),
            1 if record.version != DTLS_1_2 => Err(DropReason::Version),
            1 => self.protected(now, from, record),
            _ => Err(DropReason::Epoch),
        }
    }

    fn plaintext(
        &mut self,
        now: Duration,
        from: SocketAddr,
        record: &RawRecord<'_>,
    ) -> Result<(), DropReason> {
        match record.kind {
            ContentType::Handshake => {
                if record.body.is_empty() {
                    return Err(DropReason::Malformed);
                }
                if record.body.len() > MAX_PLAINTEXT {
                    return Err(DropReason::TooLong);
                }
                for fragment in Fragments::new(record.body) {
                    let fragment = fragment?;
                    if fragment.kind == kind::CLIENT_HELLO {
                        self.client_hello(now, from, record, &fragment)?;
                    } else {
                        self.advance(now, from, |half_open| half_open.fragment(&fragment))?;
                    }
                }
                Ok(())
            }
            ContentType::ChangeCipherSpec if self.resuming.peek(from).is_some() => {
                self.advance_resumption(now, from, |it| it.change_cipher_spec(record.body))
            }
            ContentType::ChangeCipherSpec => {
                self.advance(now, from, |half_open| half_open.change_cipher_spec(record.body))
            }
            ContentType::Alert => Err(DropReason::PlaintextAlert),
            ContentType::ApplicationData => Err(DropReason::PlaintextRecord),
            ContentType::Tls12Cid => Err(DropReason::Epoch),
            ContentType::ReturnRoutabilityCheck => Err(DropReason::PlaintextRecord),
        }
    }

    /// Lets a half-open handshake take something in, and asks for its credential step once it
    /// is complete.
    pub(super) fn advance(
        &mut self,
        now: Duration,
        from: SocketAddr,
        step: impl FnOnce(&mut HalfOpen) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let (call, curves) = (self.call(), self.curves.as_deref());
        let advanced = self.pending.change(from, |half_open| {
            let result = step(half_open);
            (result, half_open.open(now, from, call, curves))
        });
        let (result, question) = advanced.ok_or(DropReason::PlaintextRecord)?;
        question?.into_iter().for_each(|question| self.ask(question));
        result
    }

    /// The handshake that this call's answer is for; an answer to another question is a late one.
    fn answered(
        &mut self,
        call: CallId,
        asked: impl FnOnce(&Question) -> bool,
    ) -> Option<(SocketAddr, Box<HalfOpen>)> {
        let found = self.pending.take_call(call, |half_open| match &half_open.stage {
            Stage::Waiting { question, .. } => asked(question),
            Stage::Collecting { .. } => false,
        });
        self.counters.late_answers += u64::from(found.is_none());
        found
    }

    /// The name of the next question.
    pub(super) fn call(&self) -> CallId {
        CallId(self.next_call)
    }

    pub(super) fn ask(&mut self, question: Output) {
        self.next_call += 1;
        self.counters.opens += u64::from(matches!(question, Output::Open(_)));
        self.outputs.push_back(question);
    }

    pub(super) fn send(&mut self, to: SocketAddr, datagrams: Vec<Vec<u8>>) {
        let datagrams = datagrams.into_iter();
        self.outputs.extend(datagrams.map(|bytes| Output::Datagram { to, bytes }));
    }

    fn establish(&mut self, now: Duration, peer: SocketAddr, half_open: HalfOpen, opened: Opened) {
        let message = half_open.finished_message();
        let ticket = half_open.agreement.handle.filter(|_| half_open.agreement.ticket);
        let agreement = half_open.agreement;
        let peer_cid = agreement.peer_cid.unwrap_or_default();
        let mut session = Session {
            cipher: agreement.suite.cipher,
            keys: opened.keys,
            place: Place::new(agreement.cid, peer),
            longest: limit::payload(agreement.limit, !peer_cid.is_empty()),
            rrc: agreement.rrc,
            peer_cid: peer_cid.into(),
            sealed: Sealed::up_to(0),
            window: Default::default(),
            flight: None,
            owner: Box::default(),
            watch: Watch::default(),
        };
        if let Stage::Waiting { question: Question::Open(proven), .. } = half_open.stage {
            session.window.accept(proven.finished_sequence);
        }
        let first_record = half_open.next_record;
        let said = Said { message, ticket, verify_data: opened.verify_data };
        let mut bytes = self.spare.take();
        session.write_last_flight(&said, first_record, 0, &mut bytes);
        session.flight = Some(Box::new(LastFlight {
            home: peer,
            said: Some(said),
            first_record,
            hello: hello_mark(&agreement.client_random),
            finished: half_open.tried.into(),
            quiet_until: now,
        }));
        self.counters.records_sealed += 1;
        if let Some(session) = self.sessions.insert(now, opened.session, session) {
            self.outputs.push_back(Output::Displaced { session });
        }
        self.outputs.push_back(Output::Datagram { to: peer, bytes });
    }

    /// Sends a plaintext alert, if the peer's prefix has one left.
    pub(super) fn alert(&mut self, now: Duration, to: SocketAddr, sequence: u64, alert: Alert) {
        if !self.limits.allow(now, to.ip()) {
            self.counters.alerts_held += 1;
            return;
        }
        let mut bytes = self.spare.take();
        record::put_plain(&mut bytes, ContentType::Alert, DTLS_1_2, sequence, &alert.encode());
        self.counters.alerts_sent += 1;
        self.outputs.push_back(Output::Datagram { to, bytes });
    }

    pub(super) fn fail(&mut self, peer: SocketAddr, reason: FailureReason) {
        self.outputs.push_back(Output::Event(HandshakeEvent::Failed { peer, reason }));
    }
}

fn is_open(question: &Question) -> bool {
    matches!(question, Question::Open(_))
}
