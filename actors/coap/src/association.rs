//! An association, which is little until somebody says something: of a million sessions most are
//! silent.

use crate::block::size_of;
use crate::message::{Class, Kind, Message};
use crate::speaking::Speaking;
use crate::{Counters, ExchangeId, Output, Params, RequestId};
use claviger_machine::{Request, Response};
use core::time::Duration;
use rand_core::CryptoRng;
use std::sync::Arc;

/// CoAP with one peer over one DTLS session; the crate's page says how to drive it.
///
/// Message ids count up from the first one and wrap; within EXCHANGE_LIFETIME one association
/// sends far fewer than 65,536 messages (RFC 7252 §4.4).
pub struct Association {
    params: Arc<Params>,
    first_message_id: u16,
    /// The largest block that is sent here, as SZX.
    block_szx: u8,
    /// Once there was something to say or to hear.
    speaking: Option<Box<Speaking>>,
}

impl Association {
    /// An association whose messages are numbered from `first_message_id`, a random number. An owner
    /// of many shares `params` between them.
    pub fn new(params: impl Into<Arc<Params>>, first_message_id: u16) -> Self {
        let params = params.into();
        Self { block_szx: params.block_szx, params, first_message_id, speaking: None }
    }

    fn speak(&mut self) -> &mut Speaking {
        self.speaking.get_or_insert_with(|| {
            let params = self.params.clone();
            Box::new(Speaking::new(params, self.first_message_id, self.block_szx))
        })
    }

    /// The peer takes at most `longest` bytes in a message (RFC 8449): blocks become so short that
    /// header, token and options have room before them.
    pub fn keep_within(&mut self, longest: usize) {
        /// What stands before a block, with room to spare.
        const AROUND: usize = 64;
        let szx = &mut self.block_szx;
        while *szx > 0 && size_of(*szx) + AROUND > longest {
            *szx -= 1;
        }
        if let Some(speaking) = &mut self.speaking {
            speaking.keep_within(self.block_szx);
        }
    }

    /// Takes one datagram of the peer.
    pub fn receive(&mut self, now: Duration, datagram: &[u8], rng: &mut dyn CryptoRng) {
        self.speak().receive(now, datagram, rng);
    }

    /// True for a confirmable request: what [`Self::turn_away`] answers.
    pub fn is_request(datagram: &[u8]) -> bool {
        let is_request = |it: Message| it.kind == Kind::Confirmable && it.class == Class::Request;
        Message::decode(datagram).is_ok_and(is_request)
    }

    /// Answers a confirmable request with 5.03 and does nothing else with it, for an owner that can
    /// take no more now; anything else is passed over.
    pub fn turn_away(&mut self, now: Duration, datagram: &[u8]) {
        self.speak().turn_away(now, datagram);
    }

    /// Asks the peer, with a confirmable message, once NSTART allows it. The token is 8 random
    /// bytes; a body in blocks takes further tokens from the random source of
    /// [`Self::receive`]. Exactly one [`Output::Response`] follows, unless it is cancelled.
    pub fn request(&mut self, now: Duration, request: Request, token: [u8; 8]) -> RequestId {
        self.speak().request(now, request, token)
    }

    /// Gives up a request of ours; a response that still comes is rejected.
    pub fn cancel(&mut self, now: Duration, request: RequestId) {
        self.speak().cancel(now, request);
    }

    /// Answers a request of the peer: in the acknowledgement if that has not left yet, else in a
    /// message of its own. An exchange that is answered, forgotten or stale is passed over.
    pub fn respond(&mut self, now: Duration, exchange: ExchangeId, response: Response) {
        self.speak().respond(now, exchange, response);
    }

    /// Drops a request of the peer without a word, for when its fate is unknown: if the peer
    /// sends it again, it comes out again. That happens only before the empty acknowledgement
    /// has left, that is within [`Params::ack_delay`].
    pub fn forget(&mut self, exchange: ExchangeId) {
        self.speak().forget(exchange);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        if let Some(speaking) = &mut self.speaking {
            speaking.handle_timeout(now);
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.speaking.as_deref()?.next_timeout()
    }

    /// When what has come or gone in blocks is stale: for an owner that has no other reason to call
    /// [`Self::handle_timeout`], as bodies are large.
    pub fn next_stale(&self) -> Option<Duration> {
        self.speaking.as_deref()?.next_stale()
    }

    /// The next thing to do; call it until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.speaking.as_deref_mut()?.poll()
    }

    /// Gives back the room that what is over has left, for an owner that holds many associations
    /// of peers that are mostly silent.
    pub fn shrink(&mut self) {
        if let Some(speaking) = &mut self.speaking {
            speaking.shrink();
        }
    }

    /// True if nothing is under way in either direction. Message ids may still be remembered.
    pub fn is_idle(&self) -> bool {
        self.speaking.as_deref().is_none_or(Speaking::is_idle)
    }

    /// What happened since the counters were taken.
    pub fn counters(&self) -> Counters {
        self.speaking.as_deref().map(Speaking::counters).unwrap_or_default()
    }

    /// Takes what happened since the last time; none if nothing did. For an owner that adds it up
    /// elsewhere.
    pub fn take_counters(&mut self) -> Option<Counters> {
        self.speaking.as_deref_mut()?.take_counters()
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
        let speaking = association.speaking.as_deref().expect("it was asked");
        assert_eq!(speaking.wire.outputs.capacity(), 0);
    }

    #[test]
    fn until_something_is_said_an_association_is_small_and_knows_how_long_a_block_may_be() {
        let mut association = Association::new(Params::default(), 7);
        assert!(association.is_idle() && association.next_timeout().is_none());
        association.keep_within(64 + 32);
        association.handle_timeout(Duration::from_secs(3));
        association.shrink();
        assert!(association.speaking.is_none());
        assert!(size_of_val(&association) <= 24, "{}", size_of_val(&association));

        let mut put = Request::new(Method::Put, &["a"]);
        put.payload = vec![1; 100];
        association.request(Duration::ZERO, put, [1; 8]);

        let Some(Output::Send(first)) = association.poll() else { panic!("it is sent") };
        assert!(first.ends_with(&[1; 32]) && first.len() < 32 + 64, "one block of 32 bytes");
    }
}
