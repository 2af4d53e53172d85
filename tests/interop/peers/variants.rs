//! What OpenSSL and GnuTLS vary beyond the modes of the table: MAC-then-encrypt, groups, suites of
//! takeover and resumption, a server that asks for no key, a session that is forgotten.

use crate::mode::{By, Feature, Keys, Mode};
use crate::pki::Pki;
use crate::run;
use crate::server::{Order, Server};
use crate::stack::{GnuTls, OpenSsl, Stack, Task};

async fn client(stack: OpenSsl, mode: &Mode) {
    run::their_client(&stack, &Pki::new(), mode, None).await;
}

async fn server(stack: OpenSsl, mode: &Mode) {
    run::their_server(&stack, &Pki::new(), mode, None).await;
}

const PSK_CBC: Mode = Mode::new("PSK, CBC", Keys::Psk, 0x00AE);
const ECDHE_PSK: Mode = Mode::new("ECDHE_PSK, CBC", Keys::Psk, 0xC037);
const X509_CBC: Mode = Mode::new("X.509, CBC", Keys::X509, 0xC023);
const X509_CCM: Mode = Mode::new("X.509, CCM", Keys::X509, 0xC0AC);
const X509_GCM: Mode = Mode::new("X.509, GCM", Keys::X509, 0xC02B);

#[tokio::test]
async fn openssl_has_mac_then_encrypt_with_a_pre_shared_key() {
    client(OpenSsl::built().with("-no_etm"), &PSK_CBC).await;
    server(OpenSsl::built().with("-no_etm"), &PSK_CBC).await;
}

#[tokio::test]
async fn openssl_has_mac_then_encrypt_with_certificates() {
    client(OpenSsl::built().with("-no_etm"), &X509_CBC).await;
    server(OpenSsl::built().with("-no_etm"), &X509_CBC).await;
}

#[tokio::test]
async fn openssl_has_every_group() {
    client(OpenSsl::built().with("-groups P-384"), &ECDHE_PSK).await;
    client(OpenSsl::built().with("-no_etm -groups X25519"), &ECDHE_PSK).await;
    client(OpenSsl::built().with("-groups P-256"), &X509_CCM).await;
    client(OpenSsl::built().with("-groups X25519:P-256"), &X509_GCM).await;
    server(OpenSsl::built().with("-serverpref -groups X25519:P-256"), &X509_CCM).await;
    server(OpenSsl::built().with("-serverpref -groups P-384:P-256"), &X509_GCM).await;
}

#[tokio::test]
async fn openssl_need_not_ask_for_our_key() {
    server(OpenSsl::built().that_asks_for_nothing(), &X509_GCM).await;
}

#[tokio::test]
async fn clients_are_taken_over_with_other_suites() {
    let gcm = Mode::with("takeover, GCM", Keys::Psk, 0x00A8, Feature::Takeover);
    let ccm = Mode::with("takeover, CCM", Keys::Psk, 0xC0A4, Feature::Takeover);
    let rpk = Mode::with("takeover, RPK", Keys::Rpk, 0xC0AE, Feature::Takeover);
    let cbc = Mode::with("takeover, X.509", Keys::X509, 0xC023, Feature::Takeover);

    client(OpenSsl::built(), &gcm).await;
    client(OpenSsl::built(), &rpk).await;
    client(OpenSsl::built(), &cbc).await;
    run::their_client(&GnuTls, &Pki::new(), &ccm, None).await;
}

#[tokio::test]
async fn openssl_resumes_with_other_suites() {
    let gcm = Mode::with("GCM", Keys::Psk, 0x00A8, Feature::Resumption(By::Ticket));
    let cbc = Mode::with("CBC", Keys::Psk, 0x00AE, Feature::Resumption(By::Id));

    client(OpenSsl::built(), &gcm).await;
    client(OpenSsl::built(), &cbc).await;
}

#[tokio::test]
async fn our_client_resumes_what_certificates_and_raw_public_keys_began() {
    let ticket = Feature::Resumption(By::Ticket);
    let id = Feature::Resumption(By::Id);

    server(OpenSsl::built(), &Mode::with("X.509, ticket", Keys::X509, 0xC02B, ticket)).await;
    server(OpenSsl::built(), &Mode::with("X.509, id", Keys::X509, 0xC0AE, id)).await;
    server(OpenSsl::built(), &Mode::with("RPK, ticket", Keys::Rpk, 0xC0AE, ticket)).await;
}

#[tokio::test]
async fn openssl_makes_a_full_handshake_when_its_session_is_forgotten() {
    let mode = Mode::with("forgotten", Keys::Psk, 0xC0A8, Feature::Resumption(By::Ticket));
    let (pki, stack) = (Pki::new(), OpenSsl::built());
    let server = Server::start(&pki, mode.suite).await;
    let task = |again| Task { pki: &pki, address: server.address, mode: &mode, again };
    let mut first = stack.connect(&task(false));
    first.tell("said at first").await;
    first.says("SAID AT FIRST").await;
    first.end().await;

    server.order(Order::Forget).await;
    let mut second = stack.connect(&task(true));
    second.tell("said again").await;
    second.says("SAID AGAIN").await;

    let resumed: Vec<_> = server.seen().openings.iter().map(|opening| opening.resumed).collect();
    assert_eq!(resumed, [false, false]);
}
