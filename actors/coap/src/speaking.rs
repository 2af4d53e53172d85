//! An association in which something was said: which half a message belongs to.

use crate::client::Client;
use crate::message::{Class, Kind, Malformed, Message};
use crate::options::read_response;
use crate::server::Server;
use crate::transmission::Cargo;
use crate::wire::Wire;
use crate::{Counters, ExchangeId, Output, Params, Refusal, RequestId};
use claviger_machine::{Request, Response, Unanswered};
use core::time::Duration;
use rand_core::CryptoRng;
use std::sync::Arc;

/// See [`crate::Association`], whose calls come here.
pub(crate) struct Speaking {
    pub(crate) wire: Wire,
    client: Client,
    server: Server,
}

impl Speaking {
    pub(crate) fn new(params: Arc<Params>, first_message_id: u16, block_szx: u8) -> Self {
        Self {
            wire: Wire::new(params, first_message_id, block_szx),
            client: Client::default(),
            server: Server::default(),
        }
    }

    /// From now on blocks are at most so long.
    pub(crate) fn keep_within(&mut self, block_szx: u8) {
        self.wire.block_szx = block_szx;
    }

    pub(crate) fn receive(&mut self, now: Duration, datagram: &[u8], rng: &mut dyn CryptoRng) {
        let message = match Message::decode(datagram) {
            Ok(message) => message,
            Err(malformed) => return self.malformed(&malformed),
        };
        match (message.kind, message.class) {
            (Kind::Confirmable, Class::Empty) => {
                self.wire.count().pings += 1;
                self.wire.reject(message.message_id);
            }
            (Kind::Acknowledgement, Class::Empty) => self.acknowledged(now, message.message_id),
            (Kind::Reset, Class::Empty) => self.rejected(now, message.message_id),
            (Kind::Acknowledgement, Class::Response) => self.piggybacked(now, message, rng),
            (Kind::Confirmable | Kind::NonConfirmable, Class::Request) => {
                if !self.wire.is_duplicate(now, message.message_id) {
                    self.server.receive(now, &mut self.wire, message);
                }
            }
            (Kind::Confirmable | Kind::NonConfirmable, Class::Response) => {
                self.separate(now, message, rng);
            }
            (Kind::NonConfirmable, Class::Empty)
            | (Kind::Acknowledgement, Class::Request)
            | (Kind::Reset, Class::Request | Class::Response) => {
                self.wire.refuse(Refusal::Malformed)
            }
        }
    }

    pub(crate) fn turn_away(&mut self, now: Duration, datagram: &[u8]) {
        let Ok(message) = Message::decode(datagram) else { return };
        let is_request = message.kind == Kind::Confirmable && message.class == Class::Request;
        if is_request && !self.wire.is_duplicate(now, message.message_id) {
            Server::turn_away(now, &mut self.wire, &message);
        }
    }

    pub(crate) fn request(&mut self, now: Duration, request: Request, token: [u8; 8]) -> RequestId {
        self.wire.stir(u64::from_be_bytes(token));
        self.client.request(now, &mut self.wire, request, token.into())
    }

    pub(crate) fn cancel(&mut self, now: Duration, request: RequestId) {
        self.client.cancel(now, &mut self.wire, request);
    }

    pub(crate) fn respond(&mut self, now: Duration, exchange: ExchangeId, response: Response) {
        self.server.respond(now, &mut self.wire, exchange, response);
    }

    pub(crate) fn forget(&mut self, exchange: ExchangeId) {
        self.server.forget(&mut self.wire, exchange);
    }

    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        while let Some(lost) = self.wire.retransmit(now) {
            match lost.cargo {
                Cargo::Request => {
                    self.wire.count().timeouts += 1;
                    let why = Unanswered::TimedOut;
                    self.client.failed(now, &mut self.wire, lost.message_id, why);
                }
                Cargo::Response => self.wire.count().responses_lost += 1,
            }
        }
        self.client.handle_timeout(now, &mut self.wire);
        self.server.handle_timeout(now, &mut self.wire);
        self.wire.expire(now);
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        let parts = [
            self.wire.next_timeout(),
            self.client.next_timeout(),
            self.server.next_timeout(&self.wire),
        ];
        parts.into_iter().flatten().min()
    }

    pub(crate) fn next_stale(&self) -> Option<Duration> {
        self.server.next_stale()
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.wire.outputs.pop_front()
    }

    pub(crate) fn shrink(&mut self) {
        self.wire.shrink();
        self.client.shrink();
        self.server.shrink();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.wire.outputs.is_empty()
            && self.wire.is_settled()
            && self.client.is_idle()
            && self.server.is_idle()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.wire.counters()
    }

    pub(crate) fn take_counters(&mut self) -> Option<Counters> {
        self.wire.take_counters()
    }

    /// A format error: a confirmable message is rejected, another ignored (RFC 7252 §4.2, §4.3).
    fn malformed(&mut self, malformed: &Malformed) {
        self.wire.refuse(Refusal::Malformed);
        if let Malformed::Format { kind: Kind::Confirmable, message_id } = malformed {
            self.wire.reject(*message_id);
        }
    }

    fn acknowledged(&mut self, now: Duration, message_id: u16) {
        match self.wire.settle(message_id) {
            Some(Cargo::Request) => self.client.acknowledged(now, &mut self.wire, message_id),
            Some(Cargo::Response) => {}
            None => self.wire.refuse(Refusal::Unmatched),
        }
    }

    fn rejected(&mut self, now: Duration, message_id: u16) {
        match self.wire.settle(message_id) {
            Some(cargo) => {
                self.wire.count().resets += 1;
                if cargo == Cargo::Request {
                    let why = Unanswered::Reset;
                    self.client.failed(now, &mut self.wire, message_id, why);
                }
            }
            None => self.wire.refuse(Refusal::Unmatched),
        }
    }

    fn piggybacked(&mut self, now: Duration, mut message: Message, rng: &mut dyn CryptoRng) {
        if self.client.awaits(&message) {
            let answer = read_response(&mut message);
            self.client.receive(now, &mut self.wire, &message, answer, rng);
        } else {
            self.wire.refuse(Refusal::Unmatched);
        }
    }

    /// A response in a message of its own, perhaps before the acknowledgement of its request:
    /// then it stands for that too (RFC 7252 §5.2.2).
    fn separate(&mut self, now: Duration, mut message: Message, rng: &mut dyn CryptoRng) {
        if self.wire.is_duplicate(now, message.message_id) {
            return;
        }
        let confirmable = message.kind == Kind::Confirmable;
        if !self.client.awaits(&message) {
            self.wire.refuse(Refusal::Unmatched);
            if confirmable {
                self.wire.reject(message.message_id);
            }
            return;
        }
        self.wire.remember(now, &message);
        let answer = read_response(&mut message);
        match answer {
            Some(_) if confirmable => self.wire.acknowledge(message.message_id),
            None if confirmable => self.wire.reject(message.message_id),
            _ => {}
        }
        self.client.receive(now, &mut self.wire, &message, answer, rng);
    }
}
