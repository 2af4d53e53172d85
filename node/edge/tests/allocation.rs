//! What a session costs an edge in memory once its handshake is forgotten.

use allocation_counter::measure;
use claviger_dtls::schedule::{self, Evidence};
use claviger_dtls::{Client, ClientConfig, ClientOutput, ClusterKeys, Endpoint, EndpointConfig};
use claviger_edge::{Edge, Output};
use claviger_front::{FromEdge, Open, Opened, ToEdge};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

const KEY: &[u8] = b"sixteen byte key";
const START: Duration = Duration::from_secs(1_800_000_000);

fn edge() -> Edge {
    let rng = Box::new(ChaCha8Rng::seed_from_u64(1));
    let keys = ClusterKeys::new([1; 32], [2; 32]);
    let endpoint = Endpoint::new(EndpointConfig::default(), keys, rng);
    let mut edge = Edge::new("coaps", "default", endpoint);
    edge.frame(START, &ToEdge::Beat(START.as_millis() as u64).encode()).expect("it is ours");
    edge
}

/// What the ledger answers.
fn opened(open: &Open) -> Zeroizing<Vec<u8>> {
    let evidence = Evidence {
        transcript: &open.transcript,
        finished: &open.finished,
        suite: open.suite,
        cid: open.cid.as_ref().map(|cid| &cid[..]),
        peer_cid: open.peer_cid.as_deref(),
        shared: None,
    };
    let opened = schedule::open(KEY, START, &evidence).expect("the key is right");
    let frame = ToEdge::Opened(Opened {
        call: open.call,
        session: opened.session.0,
        tenant: "default".into(),
        device: String::from_utf8(open.identity.clone()).expect("a name"),
        keys: opened.keys.to_bytes().to_vec(),
        verify_data: opened.verify_data,
    });
    frame.encode()
}

/// Opens the session of one device.
fn establish(edge: &mut Edge, index: u32, cid: Option<Vec<u8>>) {
    let name = format!("urn:dev:mac:0024befffe{index:06}").into_bytes();
    let config = ClientConfig { cid, ..ClientConfig::new(name, Zeroizing::new(KEY.to_vec())) };
    let mut client = Client::new(START, config, &mut ChaCha8Rng::seed_from_u64(index.into()));
    let from: SocketAddr = (Ipv4Addr::from_bits(0x0A00_0000 + index), 5684).into();
    loop {
        match client.poll() {
            Some(ClientOutput::Datagram(bytes)) => edge.receive(START, from, &bytes),
            // What is not used rests.
            Some(ClientOutput::Established { .. }) => client.send(b"here").expect("it is open"),
            None => return,
            other => panic!("{other:?}"),
        }
        while let Some(output) = edge.poll() {
            match output {
                Output::Datagram { bytes, .. } => {
                    client.receive(START, &bytes);
                    edge.reuse(bytes);
                }
                Output::Frame(frame) => {
                    if let Ok(FromEdge::Open(open)) = FromEdge::decode(&frame) {
                        edge.frame(START, &opened(&open)).expect("it is ours");
                    }
                }
                Output::Event(_) => {}
            }
        }
    }
}

#[test]
fn an_idle_session_with_its_owner_holds_at_most_300_bytes_beside_its_names() {
    #[expect(clippy::disallowed_methods, reason = "the one setting of tests")]
    let long = std::env::var_os("CLAVIGER_LONG").is_some();
    let count = if long { 100_000 } else { 4_000 };
    for cid in [None, Some(Vec::new()), Some(vec![7; 8])] {
        let mut edge = edge();

        let spent = measure(|| {
            (0..count).for_each(|index| establish(&mut edge, index, cid.clone()));
            edge.handle_timeout(START + Duration::from_secs(300));
            while edge.poll().is_some() {}
        });

        // Its own name twice, and once beside an id or an address.
        let names = 3 * 16 + if cid.is_some() { 8 } else { size_of::<SocketAddr>() as i64 };
        let each = spent.bytes_current / i64::from(count) - names;
        assert_eq!(edge.report().sessions, count as usize);
        assert!(each <= 300, "{each} bytes with {cid:?}");
    }
}
