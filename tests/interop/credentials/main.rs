//! The DTLS engine alone, on real sockets, against stacks that are not ours: OpenSSL and GnuTLS,
//! each as client and as server, with pre-shared keys, raw public keys and certificates.
//!
//! Each test exchanges data both ways and checks the suite that the engine reports. OpenSSL 3.0
//! has no raw public keys (3.2 has), and GnuTLS 3.7 none of RFC 9146. `tests/setup` installs both;
//! without them these tests fail.

mod client;
mod peer;
mod pki;
mod server;

use claviger_dtls::{CertificateType, Claim, Presented, Suite};
use client::Device;
use peer::free_address;
use pki::Pki;
use server::{NAME, Server};

const HEX: &str = "0f0e0d0c0b0a09080706050403020100";
const RAW: CertificateType = CertificateType::RawPublicKey;
const X509: CertificateType = CertificateType::X509;

fn name(suite: u16) -> &'static str {
    Suite::by_id(suite).expect("it is ours").name
}

/// A client of theirs says something to our listener and hears it again.
async fn client_of_theirs(server: &Server, pki: &Pki, program: &str, arguments: &str, done: &str) {
    let folder = pki.path("");
    let mut peer = peer::start(program, &folder, arguments);
    peer.says(done).await;
    peer.tell("as it is said it comes back").await;
    // Once as it is said; GnuTLS and OpenSSL do not repeat their standard input.
    peer.says("as it is said it comes back").await;
    assert!(server.session().is_some());
}

async fn openssl_client(pki: &Pki, suite: u16, cipher: &str, more: &str) -> Claim {
    let named = Some(vec![suite]);
    let server = Server::start(pki, named).await;
    let arguments = format!(
        "s_client -dtls1_2 -connect {} -cipher {cipher}:@SECLEVEL=0 {more}",
        server.address
    );
    client_of_theirs(&server, pki, "openssl", &arguments, "SSL handshake has read").await;
    let (agreed, claim) = server.session().expect("it was just opened");
    assert_eq!(agreed, name(suite));
    claim
}

/// A server of theirs hears what our client says, or sends it back.
async fn openssl_server(suite: u16, cipher: &str, more: &str) {
    let (pki, address) = (Pki::new(), free_address().await);
    let arguments = format!(
        "s_server -dtls1_2 -accept {address} -cipher {cipher}:@SECLEVEL=0 -cert server.pem \
         -key server.key {more}"
    );
    let mut peer = peer::start("openssl", &pki.path(""), &arguments);
    peer.says("ACCEPT").await;
    let mut device = Device::start(&pki, address, suite, X509).await;

    assert_eq!(device.open().await, Ok(name(suite)));
    device.send(b"from the device\n").await;
    peer.says("from the device").await;
    peer.tell("from the server").await;

    assert_eq!(device.receive().await, b"from the server\n");
}

const CERTIFICATES: &str = "-cert client.pem -key client.key -CAfile ca.pem -verify_return_error";

fn openssl_psk() -> String {
    format!("-psk_identity {NAME} -psk {HEX}")
}

/// In both roles: a suite, OpenSSL's name of it, and what else its program is told.
const PSK: [(u16, &str, &str); 6] = [
    (0xC0A8, "PSK-AES128-CCM8", ""),
    (0xC0A4, "PSK-AES128-CCM", ""),
    (0x00A8, "PSK-AES128-GCM-SHA256", ""),
    (0x00AE, "PSK-AES128-CBC-SHA256", ""),
    // MAC-then-encrypt.
    (0x00AE, "PSK-AES128-CBC-SHA256", "-no_etm"),
    (0xC037, "ECDHE-PSK-AES128-CBC-SHA256", ""),
];

#[tokio::test]
async fn openssl_has_every_suite_of_a_pre_shared_key_as_a_client() {
    let groups = [
        (0xC037, "ECDHE-PSK-AES128-CBC-SHA256", "-groups P-384"),
        (0xC037, "ECDHE-PSK-AES128-CBC-SHA256", "-no_etm -groups X25519"),
    ];
    for (suite, cipher, more) in PSK.into_iter().chain(groups) {
        let more = format!("{} {more}", openssl_psk());
        let claim = openssl_client(&Pki::new(), suite, cipher, &more).await;

        assert_eq!(claim, Claim::Psk { identity: NAME.into() });
    }
}

#[tokio::test]
async fn openssl_has_every_signed_suite_and_group_as_a_client() {
    for (suite, cipher, more) in [
        (0xC0AE, "ECDHE-ECDSA-AES128-CCM8", ""),
        (0xC0AC, "ECDHE-ECDSA-AES128-CCM", "-groups P-256"),
        (0xC02B, "ECDHE-ECDSA-AES128-GCM-SHA256", "-groups X25519:P-256"),
        (0xC023, "ECDHE-ECDSA-AES128-SHA256", ""),
        (0xC023, "ECDHE-ECDSA-AES128-SHA256", "-no_etm"),
    ] {
        let (pki, more) = (Pki::new(), format!("{CERTIFICATES} {more}"));
        let claim = openssl_client(&pki, suite, cipher, &more).await;

        let expected = vec![pki.certificate("client"), pki.certificate("ca")];
        assert_eq!(claim, Claim::Key(Presented::Chain(expected)));
    }
}

#[tokio::test]
async fn openssl_has_every_suite_of_a_pre_shared_key_as_a_server() {
    for (suite, cipher, more) in PSK {
        openssl_server(suite, cipher, &format!("-psk {HEX} {more}")).await;
    }
}

#[tokio::test]
async fn openssl_has_every_signed_suite_as_a_server() {
    for (suite, cipher, more) in [
        (0xC0AE, "ECDHE-ECDSA-AES128-CCM8", "-Verify 1"),
        (0xC0AC, "ECDHE-ECDSA-AES128-CCM", "-Verify 1 -serverpref -groups X25519:P-256"),
        (0xC02B, "ECDHE-ECDSA-AES128-GCM-SHA256", "-Verify 1 -serverpref -groups P-384:P-256"),
        (0xC023, "ECDHE-ECDSA-AES128-SHA256", "-Verify 1"),
        // A server that asks for nothing.
        (0xC023, "ECDHE-ECDSA-AES128-SHA256", "-no_etm"),
    ] {
        let more = format!("-CAfile ca.pem -verify_return_error {more}");
        openssl_server(suite, cipher, &more).await;
    }
}

const GNUTLS: &str = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:-CIPHER-ALL:+SIGN-ALL:+GROUP-ALL";

/// Priorities and keys of GnuTLS for a form of keys; both programs have the same options.
fn gnutls(side: &str, form: CertificateType) -> String {
    match form {
        RAW => format!(
            "--rawpkkeyfile {side}.key --rawpkfile {side}.pub --priority \
             {GNUTLS}:+ECDHE-ECDSA:+AES-128-CCM-8:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"
        ),
        X509 => format!(
            "--x509cafile ca.pem --x509certfile {side}.pem --x509keyfile {side}.key --priority \
             {GNUTLS}:+ECDHE-ECDSA:+AES-128-GCM"
        ),
    }
}

#[tokio::test]
async fn gnutls_has_raw_public_keys_and_certificates_as_a_client() {
    for (form, suite) in [(RAW, 0xC0AE), (X509, 0xC02B)] {
        let pki = Pki::new();
        let server = Server::start(&pki, None).await;
        let trust = match form {
            RAW => "--no-ca-verification",
            X509 => "--verify-hostname server.test",
        };
        let arguments = format!(
            "--udp -p {} 127.0.0.1 {trust} {}",
            server.address.port(),
            gnutls("client", form)
        );

        client_of_theirs(&server, &pki, "gnutls-cli", &arguments, "Handshake was completed").await;

        let (agreed, claim) = server.session().expect("it was just opened");
        assert_eq!(agreed, name(suite));
        match form {
            RAW => assert_eq!(claim, Claim::Key(Presented::RawPublicKey(pki.public("client")))),
            X509 => assert!(matches!(claim, Claim::Key(Presented::Chain(_)))),
        }
    }
}

#[tokio::test]
async fn gnutls_has_raw_public_keys_and_certificates_as_a_server() {
    for (form, suite) in [(RAW, 0xC0AE), (X509, 0xC02B)] {
        let (pki, address) = (Pki::new(), free_address().await);
        let arguments = format!(
            "--udp --echo --require-client-cert -p {} {}",
            address.port(),
            gnutls("server", form)
        );
        let mut peer = peer::start("gnutls-serv", &pki.path(""), &arguments);
        peer.says("listening on IPv4").await;
        let mut device = Device::start(&pki, address, suite, form).await;

        assert_eq!(device.open().await, Ok(name(suite)), "{form:?}");
        device.send(b"there and back\n").await;

        assert_eq!(device.receive().await, b"there and back\n");
    }
}

#[tokio::test]
async fn gnutls_has_encrypt_then_mac() {
    let pki = Pki::new();
    let server = Server::start(&pki, None).await;
    let arguments = format!(
        "--udp -p {} 127.0.0.1 --pskusername {NAME} --pskkey {HEX} --priority \
         {GNUTLS}:+PSK:+AES-128-CBC:-MAC-ALL:+SHA256",
        server.address.port()
    );

    client_of_theirs(&server, &pki, "gnutls-cli", &arguments, "safe renegotiation, EtM").await;

    assert_eq!(server.session().expect("it was just opened").0, name(0x00AE));
}
