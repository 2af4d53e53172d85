//! What the server side costs: a record opened and one sealed, a whole PSK handshake, and one that
//! resumes a session.
//!
//!     cargo bench -p claviger-dtls
//!
//! The client's work is not measured. A handshake is one that was recorded: an endpoint with the
//! same seed gives the same answers, so the client's datagrams can be played back.

mod cpu;

use claviger_dtls::resume::{self, Resumable};
use claviger_dtls::{
    Client, ClientConfig, ClientOutput, ClusterKeys, Content, Endpoint, EndpointConfig, Output,
    SUITES, SessionId, Suite, schedule,
};
use core::hint::black_box;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use cpu::Cpu;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

const KEY: &[u8] = b"sixteen byte key";
const START: Duration = Duration::from_secs(1_800_000_000);

fn endpoint() -> Endpoint {
    let rng = Box::new(ChaCha8Rng::seed_from_u64(1));
    let config = EndpointConfig { resumption: true, ..EndpointConfig::default() };
    Endpoint::new(config, ClusterKeys::new([1; 32], [2; 32]), rng)
}

fn address(index: u32) -> SocketAddr {
    (Ipv4Addr::from_bits(0x0A00_0000 + index), 5684).into()
}

fn client(seed: u64, suite: u16) -> Client {
    let config = ClientConfig::new(b"urn:dev:1".to_vec(), Zeroizing::new(KEY.to_vec()));
    let config = ClientConfig { suites: vec![suite], ..config };
    Client::new(START, config, &mut ChaCha8Rng::seed_from_u64(seed))
}

fn sent(client: &mut Client) -> Vec<Vec<u8>> {
    let polled = core::iter::from_fn(|| client.poll());
    polled
        .filter_map(|output| match output {
            ClientOutput::Datagram(bytes) => Some(bytes),
            _ => None,
        })
        .collect()
}

/// Takes what the endpoint has to say; answers its credential steps, if `key` is given.
fn drain(endpoint: &mut Endpoint, key: Option<&[u8]>, mut each: impl FnMut(&[u8])) {
    while let Some(output) = endpoint.poll() {
        match output {
            Output::Datagram { bytes, .. } => {
                each(&bytes);
                endpoint.reuse(bytes);
            }
            Output::Record(record) => endpoint.reuse(record.payload),
            Output::Open(call) => {
                if let Some(key) = key {
                    let opened = schedule::open(key, START, &call.evidence());
                    assert!(endpoint.opened(START, call.call, opened.expect("the key is right")));
                }
            }
            _ => {}
        }
    }
}

/// Runs a handshake; gives the client's datagrams.
fn handshake(endpoint: &mut Endpoint, client: &mut Client, from: SocketAddr) -> Vec<Vec<u8>> {
    let mut said = Vec::new();
    loop {
        let datagrams = sent(client);
        if datagrams.is_empty() {
            return said;
        }
        for datagram in datagrams {
            endpoint.receive(START, from, &datagram);
            drain(endpoint, Some(KEY), |bytes| client.receive(START, bytes));
            said.push(datagram);
        }
    }
}

/// The session whose record this is.
fn session(endpoint: &mut Endpoint, client: &mut Client, from: SocketAddr) -> SessionId {
    client.send(b"who am I").expect("open");
    endpoint.receive(START, from, &sent(client)[0]);
    match endpoint.poll() {
        Some(Output::Record(record)) => record.session,
        other => panic!("no record: {other:?}"),
    }
}

fn records(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("record");
    for suite in Suite::psk_defaults().into_iter().filter_map(Suite::by_id) {
        for among in [1, 10_000] {
            let mut endpoint = endpoint();
            let others = if suite.id == SUITES[0].id { among } else { 1 };
            if others != among {
                continue;
            }
            for index in 1..among {
                handshake(&mut endpoint, &mut client(u64::from(index), suite.id), address(index));
            }
            let (mut client, from) = (client(0, suite.id), address(0));
            handshake(&mut endpoint, &mut client, from);
            let id = session(&mut endpoint, &mut client, from);
            let mut sequence = 0;
            let name = format!("open and seal 128 bytes/{}/of {among} sessions", suite.name);
            group.bench_function(name, |bencher| {
                bencher.iter_batched_ref(
                    || {
                        client.send(&[7; 128]).expect("open");
                        sent(&mut client).remove(0)
                    },
                    |datagram| {
                        sequence += 1;
                        endpoint.receive(START, from, datagram);
                        let content = Content::Application(&[9; 128]);
                        endpoint.seal(id, sequence, None, content).expect("the number is new");
                        drain(&mut endpoint, None, |bytes| {
                            black_box(bytes);
                        });
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
}

fn handshakes(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("handshake");
    for suite in Suite::psk_defaults().into_iter().filter_map(Suite::by_id) {
        let said = handshake(&mut endpoint(), &mut client(0, suite.id), address(0));
        for (what, key) in [("with the credential step", Some(KEY)), ("at the edge alone", None)] {
            group.bench_function(format!("{what}/{}", suite.name), |bencher| {
                bencher.iter_batched_ref(
                    endpoint,
                    |endpoint| {
                        for datagram in &said {
                            endpoint.receive(START, address(0), datagram);
                            drain(endpoint, key, |bytes| {
                                black_box(bytes);
                            });
                        }
                        assert_eq!(endpoint.sessions(), usize::from(key.is_some()));
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
}

/// Plays a client's datagrams to an endpoint that answers by what was kept of its first session.
fn play(endpoint: &mut Endpoint, said: &[Vec<u8>], kept: &Resumable) {
    for datagram in said {
        endpoint.receive(START, address(0), datagram);
        while let Some(output) = endpoint.poll() {
            answer(endpoint, output, kept, |bytes| {
                black_box(bytes);
            });
        }
    }
}

fn answer(endpoint: &mut Endpoint, output: Output, kept: &Resumable, mut each: impl FnMut(&[u8])) {
    match output {
        Output::Datagram { bytes, .. } => {
            each(&bytes);
            endpoint.reuse(bytes);
        }
        Output::NeedSession(call) => {
            if let Some(offer) = call.offer() {
                let accepted = resume::accept(kept, START, &offer).expect("it is the same client");
                endpoint.resumed(START, call.call, &accepted);
            } else if let Some(evidence) = call.evidence() {
                let opened = resume::open(kept, START, &evidence).expect("the secret is right");
                assert!(endpoint.opened(START, call.call, opened));
            }
        }
        _ => {}
    }
}

/// A client's datagrams of a full handshake and of a resumption, and what is kept between them.
fn comes_back(suite: u16) -> (Vec<Vec<u8>>, Vec<Vec<u8>>, Resumable) {
    let (mut first, mut said, mut kept) = (client(0, suite), Vec::new(), None);
    let mut edge = endpoint();
    while let Some(datagram) = sent(&mut first).pop() {
        edge.receive(START, address(0), &datagram);
        while let Some(output) = edge.poll() {
            match output {
                Output::Datagram { bytes, .. } => first.receive(START, &bytes),
                Output::Open(call) => {
                    let opened = schedule::open_resumable(KEY, START, &call.evidence());
                    let (opened, resumable) = opened.expect("the key is right");
                    kept = resumable;
                    assert!(edge.opened(START, call.call, opened));
                }
                _ => {}
            }
        }
        said.push(datagram);
    }
    let kept = kept.expect("it has extended master secret");
    let config = ClientConfig::new(b"urn:dev:1".to_vec(), Zeroizing::new(KEY.to_vec()));
    let resumption = first.resumption();
    let config = ClientConfig { suites: vec![suite], resumption, ..config };
    let mut second = Client::new(START, config, &mut ChaCha8Rng::seed_from_u64(9));
    let (mut edge, mut again) = (endpoint(), Vec::new());
    while let Some(datagram) = sent(&mut second).pop() {
        edge.receive(START, address(0), &datagram);
        while let Some(output) = edge.poll() {
            answer(&mut edge, output, &kept, |bytes| second.receive(START, bytes));
        }
        again.push(datagram);
    }
    assert_eq!((edge.counters().resumed, again.len()), (1, 3));
    (said, again, kept)
}

fn resumptions(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("resumption");
    for suite in SUITES.iter().filter(|suite| Suite::psk_defaults().contains(&suite.id)) {
        let (full, again, kept) = comes_back(suite.id);
        group.bench_function(format!("full handshake before it/{}", suite.name), |bencher| {
            bencher.iter_batched_ref(
                endpoint,
                |endpoint| {
                    for datagram in &full {
                        endpoint.receive(START, address(0), datagram);
                        drain(endpoint, Some(KEY), |bytes| {
                            black_box(bytes);
                        });
                    }
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("resumed handshake/{}", suite.name), |bencher| {
            bencher.iter_batched_ref(
                endpoint,
                |endpoint| {
                    play(endpoint, &again, &kept);
                    assert_eq!(endpoint.sessions(), 1);
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu::new());
    targets = records, handshakes, resumptions
}
criterion_main!(benches);
