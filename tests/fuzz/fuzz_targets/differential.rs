//! A handshake with dimpl, either end ours, whose datagrams are changed. Whether it comes to an end
//! is open; if both ends say that it did, both have the same keys.
//!
//! The first byte says which end is ours. Behind it stand changes, five bytes each: the number of a
//! datagram, what is done to it, where (two bytes), and a value.
#![no_main]

use claviger_dtls::{Client, ClientOutput};
use claviger_fuzz::{KEY, NAME, Server, device, said};
use dimpl::{Config, Dtls, Output, PskResolver};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// What is said once both are open.
const DATA: &[u8] = b"under the same keys";

struct Key;

impl PskResolver for Key {
    fn resolve(&self, identity: &[u8]) -> Option<Vec<u8>> {
        (identity == NAME).then(|| KEY.to_vec())
    }
}

/// The other end.
struct Dimpl {
    dtls: Dtls,
    open: bool,
    read: Vec<Vec<u8>>,
    dead: bool,
}

/// Made once for each end: it takes much longer than a handshake.
fn config(client: bool) -> Arc<Config> {
    static CONFIGS: [OnceLock<Arc<Config>>; 2] = [const { OnceLock::new() }; 2];
    let made = CONFIGS[usize::from(client)].get_or_init(|| {
        let config = Config::builder().dangerously_set_rng_seed(3);
        let config = if client {
            config.with_psk_client(NAME.to_vec(), Arc::new(Key))
        } else {
            config.with_psk_server(None, Arc::new(Key))
        };
        Arc::new(config.build().expect("good"))
    });
    Arc::clone(made)
}

impl Dimpl {
    fn new(client: bool) -> Self {
        let mut dtls = Dtls::new_12_psk(config(client), Instant::now());
        dtls.set_active(client);
        Self { dtls, open: false, read: Vec::new(), dead: false }
    }

    fn receive(&mut self, datagram: &[u8]) {
        self.dead = self.dead || self.dtls.handle_packet(datagram).is_err();
    }

    fn said(&mut self) -> Vec<Vec<u8>> {
        let (mut datagrams, mut buffer) = (Vec::new(), vec![0; 4096]);
        if self.dead || self.dtls.handle_timeout(Instant::now()).is_err() {
            self.dead = true;
            return datagrams;
        }
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => datagrams.push(packet.to_vec()),
                Output::Connected => self.open = true,
                Output::ApplicationData(data) => self.read.push(data.to_vec()),
                Output::Timeout(_) | Output::CloseNotify => return datagrams,
                Output::BufferTooSmall { .. } => return datagrams,
                _ => {}
            }
        }
    }
}

/// What happens to the datagrams on their way.
struct Changes<'a> {
    changes: &'a [[u8; 5]],
    nth: u8,
}

impl Changes<'_> {
    /// What arrives of a datagram.
    fn arrive(&mut self, mut datagram: Vec<u8>) -> Vec<Vec<u8>> {
        let nth = self.nth;
        self.nth = self.nth.saturating_add(1);
        let mut copies = 1;
        for [_, what, high, low, value] in self.changes.iter().filter(|change| change[0] == nth) {
            let at = usize::from(u16::from_be_bytes([*high, *low])) % datagram.len().max(1);
            match what % 5 {
                0 if !datagram.is_empty() => datagram[at] ^= *value,
                1 if !datagram.is_empty() => datagram[at] = *value,
                2 => datagram.truncate(at),
                3 => datagram.insert(at.min(datagram.len()), *value),
                _ => copies = usize::from(value % 3),
            }
        }
        vec![datagram; copies]
    }
}

fn server_is_ours(changes: &mut Changes<'_>) {
    let (mut server, mut peer) = (Server::default(), Dimpl::new(true));
    for _ in 0..8 {
        let mut answers = Vec::new();
        for datagram in peer.said().into_iter().flat_map(|it| changes.arrive(it)) {
            answers.extend(server.receive(&datagram));
        }
        for answer in answers.into_iter().flat_map(|it| changes.arrive(it)) {
            peer.receive(&answer);
        }
    }
    if server.sessions.is_empty() || !peer.open || peer.dead {
        return;
    }
    server.send(DATA).iter().for_each(|datagram| peer.receive(datagram));
    peer.said();
    assert_eq!(peer.read, [DATA]);
    peer.dtls.send_application_data(DATA).expect("it is open");
    for datagram in peer.said() {
        server.receive(&datagram);
    }
    assert_eq!(server.read.last().map(|it| &it[..]), Some(DATA));
}

fn client_is_ours(changes: &mut Changes<'_>) {
    let (mut client, mut peer): (Client, _) = (device(0, None), Dimpl::new(false));
    let (now, mut reports) = (claviger_fuzz::START, Vec::new());
    for _ in 0..8 {
        let datagrams = said(&mut client, &mut reports);
        for datagram in datagrams.into_iter().flat_map(|it| changes.arrive(it)) {
            peer.receive(&datagram);
        }
        for answer in peer.said().into_iter().flat_map(|it| changes.arrive(it)) {
            client.receive(now, &answer);
        }
    }
    let open = reports.iter().any(|it| matches!(it, ClientOutput::Established { .. }));
    if !open || !peer.open || peer.dead || client.send(DATA).is_err() {
        return;
    }
    said(&mut client, &mut reports).iter().for_each(|datagram| peer.receive(datagram));
    peer.said();
    assert_eq!(peer.read.last().map(|it| &it[..]), Some(DATA));
    peer.dtls.send_application_data(DATA).expect("it is open");
    peer.said().iter().for_each(|datagram| client.receive(now, datagram));
    said(&mut client, &mut reports);
    assert_eq!(reports.last(), Some(&ClientOutput::Data(DATA.to_vec())));
}

fuzz_target!(|bytes: &[u8]| {
    let [role, rest @ ..] = bytes else { return };
    let mut changes = Changes { changes: rest.as_chunks().0, nth: 0 };
    if role & 1 == 0 { server_is_ours(&mut changes) } else { client_is_ours(&mut changes) }
});
