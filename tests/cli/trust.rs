//! Commands about keys and certificates, and a simulated device by each of them.

use crate::{ask, ask_with};
use claviger_tests::{Claviger, Place};
use data_encoding::BASE64;

const PKI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/curves/tests/pki");

async fn server(folder: &tempfile::TempDir) -> Claviger {
    let server = Claviger::start(&Place::new(crate::BINARY, folder.path())).await;
    ask(&server, "connector put server --url http://127.0.0.1:9/").await.ok();
    let line = "profile put meters --server-uri coaps://127.0.0.1:5999 --connector server";
    ask(&server, line).await.ok();
    server
}

#[tokio::test]
async fn a_trust_anchor_is_set_shown_replaced_when_asked_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    let put = |file: &str, more: &str| {
        format!("trust-anchor put factory --certificates {PKI}/{file} --endpoint-in uri{more}")
    };

    let shown = ask(&server, &put("ca.pem", "")).await.ok();
    assert!(shown.contains("CN=factory CA,O=Factory") && shown.contains("URI"), "{shown}");
    let line = "device enrol --endpoint urn:dev:1 --profile meters --certificate \
                --trust-anchor factory";
    assert!(ask(&server, line).await.ok().contains("certificate by factory"));
    let pem = ask(&server, "trust-anchor show factory --pem").await.ok();
    assert_eq!(pem, std::fs::read_to_string(format!("{PKI}/ca.pem")).unwrap());
    // The same again changes nothing that is trusted, another one does.
    ask(&server, &put("ca.pem", "")).await.ok();
    ask(&server, &put("device.pem", "")).await.failed(2);
    assert!(ask(&server, &put("device.pem", " --yes")).await.ok().contains("CN=urn:dev:1"));
    ask(&server, "trust-anchor delete factory --yes").await.ok();
    ask(&server, "trust-anchor show factory").await.failed(3);
}

#[tokio::test]
async fn the_servers_key_is_shown_certified_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    let made = ask(&server, "identity show --public-key").await.ok();
    assert!(made.starts_with("-----BEGIN PUBLIC KEY-----"), "{made}");
    ask(&server, "identity show --chain").await.failed(1);

    let set = format!("identity set --private-key {PKI}/device.key --chain {PKI}/device.pem");
    ask(&server, &set).await.failed(2);
    let shown = ask(&server, &format!("{set} --yes")).await.ok();
    assert!(shown.contains("CN=urn:dev:1,O=Factory") && !shown.contains("PRIVATE"), "{shown}");
    // A chain for the key that is held takes nothing away, so nobody is asked.
    ask(&server, &format!("identity set --chain {PKI}/device.pem")).await.ok();
    ask(&server, &format!("identity set --chain {PKI}/ca.pem")).await.failed(1);
    let other = ask(&server, "identity generate --yes -o json").await.json();
    assert!(other["chain"].is_null() && other["public_key"].is_string(), "{other}");
}

#[tokio::test]
async fn a_device_is_enrolled_by_its_public_key_in_pem_and_in_der() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    let pem = ask(&server, "identity show --public-key").await.ok();
    let line = "device enrol --endpoint urn:dev:1 --profile meters --public-key -";

    let shown = ask_with(&server, &format!("{line} -o json"), &pem).await.json();

    let public = shown["credentials"][0]["public_key"].as_str().unwrap().to_owned();
    let der = folder.path().join("der");
    std::fs::write(&der, BASE64.decode(public.as_bytes()).unwrap()).unwrap();
    let line = format!(
        "device enrol --endpoint urn:dev:2 --profile meters --public-key {}",
        der.display()
    );
    ask(&server, &line).await.failed(4);
}

#[tokio::test]
async fn a_simulated_device_is_served_by_each_of_its_proofs() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    for credential in ["rpk", "x509"] {
        let coaps = server.coaps;
        let line = format!("simulate lwm2m --coaps {coaps} --credential {credential}");
        let story = ask(&server, &line).await.ok();
        assert!(story.contains("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"), "{story}");
        assert!(story.contains(": active"), "{story}");
    }
}
