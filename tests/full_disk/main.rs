//! A disk that fills up: below the reserve nothing is taken, and all goes on when there is room.
//!
//! The data folder is a small file system of its own, in a mount namespace that the process under
//! test begins in.

use claviger_device::DeviceConfig;
use claviger_tests::{Claviger, Place, Receiver, SeededCrypto, UdpDevice, psk};
use core::time::Duration;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The size of the disk, in MiB: the reserve of 64 and what a small ledger needs.
const DISK: u32 = 160;
const PATIENCE: Duration = Duration::from_secs(20);

/// Fills the disk of `claviger` until 8 MiB are left; gives the file that can go again.
fn fill(claviger: &Claviger, place: &Place) -> PathBuf {
    let inside = place.data.strip_prefix("/").expect("an absolute path");
    let path = PathBuf::from(format!("/proc/{}/root", claviger.pid())).join(inside).join("filler");
    let mut file = File::create(&path).expect("the disk can be written");
    let block = vec![0x55; 1 << 20];
    while file.write_all(&block).is_ok() {}
    let length = file.metadata().expect("it is there").len();
    file.set_len(length.saturating_sub(8 << 20)).expect("it can be cut");
    path
}

/// Waits until `/readyz` answers with `status`; gives its words.
async fn until_ready_is(claviger: &Claviger, status: u16) -> String {
    let begun = Instant::now();
    loop {
        let (is, words) = claviger.page("/readyz").await;
        if is == status {
            return words;
        }
        assert!(begun.elapsed() < PATIENCE, "/readyz still answers {is}: {words}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("{name} is missing in\n{metrics}"));
    line.rsplit(' ').next().expect("a value").parse().expect("a number")
}

#[tokio::test]
async fn below_the_reserve_nothing_is_taken_until_there_is_room() {
    // Given a Claviger on a small disk, with a device
    let folder = tempfile::tempdir().unwrap();
    let place =
        Place { disk: Some(DISK), ..Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path()) };
    let receiver = Receiver::start().await;
    let claviger = Claviger::start(&place).await;
    claviger.configure(&receiver.url, &receiver.secret, "coaps://127.0.0.1:5999").await;
    claviger.enrol("urn:dev:1", "000102030405060708090a0b0c0d0e0f").await;
    assert_eq!(claviger.page("/readyz").await.0, 200);

    // When the disk is nearly full
    let filler = fill(&claviger, &place);

    // Then it is unready and takes nothing, with words; what it knows it still shows
    let words = until_ready_is(&claviger, 503).await;
    assert!(words.contains("below its reserve of free space; make room"), "{words}");
    let (status, problem) = claviger
        .api(
            "PUT",
            "/connectors/other",
            Some(serde_json::json!({
                "url": receiver.url, "secret": receiver.secret,
            })),
        )
        .await;
    assert_eq!((status, problem["code"].as_str()), (503, Some("unavailable")), "{problem}");
    assert_eq!(claviger.api("GET", "/devices/urn:dev:1", None).await.0, 200);
    assert_eq!(claviger.page("/livez").await.0, 200);
    let (_, metrics) = claviger.page("/metrics").await;
    assert_eq!(value(&metrics, "claviger_ledger_short_of_space"), 1.0);
    assert!(value(&metrics, "claviger_ledger_proposals_without_space_total") >= 1.0);

    // And a device that comes now is not answered, but served as soon as there is room
    let config = DeviceConfig::new("urn:dev:1", psk(std::array::from_fn(|n| n as u8)));
    let crypto = Arc::new(SeededCrypto::new(1));
    let mut device = UdpDevice::switch_on(claviger.coaps, config, crypto).await;
    let early = tokio::time::timeout(Duration::from_secs(2), device.bootstrap()).await;
    assert!(early.is_err(), "served without a commit: {early:?}");
    fs::remove_file(filler).unwrap();
    let words = until_ready_is(&claviger, 200).await;
    assert_eq!(words, "ready\n");
    let account = tokio::time::timeout(Duration::from_secs(60), device.bootstrap()).await;
    account.expect("it is served in time").expect("it bootstraps");
}
