//! The client: what its driver calls, its timer, and the way of a datagram through it.

use std::collections::VecDeque;

use core::fmt;
use core::time::Duration;

use rand_core::CryptoRng;

use super::answer::{Answering, Progress, complete};
use super::config::{ClientConfig, ClientFailure, ClientOutput, SendError};
use super::finishing::Finishing;
use super::handshake::{Hello, Offer, Step};
use super::open::Connection;
use super::resume::{Resuming, Resumption};
use crate::curves::Curves;
use crate::wire::alert::{Alert, AlertDescription, AlertLevel};
use crate::wire::handshake::Fragments;
use crate::wire::record::{ContentType, RawRecord, Records};

/// One DTLS association, seen from its client.
pub struct Client {
    state: State,
    timer: Timer,
    /// Length of the connection id that the server is asked to use.
    cid_length: usize,
    outputs: VecDeque<ClientOutput>,
}

enum State {
    Hello(Box<Hello>),
    Answering(Box<Answering>),
    Finishing(Box<Finishing>),
    Resuming(Box<Resuming>),
    Open(Box<Connection>),
    Ended,
}

struct Timer {
    initial: Duration,
    interval: Duration,
    due: Duration,
    give_up: Duration,
}

impl Timer {
    fn restart(&mut self, now: Duration) {
        self.interval = self.initial;
        self.due = now.saturating_add(self.interval);
    }

    fn back_off(&mut self, now: Duration) {
        self.interval = self.interval.saturating_mul(2);
        self.due = now.saturating_add(self.interval);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Hello(_) => "Client(hello)",
            State::Answering(_) => "Client(answering)",
            State::Finishing(_) => "Client(finishing)",
            State::Resuming(_) => "Client(resuming)",
            State::Open(_) => "Client(open)",
            State::Ended => "Client(ended)",
        })
    }
}

impl Client {
    /// Begins a handshake: the first datagram is ready to be polled.
    pub fn new(now: Duration, config: ClientConfig, rng: &mut dyn CryptoRng) -> Self {
        Self::offering(now, config, None, rng, Offer::ALL)
    }

    /// The same, for suites with a key agreement too.
    pub fn with_curves(
        now: Duration,
        config: ClientConfig,
        curves: Box<dyn Curves>,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        Self::offering(now, config, Some(curves), rng, Offer::ALL)
    }

    pub(crate) fn offering(
        now: Duration,
        config: ClientConfig,
        curves: Option<Box<dyn Curves>>,
        rng: &mut dyn CryptoRng,
        offer: Offer,
    ) -> Self {
        let timer = Timer {
            initial: config.retransmit,
            interval: config.retransmit,
            due: now.saturating_add(config.retransmit),
            give_up: now.saturating_add(config.give_up),
        };
        let mut client = Self {
            state: State::Ended,
            timer,
            cid_length: config.cid.as_ref().map_or(0, Vec::len),
            outputs: VecDeque::new(),
        };
        match Hello::new(config, curves, rng, offer) {
            Ok(mut hello) => {
                client.outputs.push_back(ClientOutput::Datagram(hello.write_flight()));
                client.state = State::Hello(Box::new(hello));
            }
            Err(failure) => client.fail(failure),
        }
        client
    }

    /// A datagram from the server. Whatever is wrong with it is dropped.
    pub fn receive(&mut self, now: Duration, datagram: &[u8]) {
        for record in Records::new(datagram, self.cid_length).flatten() {
            let result = match record.epoch {
                0 => self.plaintext(now, &record),
                1 => self.protected(&record),
                _ => Ok(()),
            };
            if let Err(failure) = result {
                self.fail(failure);
            }
        }
    }

    /// The time of [`Client::next_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.next_timeout().is_none_or(|at| at > now) {
            return;
        }
        if now >= self.timer.give_up {
            return self.fail(ClientFailure::TimedOut);
        }
        self.timer.back_off(now);
        if let State::Finishing(finishing) = &mut self.state {
            finishing.rearm();
        }
        if let Err(failure) = self.send_flight() {
            self.fail(failure);
        }
    }

    /// When [`Client::handle_timeout`] wants to be called; never once the handshake is over.
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Hello(_) | State::Finishing(_) | State::Resuming(_) => {
                Some(self.timer.due.min(self.timer.give_up))
            }
            // The server repeats its flight until it has ours.
            State::Answering(_) => Some(self.timer.give_up),
            State::Open(_) | State::Ended => None,
        }
    }

    /// What another client with the same identity can resume this session by, once it is open.
    /// `None` if the server gave no name to it, or it has no extended master secret.
    pub fn resumption(&self) -> Option<Resumption> {
        match &self.state {
            State::Open(connection) => connection.resumption.clone(),
            _ => None,
        }
    }

    /// What is to be done next, in order.
    pub fn poll(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    /// Sends application data: at most 2^14 bytes, less if the server takes less in a record.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let State::Open(connection) = &mut self.state else {
            return Err(SendError::NotOpen);
        };
        if payload.len() > connection.longest() {
            return Err(SendError::TooLong);
        }
        let mut datagram = Vec::new();
        connection
            .seal(&mut datagram, ContentType::ApplicationData, payload)
            .ok_or(SendError::Exhausted)?;
        self.outputs.push_back(ClientOutput::Datagram(datagram));
        Ok(())
    }

    /// Ends the association, with a close_notify if it is open.
    pub fn close(&mut self) {
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Ended => return,
            State::Open(mut connection) => {
                let mut datagram = Vec::new();
                let alert = Alert::CLOSE_NOTIFY.encode();
                if connection.seal(&mut datagram, ContentType::Alert, &alert).is_some() {
                    self.outputs.push_back(ClientOutput::Datagram(datagram));
                }
            }
            State::Hello(_) | State::Answering(_) | State::Finishing(_) | State::Resuming(_) => {}
        }
        self.outputs.push_back(ClientOutput::Closed);
    }

    /// The answer to [`ClientOutput::Verify`]. Without that question nothing happens.
    pub fn verified(&mut self, now: Duration, trusted: bool) {
        if let Some(answering) = self.take_answering(true) {
            let progress = answering.verified(trusted);
            self.progress(now, progress);
        }
    }

    /// The answer to [`ClientOutput::Sign`]: a DER-encoded signature, or `None` if there is none
    /// to be had. Without that question nothing happens.
    pub fn signed(&mut self, now: Duration, signature: Option<Vec<u8>>) {
        if let Some(answering) = self.take_answering(false) {
            let progress = answering.signed(signature);
            self.progress(now, progress);
        }
    }

    fn take_answering(&mut self, trust: bool) -> Option<Box<Answering>> {
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Answering(answering) if answering.waits_for_trust() == trust => Some(answering),
            other => {
                self.state = other;
                None
            }
        }
    }

    fn progress(&mut self, now: Duration, progress: Result<Progress, ClientFailure>) {
        match progress {
            Ok(Progress::Ask(answering, question)) => {
                self.state = State::Answering(answering);
                self.outputs.push_back(question);
            }
            Ok(Progress::Finish(finishing)) => {
                self.state = State::Finishing(finishing);
                self.timer.restart(now);
                if let Err(failure) = self.send_flight() {
                    self.fail(failure);
                }
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn fail(&mut self, failure: ClientFailure) {
        self.state = State::Ended;
        self.outputs.push_back(ClientOutput::Failed(failure));
    }

    fn send_flight(&mut self) -> Result<(), ClientFailure> {
        let datagrams = match &mut self.state {
            State::Hello(hello) => vec![hello.write_flight()],
            State::Finishing(finishing) => finishing.write_flight()?,
            State::Resuming(resuming) => vec![resuming.hello.write_flight()],
            State::Answering(_) | State::Open(_) | State::Ended => return Ok(()),
        };
        self.outputs.extend(datagrams.into_iter().map(ClientOutput::Datagram));
        Ok(())
    }

    /// A record of epoch 0. Once the connection is open, it says nothing.
    fn plaintext(&mut self, now: Duration, record: &RawRecord<'_>) -> Result<(), ClientFailure> {
        if matches!(self.state, State::Open(_) | State::Ended) {
            return Ok(());
        }
        match record.kind {
            ContentType::Alert => match Alert::decode(record.body) {
                Some(alert) if alert.level == AlertLevel::Fatal => Err(ClientFailure::Alert(alert)),
                _ => Ok(()),
            },
            ContentType::Handshake => self.handshake(now, record.body),
            _ => Ok(()),
        }
    }

    fn handshake(&mut self, now: Duration, body: &[u8]) -> Result<(), ClientFailure> {
        for fragment in Fragments::new(body).flatten() {
            let send = match &mut self.state {
                State::Hello(hello) => match hello.fragment(&fragment)? {
                    Step::Wait => false,
                    Step::Send => {
                        self.timer.restart(now);
                        true
                    }
                    Step::Complete => {
                        self.complete(now);
                        false
                    }
                    Step::Resume => {
                        self.resume();
                        false
                    }
                },
                State::Finishing(finishing) => finishing.repetition(&fragment),
                State::Resuming(resuming) => {
                    resuming.expected.fragment(&fragment);
                    false
                }
                State::Answering(_) | State::Open(_) | State::Ended => false,
            };
            if send {
                self.send_flight()?;
            }
        }
        Ok(())
    }

    fn complete(&mut self, now: Duration) {
        if let State::Hello(hello) = core::mem::replace(&mut self.state, State::Ended) {
            self.progress(now, complete(hello));
        }
    }

    fn protected(&mut self, record: &RawRecord<'_>) -> Result<(), ClientFailure> {
        match &mut self.state {
            State::Finishing(finishing) => {
                if finishing.protected(record)? {
                    self.establish();
                }
                Ok(())
            }
            State::Resuming(resuming) => {
                if resuming.protected(record)? {
                    let flight = resuming.connection.write_last_flight()?;
                    self.outputs.push_back(ClientOutput::Datagram(flight));
                    self.establish();
                }
                Ok(())
            }
            State::Open(connection) => match connection.open(record) {
                Some((ContentType::ApplicationData, payload)) => {
                    self.outputs.push_back(ClientOutput::Data(payload));
                    Ok(())
                }
                Some((ContentType::Alert, payload)) => self.alert(&payload),
                Some((ContentType::ReturnRoutabilityCheck, message)) if connection.rrc => {
                    let answer = connection.answer_check(&message)?;
                    self.outputs.extend(answer.map(ClientOutput::Datagram));
                    Ok(())
                }
                Some((ContentType::Handshake, message)) if connection.is_asked_again(&message) => {
                    let flight = connection.write_last_flight()?;
                    self.outputs.push_back(ClientOutput::Datagram(flight));
                    Ok(())
                }
                // A repeated Finished, or a HelloRequest: we do not renegotiate.
                _ => Ok(()),
            },
            State::Hello(_) | State::Answering(_) | State::Ended => Ok(()),
        }
    }

    fn establish(&mut self) {
        let (connection, resumed) = match core::mem::replace(&mut self.state, State::Ended) {
            State::Finishing(finishing) => (finishing.connection, false),
            State::Resuming(resuming) => (resuming.connection, true),
            _ => return,
        };
        self.outputs.push_back(ClientOutput::Established {
            suite: connection.suite.id,
            cid: connection.server_cid(),
            resumed,
        });
        self.state = State::Open(Box::new(connection));
    }

    fn resume(&mut self) {
        if let State::Hello(hello) = core::mem::replace(&mut self.state, State::Ended)
            && let Some(resuming) = hello.resume()
        {
            self.state = State::Resuming(Box::new(resuming));
        }
    }

    fn alert(&mut self, payload: &[u8]) -> Result<(), ClientFailure> {
        match Alert::decode(payload) {
            Some(alert) if alert.level == AlertLevel::Fatal => Err(ClientFailure::Alert(alert)),
            Some(alert) if alert.description == AlertDescription::CLOSE_NOTIFY => {
                self.close();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
