//! Leshan's device with raw public keys and with certificates.

use super::*;
use claviger_curves::{SigningKey, pem};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;

/// An authority, and a device under it whose common name is [`NAME`].
const AUTHORITY: &str = include_str!("../../../node/curves/tests/pki/ca.pem");
const CERTIFICATE: &str = include_str!("../../../node/curves/tests/pki/device.pem");
const DEVICE_KEY: &str = include_str!("../../../node/curves/tests/pki/device.key");
const NAME: &str = "urn:dev:1";

fn device_key() -> SigningKey {
    SigningKey::from_der(&pem::private_key(DEVICE_KEY).expect("a key")).expect("on P-256")
}

fn certificate(text: &str) -> String {
    HEXLOWER.encode(&pem::certificates(text).expect("a certificate")[0])
}

/// Runs the device, which has this and the private key of the fixtures, and sees it registered.
async fn registers(mut rig: Rig, mode: &str, public: String, server: String) {
    let private = device_key().to_pkcs8().expect("it has an encoding");
    let secrets =
        [("PUBLIC", public), ("PRIVATE", HEXLOWER.encode(&private)), ("SERVER_PUBLIC", server)];

    let (code, said) = rig.run(NAME, &["--mode", mode], &secrets).await;

    assert_eq!(code, 0, "{said}{}", rig.timeline(NAME).await);
    rig.server_says("registered").await;
    assert!(rig.server_says("report").await.ends_with("204"));
    assert_eq!(rig.states(NAME).await, ["active"]);
}

#[tokio::test]
async fn bootstraps_with_raw_public_keys() {
    let rig = Rig::start().await;
    let key = device_key().public_key().expect("it has one");
    let device =
        json!({ "endpoint": NAME, "profile": "profile", "public_key": BASE64.encode(&key) });
    assert_eq!(rig.claviger.api("POST", "/devices", Some(device)).await.0, 201);
    let (_, server) = rig.claviger.api("GET", "/server-identity", None).await;
    let server = BASE64.decode(server["public_key"].as_str().expect("a text").as_bytes());
    let server = HEXLOWER.encode(&server.expect("base64"));

    registers(rig, "rpk", HEXLOWER.encode(&key), server).await;
}

#[tokio::test]
async fn bootstraps_with_certificates() {
    let rig = Rig::start().await;
    let anchor = json!({ "certificates": AUTHORITY });
    assert_eq!(rig.claviger.api("PUT", "/trust-anchors/factory", Some(anchor)).await.0, 201);
    let device = json!({
        "endpoint": NAME, "profile": "profile", "certificate": { "trust_anchor": "factory" },
    });
    assert_eq!(rig.claviger.api("POST", "/devices", Some(device)).await.0, 201);
    let (key, chain) = server_certificate();
    let identity = json!({ "private_key": key, "chain": chain });
    let put = rig.claviger.api("PUT", "/server-identity", Some(identity)).await;
    assert_eq!(put.0, 200, "{}", put.1);

    registers(rig, "x509", certificate(CERTIFICATE), certificate(&chain)).await;
}

/// A key for the server and its certificate, which names the address that devices connect to.
fn server_certificate() -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout key \
        -out pem -subj /CN=127.0.0.1 -days 30 -addext subjectAltName=IP:127.0.0.1";
    let made = std::process::Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder.path())
        .output();
    let made = made.expect("openssl runs: tests/setup installs it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |file| std::fs::read_to_string(folder.path().join(file)).expect("it was made");
    (read("key"), read("pem"))
}
