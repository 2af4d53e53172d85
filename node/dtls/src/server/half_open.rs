//! One handshake between the cookie and the session.
//!
//! It holds what both sides have said, in clear, and no secret but that of its key agreement.
//! Everything that reaches it before the client's Finished was checked may be forged, so nothing
//! that is wrong ends it: the flight is forgotten, and the client's repetition starts it over.
//! Only time, a newer handshake of the same address and the answers from outside end it.

use core::net::SocketAddr;
use core::ops::Range;
use core::time::Duration;

use super::client_flight::ClientFlight;
use super::hello::Numbers;
use super::output::{CallId, Claim, FailureReason, OpenCall, Output, SignCall};
use super::pending::Waiting;
use crate::counters::DropReason;
use crate::curves::{
    CertificateType, Curves, KeyPair, PublicIdentity, SharedSecret, SignatureScheme,
};
use crate::flight::{self, Sizes};
use crate::handle;
use crate::protection;
use crate::suite::Suite;
use crate::wire::certificate::{self, Signed};
use crate::wire::handshake::{self, Fragment, kind};
use crate::wire::key_exchange::{self, params};
use crate::wire::record::{ContentType, RawRecord};

/// Time from the cookie to the end of patience.
pub(super) const GIVE_UP: Duration = Duration::from_secs(60);
/// Flights of a client that are looked at: each costs signatures or a credential step.
pub(super) const MAX_CALLS: u8 = 4;
/// How often our flight is sent at most, by timer or on request, also of an address that begins
/// handshakes and ends none.
pub(super) const MAX_FLIGHTS: u8 = 17;
/// How long an answer is waited for before it is asked for again: a frame may be lost, and
/// opening the same session twice is opening it once.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(10);
/// The message of a Finished.
const FINISHED: usize = handshake::HEADER + 12;

/// What the two hellos agreed on.
#[derive(Debug)]
pub(super) struct Agreement {
    pub(super) client_random: [u8; 32],
    pub(super) suite: &'static Suite,
    /// What we present, where the suite demands it.
    pub(super) server_type: CertificateType,
    /// What the client presents then.
    pub(super) client_type: CertificateType,
    pub(super) sni: Option<String>,
    pub(super) cid: Option<[u8; 8]>,
    pub(super) peer_cid: Option<Vec<u8>>,
    /// What the session can be resumed by.
    pub(super) handle: Option<[u8; handle::LENGTH]>,
    /// Whether the client wants that as a ticket.
    pub(super) ticket: bool,
    /// Most plaintext that the client takes in a record, if it says so.
    pub(super) limit: Option<u16>,
    /// Whether the client answers checks of its address.
    pub(super) rrc: bool,
}

/// A half-open handshake.
#[derive(Debug)]
pub(super) struct HalfOpen {
    pub(super) started: Duration,
    pub(super) agreement: Agreement,
    key_pair: Option<KeyPair>,
    /// ClientHello, our flight, and the client's as far as it is there.
    transcript: Vec<u8>,
    /// Where our flight lies in the transcript.
    flight: Range<usize>,
    /// Number of the client's next handshake message.
    client_next: u16,
    /// Number of our next handshake message.
    next_message: u16,
    /// Number of our next record of epoch 0.
    pub(super) next_record: u64,
    calls: u8,
    repeats: u8,
    /// Flights of handshakes before this one.
    earlier: u8,
    /// The Finished that was looked at last: the same bytes are not tried twice.
    pub(super) tried: Vec<u8>,
    /// Why it fails if nothing more comes.
    pub(super) reason: FailureReason,
    /// The wait for our flight's next repetition.
    interval: Duration,
    pub(super) stage: Stage,
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The client's: its flight is being collected, ours is repeated.
    Collecting { flight: ClientFlight, retransmit: Duration },
    /// That of somebody outside.
    Waiting { call: CallId, question: Question, ask_again: Duration },
}

/// What was asked.
#[derive(Debug)]
pub(super) enum Question {
    /// A signature under our key exchange.
    Sign { scheme: SignatureScheme, message: Vec<u8> },
    /// The credential step.
    Open(Proven),
}

/// What the client's flight brought.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) claim: Claim,
    shared: Option<SharedSecret>,
    /// Number of the record that bore the client's Finished.
    pub(super) finished_sequence: u64,
}

/// What is to be done when its time has come.
pub(super) enum Due {
    /// Send our flight again.
    Flight(Vec<Vec<u8>>),
    /// Ask again: no answer has come.
    Ask(Output),
    /// Our flight was sent often enough.
    Nothing,
}

/// The numbers that a handshake continues from.
pub(super) struct Start {
    pub(super) now: Duration,
    pub(super) interval: Duration,
    /// Those of the ClientHello's message and record, and so of our first.
    pub(super) numbers: Numbers,
}

/// Whether a record of epoch 1 can be a Finished, by its length and, where that shows, its type.
pub(super) fn is_finished(suite: &Suite, record: &RawRecord<'_>) -> bool {
    let with_cid = match record.kind {
        ContentType::Handshake => false,
        ContentType::Tls12Cid => true,
        _ => return false,
    };
    protection::fits(suite.cipher, with_cid, FINISHED, record.body.len())
}

impl Waiting for HalfOpen {
    fn started(&self) -> Duration {
        self.started
    }

    fn wake(&self) -> Duration {
        let give_up = self.started + GIVE_UP;
        match self.stage {
            Stage::Collecting { retransmit, .. } => retransmit.min(give_up),
            Stage::Waiting { ask_again, .. } => ask_again.min(give_up),
        }
    }

    fn call(&self) -> Option<CallId> {
        match self.stage {
            Stage::Collecting { .. } => None,
            Stage::Waiting { call, .. } => Some(call),
        }
    }
}

impl HalfOpen {
    /// `client_hello` and `server_hello` are bodies. What follows comes by [`Self::answer`].
    pub(super) fn new(
        start: &Start,
        agreement: Agreement,
        key_pair: Option<KeyPair>,
        client_hello: &[u8],
        server_hello: &[u8],
    ) -> Self {
        let mut transcript = Vec::with_capacity(256 + client_hello.len());
        handshake::put_message(
            &mut transcript,
            kind::CLIENT_HELLO,
            start.numbers.message,
            client_hello,
        );
        let begin = transcript.len();
        let client_next = start.numbers.message + 1;
        let mut half_open = Self {
            started: start.now,
            agreement,
            key_pair,
            flight: begin..begin,
            transcript,
            client_next,
            next_message: start.numbers.message,
            next_record: start.numbers.record,
            calls: 0,
            repeats: 0,
            earlier: start.numbers.flights,
            tried: Vec::new(),
            reason: FailureReason::TimedOut,
            interval: start.interval,
            stage: Stage::Collecting {
                flight: ClientFlight::new(client_next),
                retransmit: start.now + start.interval,
            },
        };
        half_open.push(kind::SERVER_HELLO, server_hello);
        half_open
    }

    /// Completes our flight, or asks for the signature that it lacks. `server_random` is that of
    /// the ServerHello, `identity` what we are where the suite demands one.
    pub(super) fn answer(
        &mut self,
        now: Duration,
        server_random: &[u8; 32],
        identity: Option<&PublicIdentity>,
        call: CallId,
    ) {
        let exchange = self.agreement.suite.key_exchange;
        let key_pair = self.key_pair.as_ref();
        let params = key_pair.map(|pair| params(pair.group, pair.key.public()));
        match (identity.filter(|_| exchange.is_signed()), params) {
            (Some(identity), Some(params)) => {
                let presented = identity.present(self.agreement.server_type);
                let scheme = identity.scheme;
                let message = [&self.agreement.client_random, server_random, &params[..]].concat();
                self.push(kind::CERTIFICATE, &certificate::encode(Some(&presented)));
                self.wait(now, call, Question::Sign { scheme, message });
            }
            (_, Some(params)) => {
                self.push(kind::SERVER_KEY_EXCHANGE, &key_exchange::unsigned(exchange, &params));
                self.push(kind::SERVER_HELLO_DONE, &[]);
            }
            (_, None) => self.push(kind::SERVER_HELLO_DONE, &[]),
        }
    }

    /// The signature has come: our flight is complete. `None` if it is too long to be one.
    pub(super) fn signed(&mut self, now: Duration, signature: Vec<u8>) -> Option<()> {
        let Stage::Waiting { question: Question::Sign { scheme, message }, .. } = &self.stage
        else {
            return None;
        };
        // Behind the two randoms stands what was signed.
        let mut body = message[64..].to_vec();
        let signed = Signed { scheme: *scheme, signature };
        signed.encode(&mut body)?;
        self.push(kind::SERVER_KEY_EXCHANGE, &body);
        self.push(kind::CERTIFICATE_REQUEST, &certificate::request());
        self.push(kind::SERVER_HELLO_DONE, &[]);
        self.collect(now);
        Some(())
    }

    fn push(&mut self, kind: u8, body: &[u8]) {
        handshake::put_message(&mut self.transcript, kind, self.next_message, body);
        self.next_message += 1;
        self.flight.end = self.transcript.len();
    }

    /// Our flight as datagrams, under new record numbers.
    pub(super) fn write_flight(&mut self) -> Vec<Vec<u8>> {
        let messages = &self.transcript[self.flight.clone()];
        let sizes = Sizes::new(self.repeats, self.agreement.limit);
        flight::write(messages, sizes, &mut self.next_record)
    }

    /// Its time has come: our flight again, and the wait doubles; or the question again.
    pub(super) fn due(&mut self, now: Duration, peer: SocketAddr) -> Due {
        match &mut self.stage {
            Stage::Collecting { retransmit, .. } => {
                self.interval = self.interval.saturating_mul(2);
                *retransmit = now.saturating_add(self.interval);
                self.repeat().map_or(Due::Nothing, Due::Flight)
            }
            Stage::Waiting { ask_again, .. } => {
                *ask_again = now + ASK_AGAIN;
                self.ask(peer).map_or(Due::Nothing, Due::Ask)
            }
        }
    }

    /// How many flights its address got, this handshake's and those before.
    pub(super) fn flights(&self) -> u8 {
        self.earlier.saturating_add(self.repeats).saturating_add(1)
    }

    /// Our flight again because the client repeated its own.
    pub(super) fn repeat(&mut self) -> Result<Vec<Vec<u8>>, DropReason> {
        if matches!(self.stage, Stage::Waiting { .. }) {
            return Err(DropReason::Waiting);
        }
        if self.flights() >= MAX_FLIGHTS {
            return Err(DropReason::RepeatLimit);
        }
        self.repeats += 1;
        Ok(self.write_flight())
    }

    /// A handshake fragment of epoch 0 that is no ClientHello.
    pub(super) fn fragment(&mut self, fragment: &Fragment<'_>) -> Result<(), DropReason> {
        let exchange = self.agreement.suite.key_exchange;
        let Stage::Collecting { flight, .. } = &mut self.stage else {
            return Err(DropReason::Waiting);
        };
        flight.accept(exchange, fragment)?;
        while let Some(message) = flight.pop(exchange) {
            let read = flight.read(&self.agreement, self.transcript.len(), &message);
            if let Err(reason) = read {
                if reason == DropReason::NoKey {
                    self.reason = FailureReason::Untrusted;
                }
                self.forget_flight();
                return Err(reason);
            }
            self.transcript.extend_from_slice(&message);
        }
        Ok(())
    }

    /// A ChangeCipherSpec of epoch 0. It only says that the client is done: keys go by epoch.
    pub(super) fn change_cipher_spec(&mut self, body: &[u8]) -> Result<(), DropReason> {
        let flight = self.collecting()?;
        if body != [1] {
            return Err(DropReason::Malformed);
        }
        flight.change_cipher_spec = true;
        Ok(())
    }

    /// A record of epoch 1, which can only be the client's Finished. The newest one counts.
    pub(super) fn finished(&mut self, record: &RawRecord<'_>) -> Result<(), DropReason> {
        if !is_finished(self.agreement.suite, record) {
            return Err(DropReason::UnexpectedMessage);
        }
        if record.raw == self.tried {
            return Err(DropReason::Waiting);
        }
        if self.calls == MAX_CALLS {
            return Err(DropReason::OpenLimit);
        }
        self.collecting()?.finished = Some((record.sequence, record.raw.to_vec()));
        Ok(())
    }

    /// Once the client's flight is complete: what is asked about it, to be known as `call`.
    ///
    /// # Errors
    /// [`DropReason::BadSignature`] or [`DropReason::BadShare`]; the flight is forgotten.
    pub(super) fn open(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        call: CallId,
        curves: Option<&dyn Curves>,
    ) -> Result<Option<Output>, DropReason> {
        let exchange = self.agreement.suite.key_exchange;
        let Stage::Collecting { flight, .. } = &mut self.stage else {
            return Ok(None);
        };
        if !flight.is_complete(exchange) {
            return Ok(None);
        }
        let Some((finished_sequence, finished)) = flight.finished.take() else {
            return Ok(None);
        };
        self.calls += 1;
        self.tried = finished;
        let question = match self.prove(finished_sequence, curves) {
            Ok(question) => question,
            Err(reason) => {
                self.reason = FailureReason::BadFinished;
                self.forget_flight();
                return Err(reason);
            }
        };
        self.wait(now, call, question);
        Ok(self.ask(peer))
    }

    /// Checks what can be checked here: that the client holds the key that it presented, and that
    /// its share is one.
    fn prove(
        &mut self,
        finished_sequence: u64,
        curves: Option<&dyn Curves>,
    ) -> Result<Question, DropReason> {
        let Stage::Collecting { flight, .. } = &mut self.stage else {
            return Err(DropReason::Waiting);
        };
        let exchange = flight.exchange.take().ok_or(DropReason::UnexpectedMessage)?;
        let presented = flight.presented.take();
        if let Some(presented) = &presented {
            let (covered, signed) = flight.signed.as_ref().ok_or(DropReason::BadSignature)?;
            let message = &self.transcript[..*covered];
            let good = curves.is_some_and(|curves| {
                curves.verify(presented, signed.scheme, message, &signed.signature)
            });
            if !good {
                return Err(DropReason::BadSignature);
            }
        }
        let shared = match &self.key_pair {
            None => None,
            Some(pair) => Some(pair.key.agree(&exchange.public).ok_or(DropReason::BadShare)?),
        };
        let claim = match presented {
            Some(presented) => Claim::Key(presented),
            None if self.agreement.suite.key_exchange.uses_psk() => {
                Claim::Psk { identity: exchange.identity }
            }
            None => Claim::Nothing,
        };
        Ok(Question::Open(Proven { claim, shared, finished_sequence }))
    }

    fn wait(&mut self, now: Duration, call: CallId, question: Question) {
        self.stage = Stage::Waiting { call, question, ask_again: now + ASK_AGAIN };
    }

    /// The question that is out, as an output.
    pub(super) fn ask(&self, peer: SocketAddr) -> Option<Output> {
        let Stage::Waiting { call, question, .. } = &self.stage else { return None };
        let (call, sni) = (*call, self.agreement.sni.clone());
        Some(match question {
            Question::Sign { scheme, message } => {
                let (scheme, message) = (*scheme, message.clone());
                Output::Sign(Box::new(SignCall { call, peer, sni, scheme, message }))
            }
            Question::Open(proven) => Output::Open(Box::new(OpenCall {
                call,
                peer,
                claim: proven.claim.clone(),
                suite: self.agreement.suite.id,
                sni,
                transcript: self.transcript.clone(),
                finished: self.tried.clone(),
                cid: self.agreement.cid,
                peer_cid: self.agreement.peer_cid.clone(),
                shared: proven.shared.clone(),
            })),
        })
    }

    /// The credential step found nothing good: collect another flight. The timer goes on where it
    /// was, so that a wrong key does not make us send more.
    pub(super) fn resume(&mut self, now: Duration, reason: FailureReason) {
        self.reason = reason;
        if reason == FailureReason::Unavailable {
            // Nobody has looked at it, so the same bytes are worth another call.
            self.tried.clear();
        }
        self.collect(now);
        self.transcript.truncate(self.flight.end);
    }

    fn collect(&mut self, now: Duration) {
        self.stage = self.fresh(now);
    }

    /// The stage of a flight of which nothing has come.
    fn fresh(&self, now: Duration) -> Stage {
        Stage::Collecting {
            flight: ClientFlight::new(self.client_next),
            retransmit: now + self.interval,
        }
    }

    /// Number of our Finished.
    pub(super) fn finished_message(&self) -> u16 {
        self.next_message
    }

    fn forget_flight(&mut self) {
        self.transcript.truncate(self.flight.end);
        let next = self.client_next;
        if let Stage::Collecting { flight, .. } = &mut self.stage {
            *flight = ClientFlight::new(next);
        }
    }

    fn collecting(&mut self) -> Result<&mut ClientFlight, DropReason> {
        match &mut self.stage {
            Stage::Collecting { flight, .. } => Ok(flight),
            Stage::Waiting { .. } => Err(DropReason::Waiting),
        }
    }
}
