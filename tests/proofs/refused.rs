//! Who cannot prove itself gets no session, counts once, and stands where an operator looks.

use super::*;
use claviger_device::Failure;
use claviger_dtls::{AlertDescription, ClientFailure};

/// The alert that a device is refused with.
async fn refused(rig: &Rig, config: DeviceConfig) -> AlertDescription {
    let mut device = rig.switch_on(config).await;
    let ended = tokio::time::timeout(PATIENCE, device.bootstrap()).await;
    match ended.expect("it is told in time") {
        Err(Failure::Dtls(ClientFailure::Alert(alert))) => alert.description,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_that_nobody_enrolled_is_unknown() {
    let rig = Rig::start().await;
    rig.enrol(public(&fresh())).await;
    let stranger = fresh();
    let keys = rig.keys(stranger, None).await;

    let alert = refused(&rig, DeviceConfig::keyed(NAME, keys)).await;

    assert_eq!(alert, AlertDescription::CERTIFICATE_UNKNOWN);
    assert_eq!(rig.metric(r#"claviger_dtls_opens_refused_total{reason="unknown_key"}"#).await, 1);
    assert_eq!(rig.metric(r#"claviger_dtls_opens_refused_total{reason="denied"}"#).await, 0);
    let (reason, fingerprint) = rig.attempt().await;
    assert_eq!((reason.as_str(), fingerprint.len()), ("unknown_key", 32));
}

#[tokio::test]
async fn a_chain_under_no_anchor_is_not_trusted() {
    let rig = Rig::start().await;
    let keys = rig.keys(device_key(), Some(DEVICE)).await;

    let alert = refused(&rig, DeviceConfig::keyed(NAME, keys)).await;

    assert_eq!(alert, AlertDescription::BAD_CERTIFICATE);
    assert_eq!(rig.metric(r#"claviger_dtls_opens_refused_total{reason="untrusted"}"#).await, 1);
    let attempt = rig.attempt().await;
    assert_eq!(attempt, ("untrusted_chain".to_owned(), "CN=urn:dev:1,O=Factory".to_owned()));
}

#[tokio::test]
async fn a_chain_that_names_a_device_of_another_kind_reaches_it_not() {
    let rig = Rig::start().await;
    rig.trust(json!({})).await;
    // The name is that of a device with a key, which no certificate stands for.
    rig.enrol(public(&fresh())).await;
    let keys = rig.keys(device_key(), Some(DEVICE)).await;

    let alert = refused(&rig, DeviceConfig::keyed(NAME, keys)).await;

    assert_eq!(alert, AlertDescription::CERTIFICATE_UNKNOWN);
    assert_eq!(rig.attempt().await.0, "unknown_subject");
    assert!(!rig.timeline().await.contains("session.opened"));
}

#[tokio::test]
async fn a_chain_under_another_anchor_than_its_devices_reaches_it_not() {
    for (trusted, alert, reason) in [
        // It leads to an anchor, under which no device has the name that it bears.
        (true, AlertDescription::CERTIFICATE_UNKNOWN, "unknown_subject"),
        (false, AlertDescription::BAD_CERTIFICATE, "untrusted_chain"),
    ] {
        let rig = Rig::start().await;
        rig.put_anchor("another", json!({ "certificates": another_authority() })).await;
        rig.enrol(json!({ "certificate": { "trust_anchor": "another" } })).await;
        if trusted {
            rig.trust(json!({ "enrol_with_profile": "profile" })).await;
        }
        let keys = rig.keys(device_key(), Some(DEVICE)).await;

        assert_eq!(refused(&rig, DeviceConfig::keyed(NAME, keys)).await, alert);

        assert_eq!(rig.attempt().await.0, reason);
        assert!(!rig.timeline().await.contains("session.opened"));
    }
}

#[tokio::test]
async fn a_certificate_opens_the_account_of_the_device_that_it_names_alone() {
    let rig = Rig::start().await;
    rig.trust(json!({})).await;
    rig.enrol(json!({ "certificate": { "trust_anchor": "factory" } })).await;
    rig.claviger.enrol("urn:dev:2", KEY_HEX).await;
    let keys = rig.keys(device_key(), Some(DEVICE)).await;

    // It asks for what is another's.
    let mut device = rig.switch_on(DeviceConfig::keyed("urn:dev:2", keys)).await;
    let ended = tokio::time::timeout(PATIENCE, device.bootstrap()).await;

    assert!(matches!(ended, Ok(Err(Failure::Refused(..)))), "{ended:?}");
    let (_, other) = rig.claviger.api("GET", "/devices/urn:dev:2/credentials", None).await;
    assert_eq!(other["credentials"].as_array().map(Vec::len), Some(1), "{other}");
}

#[tokio::test]
async fn a_revoked_key_or_certificate_opens_no_session() {
    for chain in [None, Some(DEVICE)] {
        let rig = Rig::start().await;
        rig.trust(json!({})).await;
        let proof = match chain {
            None => public(&device_key()),
            Some(_) => json!({ "certificate": { "trust_anchor": "factory" } }),
        };
        rig.enrol(proof).await;
        let config = DeviceConfig::keyed(NAME, rig.keys(device_key(), chain).await);
        let mut device = rig.switch_on(config.clone()).await;
        bootstrapped(&mut device).await;
        let (_, all) = rig.claviger.api("GET", "/devices/urn:dev:1/credentials", None).await;
        let id = all["credentials"][0]["id"].as_str().expect("a text");

        let path = format!("/devices/urn:dev:1/credentials/{id}/revoke");
        let revoked = rig.claviger.api("POST", &path, Some(json!({ "reason": "stolen" }))).await;

        assert_eq!(revoked.0, 200, "{}", revoked.1);
        // What it says in the session that it has reaches nobody.
        let again = tokio::time::timeout(Duration::from_secs(2), device.bootstrap_again()).await;
        assert!(!matches!(again, Ok(Ok(_))), "{again:?}");
        let alert = refused(&rig, config).await;
        let known = [AlertDescription::ACCESS_DENIED, AlertDescription::CERTIFICATE_UNKNOWN];
        assert!(known.contains(&alert), "{alert:?}");
    }
}

#[tokio::test]
async fn no_certificate_under_a_deleted_anchor_is_taken() {
    let rig = Rig::start().await;
    rig.trust(json!({})).await;
    rig.enrol(json!({ "certificate": { "trust_anchor": "factory" } })).await;
    let config = DeviceConfig::keyed(NAME, rig.keys(device_key(), Some(DEVICE)).await);
    bootstrapped(&mut rig.switch_on(config.clone()).await).await;

    assert_eq!(rig.claviger.api("DELETE", "/trust-anchors/factory", None).await.0, 204);

    assert_eq!(refused(&rig, config).await, AlertDescription::BAD_CERTIFICATE);
}
