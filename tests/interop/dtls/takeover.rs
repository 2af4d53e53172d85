//! A session outlives the edge that made it: the client notices nothing.

use crate::peer;
use crate::server::Server;
use claviger_tests::Peer;
use core::net::SocketAddr;

/// Two edges in turn for one session of a client.
async fn goes_on(start: impl FnOnce(SocketAddr) -> Peer) {
    let mut server = Server::start().await;
    let mut peer = start(server.address());
    peer.tell("said to the first").await;
    let session = server.hears("said to the first").await;
    server.say(session, "heard by the first\n").await;
    server.during(peer.says("heard by the first")).await;

    server.edge_dies();

    peer.tell("said to the second").await;
    assert_eq!(server.hears("said to the second").await, session);
    server.say(session, "heard by the second\n").await;
    server.during(peer.says("heard by the second")).await;
    let counters = server.endpoint.counters();
    assert_eq!((counters.restored, counters.cookies_sent, counters.established), (1, 0, 0));
}

#[tokio::test]
async fn openssl_goes_on_with_ccm_8() {
    goes_on(|server| peer::openssl(server, "PSK-AES128-CCM8", &[])).await;
}

#[tokio::test]
async fn openssl_goes_on_with_gcm() {
    goes_on(|server| peer::openssl(server, "PSK-AES128-GCM-SHA256", &[])).await;
}

#[tokio::test]
async fn gnutls_goes_on_with_ccm_8() {
    goes_on(|server| peer::gnutls(server, "AES-128-CCM-8", &[])).await;
}

#[tokio::test]
async fn gnutls_goes_on_with_ccm() {
    goes_on(|server| peer::gnutls(server, "AES-128-CCM", &[])).await;
}
