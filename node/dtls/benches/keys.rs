//! What handshakes with keys that sign cost the server side, against the bare cost of their curve
//! operations in aws-lc-rs.
//!
//!     cargo bench -p claviger-dtls --bench keys
//!
//! Of a whole handshake only the server's calls are timed. A mutual one on P-256 has four curve
//! operations there: an ephemeral key, a signature, a verification, an agreement.

mod clock;
mod cpu;
mod ends;

use claviger_dtls::Suite;
use cpu::Cpu;
use criterion::{Criterion, criterion_group, criterion_main};
use ends::{Ends, bare_curves};

fn handshakes(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("mutual handshake with raw public keys");
    let signed = Suite::defaults().into_iter().filter(|id| !Suite::psk_defaults().contains(id));
    for suite in signed.filter_map(Suite::by_id) {
        group.bench_function(suite.name, |bencher| {
            bencher.iter_custom(|count| {
                (0..count).map(|_| Ends::new(suite.id).run(&clock::now)).sum()
            });
        });
    }
}

fn curves(criterion: &mut Criterion<Cpu>) {
    criterion.bench_function("the four curve operations of a mutual handshake", |bencher| {
        bencher.iter(bare_curves());
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu::new());
    targets = handshakes, curves
}
criterion_main!(benches);
