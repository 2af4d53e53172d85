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
                    // Whatever was opened by a pre-shared key can be resumed.
                    let opened = schedule::open_resumable(key, START, &call.evidence());
                    let (opened, kept) = opened.expect("the key is right");
                    black_box(kept);
                    assert!(endpoint.opened(START, call.call, opened));
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

/// A device that comes, and comes back, to an edge that serves others: its maps and buffers are there.
pub(crate) struct ComesBack {
    /// What the others have said: one is there, one is coming, one is coming back.
    others: Vec<(SocketAddr, Vec<u8>)>,
    /// The client's datagrams of a full handshake.
    pub(crate) full: Vec<Vec<u8>>,
    /// Those of a resumption.
    pub(crate) again: Vec<Vec<u8>>,
    /// What is kept between them.
    pub(crate) kept: Resumable,
}

impl ComesBack {
    pub(crate) fn new(suite: u16) -> Self {
        let others = others(suite);
        let (mut first, mut full, mut kept) = (client(0, suite), Vec::new(), None);
        let mut edge = edge(&others);
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
            full.push(datagram);
        }
        let kept = kept.expect("it has extended master secret");
        let again = again(&others, &mut coming_back(&first, 9, suite), &kept);
        Self { others, full, again, kept }
    }

    /// An edge that has the others.
    pub(crate) fn edge(&self) -> Endpoint {
        edge(&self.others)
    }
}

/// Another client, which resumes the session of the first.
fn coming_back(first: &Client, seed: u64, suite: u16) -> Client {
    let config = ClientConfig::new(b"urn:dev:1".to_vec(), Zeroizing::new(KEY.to_vec()));
    let config = ClientConfig { suites: vec![suite], resumption: first.resumption(), ..config };
    Client::new(START, config, &mut ChaCha8Rng::seed_from_u64(seed))
}

/// The datagrams of a client that resumes a session at an edge that has others.
fn again(others: &[(SocketAddr, Vec<u8>)], client: &mut Client, kept: &Resumable) -> Vec<Vec<u8>> {
    let (mut edge, mut said, mut derived) = (edge(others), Vec::new(), None);
    while let Some(datagram) = sent(client).pop() {
        edge.receive(START, address(0), &datagram);
        while let Some(output) = edge.poll() {
            answer(&mut edge, output, kept, &mut derived, |bytes| client.receive(START, bytes));
        }
        said.push(datagram);
    }
    assert_eq!((edge.counters().resumed, said.len()), (1, 3));
    said
}

/// What others say to an edge: a whole handshake, the two hellos of another, and those of one that
/// resumes.
fn others(suite: u16) -> Vec<(SocketAddr, Vec<u8>)> {
    let (mut edge, mut first) = (endpoint(), client(1, suite));
    let whole = handshake(&mut edge, &mut first, address(1));
    let clients = [(2, client(2, suite)), (3, coming_back(&first, 3, suite))];
    let mut said: Vec<_> = whole.into_iter().map(|datagram| (address(1), datagram)).collect();
    for (index, mut client) in clients {
        for _ in 0..2 {
            let hello = sent(&mut client).remove(0);
            edge.receive(START, address(index), &hello);
            drain(&mut edge, None, |bytes| client.receive(START, bytes));
            said.push((address(index), hello));
        }
    }
    assert_eq!((edge.sessions(), edge.half_open()), (1, 2));
    said
}

fn edge(others: &[(SocketAddr, Vec<u8>)]) -> Endpoint {
    let mut edge = endpoint();
    for (from, datagram) in others {
        edge.receive(START, *from, datagram);
        drain(&mut edge, Some(KEY), |bytes| {
            black_box(bytes);
        });
    }
    edge
}
