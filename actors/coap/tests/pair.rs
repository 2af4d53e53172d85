//! Two associations against each other over a bad network, in virtual time; and noise.

use claviger_coap::{Association, Output, Params};
use claviger_machine::{Code, Method, Request, Response};
use core::time::Duration;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;

const ROUNDS: usize = 12;

/// Two ends, A (0) and B (1), and the datagrams between them by time of arrival.
struct Net {
    ends: [Association; 2],
    flying: BTreeMap<(Duration, u64), (usize, Vec<u8>)>,
    now: Duration,
    sent: u64,
    rng: ChaCha8Rng,
    /// Bodies of the requests that came out at each end, in order.
    asked: [Vec<Vec<u8>>; 2],
    /// Bodies of the responses that came back to each end.
    answered: [Vec<Vec<u8>>; 2],
}

/// With four retransmissions one exchange in some hundreds would rightly time out.
fn patient() -> Params {
    Params {
        ack_timeout: Duration::from_secs(1),
        ack_delay: Duration::from_millis(300),
        max_retransmit: 7,
        ..Params::default()
    }
}

impl Net {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // One end sends larger blocks than the other.
        let szx = [5, seed as u8 % 6];
        let ends = szx.map(|block_szx| {
            Association::new(Params { block_szx, ..patient() }, rng.next_u32() as u16)
        });
        Self {
            ends,
            flying: BTreeMap::new(),
            now: Duration::from_secs(1_000_000),
            sent: 0,
            rng,
            asked: Default::default(),
            answered: Default::default(),
        }
    }

    /// A body that names its number, of a length that sometimes needs blocks.
    fn body(&mut self, number: usize) -> Vec<u8> {
        let length = 8 + self.rng.next_u32() as usize % 1500;
        (0..length).map(|at| (at + number) as u8).collect()
    }

    fn request(&mut self, end: usize, body: Vec<u8>) {
        let mut token = [0; 8];
        self.rng.fill_bytes(&mut token);
        let request = Request { payload: body, ..Request::new(Method::Post, &["echo"]) };
        self.ends[end].request(self.now, request, token);
    }

    /// One datagram in ten is lost, two come twice, and none in order.
    fn send(&mut self, to: usize, bytes: &[u8]) {
        let dice = self.rng.next_u32() % 10;
        let copies = match dice {
            0 => 0,
            1 | 2 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let delay = Duration::from_millis(u64::from(self.rng.next_u32() % 400));
            self.sent += 1;
            self.flying.insert((self.now + delay, self.sent), (to, bytes.to_vec()));
        }
    }

    /// Carries out what an end wants. It answers with the body turned round, in two cases of
    /// three at once, else after the empty acknowledgement.
    fn drain(&mut self, end: usize) {
        while let Some(output) = self.ends[end].poll() {
            match output {
                Output::Send(bytes) => self.send(1 - end, &bytes),
                Output::Request { exchange, request, .. } => {
                    self.asked[end].push(request.payload.clone());
                    let payload = request.payload.into_iter().rev().collect();
                    let response = Response { payload, ..Response::new(Code::CHANGED) };
                    if self.rng.next_u32().is_multiple_of(3) {
                        let late = self.now + Duration::from_millis(300);
                        self.ends[end].handle_timeout(late);
                    }
                    self.ends[end].respond(self.now, exchange, response);
                }
                Output::Response { result, .. } => {
                    let response = result.expect("an answer, this network is not dead");
                    self.answered[end].push(response.payload);
                }
                Output::Refused(why) => panic!("both ends are well-behaved: {why:?}"),
            }
        }
    }

    /// Until nothing flies and nobody waits.
    fn run(&mut self) {
        for _ in 0..20_000 {
            self.drain(0);
            self.drain(1);
            let arrival = self.flying.keys().next().map(|key| key.0);
            let timers = self.ends.iter().filter_map(Association::next_timeout);
            let Some(next) = timers.chain(arrival).min() else { return };
            self.now = self.now.max(next);
            while let Some(first) =
                self.flying.first_entry().filter(|first| first.key().0 <= self.now)
            {
                let (to, bytes) = first.remove();
                self.ends[to].receive(self.now, &bytes, &mut self.rng);
                self.drain(to);
            }
            for end in &mut self.ends {
                end.handle_timeout(self.now);
            }
        }
        panic!("it does not come to rest");
    }
}

#[test]
fn every_request_is_acted_on_once_and_answered_whatever_the_network_does() {
    for seed in 0..60 {
        let mut net = Net::new(seed);
        let bodies: [Vec<Vec<u8>>; 2] =
            [0, 1].map(|end| (0..ROUNDS).map(|n| net.body(n + end * 100)).collect());

        for end in [0, 1] {
            for body in &bodies[end] {
                net.request(end, body.clone());
            }
        }
        net.run();

        for end in [0, 1] {
            let mut acted_on = net.asked[1 - end].clone();
            let mut expected = bodies[end].clone();
            acted_on.sort();
            expected.sort();
            assert_eq!(acted_on, expected, "seed {seed}: each once");
            let mut back: Vec<Vec<u8>> = net.answered[end].clone();
            back.iter_mut().for_each(|body| body.reverse());
            back.sort();
            assert_eq!(back, expected, "seed {seed}: each answered");
            assert!(net.ends[end].is_idle(), "seed {seed}");
        }
    }
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop::sample::select(vec![
        b"\x41\x01\x7d\x35\x20\xbbtemperature".to_vec(),
        b"\x48\x03\x00\x01tokentok\xb1o\xd1\x03\x08\xff0123456789abcdef".to_vec(),
        b"\x68\x45\x00\x07tokentok\x41\x07\xd1\x06\x08\xff0123456789abcdef".to_vec(),
        b"\x68\x5f\x00\x07tokentok\xd1\x0e\x0d".to_vec(),
        b"\x48\x44\x12\x34tokentok".to_vec(),
        b"\x60\x00\x00\x07".to_vec(),
    ]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (valid, changes).prop_map(|(mut bytes, changes)| {
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Noise and near-misses, with timers and answers between them.
    #[test]
    fn no_input_makes_it_panic_or_grow(
        noise in prop::collection::vec(
            prop_oneof![mutated(), prop::collection::vec(any::<u8>(), 0..40)], 1..60),
        body in 0usize..1200,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut coap = Association::new(Params::default(), 7);
        let mut now = Duration::from_secs(1);
        let request = Request { payload: vec![1; body], ..Request::new(Method::Put, &["o"]) };
        coap.request(now, request, *b"tokentok");
        for datagram in &noise {
            coap.receive(now, datagram, &mut rng);
            let mut outputs = 0;
            while let Some(output) = coap.poll() {
                outputs += 1;
                if let Output::Request { exchange, request, .. } = output {
                    let response = Response { payload: request.payload.repeat(40), ..Response::new(Code::CONTENT) };
                    coap.respond(now, exchange, response);
                }
            }
            prop_assert!(outputs <= 4, "{} outputs for one datagram", outputs);
            now += Duration::from_millis(700);
            coap.handle_timeout(now);
        }
        while let Some(next) = coap.next_timeout() {
            prop_assert!(next > now, "a timer in the past");
            now = next;
            coap.handle_timeout(now);
        }
        while coap.poll().is_some() {}
        prop_assert!(coap.is_idle());
    }
}
