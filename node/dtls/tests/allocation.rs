//! What an endpoint allocates: nothing for a stranger, nothing for a record, little for a session.

use allocation_counter::{AllocationInfo, measure};
use claviger_dtls::{
    Client, ClientConfig, ClientOutput, ClusterKeys, Content, Endpoint, EndpointConfig, Output,
    ReplayWindow, SessionId, SessionKeys, StoredSession, Suite, schedule,
};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

const KEY: &[u8] = b"sixteen byte key";
const START: Duration = Duration::from_secs(1_800_000_000);

fn endpoint() -> Endpoint {
    let rng = Box::new(ChaCha8Rng::seed_from_u64(1));
    Endpoint::new(EndpointConfig::default(), ClusterKeys::new([1; 32], [2; 32]), rng)
}

fn address(index: u32) -> SocketAddr {
    (Ipv4Addr::from_bits(0x0A00_0000 + index), 5684).into()
}

fn client(seed: u64, suite: u16, cid: Option<Vec<u8>>) -> Client {
    let name = b"urn:dev:1".to_vec();
    let config = ClientConfig::new(name, Zeroizing::new(KEY.to_vec()));
    let config = ClientConfig { suites: vec![suite], cid, ..config };
    Client::new(START, config, &mut ChaCha8Rng::seed_from_u64(seed))
}

/// The client's datagrams.
fn sent(client: &mut Client) -> Vec<Vec<u8>> {
    let polled = core::iter::from_fn(|| client.poll());
    polled
        .filter_map(|output| match output {
            ClientOutput::Datagram(bytes) => Some(bytes),
            _ => None,
        })
        .collect()
}

/// Runs a handshake to its end.
fn establish(endpoint: &mut Endpoint, client: &mut Client, from: SocketAddr) -> SessionId {
    let mut session = None;
    while session.is_none() {
        for datagram in sent(client) {
            endpoint.receive(START, from, &datagram);
        }
        while let Some(output) = endpoint.poll() {
            match output {
                Output::Datagram { bytes, .. } => {
                    client.receive(START, &bytes);
                    endpoint.reuse(bytes);
                }
                Output::Open(call) => {
                    let opened = schedule::open(KEY, START, &call.evidence());
                    let opened = opened.expect("the key is right");
                    session = Some(opened.session);
                    assert!(endpoint.opened(START, call.call, opened));
                }
                _ => {}
            }
        }
    }
    session.expect("it was just opened")
}

/// Hands every buffer back.
fn drain(endpoint: &mut Endpoint) -> usize {
    let mut count = 0;
    while let Some(output) = endpoint.poll() {
        count += 1;
        match output {
            Output::Datagram { bytes, .. } => endpoint.reuse(bytes),
            Output::Record(record) => endpoint.reuse(record.payload),
            _ => {}
        }
    }
    count
}

#[test]
fn a_record_opened_and_one_sealed_allocate_nothing() {
    for id in Suite::psk_defaults() {
        for cid in [None, Some(vec![1, 2, 3])] {
            let (mut endpoint, mut client) = (endpoint(), client(7, id, cid));
            let session = establish(&mut endpoint, &mut client, address(1));
            let mut records = (0..200).map(|_| {
                client.send(&[7; 128]).expect("open");
                sent(&mut client).remove(0)
            });
            let mut sequence = 0;
            let mut exchange = |datagram: &[u8]| {
                sequence += 1;
                endpoint.receive(START, address(1), datagram);
                let content = Content::Application(&[9; 128]);
                endpoint.seal(session, sequence, None, content).expect("the number is new");
                assert_eq!(drain(&mut endpoint), 2);
            };
            records.by_ref().take(10).for_each(|datagram| exchange(&datagram));
            let rest: Vec<_> = records.collect();

            let spent = measure(|| rest.iter().for_each(|datagram| exchange(datagram)));

            assert_eq!(spent.count_total, 0, "{id:#06x}");
        }
    }
}

#[test]
fn what_does_not_verify_allocates_nothing() {
    let (mut endpoint, mut client) = (endpoint(), client(7, 0xC0A8, Some(Vec::new())));
    establish(&mut endpoint, &mut client, address(1));
    client.send(&[7; 128]).expect("open");
    let mut forged = sent(&mut client).remove(0);
    *forged.last_mut().expect("not empty") ^= 1;
    endpoint.receive(START, address(1), &forged);

    let spent = measure(|| (0..100).for_each(|_| endpoint.receive(START, address(1), &forged)));

    assert_eq!(spent.count_total, 0);
}

#[test]
fn before_its_cookie_a_stranger_costs_no_memory() {
    let mut endpoint = endpoint();
    let hello = sent(&mut client(7, 0xC0A8, None)).remove(0);
    endpoint.receive(START, address(0), &hello);
    drain(&mut endpoint);

    let spent = measure(|| {
        for index in 0..1_000 {
            endpoint.receive(START, address(index), &hello);
            assert_eq!(drain(&mut endpoint), 1);
        }
    });

    assert_eq!((spent.count_total, endpoint.half_open()), (0, 0));
    assert_eq!(endpoint.counters().cookies_sent, 1_001);
}

/// Opens so many sessions, and lets the time pass in which their handshakes are remembered.
fn idle(endpoint: &mut Endpoint, count: u32, cid: Option<Vec<u8>>) -> AllocationInfo {
    measure(|| {
        for index in 0..count {
            let mut client = client(u64::from(index), 0xC0A8, cid.clone());
            establish(endpoint, &mut client, address(index));
        }
        endpoint.handle_timeout(START + Duration::from_secs(300));
        drain(endpoint);
    })
}

#[test]
fn an_idle_session_holds_at_most_300_bytes_with_its_place_in_the_maps() {
    let count = 2_000_u32;
    for cid in [None, Some(Vec::new()), Some(vec![7; 8])] {
        let mut endpoint = endpoint();

        let spent = idle(&mut endpoint, count, cid.clone());

        let each = spent.bytes_current / i64::from(count);
        assert_eq!(endpoint.sessions(), count as usize);
        assert!(each <= 300, "{each} bytes with {cid:?}");
    }
}

/// A session as another edge has stored it.
fn stored(index: u32, cid: bool, peer_cid: Vec<u8>) -> StoredSession {
    // Names come in no order, as those of real sessions do: that decides how full a map's nodes are.
    let index = index.wrapping_mul(0x9E37_79B1);
    let mut session = [0; 16];
    session[..4].copy_from_slice(&index.to_be_bytes());
    let id = u64::from(index).to_be_bytes();
    StoredSession {
        session: SessionId(session),
        suite: 0xC0A8,
        keys: SessionKeys::from_bytes(&[7; 40]).expect("the key block of an AEAD"),
        extended_master_secret: true,
        cid: cid.then_some(id),
        peer_cid,
        peer: (Ipv4Addr::from_bits(index), 5684).into(),
        created: START,
        window: ReplayWindow::above(5),
        flight: None,
        record_limit: None,
        rrc: false,
    }
}

#[test]
fn of_a_hundred_thousand_idle_sessions_each_holds_at_most_300_bytes_beside_the_maps() {
    let count = 100_000_u32;
    for (cid, peer_cid) in [(false, Vec::new()), (true, Vec::new()), (true, vec![7; 8])] {
        let mut endpoint = endpoint();
        endpoint.let_rest();

        let spent = measure(|| {
            for index in 0..count {
                assert!(endpoint.restore(START, &stored(index, cid, peer_cid.clone())));
            }
        });

        // Beside its 16-byte name in two maps, of which the one also holds an address or an id.
        let maps = 16 + 16 + if cid { 8 } else { size_of::<SocketAddr>() as i64 };
        let each = spent.bytes_current / i64::from(count) - maps;
        assert_eq!(endpoint.sessions(), count as usize);
        assert!(each <= 300, "{each} bytes with {cid} {peer_cid:?}");
    }
}
