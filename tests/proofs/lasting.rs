//! Sessions that outlast the process that opened them, and sessions that are resumed.

use super::*;
use claviger_tests::psk;

const HANDSHAKES: &str = r#"claviger_dtls_handshakes_total{result="ok"}"#;
const RESTORED: &str = "claviger_dtls_sessions_restored_total";

#[tokio::test]
async fn an_open_session_goes_on_after_the_process_was_killed() {
    for cid in [true, false] {
        let rig = Rig::start().await;
        rig.claviger.enrol(NAME, KEY_HEX).await;
        let config = DeviceConfig { cid, ..DeviceConfig::new(NAME, psk(KEY)) };
        let mut device = rig.switch_on(config).await;
        bootstrapped(&mut device).await;

        let rig = rig.killed().await;
        let again = tokio::time::timeout(PATIENCE, device.bootstrap_again()).await;

        again.expect("it is served in time").expect("it is served");
        assert_eq!(device.handshakes, [false], "with a connection id: {cid}");
        rig.reaches(RESTORED, 1).await;
        assert_eq!(rig.metric(HANDSHAKES).await, 0);
        assert_eq!(rig.metric(r#"claviger_dtls_strays_total{result="continued"}"#).await, 1);
    }
}

#[tokio::test]
async fn a_session_by_certificate_goes_on_after_the_process_was_killed() {
    let rig = Rig::start().await;
    rig.trust(json!({})).await;
    rig.enrol(json!({ "certificate": { "trust_anchor": "factory" } })).await;
    let config = DeviceConfig::keyed(NAME, rig.keys(device_key(), Some(DEVICE)).await);
    let mut device = rig.switch_on(config).await;
    bootstrapped(&mut device).await;

    let rig = rig.killed().await;
    let again = tokio::time::timeout(PATIENCE, device.bootstrap_again()).await;

    again.expect("it is served in time").expect("it is served");
    assert_eq!(device.handshakes, [false]);
    rig.reaches(RESTORED, 1).await;
}

#[tokio::test]
async fn a_session_that_was_revoked_meanwhile_does_not_go_on() {
    let rig = Rig::start().await;
    rig.claviger.enrol(NAME, KEY_HEX).await;
    let mut device = rig.switch_on(DeviceConfig::new(NAME, psk(KEY))).await;
    bootstrapped(&mut device).await;
    assert_eq!(rig.claviger.api("DELETE", "/devices/urn:dev:1", None).await.0, 204);

    let rig = rig.killed().await;
    // The device hears nothing, and asks again and again; what it says reaches nobody.
    let asked = tokio::time::timeout(Duration::from_secs(3), device.bootstrap_again()).await;

    assert!(!matches!(asked, Ok(Ok(_))), "{asked:?}");
    assert_eq!(rig.metric(RESTORED).await, 0);
}

#[tokio::test]
async fn a_device_resumes_its_session_by_id_and_by_ticket() {
    for tickets in [false, true] {
        let rig = Rig::start().await;
        rig.claviger.enrol(NAME, KEY_HEX).await;
        let config = DeviceConfig { tickets, ..DeviceConfig::new(NAME, psk(KEY)) };
        let mut first = rig.switch_on(config.clone()).await;
        bootstrapped(&mut first).await;
        let resumption = first.resumption().expect("the server keeps the session");
        first.close().await;

        // Also where the process is another one.
        let rig = rig.killed().await;
        let config = DeviceConfig { resumption: Some(resumption), ..config };
        let mut second = rig.switch_on(config).await;
        bootstrapped(&mut second).await;

        assert_eq!(second.handshakes, [true], "by ticket: {tickets}");
        let opened = r#"{credential="psk",mode="resumed"}"#;
        rig.reaches(&format!("claviger_dtls_sessions_established_total{opened}"), 1).await;
    }
}
