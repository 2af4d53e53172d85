//! The association: which half a message belongs to.

use crate::block::size_of;
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

/// CoAP with one peer over one DTLS session; the crate's page says how to drive it.
///
/// Message ids count up from the first one and wrap; within EXCHANGE_LIFETIME one association
/// sends far fewer than 65,536 messages (RFC 7252 §4.4).
pub struct Association {
    wire: Wire,
    client: Client,
    server: Server,
}

impl Association {
    /// An association whose messages are numbered from `first_message_id`, a random number. An owner
    /// of many shares `params` between them.
    pub fn new(params: impl Into<Arc<Params>>, first_message_id: u16) -> Self {
        Self {
            wire: Wire::new(params.into(), first_message_id),
            client: Client::default(),
            server: Server::default(),
        }
    }

    /// The peer takes at most `longest` bytes in a message (RFC 8449): blocks become so short that
    /// header, token and options have room before them.
    pub fn keep_within(&mut self, longest: usize) {
        /// What stands before a block, with room to spare.
        const AROUND: usize = 64;
        let szx = &mut self.wire.block_szx;
        while *szx > 0 && size_of(*szx) + AROUND > longest {
            *szx -= 1;
        }
    }

    /// Takes one datagram of the peer.
    pub fn receive(&mut self, now: Duration, datagram: &[u8], rng: &mut dyn CryptoRng) {
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

    /// True for a confirmable request: what [`Self::turn_away`] answers.
    pub fn is_request(datagram: &[u8]) -> bool {
        let is_request = |it: Message| it.kind == Kind::Confirmable && it.class == Class::Request;
        Message::decode(datagram).is_ok_and(is_request)
    }

    /// Answers a confirmable request with 5.03 and does nothing else with it, for an owner that can
    /// take no more now; anything else is passed over.
    pub fn turn_away(&mut self, now: Duration, datagram: &[u8]) {
        let Ok(message) = Message::decode(datagram) else { return };
        let is_request = message.kind == Kind::Confirmable && message.class == Class::Request;
        if is_request && !self.wire.is_duplicate(now, message.message_id) {
            Server::turn_away(now, &mut self.wire, &message);
        }
    }

    /// Asks the peer, with a confirmable message, once NSTART allows it. The token is 8 random
    /// bytes; a body in blocks takes further tokens from the random source of
    /// [`Self::receive`]. Exactly one [`Output::Response`] follows, unless it is cancelled.
    pub fn request(&mut self, now: Duration, request: Request, token: [u8; 8]) -> RequestId {
        self.wire.stir(u64::from_be_bytes(token));
        self.client.request(now, &mut self.wire, request, token.into())
    }

    /// Gives up a request of ours; a response that still comes is rejected.
    pub fn cancel(&mut self, now: Duration, request: RequestId) {
        self.client.cancel(now, &mut self.wire, request);
    }

    /// Answers a request of the peer: in the acknowledgement if that has not left yet, else in a
    /// message of its own. An exchange that is answered, forgotten or stale is passed over.
    pub fn respond(&mut self, now: Duration, exchange: ExchangeId, response: Response) {
        self.server.respond(now, &mut self.wire, exchange, response);
    }

    /// Drops a request of the peer without a word, for when its fate is unknown: if the peer
    /// sends it again, it comes out again. That happens only before the empty acknowledgement
    /// has left, that is within [`Params::ack_delay`].
    pub fn forget(&mut self, exchange: ExchangeId) {
        self.server.forget(&mut self.wire, exchange);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
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

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Duration> {
        let parts = [
            self.wire.next_timeout(),
            self.client.next_timeout(),
            self.server.next_timeout(&self.wire),
        ];
        parts.into_iter().flatten().min()
    }

    /// When what has come or gone in blocks is stale: for an owner that has no other reason to call
    /// [`Self::handle_timeout`], as bodies are large.
    pub fn next_stale(&self) -> Option<Duration> {
        self.server.next_stale()
    }

    /// The next thing to do; call it until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.wire.outputs.pop_front()
    }

    /// Gives back the room that what is over has left, for an owner that holds many associations
    /// of peers that are mostly silent.
    pub fn shrink(&mut self) {
        self.wire.shrink();
        self.client.shrink();
        self.server.shrink();
    }

    /// True if nothing is under way in either direction. Message ids may still be remembered.
    pub fn is_idle(&self) -> bool {
        self.wire.outputs.is_empty()
            && self.wire.is_settled()
            && self.client.is_idle()
            && self.server.is_idle()
    }

    /// What happened since the counters were taken.
    pub fn counters(&self) -> Counters {
        self.wire.counters()
    }

    /// Takes what happened since the last time; none if nothing did. For an owner that adds it up
    /// elsewhere.
    pub fn take_counters(&mut self) -> Option<Counters> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_machine::Method;

    #[test]
    fn to_shrink_gives_back_room_and_loses_nothing() {
        let mut association = Association::new(Params::default(), 7);
        let get = Request::new(Method::Get, &["a"]);
        let request = association.request(Duration::ZERO, get, [1; 8]);
        let Some(Output::Send(first)) = association.poll() else { panic!("it is sent") };

        association.shrink();
        association.handle_timeout(Duration::from_secs(3));

        assert_eq!(association.poll(), Some(Output::Send(first)), "it is sent again");
        association.cancel(Duration::from_secs(3), request);
        association.shrink();
        assert!(association.is_idle());
        assert_eq!(association.wire.outputs.capacity(), 0);
    }
}
