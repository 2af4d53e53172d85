//! A peer of bytes: what a script sends in, and what it sees come out.

#![expect(unreachable_pub, reason = "shared by test crates, which have no outside")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test crate uses its own part")]

use claviger_coap::{Association, ExchangeId, Output, Params, Refusal, RequestId, RequestIdentity};
use claviger_machine::{Method, Request, Response, Unanswered};
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The first message id of the association under test.
pub const FIRST: u16 = 0x7d34;
/// The token of its requests.
pub const TOKEN: [u8; 8] = *b"tokentok";

/// One association and its clock.
pub struct Script {
    pub coap: Association,
    pub now: Duration,
    /// What came to nothing so far.
    pub refused: Vec<Refusal>,
    rng: ChaCha8Rng,
}

impl Script {
    pub fn new() -> Self {
        Self::with(Params::default())
    }

    pub fn with(params: Params) -> Self {
        let now = Duration::from_secs(1_000_000);
        let rng = ChaCha8Rng::seed_from_u64(1);
        Self { coap: Association::new(params, FIRST), now, refused: Vec::new(), rng }
    }

    /// Hands a datagram in; gives everything that follows at once.
    pub fn hear(&mut self, datagram: &[u8]) -> Vec<Output> {
        self.coap.receive(self.now, datagram, &mut self.rng);
        self.outputs()
    }

    /// Hands a datagram in; gives the one datagram that follows.
    pub fn answer(&mut self, datagram: &[u8]) -> Vec<u8> {
        one_sent(self.hear(datagram))
    }

    /// Hands a request in; gives it back as it comes out.
    pub fn asked(&mut self, datagram: &[u8]) -> (ExchangeId, RequestIdentity, Request) {
        let mut outputs = self.hear(datagram);
        match (outputs.pop(), outputs.is_empty()) {
            (Some(Output::Request { exchange, identity, request }), true) => {
                (exchange, identity, request)
            }
            (other, _) => panic!("{outputs:?} {other:?}"),
        }
    }

    /// Hands in what ends a request of ours; gives how, and what was sent before.
    pub fn ended(
        &mut self,
        datagram: &[u8],
    ) -> (Vec<Vec<u8>>, RequestId, Result<Response, Unanswered>) {
        let mut outputs = self.hear(datagram);
        match outputs.pop() {
            Some(Output::Response { request, result }) => {
                (outputs.into_iter().map(sent).collect(), request, result)
            }
            other => panic!("{outputs:?} {other:?}"),
        }
    }

    pub fn respond(&mut self, exchange: ExchangeId, response: Response) -> Vec<u8> {
        self.coap.respond(self.now, exchange, response);
        one_sent(self.outputs())
    }

    pub fn request(&mut self, request: Request) -> (RequestId, Vec<u8>) {
        let id = self.coap.request(self.now, request, TOKEN);
        (id, one_sent(self.outputs()))
    }

    /// Goes on to the next deadline.
    pub fn wait(&mut self) -> Vec<Output> {
        self.now = self.coap.next_timeout().expect("a deadline");
        self.coap.handle_timeout(self.now);
        self.outputs()
    }

    /// Lets time pass.
    pub fn sleep(&mut self, time: Duration) -> Vec<Output> {
        self.now += time;
        self.coap.handle_timeout(self.now);
        self.outputs()
    }

    pub fn outputs(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.coap.poll() {
            match output {
                Output::Refused(why) => self.refused.push(why),
                output => outputs.push(output),
            }
        }
        outputs
    }
}

/// The bytes of one sending.
pub fn sent(output: Output) -> Vec<u8> {
    match output {
        Output::Send(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

/// The bytes of the only output.
pub fn one_sent(mut outputs: Vec<Output>) -> Vec<u8> {
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    sent(outputs.remove(0))
}

/// A message: header, token, options as they are, payload.
pub fn message(
    first: u8,
    code: u8,
    id: u16,
    token: &[u8],
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut bytes = vec![first | token.len() as u8, code, high, low];
    bytes.extend_from_slice(token);
    bytes.extend_from_slice(options);
    if !payload.is_empty() {
        bytes.push(0xff);
        bytes.extend_from_slice(payload);
    }
    bytes
}

pub const CON: u8 = 0x40;
pub const NON: u8 = 0x50;
pub const ACK: u8 = 0x60;
pub const RST: u8 = 0x70;

pub const GET: u8 = 0x01;
pub const POST: u8 = 0x02;
pub const PUT: u8 = 0x03;
pub const CHANGED: u8 = 0x44;
pub const CONTENT: u8 = 0x45;
pub const CONTINUE: u8 = 0x5f;

/// An empty message.
pub fn empty(first: u8, id: u16) -> Vec<u8> {
    message(first, 0, id, &[], &[], &[])
}

/// The token of a message.
pub fn token(message: &[u8]) -> &[u8] {
    &message[4..4 + usize::from(message[0] & 0xf)]
}

/// The message id of a message.
pub fn id(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[2], message[3]])
}

/// What stands behind the token.
pub fn rest(message: &[u8]) -> &[u8] {
    &message[4 + token(message).len()..]
}

/// A request with a body.
pub fn put(path: &[&str], payload: Vec<u8>) -> Request {
    Request { payload, ..Request::new(Method::Put, path) }
}
