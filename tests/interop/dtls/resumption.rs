//! A client comes back and is spared the key exchange, whichever edge it meets.

use crate::peer;
use crate::server::Server;

/// OpenSSL's client twice: it writes its session to a file and reads it again.
async fn openssl_comes_back(cipher: &str, more: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("session").display().to_string();
    let mut server = Server::start().await;
    let mut first =
        peer::openssl(server.address(), cipher, &[more, &["-sess_out", &file]].concat());
    first.tell("said at first").await;
    server.hears("said at first").await;
    let said = server.during(first.end()).await;
    assert!(said.contains("New, "), "{said}");
    server.edge_is_new();

    let mut second =
        peer::openssl(server.address(), cipher, &[more, &["-sess_in", &file]].concat());
    second.tell("said again").await;
    let session = server.hears("said again").await;
    server.say(session, "heard again\n").await;
    server.during(second.says("heard again")).await;
    let said = server.during(second.end()).await;

    assert!(said.contains("Reused, "), "{said}");
    let counters = server.endpoint.counters();
    assert_eq!((counters.established, counters.resumed), (1, 1));
    assert_eq!((counters.opens, counters.cookies_accepted), (0, 1));
}

#[tokio::test]
async fn openssl_resumes_by_ticket() {
    openssl_comes_back("PSK-AES128-CCM8", &[]).await;
}

#[tokio::test]
async fn openssl_resumes_by_session_id() {
    openssl_comes_back("PSK-AES128-CCM8", &["-no_ticket"]).await;
}

#[tokio::test]
async fn openssl_resumes_with_gcm_by_ticket() {
    openssl_comes_back("PSK-AES128-GCM-SHA256", &[]).await;
}

#[tokio::test]
async fn openssl_resumes_with_cbc_by_session_id() {
    openssl_comes_back("PSK-AES128-CBC-SHA256", &["-no_ticket"]).await;
}

#[tokio::test]
async fn openssl_makes_a_full_handshake_when_its_session_is_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("session").display().to_string();
    let mut server = Server::start().await;
    let mut first = peer::openssl(server.address(), "PSK-AES128-CCM8", &["-sess_out", &file]);
    first.tell("said at first").await;
    server.hears("said at first").await;
    server.during(first.end()).await;
    server.kept.clear();

    let mut second = peer::openssl(server.address(), "PSK-AES128-CCM8", &["-sess_in", &file]);
    second.tell("said again").await;
    server.hears("said again").await;
    let said = server.during(second.end()).await;

    assert!(said.contains("New, "), "{said}");
    assert_eq!(server.endpoint.counters().resumed, 0);
}

#[tokio::test]
async fn gnutls_resumes() {
    let mut server = Server::start().await;
    let mut peer = peer::gnutls(server.address(), "AES-128-CCM-8", &["-r"]);

    // It makes a connection, drops it, and comes back by itself.
    server.during(peer.says("This is a resumed session")).await;
    peer.tell("said again").await;
    let session = server.hears("said again").await;
    server.say(session, "heard again\n").await;
    server.during(peer.says("heard again")).await;

    let counters = server.endpoint.counters();
    assert_eq!((counters.established, counters.resumed), (2, 1));
}
