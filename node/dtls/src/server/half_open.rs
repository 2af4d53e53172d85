//! One handshake between the cookie and the session.
//!
//! It holds what both sides have said, in clear, and no secret. Everything that reaches it before
//! the client's Finished was checked may be forged, so nothing that is wrong ends it: the flight
//! is forgotten, and the client's repetition starts it over. Only time, a newer handshake of the
//! same address and the answers of the credential step end it.

use core::net::SocketAddr;
use core::ops::Range;
use core::time::Duration;

use super::output::{CallId, Claim, FailureReason, OpenCall};
use crate::aead::{self, MAX_PADDING};
use crate::counters::DropReason;
use crate::reassembly::Reassembly;
use crate::schedule;
use crate::suite::Suite;
use crate::wire::DTLS_1_2;
use crate::wire::handshake::{self, Fragment, Fragments, kind};
use crate::wire::record::{self, ContentType, RawRecord};

/// Time from the cookie to the end of patience.
pub(super) const GIVE_UP: Duration = Duration::from_secs(60);
/// Credential steps of one handshake.
const MAX_CALLS: u8 = 4;
/// How often our flight is sent again at most, by timer or on request.
const MAX_REPEATS: u8 = 16;
/// How long an answer to a credential step is waited for before it is asked for again: a frame
/// may be lost, and opening the same session twice is opening it once.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// The message of a Finished.
const FINISHED: usize = handshake::HEADER + 12;

/// What the two hellos agreed on.
#[derive(Debug)]
pub(super) struct Agreement {
    pub(super) client_random: [u8; 32],
    pub(super) suite: &'static Suite,
    pub(super) sni: Option<String>,
    pub(super) cid: Option<[u8; 8]>,
    pub(super) peer_cid: Option<Vec<u8>>,
}

/// A half-open handshake.
#[derive(Debug)]
pub(super) struct HalfOpen {
    pub(super) started: Duration,
    pub(super) agreement: Agreement,
    /// ClientHello, ServerHello, ServerHelloDone, and ClientKeyExchange once it is there.
    transcript: Vec<u8>,
    /// Where our flight lies in the transcript.
    flight: Range<usize>,
    /// Number of the client's next handshake message.
    client_next: u16,
    /// Number of our next record of epoch 0.
    pub(super) next_record: u64,
    calls: u8,
    repeats: u8,
    /// The Finished of the last credential step: the same bytes are not tried twice.
    tried: Vec<u8>,
    /// Why it fails if nothing more comes.
    pub(super) reason: FailureReason,
    pub(super) stage: Stage,
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The client's: its flight is being collected, ours is repeated.
    Collecting { flight: ClientFlight, retransmit: Duration, interval: Duration },
    /// That of the credential step.
    Opening {
        call: CallId,
        /// The identity that the client claims.
        identity: Vec<u8>,
        /// When to ask again.
        ask_again: Duration,
        /// Number of the record that bore the client's Finished.
        finished_sequence: u64,
        /// The wait for our flight's next repetition, should the client have to try again.
        interval: Duration,
    },
}

/// What is to be done when its time has come.
pub(super) enum Due {
    /// Send our flight again.
    Flight(Vec<u8>),
    /// Ask for the credential step again: no answer has come.
    Call(OpenCall),
    /// Our flight was sent often enough.
    Nothing,
}

/// The client's flight as far as it has come, in whatever order.
#[derive(Debug)]
pub(super) struct ClientFlight {
    reassembly: Reassembly,
    identity: Option<Vec<u8>>,
    change_cipher_spec: bool,
    finished: Option<(u64, Vec<u8>)>,
}

impl ClientFlight {
    fn new(next: u16) -> Self {
        Self {
            reassembly: Reassembly::new(next),
            identity: None,
            change_cipher_spec: false,
            finished: None,
        }
    }
}

/// The numbers that a handshake continues from.
pub(super) struct Start {
    pub(super) now: Duration,
    pub(super) interval: Duration,
    /// Number of the ClientHello's message, and so of our first (RFC 6347 §4.2.2).
    pub(super) message: u16,
    /// Number of the ClientHello's record, and so of our first (RFC 6347 §4.2.1).
    pub(super) record: u64,
}

impl HalfOpen {
    /// `client_hello` and `server_hello` are bodies.
    pub(super) fn new(
        start: &Start,
        agreement: Agreement,
        client_hello: &[u8],
        server_hello: &[u8],
    ) -> Self {
        let mut transcript = Vec::with_capacity(256 + client_hello.len());
        let first = start.message;
        handshake::put_message(&mut transcript, kind::CLIENT_HELLO, first, client_hello);
        let begin = transcript.len();
        handshake::put_message(&mut transcript, kind::SERVER_HELLO, first, server_hello);
        handshake::put_message(&mut transcript, kind::SERVER_HELLO_DONE, first + 1, &[]);
        let client_next = first + 1;
        Self {
            started: start.now,
            agreement,
            flight: begin..transcript.len(),
            transcript,
            client_next,
            next_record: start.record,
            calls: 0,
            repeats: 0,
            tried: Vec::new(),
            reason: FailureReason::TimedOut,
            stage: Stage::Collecting {
                flight: ClientFlight::new(client_next),
                retransmit: start.now + start.interval,
                interval: start.interval,
            },
        }
    }

    /// When it wants to be woken.
    pub(super) fn wake(&self) -> Duration {
        let give_up = self.started + GIVE_UP;
        match self.stage {
            Stage::Collecting { retransmit, .. } => retransmit.min(give_up),
            Stage::Opening { ask_again, .. } => ask_again.min(give_up),
        }
    }

    /// Our flight as one datagram, under new record numbers.
    pub(super) fn write_flight(&mut self) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(2 * record::HEADER + self.flight.len());
        let messages = &self.transcript[self.flight.clone()];
        for fragment in Fragments::new(messages).flatten() {
            let mut message = Vec::with_capacity(handshake::HEADER + fragment.total);
            handshake::put_message(&mut message, fragment.kind, fragment.sequence, fragment.body);
            record::put_plain(
                &mut datagram,
                ContentType::Handshake,
                DTLS_1_2,
                self.next_record,
                &message,
            );
            self.next_record += 1;
        }
        datagram
    }

    /// Its time has come: our flight again, and the wait doubles; or the credential step again.
    pub(super) fn due(&mut self, now: Duration, peer: SocketAddr) -> Due {
        match &mut self.stage {
            Stage::Collecting { retransmit, interval, .. } => {
                *interval = interval.saturating_mul(2);
                *retransmit = now.saturating_add(*interval);
                self.repeat().map_or(Due::Nothing, Due::Flight)
            }
            Stage::Opening { ask_again, .. } => {
                *ask_again = now + ASK_AGAIN;
                self.call(peer).map_or(Due::Nothing, Due::Call)
            }
        }
    }

    /// Our flight again because the client repeated its own.
    pub(super) fn repeat(&mut self) -> Result<Vec<u8>, DropReason> {
        if matches!(self.stage, Stage::Opening { .. }) {
            return Err(DropReason::Waiting);
        }
        if self.repeats == MAX_REPEATS {
            return Err(DropReason::RepeatLimit);
        }
        self.repeats += 1;
        Ok(self.write_flight())
    }

    /// A handshake fragment of epoch 0 that is no ClientHello.
    pub(super) fn fragment(&mut self, fragment: &Fragment<'_>) -> Result<(), DropReason> {
        let flight = self.collecting()?;
        if fragment.kind != kind::CLIENT_KEY_EXCHANGE {
            return Err(DropReason::UnexpectedMessage);
        }
        let Some(message) = flight.reassembly.accept(fragment)? else {
            return Ok(());
        };
        let Some(identity) = schedule::decode_identity(&message[handshake::HEADER..]) else {
            self.forget_flight();
            return Err(DropReason::Malformed);
        };
        flight.identity = Some(identity.to_vec());
        self.transcript.extend_from_slice(&message);
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
        let shortest = aead::overhead(self.agreement.suite.cipher) + FINISHED;
        let padding = record.body.len().wrapping_sub(shortest);
        let fits = match record.kind {
            ContentType::Handshake => padding == 0,
            ContentType::Tls12Cid => (1..=MAX_PADDING).contains(&padding),
            _ => false,
        };
        if !fits {
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

    /// Once the client's flight is complete: the credential step, to be known as `call`.
    pub(super) fn open(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        call: CallId,
    ) -> Option<OpenCall> {
        let Stage::Collecting { flight, interval, .. } = &mut self.stage else {
            return None;
        };
        let interval = *interval;
        if flight.identity.is_none() || !flight.change_cipher_spec {
            return None;
        }
        let (finished_sequence, finished) = flight.finished.take()?;
        let identity = flight.identity.take()?;
        self.calls += 1;
        self.tried = finished;
        let ask_again = now + ASK_AGAIN;
        self.stage = Stage::Opening { call, identity, ask_again, finished_sequence, interval };
        self.call(peer)
    }

    /// The credential step that is under way.
    fn call(&self, peer: SocketAddr) -> Option<OpenCall> {
        let Stage::Opening { call, identity, .. } = &self.stage else { return None };
        Some(OpenCall {
            call: *call,
            peer,
            claim: Claim::Psk { identity: identity.clone() },
            suite: self.agreement.suite.id,
            sni: self.agreement.sni.clone(),
            transcript: self.transcript.clone(),
            finished: self.tried.clone(),
            cid: self.agreement.cid,
            peer_cid: self.agreement.peer_cid.clone(),
        })
    }

    /// The credential step found nothing good: collect another flight. The timer goes on where it
    /// was, so that a wrong key does not make us send more.
    pub(super) fn resume(&mut self, now: Duration, reason: FailureReason) {
        let Stage::Opening { interval, .. } = self.stage else { return };
        self.reason = reason;
        if reason == FailureReason::Unavailable {
            // Nobody has looked at it, so the same bytes are worth another call.
            self.tried.clear();
        }
        self.stage = Stage::Collecting {
            flight: ClientFlight::new(self.client_next),
            retransmit: now + interval,
            interval,
        };
        self.forget_flight();
    }

    /// Number of the message after the client's Finished's predecessor: that of our Finished.
    pub(super) fn finished_message(&self) -> u16 {
        self.client_next + 1
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
            Stage::Opening { .. } => Err(DropReason::Waiting),
        }
    }
}
