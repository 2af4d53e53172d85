//! DTLS clients that are not ours, against `claviger dev`: OpenSSL's and GnuTLS's.
//!
//! `tests/setup` installs them; without them these tests fail.

use claviger_tests::{Claviger, Place};
use core::time::Duration;
use serde_json::json;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;

const NAME: &str = "urn:dev:handshake";
const KEY: &str = "0f0e0d0c0b0a09080706050403020100";

async fn claviger() -> (Claviger, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path());
    let claviger = Claviger::start(&place).await;
    let secret = "whsec_bm9ib2R5IGxpc3RlbnMgaGVyZSBhdCBhbGw=";
    claviger.configure("http://127.0.0.1:9/", secret, "coaps://127.0.0.1:5999").await;
    claviger.enrol(NAME, KEY).await;
    (claviger, folder)
}

/// Runs a client with an open standard input for a moment; gives all that it printed.
async fn run(program: &str, args: &[&str]) -> String {
    // A client whose handshake is met by silence does not end by itself.
    let mut child = Command::new("timeout")
        .args(["8", program])
        .args(args)
        .env("OPENSSL_CONF", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; run tests/setup"));
    let stdin = child.stdin.take();
    // The clients end with their standard input: they get it closed when the handshake is over.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(stdin);
    });
    let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await;
    let output = output.expect("the client ends").expect("it runs");
    [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat()
}

fn openssl<'a>(address: &'a str, identity: &'a str, key: &'a str) -> [&'a str; 10] {
    let cipher = "PSK-AES128-CCM8:@SECLEVEL=0";
    let psk = ["-psk_identity", identity, "-psk", key];
    ["s_client", "-dtls1_2", "-connect", address, psk[0], psk[1], psk[2], psk[3], "-cipher", cipher]
}

async fn sessions(claviger: &Claviger) -> usize {
    let (_, device) = claviger.api("GET", &format!("/devices/{NAME}"), None).await;
    device["timeline"].to_string().matches("session.opened").count()
}

#[tokio::test]
async fn openssl_completes_the_handshake() {
    let (claviger, _folder) = claviger().await;

    let said = run("openssl", &openssl(&claviger.coaps.to_string(), NAME, KEY)).await;

    assert!(said.contains("Cipher is PSK-AES128-CCM8"), "{said}");
    assert!(said.contains("Extended master secret: yes"), "{said}");
    assert!(said.contains("Secure Renegotiation IS supported"), "{said}");
    assert_eq!(sessions(&claviger).await, 1);
}

#[tokio::test]
async fn openssl_is_told_of_an_unknown_identity() {
    let (claviger, _folder) = claviger().await;

    let said = run("openssl", &openssl(&claviger.coaps.to_string(), "urn:dev:nobody", KEY)).await;

    assert!(said.contains("alert number 115"), "{said}");
}

#[tokio::test]
async fn openssl_with_a_wrong_key_gets_no_session() {
    let (claviger, _folder) = claviger().await;
    let wrong = "ffffffffffffffffffffffffffffffff";

    let said = run("openssl", &openssl(&claviger.coaps.to_string(), NAME, wrong)).await;

    assert!(!said.contains("Extended master secret: yes"), "{said}");
    assert_eq!(sessions(&claviger).await, 0);
    let (_, attempts) = claviger.api("GET", "/unproven-attempts", None).await;
    assert!(attempts.to_string().contains("bad_key"), "{attempts}");
}

#[tokio::test]
async fn gnutls_completes_the_handshake() {
    let (claviger, _folder) = claviger().await;
    let priority = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CCM-8";
    let port = claviger.coaps.port().to_string();
    let psk = ["--pskusername", NAME, "--pskkey", KEY];
    let args = [&["--udp", "-p", &port, "127.0.0.1", "--priority", priority], &psk[..]].concat();

    let said = run("gnutls-cli", &args).await;

    assert!(said.contains("Handshake was completed"), "{said}");
    assert_eq!(sessions(&claviger).await, 1);
}

/// An authority, and a device under it whose common name is `urn:dev:1`; here both ends have its key.
const PKI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/curves/tests/pki");

fn of_pki(file: &str) -> String {
    std::fs::read_to_string(format!("{PKI}/{file}")).expect("the fixtures are there")
}

#[tokio::test]
async fn openssl_proves_itself_by_a_certificate() {
    let (claviger, _folder) = claviger().await;
    let anchor = json!({ "certificates": of_pki("ca.pem") });
    let put = claviger.api("PUT", "/trust-anchors/factory", Some(anchor)).await;
    assert_eq!(put.0, 201, "{}", put.1);
    let identity = json!({ "private_key": of_pki("device.key"), "chain": of_pki("device.pem") });
    let put = claviger.api("PUT", "/server-identity", Some(identity)).await;
    assert_eq!(put.0, 200, "{}", put.1);
    let device = json!({
        "endpoint": "urn:dev:1", "profile": "profile", "certificate": { "trust_anchor": "factory" },
    });
    assert_eq!(claviger.api("POST", "/devices", Some(device)).await.0, 201);
    let (address, cipher) = (claviger.coaps.to_string(), "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0");
    let [certificate, key, ca] =
        ["device.pem", "device.key", "ca.pem"].map(|file| format!("{PKI}/{file}"));
    let connect = ["s_client", "-dtls1_2", "-connect", &address, "-cipher", cipher];
    let proof = ["-cert", &certificate, "-key", &key, "-CAfile", &ca];

    let said = run("openssl", &[&connect[..], &proof[..]].concat()).await;

    assert!(said.contains("Cipher is ECDHE-ECDSA-AES128-CCM8"), "{said}");
    let (_, device) = claviger.api("GET", "/devices/urn:dev:1", None).await;
    assert!(device["timeline"].to_string().contains("session.opened"), "{device}");
}

#[tokio::test]
async fn openssl_resumes_its_session() {
    let (claviger, folder) = claviger().await;
    let (address, file) = (claviger.coaps.to_string(), folder.path().join("session"));
    let file = file.to_str().expect("a path in UTF-8");
    let client = openssl(&address, NAME, KEY);

    let first = run("openssl", &[&client[..], &["-sess_out", file]].concat()).await;
    let second = run("openssl", &[&client[..], &["-sess_in", file]].concat()).await;

    assert!(first.contains("New, TLSv1.2"), "{first}");
    assert!(second.contains("Reused, TLSv1.2"), "{second}");
    assert_eq!(sessions(&claviger).await, 2);
}
