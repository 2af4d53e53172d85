//! The client: what its driver calls, its timer, and the way of a datagram through it.

use std::collections::VecDeque;

use core::fmt;
use core::time::Duration;

use rand_core::CryptoRng;

use super::config::{ClientConfig, ClientFailure, ClientOutput, SendError};
use super::handshake::{Finishing, Hello, Step};
use super::open::Connection;
use crate::wire::alert::{Alert, AlertDescription, AlertLevel};
use crate::wire::handshake::Fragments;
use crate::wire::record::{ContentType, MAX_PLAINTEXT, RawRecord, Records};

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
    Finishing(Box<Finishing>),
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
            State::Finishing(_) => "Client(finishing)",
            State::Open(_) => "Client(open)",
            State::Ended => "Client(ended)",
        })
    }
}

impl Client {
    /// Begins a handshake: the first datagram is ready to be polled.
    pub fn new(now: Duration, config: ClientConfig, rng: &mut dyn CryptoRng) -> Self {
        Self::offering(now, config, rng, true)
    }

    /// The extended master secret is always offered, except in tests: some servers lack it.
    pub(crate) fn offering(
        now: Duration,
        config: ClientConfig,
        rng: &mut dyn CryptoRng,
        extended_master_secret: bool,
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
        match Hello::new(config, rng, extended_master_secret) {
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
            State::Hello(_) | State::Finishing(_) => Some(self.timer.due.min(self.timer.give_up)),
            State::Open(_) | State::Ended => None,
        }
    }

    /// What is to be done next, in order.
    pub fn poll(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    /// Sends application data, at most 2^14 bytes.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let State::Open(connection) = &mut self.state else {
            return Err(SendError::NotOpen);
        };
        if payload.len() > MAX_PLAINTEXT {
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
            State::Hello(_) | State::Finishing(_) => {}
        }
        self.outputs.push_back(ClientOutput::Closed);
    }

    fn fail(&mut self, failure: ClientFailure) {
        self.state = State::Ended;
        self.outputs.push_back(ClientOutput::Failed(failure));
    }

    fn send_flight(&mut self) -> Result<(), ClientFailure> {
        let datagram = match &mut self.state {
            State::Hello(hello) => hello.write_flight(),
            State::Finishing(finishing) => finishing.write_flight()?,
            State::Open(_) | State::Ended => return Ok(()),
        };
        self.outputs.push_back(ClientOutput::Datagram(datagram));
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
                    Step::Finish(finishing) => {
                        self.state = State::Finishing(finishing);
                        self.timer.restart(now);
                        true
                    }
                },
                State::Finishing(finishing) => finishing.repetition(&fragment),
                State::Open(_) | State::Ended => false,
            };
            if send {
                self.send_flight()?;
            }
        }
        Ok(())
    }

    fn protected(&mut self, record: &RawRecord<'_>) -> Result<(), ClientFailure> {
        match &mut self.state {
            State::Finishing(finishing) => {
                if finishing.protected(record)? {
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
                // A repeated Finished, or a HelloRequest: we do not renegotiate.
                _ => Ok(()),
            },
            State::Hello(_) | State::Ended => Ok(()),
        }
    }

    fn establish(&mut self) {
        if let State::Finishing(finishing) = core::mem::replace(&mut self.state, State::Ended) {
            let connection = finishing.connection;
            self.outputs.push_back(ClientOutput::Established {
                suite: connection.suite.id,
                cid: connection.server_cid.clone(),
            });
            self.state = State::Open(Box::new(connection));
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
