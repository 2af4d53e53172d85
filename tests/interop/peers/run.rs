//! One mode with one peer: who does what in which order, and what must come of it.

use crate::client::{Agreed, Device};
use crate::coap;
use crate::mode::{By, Feature, Keys, Mode};
use crate::nat::Nat;
use crate::pki::Pki;
use crate::server::{NAME, Opening, Order, Seen, Server};
use crate::stack::{ComesBack, Manner, Stack, Task};
use claviger_dtls::{Claim, Presented};
use claviger_tests::Peer;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicU16, Ordering};
use tokio::net::UdpSocket;

/// They connect to us; a datagram of the handshake may be lost.
pub(crate) async fn their_client(stack: &dyn Stack, pki: &Pki, mode: &Mode, lost: Option<u32>) {
    let server = Server::start(pki, mode.suite).await;
    let nat = Nat::start(server.address, lost).await;
    let through_nat = mode.feature == Feature::NewAddress || lost.is_some();
    let address = if through_nat { nat.address } else { server.address };
    let mut peer = stack.connect(&Task { pki, address, mode, again: false });
    if mode.resumption().is_some() && stack.comes_back() == ComesBack::ByItself {
        hears_back(&mut peer, "said again").await;
        return resumed(&server.seen(), mode);
    }
    match stack.manner() {
        Manner::Coap => peer.says(coap::WORDS).await,
        Manner::Talks | Manner::Echoes => hears_back(&mut peer, "said at first").await,
    }
    let seen = server.seen();
    assert_eq!(seen.openings.len(), 1, "{seen:?}");
    opened(&seen.openings[0], pki, mode);
    match mode.feature {
        Feature::Handshake | Feature::ConnectionId | Feature::OneConnectionId => {}
        Feature::NewAddress => {
            nat.rebind();
            hears_back(&mut peer, "said from elsewhere").await;
            moved(&server.seen());
        }
        Feature::Takeover | Feature::TakeoverWithId => {
            server.order(Order::EdgeDies).await;
            hears_back(&mut peer, "said to the next edge").await;
            taken_over(&server.seen());
        }
        Feature::Resumption(_) => {
            if stack.comes_back() == ComesBack::Restarted {
                peer.end().await;
                server.order(Order::EdgeIsNew).await;
                peer = stack.connect(&Task { pki, address, mode, again: true });
            } else {
                server.order(Order::EdgeIsNew).await;
                peer.tell("!again").await;
            }
            hears_back(&mut peer, "said again").await;
            resumed(&server.seen(), mode);
        }
    }
}

/// Our server answers in capitals.
async fn hears_back(peer: &mut Peer, words: &str) {
    peer.tell(words).await;
    peer.says(&words.to_uppercase()).await;
}

fn opened(opening: &Opening, pki: &Pki, mode: &Mode) {
    assert_eq!(opening.suite, mode.suite);
    assert_eq!(opening.cid, mode.has_ids(), "{opening:?}");
    match (mode.keys, opening.claim.as_ref().expect("it was a full handshake")) {
        (Keys::Psk, Claim::Psk { identity }) => assert_eq!(identity, NAME.as_bytes()),
        (Keys::Rpk, Claim::Key(Presented::RawPublicKey(key))) => {
            assert_eq!(*key, pki.public("client"));
        }
        (Keys::X509, Claim::Key(Presented::Chain(chain))) => {
            assert_eq!(chain.first(), Some(&pki.certificate("client")));
        }
        (keys, claim) => panic!("{claim:?} with {keys:?}"),
    }
    if let Some(by) = mode.resumption() {
        assert_eq!(opening.ticket, by == By::Ticket, "{opening:?}");
    }
}

fn resumed(seen: &Seen, mode: &Mode) {
    let [first, second] = &seen.openings[..] else { panic!("not two sessions: {seen:?}") };
    assert_eq!(Some(first.ticket), mode.resumption().map(|by| by == By::Ticket), "{first:?}");
    assert!(!first.resumed && second.resumed, "{seen:?}");
    assert_eq!((first.suite, second.suite), (mode.suite, mode.suite));
}

fn moved(seen: &Seen) {
    let [first, .., last] = &seen.heard[..] else { panic!("not heard twice: {seen:?}") };
    assert_eq!(first.0, last.0);
    assert_ne!(first.1, last.1);
    assert_eq!(seen.openings.len(), 1, "{seen:?}");
}

fn taken_over(seen: &Seen) {
    let [first, .., last] = &seen.heard[..] else { panic!("not heard twice: {seen:?}") };
    assert_eq!(first.0, last.0);
    let counters = &seen.counters;
    assert_eq!((counters.restored, counters.cookies_sent, counters.established), (1, 0, 0));
}

/// We connect to them; a datagram of the handshake may be lost.
pub(crate) async fn their_server(stack: &dyn Stack, pki: &Pki, mode: &Mode, lost: Option<u32>) {
    let address = free_address().await;
    let mut peer = stack.serve(&Task { pki, address, mode, again: false });
    peer.says(stack.ready()).await;
    let nat = Nat::start(address, lost).await;
    let address = if lost.is_some() { nat.address } else { address };
    let mut device = Device::start(pki, address, mode, None).await;
    let agreed = Agreed { suite: mode.suite, cid: mode.has_ids(), resumed: false };
    assert_eq!(device.open().await, agreed);
    exchange(&mut device, &mut peer, stack.manner(), "at first").await;
    match mode.feature {
        Feature::NewAddress => {
            device.rebind().await;
            exchange(&mut device, &mut peer, stack.manner(), "from elsewhere").await;
        }
        Feature::Resumption(_) => {
            let resumption = device.resumption();
            device.close().await;
            let mut device = Device::start(pki, address, mode, Some(resumption)).await;
            assert_eq!(device.open().await, Agreed { resumed: true, ..agreed });
            exchange(&mut device, &mut peer, stack.manner(), "again").await;
        }
        _ => {}
    }
}

async fn exchange(device: &mut Device, peer: &mut Peer, manner: Manner, words: &str) {
    if manner == Manner::Coap {
        device.send(&coap::GET).await;
        return assert!(coap::is_content(&device.receive().await));
    }
    let said = format!("said {words}");
    device.send(format!("{said}\n").as_bytes()).await;
    let answer = match manner {
        Manner::Echoes => said,
        Manner::Talks => {
            peer.says(&said).await;
            let answer = format!("answered {words}");
            peer.tell(&answer).await;
            answer
        }
        Manner::Coap => unreachable!("it was dealt with"),
    };
    let heard = device.receive().await;
    assert_eq!(String::from_utf8_lossy(&heard).trim_end(), answer);
}

/// An address that no socket takes unless it asks for this very one: below the ephemeral ports.
async fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        // libcoap takes the port below too.
        let step = NEXT.fetch_add(2, Ordering::Relaxed);
        let port = 20_001 + (std::process::id() as u16 & !1 ^ step) % 10_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if UdpSocket::bind(address).await.is_ok() {
            return address;
        }
    }
}
