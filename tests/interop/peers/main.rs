//! The DTLS engine alone, on real sockets, against stacks that are not ours: every mode of
//! `mode.rs`, with each peer as a client and as a server, and what stands in `PEERS.md` about it.
//!
//! Each run exchanges data both ways and checks what was agreed on. What a peer cannot do it says
//! in its file under `stack`, with the reason; nothing is skipped otherwise, and a peer that is
//! missing fails. `tests/setup` installs them. A new peer is a file there, an entry in `all`, and a
//! test below. `loss.rs` loses each datagram of a handshake in turn; `variants.rs` has what stands in
//! no table. Whole nodes meet OpenSSL and GnuTLS in `tests/interop/openssl`.

mod client;
mod coap;
mod loss;
mod mode;
mod nat;
mod pki;
mod run;
mod server;
mod stack;
mod table;
mod variants;

/// Everything that a peer says that it can.
async fn agrees(name: &str) {
    let index = stack::all().iter().position(|stack| stack.name() == name).expect("it is listed");

    let column = table::column(index).await;

    assert_eq!(column.failures(), "");
}

#[tokio::test]
async fn openssl_of_the_system_does_what_it_can() {
    agrees("OpenSSL 3.0").await;
}

#[tokio::test]
async fn openssl_does_what_it_can() {
    agrees("OpenSSL 4.0").await;
}

#[tokio::test]
async fn gnutls_does_what_it_can() {
    agrees("GnuTLS").await;
}

#[tokio::test]
async fn pion_does_what_it_can() {
    agrees("pion").await;
}

#[tokio::test]
async fn scandium_does_what_it_can() {
    agrees("Scandium").await;
}

#[tokio::test]
async fn webrtc_dtls_does_what_it_can() {
    agrees("webrtc-dtls").await;
}

#[tokio::test]
async fn dimpl_does_what_it_can() {
    agrees("dimpl").await;
}

#[tokio::test]
async fn mbed_tls_does_what_it_can() {
    agrees("Mbed TLS").await;
}

#[tokio::test]
async fn tinydtls_does_what_it_can() {
    agrees("tinydtls").await;
}

#[tokio::test]
async fn libcoap_on_openssl_does_what_it_can() {
    agrees("libcoap, OpenSSL").await;
}

#[tokio::test]
async fn libcoap_on_gnutls_does_what_it_can() {
    agrees("libcoap, GnuTLS").await;
}

#[tokio::test]
async fn what_is_written_of_the_peers_is_what_was_seen() {
    let running: Vec<_> = (0..stack::COUNT).map(|at| tokio::spawn(table::column(at))).collect();
    let mut columns = Vec::new();
    for column in running {
        columns.push(column.await.expect("it ends"));
    }

    let seen = table::text(&columns);

    table::compare(&seen);
}
