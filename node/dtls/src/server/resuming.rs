//! One abbreviated handshake between the cookie and the session.
//!
//! It holds both hellos and no secret: the server's Finished comes sealed. As in a full handshake
//! nothing that reaches it can be trusted before the client's Finished was checked, so nothing that
//! is wrong ends it.

use core::net::SocketAddr;
use core::time::Duration;

use super::half_open::{ASK_AGAIN, GIVE_UP, MAX_CALLS, MAX_FLIGHTS, is_finished};
use super::hello::Numbers;
use super::output::{CallId, ResumptionStep, SessionCall};
use super::pending::Waiting;
use crate::cid;
use crate::counters::DropReason;
use crate::handle;
use crate::limit;
use crate::resume::Accepted;
use crate::sealed::Sealed;
use crate::suite::Suite;
use crate::wire::DTLS_1_2;
use crate::wire::handshake::{self, kind};
use crate::wire::hello::ClientHello;
use crate::wire::record::{self, ContentType, RawRecord};

/// Records that came before the session was committed, and are read after it.
const MAX_HELD: usize = 2;
/// The longest of them: what fits a datagram of any link.
const LONGEST_HELD: usize = 2048;

/// What a hello says, and what we answer.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) handle: [u8; handle::LENGTH],
    pub(super) client_random: [u8; 32],
    pub(super) sni: Option<String>,
    pub(super) cid: Option<[u8; cid::LENGTH]>,
    pub(super) peer_cid: Option<Vec<u8>>,
    /// Most plaintext that the client takes in a record, if it says so.
    pub(super) limit: Option<u16>,
    /// Whether it answers checks of its address.
    pub(super) rrc: bool,
    /// Our time and randomness.
    pub(super) random: [u8; 32],
}

/// A half-open handshake that resumes a session.
#[derive(Debug)]
pub(super) struct Resuming {
    started: Duration,
    pub(super) wish: Wish,
    /// The ClientHello, then our ServerHello once there is one.
    transcript: Vec<u8>,
    hello: usize,
    message: u16,
    /// Flights of handshakes before this one.
    earlier: u8,
    pub(super) next_record: u64,
    /// The number of the record that is to bear our Finished next.
    sequence: u64,
    interval: Duration,
    retry: Duration,
    calls: u8,
    /// The last Finished that was asked about.
    tried: Vec<u8>,
    held: Vec<Held>,
    /// Whether a ChangeCipherSpec was the last that came: the Finished follows it.
    finished_follows: bool,
    /// What followed one while another record was asked about.
    next: Option<Vec<u8>>,
    stage: Stage,
}

/// A record that came before its time.
#[derive(Debug)]
struct Held {
    raw: Vec<u8>,
    /// It is no Finished: that was asked.
    tried: bool,
}

/// Whose turn it is.
#[derive(Debug)]
enum Stage {
    /// That of the one who keeps the session: the first step.
    Asking { call: CallId },
    /// The client's: our flight is out, and perhaps asked for again.
    Waiting { suite: u16, cipher_changed: bool, finished: Option<Vec<u8>>, again: Option<CallId> },
    /// That of the one who keeps the session: the second step.
    Opening { suite: u16, call: CallId },
}

impl Waiting for Resuming {
    fn started(&self) -> Duration {
        self.started
    }

    fn wake(&self) -> Duration {
        self.retry.min(self.started + GIVE_UP)
    }

    fn call(&self) -> Option<CallId> {
        match self.stage {
            Stage::Asking { call } | Stage::Opening { call, .. } => Some(call),
            Stage::Waiting { again, .. } => again,
        }
    }
}

impl Resuming {
    /// `body` is that of the ClientHello; the first step is to be known as `call`.
    pub(super) fn new(
        (now, interval): (Duration, Duration),
        wish: Wish,
        numbers: Numbers,
        body: &[u8],
        call: CallId,
    ) -> Self {
        let mut transcript = Vec::with_capacity(handshake::HEADER + body.len() + 128);
        handshake::put_message(&mut transcript, kind::CLIENT_HELLO, numbers.message, body);
        Self {
            started: now,
            wish,
            hello: transcript.len(),
            transcript,
            message: numbers.message,
            earlier: numbers.flights,
            next_record: numbers.record,
            sequence: 0,
            interval,
            retry: now + interval,
            calls: 0,
            tried: Vec::new(),
            held: Vec::new(),
            finished_follows: false,
            next: None,
            stage: Stage::Asking { call },
        }
    }

    pub(super) fn knows_hello(&self, client_random: &[u8; 32]) -> bool {
        self.wish.client_random == *client_random
    }

    /// How many flights its address got, this handshake's and those before.
    pub(super) fn flights(&self) -> u8 {
        let asked = u8::try_from(self.sequence).unwrap_or(u8::MAX);
        self.earlier.saturating_add(asked).saturating_add(1)
    }

    /// The ClientHello's numbers and body, for a full handshake instead.
    pub(super) fn into_hello(mut self) -> (Numbers, Vec<u8>) {
        self.transcript.truncate(self.hello);
        let (message, record) = (self.message, self.next_record);
        let numbers = Numbers { message, record, flights: self.earlier };
        (numbers, self.transcript.split_off(handshake::HEADER))
    }

    /// Whether the client has got nothing of us yet.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.stage, Stage::Asking { .. })
    }

    /// The step that is under way, as a call.
    pub(super) fn ask(&self, peer: SocketAddr) -> Option<SessionCall> {
        let step = match self.stage {
            Stage::Asking { .. } | Stage::Waiting { .. } => ResumptionStep::Accept {
                hello: self.transcript[..self.hello].to_vec(),
                random: self.wish.random,
                sequence: self.sequence,
            },
            Stage::Opening { suite, .. } => ResumptionStep::Open {
                suite,
                transcript: self.transcript.clone(),
                finished: self.tried.clone(),
            },
        };
        Some(SessionCall {
            call: self.call()?,
            peer,
            handle: self.wish.handle,
            sni: self.wish.sni.clone(),
            cid: self.wish.cid,
            peer_cid: self.wish.peer_cid.clone(),
            step,
        })
    }

    /// The flight is to be sent again: by another first step, under another number.
    pub(super) fn again(&mut self, call: CallId) -> Result<(), DropReason> {
        let flights = self.flights();
        let Stage::Waiting { again, .. } = &mut self.stage else {
            return Err(DropReason::Waiting);
        };
        if flights >= MAX_FLIGHTS {
            return Err(DropReason::RepeatLimit);
        }
        if again.is_some() {
            return Err(DropReason::Waiting);
        }
        *again = Some(call);
        self.sequence += 1;
        Ok(())
    }

    /// Its time has come. Whether a call is to be sent, which may be known as `call`.
    pub(super) fn due(&mut self, now: Duration, call: CallId) -> bool {
        if let Stage::Opening { .. } = self.stage {
            self.retry = now + ASK_AGAIN;
            return true;
        }
        self.interval = self.interval.saturating_mul(2);
        self.retry = now.saturating_add(self.interval);
        match self.stage {
            // The answer about the same number was lost, and nothing was sealed twice by asking.
            Stage::Waiting { again: Some(_), .. } | Stage::Asking { .. } => true,
            _ => self.again(call).is_ok(),
        }
    }

    /// The first step went well: our flight as one datagram, in this buffer.
    pub(super) fn accepted(
        &mut self,
        accepted: &Accepted,
        mut datagram: Vec<u8>,
    ) -> Option<Vec<u8>> {
        match &mut self.stage {
            Stage::Asking { .. } => {
                let (suite, body) = (accepted.suite, &accepted.server_hello);
                let (cipher_changed, finished, again) = (false, None, None);
                let kind = kind::SERVER_HELLO;
                handshake::put_message(&mut self.transcript, kind, self.message, body);
                self.stage = Stage::Waiting { suite, cipher_changed, finished, again };
            }
            Stage::Waiting { again, .. } => {
                *again = None;
                // Two answers to one hello are of two versions: the client has heard the first.
                if self.transcript[self.hello + handshake::HEADER..] != accepted.server_hello {
                    return None;
                }
            }
            Stage::Opening { .. } => return None,
        }
        let hello = &self.transcript[self.hello..];
        datagram.reserve(160 + hello.len());
        let plain = [(ContentType::Handshake, hello), (ContentType::ChangeCipherSpec, &[1])];
        for (kind, body) in plain {
            record::put_plain(&mut datagram, kind, DTLS_1_2, self.next_record, body);
            self.next_record += 1;
        }
        datagram.extend_from_slice(&accepted.finished);
        Some(datagram)
    }

    /// A first step about our flight again was not answered well: the next timer asks anew.
    pub(super) fn not_again(&mut self) {
        if let Stage::Waiting { again, .. } = &mut self.stage {
            *again = None;
        }
    }

    /// A ChangeCipherSpec of epoch 0.
    pub(super) fn change_cipher_spec(&mut self, body: &[u8]) -> Result<(), DropReason> {
        if body != [1] {
            return Err(DropReason::Malformed);
        }
        match &mut self.stage {
            Stage::Waiting { cipher_changed, .. } => *cipher_changed = true,
            Stage::Asking { .. } => return Err(DropReason::UnexpectedMessage),
            Stage::Opening { .. } => {
                self.finished_follows = true;
                return Err(DropReason::Waiting);
            }
        }
        self.finished_follows = true;
        Ok(())
    }

    /// A record of epoch 1. With a connection id it does not show whether it is the client's
    /// Finished: what has its length may be data that overtook it.
    pub(super) fn protected(&mut self, record: &RawRecord<'_>) -> Result<(), DropReason> {
        let follows = core::mem::take(&mut self.finished_follows);
        match &mut self.stage {
            Stage::Asking { .. } => Err(DropReason::UnexpectedMessage),
            Stage::Waiting { suite, finished, .. } if may_be_finished(*suite, record) => {
                if record.raw == self.tried {
                    return Err(DropReason::Waiting);
                }
                if self.calls == MAX_CALLS {
                    return Err(DropReason::OpenLimit);
                }
                let first = finished.as_deref().and_then(sequence);
                if first.is_some_and(|first| first <= record.sequence && !follows) {
                    return self.hold(record.raw);
                }
                match finished.replace(record.raw.to_vec()) {
                    Some(later) => self.hold(&later),
                    None => Ok(()),
                }
            }
            Stage::Opening { suite, .. } if follows && may_be_finished(*suite, record) => {
                if record.raw == self.tried {
                    return Err(DropReason::Waiting);
                }
                self.next = Some(record.raw.to_vec());
                Ok(())
            }
            Stage::Waiting { .. } | Stage::Opening { .. } => self.hold(record.raw),
        }
    }

    fn hold(&mut self, raw: &[u8]) -> Result<(), DropReason> {
        let known = self.tried == raw || self.held.iter().any(|held| held.raw == raw);
        if self.held.len() == MAX_HELD || raw.len() > LONGEST_HELD || known {
            return Err(DropReason::Waiting);
        }
        self.held.push(Held { raw: raw.to_vec(), tried: false });
        Ok(())
    }

    /// Once the client's flight is there: the second step, to be known as `call`.
    pub(super) fn open(&mut self, now: Duration, call: CallId) -> bool {
        let Stage::Waiting { suite, cipher_changed: true, finished, .. } = &mut self.stage else {
            return false;
        };
        let Some(finished) = finished.take() else { return false };
        self.tried = finished;
        self.calls += 1;
        self.retry = now + ASK_AGAIN;
        self.stage = Stage::Opening { suite: *suite, call };
        true
    }

    /// The second step found nothing good; with `unseen` nobody has looked at it. Else another
    /// record takes its place that may be the Finished, and it was perhaps data: it is kept.
    pub(super) fn reopen(&mut self, now: Duration, unseen: bool) {
        let Stage::Opening { suite, .. } = self.stage else { return };
        let mut finished = None;
        if unseen {
            self.tried.clear();
        } else {
            finished = self.candidate(suite).filter(|_| self.calls < MAX_CALLS);
            if self.held.len() < MAX_HELD {
                self.held.push(Held { raw: self.tried.clone(), tried: true });
            }
        }
        self.retry = now + self.interval;
        let (cipher_changed, again) = (true, None);
        self.stage = Stage::Waiting { suite, cipher_changed, finished, again };
    }

    /// The record to look at next: what followed a ChangeCipherSpec, else the lowest number.
    fn candidate(&mut self, suite: u16) -> Option<Vec<u8>> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        let may = |held: &Held| {
            let record = record::decode(&held.raw, cid::LENGTH).ok().filter(|_| !held.tried)?;
            may_be_finished(suite, &record).then_some(record.sequence)
        };
        let all = self.held.iter().enumerate();
        let (_, at) = all.filter_map(|(at, held)| Some((may(held)?, at))).min()?;
        Some(self.held.remove(at).raw)
    }

    /// Whether it waits for the second step.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.stage, Stage::Opening { .. })
    }

    /// What the session is made of, if it was the second step that was answered.
    pub(super) fn opened(self) -> Option<Resumed> {
        let Stage::Opening { suite, .. } = self.stage else { return None };
        Some(Resumed {
            suite,
            wish: self.wish,
            finished: self.tried,
            held: self.held.into_iter().map(|held| held.raw).chain(self.next).collect(),
            next_record: self.next_record,
            sealed: Sealed::up_to(self.sequence),
        })
    }

    /// How long it has taken.
    pub(super) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.started)
    }
}

/// A handshake that has ended well.
pub(super) struct Resumed {
    pub(super) suite: u16,
    pub(super) wish: Wish,
    /// The client's Finished.
    pub(super) finished: Vec<u8>,
    /// What has come since.
    pub(super) held: Vec<Vec<u8>>,
    pub(super) next_record: u64,
    /// Up to the number of the last Finished of ours.
    pub(super) sealed: Sealed,
}

/// Whether this record of epoch 1 can be a Finished under this suite.
fn may_be_finished(suite: u16, record: &RawRecord<'_>) -> bool {
    Suite::by_id(suite).is_some_and(|suite| is_finished(suite, record))
}

fn sequence(raw: &[u8]) -> Option<u64> {
    record::decode(raw, cid::LENGTH).ok().map(|record| record.sequence)
}

impl Wish {
    /// That of a hello which names a session by this handle of ours.
    pub(super) fn of(
        handle: [u8; handle::LENGTH],
        hello: &ClientHello<'_>,
        cid: Option<[u8; cid::LENGTH]>,
        random: [u8; 32],
    ) -> Self {
        Self {
            handle,
            client_random: hello.random,
            sni: hello.extensions.sni(),
            cid,
            peer_cid: hello.extensions.cid.map(<[u8]>::to_vec),
            // What is no limit has kept the hello from being admissible.
            limit: limit::of(&hello.extensions).unwrap_or_default(),
            rrc: hello.extensions.asks_rrc(),
            random,
        }
    }
}
