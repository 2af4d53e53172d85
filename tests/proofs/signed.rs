//! Devices with raw public keys and certificates are served.

use super::*;

#[tokio::test]
async fn a_device_bootstraps_by_its_raw_public_key() {
    let rig = Rig::start().await;
    let key = fresh();
    rig.enrol(public(&key)).await;

    let mut device = rig.switch_on(DeviceConfig::keyed(NAME, rig.keys(key, None).await)).await;
    bootstrapped(&mut device).await;

    let opened = r#"{credential="public_key",mode="full"}"#;
    rig.reaches(&format!("claviger_dtls_sessions_established_total{opened}"), 1).await;
    assert_eq!(rig.metric(r#"claviger_dtls_signatures_total{result="made"}"#).await, 1);
    let told = rig.timeline().await;
    assert!(told.contains("Proved the public key with the fingerprint"), "{told}");
}

#[tokio::test]
async fn a_device_bootstraps_by_a_certificate_that_names_it() {
    let rig = Rig::start().await;
    rig.trust(json!({})).await;
    rig.enrol(json!({ "certificate": { "trust_anchor": "factory" } })).await;

    let keys = rig.keys(device_key(), Some(DEVICE)).await;
    let mut device = rig.switch_on(DeviceConfig::keyed(NAME, keys)).await;
    bootstrapped(&mut device).await;

    let opened = r#"{credential="certificate",mode="full"}"#;
    rig.reaches(&format!("claviger_dtls_sessions_established_total{opened}"), 1).await;
    let told = rig.timeline().await;
    assert!(told.contains(r#"a certificate under the trust anchor \"factory\""#), "{told}");
}

#[tokio::test]
async fn a_device_that_nobody_enrolled_is_enrolled_by_its_certificate_where_an_anchor_says_so() {
    let rig = Rig::start().await;
    rig.trust(json!({ "endpoint_in": "uri", "enrol_with_profile": "profile" })).await;

    let keys = rig.keys(device_key(), Some(DEVICE)).await;
    let mut device = rig.switch_on(DeviceConfig::keyed("urn:dev:uri-1", keys)).await;
    bootstrapped(&mut device).await;

    let (status, device) = rig.claviger.api("GET", "/devices/urn:dev:uri-1", None).await;
    assert_eq!((status, &device["endpoint"]), (200, &json!("urn:dev:uri-1")), "{device}");
    assert_eq!(device["credentials"][0]["trust_anchor"], "factory");
}

#[tokio::test]
async fn the_key_of_the_server_changes_at_once() {
    let rig = Rig::start().await;
    let key = fresh();
    rig.enrol(public(&key)).await;
    let (_, before) = rig.claviger.api("GET", "/server-identity", None).await;

    let put = rig.claviger.api("PUT", "/server-identity", Some(json!({ "generate": true }))).await;

    assert_eq!(put.0, 200, "{}", put.1);
    assert_ne!(put.1["public_key"], before["public_key"]);
    let keys = rig.keys(key, None).await;
    bootstrapped(&mut rig.switch_on(DeviceConfig::keyed(NAME, keys)).await).await;
    // And a restart keeps it.
    let rig = rig.killed().await;
    assert_eq!(rig.claviger.api("GET", "/server-identity", None).await.1, put.1);
}
