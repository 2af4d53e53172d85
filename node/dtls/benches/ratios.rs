//! Figures that hold on a machine that does other things too: the least thread CPU time of many short
//! turns, one kind after the other, so that what disturbs one disturbs all.
//!
//!     cargo bench -p claviger-dtls --bench ratios
//!
//! With a kind and a number it does that so often and prints nothing, for a program that counts
//! instructions; the difference of two numbers is without what stands before it:
//!
//!     valgrind --tool=callgrind target/release/deps/ratios-... resumed 1000

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program, not the crate")]

mod clock;
mod ends;
mod play;

use claviger_dtls::Content;
use core::hint::black_box;
use core::time::Duration;
use ends::{Clock, Ends, bare_curves};
use play::{
    ComesBack, KEY, START, address, client, drain, endpoint, handshake, play, sent, session,
};

/// That of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// TLS_PSK_WITH_AES_128_CCM_8 and TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8.
const PSK: u16 = 0xC0A8;
const ECDSA: u16 = 0xC0AE;
const TURNS: usize = 400;

/// Does something so often; gives what it took by this clock.
type Run = Box<dyn FnMut(usize, Clock<'_>) -> Duration>;

struct Kind {
    name: &'static str,
    /// How often in a turn.
    batch: usize,
    run: Run,
}

fn timed(count: usize, clock: Clock<'_>, once: impl FnMut(usize)) -> Duration {
    let start = clock();
    (0..count).for_each(once);
    clock().saturating_sub(start)
}

fn full() -> Run {
    let device = ComesBack::new(PSK);
    Box::new(move |count, clock| {
        let mut edges: Vec<_> = (0..count).map(|_| device.edge()).collect();
        timed(count, clock, |nth| {
            for datagram in &device.full {
                edges[nth].receive(START, address(0), datagram);
                drain(&mut edges[nth], Some(KEY), |bytes| {
                    black_box(bytes);
                });
            }
            assert_eq!(edges[nth].sessions(), 2);
        })
    })
}

fn resumed() -> Run {
    let device = ComesBack::new(PSK);
    Box::new(move |count, clock| {
        let mut edges: Vec<_> = (0..count).map(|_| device.edge()).collect();
        timed(count, clock, |nth| {
            play(&mut edges[nth], &device.again, &device.kept);
            assert_eq!(edges[nth].sessions(), 2);
        })
    })
}

/// Edges alone, which the two above have in common.
fn edges() -> Run {
    let device = ComesBack::new(PSK);
    Box::new(move |count, clock| {
        timed(count, clock, |_| {
            black_box(device.edge());
        })
    })
}

fn record() -> Run {
    let (mut endpoint, mut client) = (endpoint(), client(0, PSK));
    handshake(&mut endpoint, &mut client, address(0));
    let id = session(&mut endpoint, &mut client, address(0));
    let mut sequence = 0;
    Box::new(move |count, clock| {
        let mut next = || {
            client.send(&[7; 128]).expect("open");
            sent(&mut client).remove(0)
        };
        let datagrams: Vec<_> = (0..count).map(|_| next()).collect();
        timed(count, clock, |nth| {
            sequence += 1;
            endpoint.receive(START, address(0), &datagrams[nth]);
            let content = Content::Application(&[9; 128]);
            endpoint.seal(id, sequence, None, content).expect("the number is new");
            drain(&mut endpoint, None, |bytes| {
                black_box(bytes);
            });
        })
    })
}

fn mutual() -> Run {
    Box::new(|count, clock| (0..count).map(|_| Ends::new(ECDSA).run(clock)).sum())
}

fn curves() -> Run {
    let mut once = bare_curves();
    Box::new(move |count, clock| timed(count, clock, |_| once()))
}

fn kinds() -> Vec<Kind> {
    let kind = |name, batch, run| Kind { name, batch, run };
    vec![
        kind("full", 64, full()),
        kind("resumed", 64, resumed()),
        kind("edge", 64, edges()),
        kind("record", 512, record()),
        kind("mutual", 4, mutual()),
        kind("curves", 4, curves()),
    ]
}

fn main() {
    let mut kinds = kinds();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [name, count] = &words[..] {
        let kind = kinds.iter_mut().find(|kind| kind.name == name).expect("a kind");
        // Such programs have no clock of a thread.
        (kind.run)(count.parse().expect("a number"), &|| Duration::ZERO);
        return;
    }
    let mut least = vec![Duration::MAX; kinds.len()];
    for _ in 0..TURNS {
        for (kind, least) in kinds.iter_mut().zip(&mut least) {
            *least = (*least).min((kind.run)(kind.batch, &clock::now));
        }
    }
    let micros = |name| {
        let at = kinds.iter().position(|kind| kind.name == name).expect("a kind");
        least[at].as_secs_f64() * 1e6 / kinds[at].batch as f64
    };
    kinds.iter().for_each(|kind| println!("{:10} {:8.3} us", kind.name, micros(kind.name)));
    println!("resumed / full {:.3}", micros("resumed") / micros("full"));
    println!("mutual / curves {:.3}", micros("mutual") / micros("curves"));
}
