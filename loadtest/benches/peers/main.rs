//! Both ends of a session in memory, ours and those of webrtc-dtls in one run: a whole handshake by a
//! pre-shared key, a mutual one by certificates, and a record of 128 bytes there and one back.
//!
//!     cargo bench -p claviger-loadtest --bench peers
//!
//! Times are of the thread's processor, so that others do not count; the ratios are what is worth
//! quoting. Ours are called one after the other; webrtc-dtls comes with tasks and channels, and they
//! are in its figures, since nobody can use it without. Neither validates a chain here, and both
//! verify the signature of their peer. An end of ours that serves signs and opens by itself what a
//! ledger node does in the product.

#[path = "../../../node/dtls/benches/clock.rs"]
mod clock;
#[path = "../../../node/dtls/benches/cpu.rs"]
mod cpu;
mod ours;
mod theirs;

use core::time::Duration;
use cpu::Cpu;
use criterion::measurement::Measurement;
use criterion::{Criterion, criterion_group, criterion_main};

/// By what both ends prove themselves; all use AES-128-CCM with tags of 8 bytes.
#[derive(Clone, Copy)]
enum Credential {
    Psk,
    Certificate,
}

/// What is sent in a record.
const TEXT: [u8; 128] = [7; 128];
const KEY: &[u8] = b"sixteen byte key";

fn handshakes(criterion: &mut Criterion<Cpu>) {
    for (name, credential) in [
        ("handshake by pre-shared key", Credential::Psk),
        ("mutual handshake by certificates", Credential::Certificate),
    ] {
        let mut group = criterion.benchmark_group(name);
        let ours = ours::Setup::new(credential);
        group.bench_function("claviger", |bencher| {
            bencher.iter_custom(|count| spent(|| (0..count).for_each(|_| drop(ours.connect()))));
        });
        let theirs = theirs::Setup::new(credential);
        group.bench_function("webrtc-dtls", |bencher| {
            bencher.iter_custom(|count| spent(|| (0..count).for_each(|_| drop(theirs.connect()))));
        });
    }
}

fn records(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("a record of 128 bytes there and one back");
    let setup = ours::Setup::new(Credential::Psk);
    let mut pair = setup.connect();
    group.bench_function("claviger", |bencher| {
        bencher.iter_custom(|count| spent(|| (0..count).for_each(|_| pair.there_and_back())));
    });
    let setup = theirs::Setup::new(Credential::Psk);
    let pair = setup.connect();
    group.bench_function("webrtc-dtls", |bencher| {
        bencher.iter_custom(|count| spent(|| setup.there_and_back(&pair, count)));
    });
}

fn spent(work: impl FnOnce()) -> Duration {
    let cpu = Cpu::new();
    let start = cpu.start();
    work();
    cpu.end(start)
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu::new());
    targets = handshakes, records
}
criterion_main!(benches);
