//! Handshakes that were recorded, and are played to endpoints: one with the same seed gives the same
//! answers, so that the client's work is not measured.

use claviger_dtls::resume::{self, Derived, Resumable};
use claviger_dtls::{
    CheckKey, Client, ClientConfig, ClientOutput, ClusterKeys, CookieKeys, Endpoint,
    EndpointConfig, Output, SessionId, schedule,
};
use core::hint::black_box;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

pub(crate) const KEY: &[u8] = b"sixteen byte key";
pub(crate) const START: Duration = Duration::from_secs(1_800_000_000);

pub(crate) fn endpoint() -> Endpoint {
    let rng = Box::new(ChaCha8Rng::seed_from_u64(1));
    let config = EndpointConfig { resumption: true, ..EndpointConfig::default() };
    Endpoint::new(config, cluster(), rng)
}

/// What an edge is handed.
fn cluster() -> ClusterKeys {
    let check = CheckKey { configuration: CheckKey::FIRST, key: [2; 32] };
    ClusterKeys::handed_out(CookieKeys::at(&[1; 32], START), vec![check])
}

pub(crate) fn address(index: u32) -> SocketAddr {
    (Ipv4Addr::from_bits(0x0A00_0000 + index), 5684).into()
}

pub(crate) fn client(seed: u64, suite: u16) -> Client {
    let config = ClientConfig::new(b"urn:dev:1".to_vec(), Zeroizing::new(KEY.to_vec()));
    let config = ClientConfig { suites: vec![suite], ..config };
    Client::new(START, config, &mut ChaCha8Rng::seed_from_u64(seed))
}

pub(crate) fn sent(client: &mut Client) -> Vec<Vec<u8>> {
    let polled = core::iter::from_fn(|| client.poll());
    polled
        .filter_map(|output| match output {
            ClientOutput::Datagram(bytes) => Some(bytes),
            _ => None,
        })
        .collect()
}

/// Takes what the endpoint has to say; answers its credential steps, if `key` is given.
pub(crate) fn drain(endpoint: &mut Endpoint, key: Option<&[u8]>, mut each: impl FnMut(&[u8])) {
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
pub(crate) fn handshake(
    endpoint: &mut Endpoint,
    client: &mut Client,
    from: SocketAddr,
) -> Vec<Vec<u8>> {
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
pub(crate) fn session(endpoint: &mut Endpoint, client: &mut Client, from: SocketAddr) -> SessionId {
    client.send(b"who am I").expect("open");
    endpoint.receive(START, from, &sent(client)[0]);
    match endpoint.poll() {
        Some(Output::Record(record)) => record.session,
        other => panic!("no record: {other:?}"),
    }
}

/// Plays a client's datagrams to an endpoint that answers by what was kept of its first session.
pub(crate) fn play(endpoint: &mut Endpoint, said: &[Vec<u8>], kept: &Resumable) {
    let mut derived = None;
    for datagram in said {
        endpoint.receive(START, address(0), datagram);
        while let Some(output) = endpoint.poll() {
            answer(endpoint, output, kept, &mut derived, |bytes| {
                black_box(bytes);
            });
        }
    }
}

/// Does as the ledger's side: what the first step of a resumption derives is there for the second.
pub(crate) fn answer(
    endpoint: &mut Endpoint,
    output: Output,
    kept: &Resumable,
    derived: &mut Option<Derived>,
    mut each: impl FnMut(&[u8]),
) {
    match output {
        Output::Datagram { bytes, .. } => {
            each(&bytes);
            endpoint.reuse(bytes);
        }
        Output::NeedSession(call) => {
            if let Some(offer) = call.offer() {
                let accepted = resume::accept(kept, START, &offer);
                let (accepted, begun) = accepted.expect("it is the same client");
                *derived = Some(begun);
                endpoint.resumed(START, call.call, &accepted);
            } else if let Some(evidence) = call.evidence() {
                let derived = derived.take().expect("the first step comes first");
                let opened = derived.open(START, &evidence).expect("the secret is right");
                assert!(endpoint.opened(START, call.call, opened));
            }
        }
        _ => {}
    }
}

/// A client's datagrams of a full handshake and of a resumption, and what is kept between them.
pub(crate) fn comes_back(suite: u16) -> (Vec<Vec<u8>>, Vec<Vec<u8>>, Resumable) {
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
    let (mut edge, mut again, mut derived) = (endpoint(), Vec::new(), None);
    while let Some(datagram) = sent(&mut second).pop() {
        edge.receive(START, address(0), &datagram);
        while let Some(output) = edge.poll() {
            let each = |bytes: &[u8]| second.receive(START, bytes);
            answer(&mut edge, output, &kept, &mut derived, each);
        }
        again.push(datagram);
    }
    assert_eq!((edge.counters().resumed, again.len()), (1, 3));
    (said, again, kept)
}
