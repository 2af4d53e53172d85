//! What the server side costs: a record opened and one sealed, a whole PSK handshake, and one that
//! resumes a session.
//!
//!     cargo bench -p claviger-dtls
//!
//! The client's work is not measured.

mod clock;
mod cpu;
mod play;

use claviger_dtls::{Content, SUITES, Suite};
use core::hint::black_box;
use cpu::Cpu;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use play::{
    ComesBack, KEY, START, address, client, drain, endpoint, handshake, play, sent, session,
};

/// That of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

fn resumptions(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("resumption");
    for suite in SUITES.iter().filter(|suite| Suite::psk_defaults().contains(&suite.id)) {
        let device = ComesBack::new(suite.id);
        group.bench_function(format!("full handshake before it/{}", suite.name), |bencher| {
            bencher.iter_batched_ref(
                || device.edge(),
                |endpoint| {
                    for datagram in &device.full {
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
                || device.edge(),
                |endpoint| {
                    play(endpoint, &device.again, &device.kept);
                    assert_eq!(endpoint.sessions(), 2);
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
